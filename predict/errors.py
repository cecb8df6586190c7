"""The exceptions of prediction.

catalog.errors.MedcorpusError
├── FolderError     the folders do not hold or take what was asked for; nothing is done
├── PromptError     a file of boxes or points cannot be read; nothing is done
├── OptionError     options that do not go together; nothing is done
├── ModelError      no such model, or a library that it needs is missing
├── WeightsError    a weights file is missing, unsafe, damaged, or made for another model
├── ExportError     an exported model cannot be made, or differs from its original
├── ScoreError      scores that cannot be computed or compared
└── CaseError       one case cannot be used; the others go on
"""

from catalog.errors import MedcorpusError


class FolderError(MedcorpusError):
    """The folders do not hold or take what was asked for; nothing is done."""


class PromptError(MedcorpusError):
    """A file of boxes or points cannot be read; the message lists its first faults, nothing is done."""


class OptionError(MedcorpusError):
    """Options that do not go together; nothing is done."""


class CaseError(MedcorpusError):
    """One case cannot be used; the message says why, the other cases go on."""

    exit_code = 1


class ModelError(MedcorpusError):
    """No such model, or a library that it needs is missing."""


class WeightsError(MedcorpusError):
    """A weights file is missing, unsafe, damaged, or made for another model; nothing of it was loaded."""


class ExportError(MedcorpusError):
    """An exported model cannot be made, or differs from its original; nothing is written."""

    exit_code = 1


class ScoreError(MedcorpusError):
    """Scores that cannot be computed, or compared with one another."""
