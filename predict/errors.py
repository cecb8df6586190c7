"""The exceptions of prediction; `code` is stable, messages may change.

catalog.errors.MedcorpusError
└── PredictError
    ├── FolderError     folder      a folder holds no cases, or must not be written to; nothing is done
    ├── PromptError     prompts     a file of boxes or points cannot be read; nothing is done
    ├── UsageError      options     options that exclude each other; nothing is done
    ├── ModelError      model       unknown model, or a missing library; nothing is done
    ├── WeightsError    weights     a weights file is missing, unsafe, damaged, or of another model
    ├── ExportError     export      a model cannot be exported, or its graphs differ from it
    ├── ScoreError      score       scores that cannot be computed or compared
    └── InputError      input       one case cannot be used, for its `fault`; the others go on
"""

from enum import StrEnum

from catalog.errors import MedcorpusError


class CaseFault(StrEnum):
    """Why a case was not segmented: the `fault` of an `InputError`, its `code` in the summary of --json."""

    # the file
    UNREADABLE = "unreadable"  # damaged, truncated, or not what its name says
    KEYS = "keys"  # an .npz without the arrays that are needed
    FORM = "form"  # pixels of a shape or a type that is not supported
    RANGE = "range"  # 8-bit pixels were expected
    CHANNELS = "channels"  # several volumes, channels or pages in one file
    GEOMETRY = "geometry"  # no position in space
    CONTRAST = "contrast"  # nothing to see in this window
    NOT_FINITE = "not_finite"  # NaN or infinite intensities
    TOO_LARGE = "too_large"  # more than fits in memory
    # the prompts
    NO_PROMPT = "no_prompt"  # neither box, point nor mask
    BOX_FORM = "box_form"  # boxes of a shape or a type that is not supported
    BOX_ORDER = "box_order"  # x1 before x0, and so on
    BOX_OUTSIDE = "box_outside"  # beyond the image, or past its border under --strict
    BOX_COUNT = "box_count"  # more objects than labels of 16 bits
    POINT_OUTSIDE = "point_outside"  # a point beyond the image
    PROMPT_TWICE = "prompt_twice"  # boxes in the case and in the file of boxes, or under two names
    # the labels that come with a case
    LABEL_FILE = "label_file"  # not one label file, or not labels
    LABEL_GRID = "label_grid"  # labels of another shape or grid than the image
    NO_REFERENCE = "no_reference"  # no labels to score by or to take boxes from
    # the names and the results
    MISSING = "missing"  # boxes or points of an image that was not found
    AMBIGUOUS = "ambiguous"  # a name that fits several images
    CLASH = "clash"  # two images whose results would have one name
    NOT_OURS = "not_ours"  # a file at the place of the result that `predict` did not write
    FORMAT = "format"  # images in a format that `predict` does not read


class PredictError(MedcorpusError):
    """Base class of the exceptions of prediction."""

    code = "predict"


class FolderError(PredictError):
    """A folder holds no cases, or must not be written to; nothing is done."""

    code = "folder"


class PromptError(PredictError):
    """A file of boxes or points cannot be read; the message lists its first faults, nothing is done."""

    code = "prompts"


class UsageError(PredictError):
    """Options exclude each other, or have a value that is not allowed; nothing is done."""

    code = "options"


class InputError(PredictError):
    """One case cannot be used; `fault` and message say why, the other cases go on."""

    code = "input"
    exit_code = 1

    def __init__(self, fault: CaseFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class ModelError(PredictError):
    """The model is unknown, or a library that it needs is missing."""

    code = "model"


class WeightsError(PredictError):
    """A weights file is missing, unsafe, damaged, or of another model; nothing of it was loaded."""

    code = "weights"


class ExportError(PredictError):
    """A model cannot be exported, or its graphs differ from it; nothing is written."""

    code = "export"
    exit_code = 1


class ScoreError(PredictError):
    """Scores cannot be computed, or compared with one another."""

    code = "score"
