"""The exceptions of medcorpus; each message says what is wrong, where, and what to do.

MedcorpusError
├── CatalogError    a corpus on disk is missing, unreadable or of another version
├── DataError       a selection of a catalog's masks is empty or invalid
├── OutputError     results cannot be written: disk full, no permission
└── (curate.errors, predict.errors and train.errors add theirs)
"""


class MedcorpusError(Exception):
    """Any trouble a user can do something about; the message carries the remedy.

    `exit_code`: 2 where the request was wrong and nothing was done, 1 where something was done and something failed.
    """

    exit_code = 2


class CatalogError(MedcorpusError):
    """A corpus on disk is missing, unreadable, or written by another version."""


class DataError(MedcorpusError):
    """A selection of a catalog's masks is empty or invalid."""


class OutputError(MedcorpusError):
    """Results cannot be written; what is finished stays, and the same command resumes."""

    exit_code = 1
