"""The exceptions of training.

catalog.errors.MedcorpusError
└── TrainingError       "training"  a run cannot go on: a loss that is not finite, too little memory
    └── RequestError    "request"   a run is impossible as requested: protocol, teacher, device, folder of another run
"""

from catalog.errors import MedcorpusError


class TrainingError(MedcorpusError):
    """A run cannot go on; its last complete checkpoint is kept."""

    code = "training"
    exit_code = 1


class RequestError(TrainingError):
    """A run is impossible as requested; nothing was done."""

    code = "request"
    exit_code = 2
