"""Several worker processes on this machine."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from curate.executors.base import R, T, WorkerDied
from curate.executors.worker import start_worker


@dataclass(frozen=True)
class ProcessExecutor:
    """Runs tasks in worker processes that live over many tasks.

    Tasks run side by side only as far as their weights (bytes) fit into `memory`; one task is always admitted. When a
    worker is killed, the tasks under way are tried once more, each alone.
    """

    workers: int
    memory: int

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]
    ) -> Iterator[R | WorkerDied[T]]:
        """Yield results as they come."""
        waiting = list(reversed(tasks))
        while waiting:
            suspects: list[T] = []
            yield from self._map_until_broken(function, waiting, weight, suspects)
            for task in suspects:
                pool = self._pool(1)
                try:
                    yield _submit(pool, function, task).result()
                except BrokenProcessPool:
                    yield WorkerDied(task)
                finally:
                    _stop(pool)

    def _map_until_broken(
        self, function: Callable[[T], R], waiting: list[T], weight: Callable[[T], int], suspects: list[T]
    ) -> Iterator[R]:
        """Run `waiting` from its end; when a worker dies, put the tasks under way into `suspects` and return."""
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
                    running[_submit(pool, function, task)] = task, size
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
        return ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker)


def _submit(pool: ProcessPoolExecutor, function: Callable[[T], R], task: T) -> Future[R]:
    """Submit a task; the pool starts its processes here."""
    with _hidden_main():
        return pool.submit(function, task)


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep new processes from importing the user's script, which would run it again in each of them.

    multiprocessing imports `__main__` in new processes unless it has no file. Our tasks need nothing from it, so that
    scripts that call the library need no `if __name__ == "__main__"`.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _stop(pool: ProcessPoolExecutor) -> None:
    """End a pool at once; the next run removes what its workers had begun."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)
