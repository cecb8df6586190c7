"""What a run was made of, written beside its weights: configuration, code, data."""

import hashlib
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from catalog.atomic import write_atomic
from catalog.errors import OutputError
from catalog.samples import Samples
from train.errors import RequestError
from train.learning.checkpoint import CHECKPOINT

RUN = "run.json"
SAME = ("command", "model", "start", "backbone", "teacher", "protocol", "seed", "data")
"""What a resumed run must have in common with the one that it goes on with."""


def describe_samples(samples: Samples) -> dict[str, Any]:
    """Return how many masks and images there are, and a hash of all their pixels and boxes' places."""
    digest = hashlib.sha256()
    for name in ("image_hash", "mask_hash"):
        for value in samples.table[name].take(samples.grouped).to_pylist():
            digest.update(value.encode())
    return {"images": samples.images, "masks": samples.masks, "sha256": digest.hexdigest()}


def describe_code() -> dict[str, str]:
    """Return the versions of what computes: this package, its commit where it is a checkout, Python, torch.

    A commit ends in `-dirty` where files were changed since.
    """
    import torch

    try:
        own = version("medcorpus")
    except PackageNotFoundError:
        own = "unknown"
    found = {"medcorpus": own, "python": platform.python_version(), "torch": torch.__version__}
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():  # installed, perhaps inside another project's checkout
        return found
    try:
        told = subprocess.run(["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"], cwd=checkout,
                              capture_output=True, text=True, timeout=10, check=True)  # fmt: skip
        found["commit"] = told.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return found


def begin_run(folder: Path, run: dict[str, Any], *, resume: bool) -> None:
    """Make a run's folder and write run.json; a resumed run must be the same as before.

    A run that ended before its first checkpoint has nothing to lose: another may take its folder.

    Raises:
        RequestError: the folder holds a run already, or another one than is to be resumed.
        OutputError: the folder cannot be written to.
    """
    file = folder / RUN
    if resume:
        if not file.is_file():
            raise RequestError(f"there is nothing to resume: {file} is no file. Start without --resume")
        try:
            before = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RequestError(f"{file} cannot be read: {error}. Give another --out") from error
        if changed := _differences(_same(before), _same(run)):
            raise RequestError(f"{folder} holds another run: {'; '.join(changed)}. Give the same, or another --out")
        return
    if (folder / CHECKPOINT).exists():
        raise RequestError(f"{folder} holds a run already: go on with it by --resume, or give another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}") from error
    write_atomic(file, json.dumps(run, indent=2).encode() + b"\n")


def _same(run: dict[str, Any]) -> dict[str, Any]:
    same = {key: run.get(key) for key in SAME}
    if isinstance(same["protocol"], dict):
        same["protocol"] = {name: value for name, value in same["protocol"].items() if name != "source"}
    return same


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [
            text for key in keys for text in _differences(before.get(key), now.get(key), f"{name}.{key}".strip("."))
        ]
    return [] if before == now else [f"{name} was {before!r}, now {now!r}"]
