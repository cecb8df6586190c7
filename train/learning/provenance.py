"""Describe the data and the code of a run, for its run.json."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from catalog.samples import Samples


def describe_samples(samples: Samples) -> dict[str, Any]:
    """Return the number of images and masks, and a hash of all their pixels."""
    digest = hashlib.sha256()
    for name in ("image_hash", "mask_hash"):
        for value in samples.table[name].take(samples.grouped).to_pylist():
            digest.update(value.encode())
    return {"images": samples.images, "masks": samples.masks, "sha256": digest.hexdigest()}


def describe_code() -> dict[str, str]:
    """Return the versions of this package, Python and torch, and the commit where the package is a checkout.

    A commit with changed files ends in `-dirty`.
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
