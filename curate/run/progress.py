"""The progress of a run: a bar on a terminal, a line every few seconds in a log."""

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

    from curate.ledger.case_result import CaseResult
    from curate.run.plan import Plan

LOG_SECONDS = 5.0


class Progress:
    """Shows cases done, slices/s and masks/s on standard error: `begin` with the plan, `add` after each case."""

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None
        self._log_at = 0.0
        self._start = monotonic()
        self._done = self._total = self._images = self._masks = 0
        self._dataset = ""

    def begin(self, plan: "Plan") -> None:
        """Start to count a recipe's cases; those done before are said, not counted."""
        self._start = self._log_at = monotonic()
        self._total, self._dataset = len(plan.tasks), plan.recipe.name
        if plan.done:
            print(f"{self._dataset}: {len(plan.done)} cases are finished already", file=sys.stderr)
        if self._total and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, desc=self._dataset, unit="case", dynamic_ncols=True)

    def add(self, result: "CaseResult") -> None:
        """Count a case that has ended."""
        self._done += 1
        self._images += result.images
        self._masks += result.masks
        if self._bar is not None:
            self._bar.set_postfix_str(self._rates(), refresh=False)
            self._bar.update()
        elif monotonic() - self._log_at >= LOG_SECONDS:
            self._log_at = monotonic()
            print(
                f"{self._dataset}: {self._done}/{self._total} cases, {self._rates()}",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def _rates(self) -> str:
        seconds = max(monotonic() - self._start, 1e-6)
        return f"{self._images / seconds:.0f} slices/s, {self._masks / seconds:.0f} masks/s"
