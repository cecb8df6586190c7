"""Progress of a curation run: cases done, slices/s and masks/s."""

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from catalog.progress import Progress
from curate.imaging.compiled import kernels_are_compiled

if TYPE_CHECKING:
    from curate.ledger.case_result import CaseResult
    from curate.run.plan import Plan


class CaseProgress:
    """Show the progress of a recipe's cases: `begin` with the plan, `add` after each case."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._start = monotonic()
        self._images = self._masks = 0

    def begin(self, plan: "Plan") -> None:
        """Start to count a recipe's cases; finished ones are named, not counted."""
        self._start = monotonic()
        if plan.done:
            print(f"{plan.recipe.name}: {len(plan.done)} cases are finished already", file=sys.stderr)
        if plan.tasks and not kernels_are_compiled():
            print("Compiling for this machine, once; the first case takes a few seconds longer", file=sys.stderr)
        self._progress = Progress(len(plan.tasks), name=plan.recipe.name)

    def add(self, result: "CaseResult") -> None:
        """Count a case that has ended."""
        assert self._progress is not None
        self._images += result.images
        self._masks += result.masks
        seconds = max(monotonic() - self._start, 1e-6)
        self._progress.advance(f"{self._images / seconds:.0f} slices/s, {self._masks / seconds:.0f} masks/s")

    def __enter__(self) -> "CaseProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.__exit__(kind, error, trace)
