"""How far a prediction is: bars on a terminal, a line every few seconds in a log."""

import sys
from time import monotonic
from types import TracebackType
from typing import Any

LOG_SECONDS = 5.0


class Progress:
    """Shows cases and slices done on standard error; what is to be said meanwhile goes through `say`."""

    def __init__(self, cases: int) -> None:
        self._total, self._done = cases, 0
        self._name = ""
        self._log_at = monotonic()
        self._cases: Any = None
        self._slices: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._cases = tqdm(total=cases, unit="case", dynamic_ncols=True)
            self._slices = tqdm(unit="slice", leave=False, dynamic_ncols=True)

    def begin(self, name: str) -> None:
        """Start with a case."""
        self._name = name
        if self._slices is not None:
            self._slices.set_description_str(name, refresh=False)
            self._slices.reset(total=1)
        self._log("")

    def slices(self, done: int, total: int) -> None:
        """Tell how many slices of the case have been gone through."""
        if self._slices is not None:
            self._slices.total = total
            self._slices.update(done - self._slices.n)
        self._log(f", slice {done}/{total}")

    def end(self) -> None:
        """Count the case."""
        self._done += 1
        if self._cases is not None:
            self._cases.update()

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        if self._cases is not None:
            self._cases.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def _log(self, where: str) -> None:
        if self._cases is None and monotonic() - self._log_at >= LOG_SECONDS:
            self._log_at = monotonic()
            self.say(f"{self._done}/{self._total} cases done, at {self._name}{where}")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cases is not None:
            self._slices.close()
            self._cases.close()
