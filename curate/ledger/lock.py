"""One run at a time on a corpus."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from curate.errors import RunError
from curate.ledger.fragments import FOLDER


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Hold the corpus for one run; a folder made for a run that ends before it wrote anything is removed again.

    Raises RunError where another run works on it.
    """
    folder = out / FOLDER
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = _acquired(folder / "lock", out)
    try:
        yield
    finally:
        lock.release()
        if made:
            _remove_if_unused(folder / "lock", made)


def _acquired(path: Path, out: Path) -> FileLock | SoftFileLock:
    """Return the held lock; a file system without locks (some network disks) gets one by the file's existence."""
    lock: FileLock | SoftFileLock = FileLock(path)
    try:
        lock.acquire(blocking=False)
        return lock
    except NotImplementedError:
        lock = SoftFileLock(path.with_suffix(".held"))
    except Timeout as error:
        raise _busy(out) from error
    try:
        lock.acquire(blocking=False)
        return lock
    except Timeout as error:
        raise _busy(out, f"; if no run is active, delete {lock.lock_file}") from error


def _busy(out: Path, remedy: str = "") -> RunError:
    return RunError(f"another run is writing to {out}; wait for it, or choose another --out{remedy}")


def _remove_if_unused(lock: Path, made: list[Path]) -> None:
    """Remove the folders this run made where they hold nothing but its lock."""
    if [path.name for path in lock.parent.iterdir()] in ([], [lock.name]):
        lock.unlink(missing_ok=True)
        for path in made:
            try:
                path.rmdir()
            except OSError:
                return
