"""Both executors give every result once; a killed worker costs its own task at most."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from curate.executors.base import WorkerDied
from curate.executors.processes import ProcessExecutor
from curate.executors.serial import SerialExecutor


def square(number: int) -> int:
    return number * number


def square_but_die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_the_first_time(path: Path) -> str:
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def fail(number: int) -> int:
    raise ValueError(f"no {number}")


def slow(number: int) -> float:
    start = time.monotonic()
    time.sleep(0.05)
    return start


@pytest.mark.parametrize("executor", [SerialExecutor(), ProcessExecutor(1, 10), ProcessExecutor(2, 10)])
def test_every_task_has_one_result(executor: SerialExecutor | ProcessExecutor) -> None:
    assert sorted(executor.map(square, range(7), lambda _: 1)) == [n * n for n in range(7)]  # type: ignore[type-var]


def test_a_task_that_kills_its_worker_is_told_and_the_others_go_on() -> None:
    results = list(ProcessExecutor(2, 10).map(square_but_die_at_three, list(range(8)), lambda _: 1))
    assert [one for one in results if isinstance(one, WorkerDied)] == [WorkerDied(3)]
    assert sorted(one for one in results if not isinstance(one, WorkerDied)) == [0, 1, 4, 16, 25, 36, 49]


def test_a_task_whose_worker_was_killed_once_is_tried_again(tmp_path: Path) -> None:
    assert list(ProcessExecutor(1, 10).map(die_the_first_time, [tmp_path / "mark"], lambda _: 1)) == ["done"]


@pytest.mark.parametrize("executor", [SerialExecutor(), ProcessExecutor(2, 10)])
def test_an_error_of_the_function_ends_the_run(executor: SerialExecutor | ProcessExecutor) -> None:
    with pytest.raises(ValueError, match="no"):
        list(executor.map(fail, [1, 2], lambda _: 1))


def test_tasks_too_heavy_for_the_memory_run_one_by_one() -> None:
    starts = sorted(ProcessExecutor(2, 10).map(slow, list(range(4)), lambda _: 11))
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.05


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    code = f"""
import os, time
from pathlib import Path
from curate.executors.processes import ProcessExecutor
from tests.curate.executors.test_processes import note_and_wait
if __name__ == "__main__":
    list(ProcessExecutor(1, 10).map(note_and_wait, [Path({str(tmp_path / "pid")!r})], lambda _: 1))
"""
    script = tmp_path / "parent.py"
    script.write_text(code)
    root = Path(__file__).parents[3]
    parent = subprocess.Popen([sys.executable, script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    while _is_alive(worker):
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)


def note_and_wait(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(120)


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_script_without_a_main_guard_is_not_run_again_by_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from curate.executors.processes import ProcessExecutor\n"
        "print('started')\n"
        "print(sorted(ProcessExecutor(2, 10).map(abs, [-1, 2, -3], lambda _: 1)))\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (ended.stdout, ended.returncode) == ("started\n[1, 2, 3]\n", 0), ended.stderr
