"""The exceptions of curation.

catalog.errors.MedcorpusError
├── RecipeError     a recipe is wrong: every fault of it in one message
├── SourceError     the source folder does not hold what the recipe looks for
├── RunError        the run cannot be made as asked: two sources want one name, another run is at work
└── CaseError       one case cannot be used; carries the reason that drops.parquet records
"""

from catalog.drop_reasons import Reason
from catalog.errors import MedcorpusError


class RecipeError(MedcorpusError):
    """A recipe is wrong; the message lists every fault with file, line, key and what is allowed."""


class SourceError(MedcorpusError):
    """The source folder does not hold what the recipe looks for; the message says what lies there instead."""


class RunError(MedcorpusError):
    """A run cannot be made as it is asked for; nothing is written."""


class CaseError(MedcorpusError):
    """One case cannot be used, for the `reason` that goes to drops.parquet; the other cases go on."""

    exit_code = 1

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["CaseError"], tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)
