"""One run at a time on a corpus, and what to trust after a power cut."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.atomic import read_json, write_json
from catalog.errors import CatalogError
from curate.errors import RunError
from curate.ledger.fragments import FOLDER

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Hold the corpus for one run. Raises RunError where another run works on it."""
    try:
        import fcntl
    except ImportError:  # no file locks of this kind on Windows
        yield
        return
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"another run works on {out}; wait for it, or give another --out") from error
        yield


def begin(out: Path) -> float | None:
    """Note that a run begins; return since when finished cases are in doubt, None where none is.

    Files that were not yet on the disk when the power went may be there by name and without content. That is so where
    the last run did not end well and the machine has been started since.
    """
    path = out / FOLDER / "session.json"
    try:
        last = read_json(path, {"ended": True})
    except CatalogError:  # itself a victim
        last = {"ended": False, "boot": None, "begun": 0.0}
    boot = _boot()
    in_doubt = not last["ended"] and last["boot"] != boot
    begun = last["begun"] if not last["ended"] else time.time()
    write_json(path, {"ended": False, "boot": boot, "begun": begun})
    return begun if in_doubt else None


def end(out: Path) -> None:
    """Note that a run ended and everything it wrote is on the disk."""
    import os

    if hasattr(os, "sync"):
        os.sync()
    write_json(out / FOLDER / "session.json", {"ended": True})


def _boot() -> str | None:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else None
