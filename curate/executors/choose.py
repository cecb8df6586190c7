"""Which executor a run uses where the user names none."""

from collections.abc import Callable, Sequence

from curate.executors.base import Executor, T
from curate.executors.processes import ProcessExecutor
from curate.executors.serial import SerialExecutor

TINY_BYTES = 64 << 20
"""Runs with fewer decoded bytes are done before a second worker has started (about a second)."""


def choose_executor(tasks: Sequence[T], size: Callable[[T], int], workers: int, memory: int) -> Executor:
    """Return worker processes, or this process alone for one worker or a tiny run.

    `size` gives a task's decoded bytes, `memory` is for all workers together.
    """
    workers = min(workers, len(tasks))
    if workers <= 1 or _is_tiny(tasks, size):
        return SerialExecutor()
    return ProcessExecutor(workers, memory)


def _is_tiny(tasks: Sequence[T], size: Callable[[T], int]) -> bool:
    total = 0
    for task in tasks:  # headers are read only until the answer is known
        total += size(task)
        if total > TINY_BYTES:
            return False
    return True
