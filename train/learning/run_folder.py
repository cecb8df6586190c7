"""The folder of a run: chosen, created, recognised when the same command runs again."""

import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from catalog.atomic import write_atomic
from catalog.errors import OutputError
from train.errors import RequestError
from train.learning.checkpoint import CHECKPOINT

RUNS = Path("runs")
"""Where runs go unless a folder is given."""
RUN = "run.json"
FINISHED = "finished"
"""Key of run.json that is true once the run has ended."""
SAME = ("command", "model", "start", "backbone", "teacher", "protocol", "seed", "data")
"""Keys of run.json that a resumed run must share with the interrupted one."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run is written; `resumed` if it goes on from a checkpoint there, with a `note` for the user."""

    path: Path
    resumed: bool = False
    note: str | None = None


def open_run(out: Path | None, name: str, run: dict[str, Any], *, resume: bool = False) -> RunFolder:
    """Create a run's folder with its run.json, or find the interrupted run to go on with.

    A folder that holds the same run is resumed. A run that ended before its first checkpoint is started again.

    Args:
        out: The folder; None: `runs/NAME-1`, or the next number, or that of the same run if it was interrupted.
        name: The name of a folder that is not given.
        run: The content of run.json.
        resume: There must be a run to resume; it may be given more epochs.

    Raises:
        RequestError: the folder holds another run, or there is nothing to resume.
        OutputError: the folder cannot be written.
    """
    if out is not None:
        return _open_given(out, run, resume)
    for number in count(1):
        folder = RUNS / f"{name}-{number}"
        if not folder.exists():
            break
        if (folder / RUN).is_file():
            before = _read(folder)
            if not before.get(FINISHED) and not _differences(_shared(before), _shared(run)):
                break
    return _open_given(folder, run, resume)


def finish_run(folder: Path) -> None:
    """Note in run.json that the run has ended."""
    write_atomic(folder / RUN, _encode(_read(folder) | {FINISHED: True}))


def _open_given(folder: Path, run: dict[str, Any], resume: bool) -> RunFolder:
    if not (folder / CHECKPOINT).exists():
        if resume:
            raise RequestError(
                f"nothing to resume in {folder}: no {CHECKPOINT}. Give the folder of the run, or leave out --resume"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be created: {error.strerror or error}") from error
        write_atomic(folder / RUN, _encode(run))
        return RunFolder(folder)
    before = _read(folder)
    changed = _differences(_shared(before), _shared(run))
    if not changed:
        return RunFolder(folder, True, f"{folder}: resumed from its last checkpoint")
    old, new = (one["protocol"].get("epochs", 0) for one in (_shared(before), _shared(run)))
    if len(changed) == 1 and new > old:
        if not resume:
            raise RequestError(f"{folder} holds this run with {old} epochs: give --resume to train it to {new}")
        write_atomic(folder / RUN, _encode(before | run | {FINISHED: False}))
        note = f"{folder}: resumed, now {new} epochs in place of {old}"
        if (schedule := run["protocol"].get("schedule")) in ("cosine", "poly"):
            note += f"; the learning rate continues on the {schedule} schedule of {new} epochs"
        return RunFolder(folder, True, note)
    raise RequestError(
        f"{folder} holds another run: {'; '.join(changed)}. Give the same options or another --out; to train its "
        "weights in another way, use `train finetune`"
    )


def _read(folder: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((folder / RUN).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"{folder / RUN} cannot be read: {error}. Give another --out") from error
    return content


def _encode(run: dict[str, Any]) -> bytes:
    return json.dumps(run, indent=2).encode() + b"\n"


def _shared(run: dict[str, Any]) -> dict[str, Any]:
    shared = {key: run.get(key) for key in SAME}
    protocol = shared["protocol"] or {}
    return shared | {"protocol": {name: value for name, value in protocol.items() if name != "source"}}


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [
            text for key in keys for text in _differences(before.get(key), now.get(key), f"{name}.{key}".strip("."))
        ]
    return [] if before == now else [f"{name} was {before!r}, now {now!r}"]
