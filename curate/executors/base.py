"""How a function is mapped over tasks: what `run` asks of an executor.

An executor knows tasks by number, weight and result only. A new one is one module with a `map`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class WorkerDied(Generic[T]):
    """A task whose process was killed twice: once among others, once alone. `cause` says by what, where it is known."""

    task: T
    cause: str = ""


class Executor(Protocol):
    """Maps a function over tasks; results come in any order."""

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]
    ) -> Iterator[R | WorkerDied[T]]:
        """Yield a result, or WorkerDied, for each task; an exception of `function` ends the run.

        `weight` gives the bytes of memory a task may take.
        """
