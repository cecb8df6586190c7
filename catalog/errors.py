"""The exceptions of medcorpus. Each message says what is wrong, where, and what to do.

MedcorpusError           "medcorpus"
├── CatalogError         "catalog"    a corpus on disk is missing, damaged or of another schema version
│   └── QueryError       "query"      a `where` expression or a column name is wrong
├── DataError            "selection"  a selection of a catalog's masks is empty or invalid
├── OutputError          "output"     results cannot be written: disk full, no permission
├── MissingPackageError  "package"    an optional package is not installed
└── (curate.errors, predict.errors and train.errors add theirs)
"""

from typing import ClassVar


class MedcorpusError(Exception):
    """Base of every error that a user can fix; the message says how.

    Attributes:
        code: A short, stable name of the kind of error, for programs; messages may change, codes do not.
        exit_code: Exit status of the commands: 2 for a usage or configuration error (nothing was done), 1 if
            something failed during the work.
    """

    code: ClassVar[str] = "medcorpus"
    exit_code = 2


class CatalogError(MedcorpusError):
    """A corpus on disk is missing, damaged, or written by another version."""

    code = "catalog"


class QueryError(CatalogError):
    """A `where` expression or a column name is wrong."""

    code = "query"


class DataError(MedcorpusError):
    """A selection of a catalog's masks is empty or invalid."""

    code = "selection"


class OutputError(MedcorpusError):
    """Results cannot be written; finished work stays, and the same command resumes."""

    code = "output"
    exit_code = 1


class MissingPackageError(MedcorpusError):
    """An optional package is not installed; the message says how to install it."""

    code = "package"
