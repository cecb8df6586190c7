"""The exceptions of training.

catalog.errors.MedcorpusError
├── ModelError      no such model, or a library that it needs is missing
├── WeightsError    a weights file is missing, unsafe, damaged, or made for another model
├── DataError       a catalog gives nothing to train on, or sampling or augmentation were asked for wrongly
└── ScoreError      scores that cannot be computed, or compared with one another
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
