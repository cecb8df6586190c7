"""Progress of a run on standard error: bars on a terminal, a line every few seconds in a log."""

import sys
from time import monotonic
from types import TracebackType
from typing import Any

LOG_SECONDS = 5.0


class Progress:
    """Show how many items of a run are done, and how many steps of the current item.

    Print every other message through `say` while the bars are shown.

    Args:
        total: Number of items.
        unit: What an item is called, singular.
        name: Label of the bar, and prefix of each log line.
        step: What a step of an item is called, such as `slice`; None: items have no steps.
    """

    def __init__(self, total: int, unit: str = "case", *, name: str = "", step: str | None = None) -> None:
        self._total, self._unit, self._name, self._step = total, unit, name, step
        self._done = 0
        self._item = ""
        self._logged_at = monotonic()
        self._items: Any = None
        self._steps: Any = None
        if total and sys.stderr.isatty():
            from tqdm import tqdm

            self._items = tqdm(total=total, desc=name or None, unit=unit, dynamic_ncols=True)
            self._steps = tqdm(unit=step, leave=False, dynamic_ncols=True) if step else None

    def begin(self, item: str) -> None:
        """Show the name of the item that starts."""
        self._item = item
        if self._steps is not None:
            self._steps.set_description_str(item, refresh=False)
            self._steps.reset(total=1)
        self._log()

    def step(self, done: int, total: int) -> None:
        """Show how many steps of the current item are done."""
        if self._steps is not None:
            self._steps.total = total
            self._steps.update(done - self._steps.n)
        self._log(f", {self._step} {done}/{total}")

    def advance(self, note: str = "") -> None:
        """Count one item as done; `note` (a rate, for example) is shown beside the count."""
        self._done += 1
        if self._items is not None:
            self._items.set_postfix_str(note, refresh=False)
            self._items.update()
        elif note:
            self._log(f", {note}")

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        if self._items is not None:
            self._items.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def _log(self, more: str = "") -> None:
        if self._items is None and monotonic() - self._logged_at >= LOG_SECONDS:
            self._logged_at = monotonic()
            name = f"{self._name}: " if self._name else ""
            item = f", at {self._item}" if self._item else ""
            self.say(f"{name}{self._done}/{self._total} {self._unit}s done{item}{more}")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in (self._steps, self._items):
            if bar is not None:
                bar.close()
