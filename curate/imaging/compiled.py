"""Whether the numba kernels are compiled on this machine already."""

import os
from importlib.util import find_spec
from pathlib import Path

MODULES = ("curate.imaging.kernels", "curate.masks.components")


def kernels_are_compiled() -> bool:
    """Tell whether numba's disk cache has an index of every kernel module; numba itself is not imported.

    The cache is in $NUMBA_CACHE_DIR, else next to the module, else in the user's cache folder
    (numba.readthedocs.io/en/stable/developer/caching.html).
    """
    return all(_is_cached(name) for name in MODULES)


def _is_cached(module: str) -> bool:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return False
    path = Path(spec.origin)
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(chosen)] if chosen else [path.parent / "__pycache__", Path.home() / ".cache" / "numba"]
    return any(True for folder in folders for _ in folder.rglob(f"{path.stem}.*.nbi"))
