"""The exceptions of training.

catalog.errors.MedcorpusError
├── ModelError      no such model, or a library that it needs is missing
└── WeightsError    a weights file is missing, unsafe, damaged, or made for another model
"""

from catalog.errors import MedcorpusError


class ModelError(MedcorpusError):
    """No such model, or a library that it needs is missing."""


class WeightsError(MedcorpusError):
    """A weights file is missing, unsafe, damaged, or made for another model; nothing of it was loaded."""
