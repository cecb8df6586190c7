"""The exceptions of training.

catalog.errors.MedcorpusError
├── ModelError      no such model, or a library that it needs is missing
├── WeightsError    a weights file is missing, unsafe, damaged, or made for another model
├── DataError       a catalog gives nothing to train on, or sampling or augmentation were asked for wrongly
├── ScoreError      scores that cannot be computed, or compared with one another
├── TrainingError   a run cannot go on: a loss that is no number, too little memory
│   └── RequestError    it was asked for wrongly: protocol, teacher, device, or a folder with another run
├── ExportError     an exported model cannot be made, or does not do what its original does
└── OutputError     results cannot be written: disk full, no permission
"""

from catalog.errors import MedcorpusError


class ModelError(MedcorpusError):
    """No such model, or a library that it needs is missing."""


class WeightsError(MedcorpusError):
    """A weights file is missing, unsafe, damaged, or made for another model; nothing of it was loaded."""


class DataError(MedcorpusError):
    """A catalog gives nothing to train on, or sampling or augmentation were asked for wrongly."""


class ScoreError(MedcorpusError):
    """Scores that cannot be computed, or compared with one another."""


class TrainingError(MedcorpusError):
    """A run cannot go on; its last whole checkpoint is kept."""

    exit_code = 1


class RequestError(TrainingError):
    """A run was asked for wrongly; nothing was done."""

    exit_code = 2


class ExportError(MedcorpusError):
    """An exported model cannot be made, or does not do what its original does; nothing is written."""

    exit_code = 1


class OutputError(MedcorpusError):
    """Results cannot be written: disk full, no permission; those that are there are whole."""

    exit_code = 1
