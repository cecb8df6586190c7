"""Which finished cases to trust after a power cut.

Files that had not reached the disk when the power went may be there by name but without content. A run therefore has an
id, which its fragments carry. The id is listed as open until everything the run wrote is known to be on disk. An open
id of an earlier boot is lost: its cases are done again whenever their recipe is run next. No clock is compared.
"""

import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.atomic import read_json, write_json
from catalog.errors import CatalogError
from curate.ledger.fragments import FOLDER, datasets, fragments, read_result

FILE = "session.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass
class Session:
    """The run at work: its id, and the ids of the runs whose files may not have reached the disk."""

    out: Path
    run: str
    lost: frozenset[str]
    _open: dict[str, str | None] = field(default_factory=dict)

    def open(self) -> None:
        """Note that the run begins to write."""
        _write(self.out, self._open)

    def end(self) -> None:
        """Flush everything to disk and close the ids of this boot; a lost one stays while a case carries it."""
        if hasattr(os, "sync"):
            os.sync()
        carried = _carried(self.out) & self.lost if self.lost else frozenset[str]()
        _write(self.out, {run: boot for run, boot in self._open.items() if run in carried})


def new_session(out: Path) -> Session:
    """Return the session of a new run; nothing is written before it is opened."""
    boot = _boot()
    opened = _read(out)
    lost = frozenset(run for run, since in opened.items() if since != boot)
    run = uuid.uuid4().hex[:16]
    return Session(out, run, lost, {**opened, run: boot})


def _carried(out: Path) -> frozenset[str]:
    """Return the run ids of all finished cases."""
    results = (read_result(path) for dataset in datasets(out) for _, path in fragments(out, dataset))
    return frozenset(result.run for result in results if result is not None)


def _read(out: Path) -> dict[str, str | None]:
    """Return the open runs with the boot they began in."""
    try:
        content: Any = read_json(out / FOLDER / FILE, {})
    except CatalogError:
        content = None
    if not isinstance(content, dict):
        return {"": None}  # the file is itself a victim: trust nothing that has no id
    if "ended" in content:  # medcorpus 0.1: one run without an id
        return {} if content["ended"] else {"": content.get("boot")}
    return dict(content.get("open", {}))


def _write(out: Path, opened: dict[str, str | None]) -> None:
    write_json(out / FOLDER / FILE, {"open": opened})


def _boot() -> str | None:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else None
