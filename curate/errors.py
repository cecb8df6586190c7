"""The exceptions of curation. `code` is stable; messages may change.

catalog.errors.MedcorpusError
├── RecipeError   "recipe"  a recipe is wrong: the message lists every fault
├── SourceError   "source"  the source folder does not exist, or contains no image of the recipe
├── RunError      "run"     the run cannot start: two images map to one case id, another run is active
│   └── OptionError  "option"  an option has a value that is not allowed
└── CaseError     "case"    one case cannot be used; `reason` is the one that drops.parquet records
"""

from typing import TYPE_CHECKING, ClassVar

from catalog.drop_reasons import Reason
from catalog.errors import MedcorpusError

if TYPE_CHECKING:
    from curate.recipe.faults import Fault


class RecipeError(MedcorpusError):
    """A recipe is wrong; nothing is written.

    The message lists every fault with its file, line and key, and what is allowed there. `faults` holds the same for
    programs; it is empty if the file cannot be found or read.
    """

    code: ClassVar[str] = "recipe"

    def __init__(self, message: str, faults: "tuple[Fault, ...]" = ()) -> None:
        super().__init__(message)
        self.faults = faults


class SourceError(MedcorpusError):
    """The source folder does not exist or contains no image of the recipe; the message lists what it contains."""

    code: ClassVar[str] = "source"


class RunError(MedcorpusError):
    """A run cannot start with these options; nothing is written."""

    code: ClassVar[str] = "run"


class OptionError(RunError):
    """An option of a run has a value that is not allowed; `option` is its name."""

    code: ClassVar[str] = "option"

    def __init__(self, option: str, detail: str) -> None:
        super().__init__(f"{option}: {detail}")
        self.option = option
        self.detail = detail


class CaseError(MedcorpusError):
    """One case cannot be used, for the `reason` recorded in drops.parquet; the other cases continue."""

    code: ClassVar[str] = "case"
    exit_code = 1

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["CaseError"], tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)
