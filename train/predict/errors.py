"""The exceptions of prediction.

catalog.errors.MedcorpusError
├── FolderError     the folders do not hold or take what was asked for; nothing is done
├── CaseError       one case cannot be used; the others go on
└── OutputError     the results cannot be written: disk full, no permission
"""

from catalog.errors import MedcorpusError


class FolderError(MedcorpusError):
    """The folders do not hold or take what was asked for; nothing is done."""


class CaseError(MedcorpusError):
    """One case cannot be used; the message says why, the other cases go on."""

    exit_code = 1


class OutputError(MedcorpusError):
    """The results cannot be written; those that are there are whole."""

    exit_code = 1
