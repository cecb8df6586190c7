"""How a function is mapped over tasks: in this process, or in several.

An executor knows tasks by number, size and result only; a cluster engine fits in by the same two words.
"""

import ctypes
import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Died(Generic[T]):
    """A task whose process was killed twice: once among others, once alone."""

    task: T


class Executor(Protocol):
    """Maps a function over tasks; results come in any order."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]) -> Iterator[R | Died[T]]:
        """Yield a result, or Died, for each task; an exception of `function` ends the run."""


class SerialExecutor:
    """One task after the other, in this process."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]) -> Iterator[R | Died[T]]:
        """Yield results in the order of the tasks."""
        _keep_memory()
        thresholds = _collect_seldom()
        try:
            for task in tasks:
                yield function(task)
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()


@dataclass(frozen=True)
class ProcessExecutor:
    """Several worker processes that live over many tasks.

    No more tasks are under way than their weights (bytes of memory) leave room for in `memory`; one task is always let
    in. When a worker is killed, the tasks that were under way are tried once more, each alone.
    """

    workers: int
    memory: int

    def map(self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]) -> Iterator[R | Died[T]]:
        """Yield results as they come."""
        waiting = list(reversed(tasks))
        while waiting:
            suspects: list[T] = []
            yield from self._map_until_broken(function, waiting, weight, suspects)
            for task in suspects:
                pool = self._pool(1)
                try:
                    yield pool.submit(function, task).result()
                except BrokenProcessPool:
                    yield Died(task)
                finally:
                    _stop(pool)

    def _map_until_broken(
        self, function: Callable[[T], R], waiting: list[T], weight: Callable[[T], int], suspects: list[T]
    ) -> Iterator[R]:
        """Work `waiting` off from its end; where a worker dies, put what was under way into `suspects` and return."""
        pool = self._pool(self.workers)
        running: dict[Future[R], tuple[T, int]] = {}
        try:
            while waiting or running:
                used = sum(size for _, size in running.values())
                # one task more than there are workers, so that none waits for this process
                while waiting and len(running) <= self.workers:
                    size = weight(waiting[-1])
                    if running and used + size > self.memory:
                        break
                    task = waiting.pop()
                    running[pool.submit(function, task)] = task, size
                    used += size
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    del running[future]
                    yield result
        except BrokenProcessPool:
            suspects += [task for task, _ in running.values()]
        finally:
            _stop(pool)

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        # forkserver: workers start from a clean process that has the pipeline imported, never from one with threads
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            context.set_forkserver_preload(["curate.pipeline.curate_case"])
        return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _keep_memory() -> None:
    """Keep freed memory for the next case: asking the system anew for every volume costs a tenth of a case in page
    faults. glibc only (mallopt(3): M_MMAP_MAX, M_TRIM_THRESHOLD); elsewhere nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(-4, 0)
    mallopt(-1, 2**31 - 1)


def _collect_seldom() -> tuple[int, int, int]:
    """Let the collector look for reference cycles seldom, and return its former thresholds.

    A case makes 10^5 small objects, none of them in a cycle, and each round over all that the libraries hold would
    cost as much as a dozen slices.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    return thresholds


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, end with it, and keep to one thread."""
    _keep_memory()
    _collect_seldom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2
    import pyarrow as pa

    cv2.setNumThreads(1)
    pa.set_cpu_count(1)


def _end_with_parent() -> None:
    """Exit as soon as the parent is gone: a worker that outlived it would write beside the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End a pool at once; what its workers had begun is taken back by the next run."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)
