"""The exceptions of training.

catalog.errors.MedcorpusError
└── TrainingError       a run cannot go on: a loss that is not finite, too little memory
    └── RequestError    the run is not possible as requested: protocol, teacher, device, or a folder with another run
"""

from catalog.errors import MedcorpusError


class TrainingError(MedcorpusError):
    """A run cannot go on; its last whole checkpoint is kept."""

    code = "training"
    exit_code = 1


class RequestError(TrainingError):
    """The run is not possible as requested; nothing was done."""

    code = "request"
    exit_code = 2
