"""One task after the other, in this process."""

import gc
from collections.abc import Callable, Iterator, Sequence

from curate.executors.base import R, T, WorkerDied
from curate.executors.worker import collect_seldom, keep_memory


class SerialExecutor:
    """Runs tasks one after the other in this process."""

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]
    ) -> Iterator[R | WorkerDied[T]]:
        """Yield results in the order of the tasks."""
        keep_memory()
        thresholds = collect_seldom()
        try:
            for task in tasks:
                yield function(task)
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()
