"""Find the graphs of a model: in the package, in a folder, or in the user's cache.

A model that is given as a preset or as a file of weights is exported once into the cache, which needs torch; nothing
else here does.
"""

import hashlib
import importlib.util
import os
from importlib import import_module
from pathlib import Path

from predict.engines.exported import ABOUT, FORMAT, Exported, digest, read_exported
from predict.errors import WeightsError
from predict.presets import preset

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Folders of graphs that come with the package, by the name of their model."""


def user_cache() -> Path:
    """Return medcorpus's folder in the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "medcorpus"


def find_exported(model: str, cache: Path) -> tuple[Exported, tuple[str, ...]]:
    """Return the graphs of `NAME`, `NAME=FILE`, `FILE` or a folder of graphs, and notes on where they are from.

    Weights are exported into `cache`, unless their graphs are there.

    Raises:
        ModelError, WeightsError: there is no such model or file, or the weights are not exported and torch is missing.
        ExportError: the graphs cannot be made, or differ from the model.
    """
    folder = _graphs_folder(model)
    if folder is not None:
        return read_exported(folder), ()
    name, sha256 = identify(model)
    folder = cache / "models" / f"{name}-{sha256[:16]}-{FORMAT}".replace(":", "_").replace("/", "_")
    if folder.is_dir():
        try:
            return read_exported(folder), ()
        except WeightsError:
            pass  # damaged: export it again
    if importlib.util.find_spec("torch") is None:
        raise WeightsError(
            f"{model} has to be exported once, which needs torch: pip install 'medcorpus[train]', or run "
            f"`train export {model} --out FOLDER` where torch is installed and give the folder as --model."
        )
    notes = import_module("train.export.on_demand").export_weights(model, folder, sha256)
    return read_exported(folder), (*notes, f"exported once into {folder}")


def fingerprint(model: str) -> str:
    """Return a SHA-256 that changes with the weights of `model`, which is given as to `find_exported`.

    Raises:
        ModelError, WeightsError: there is no such model or file.
    """
    folder = _graphs_folder(model)
    if folder is None:
        return identify(model)[1]
    parts = sorted(read_exported(folder).digests.items())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def identify(model: str) -> tuple[str, str]:
    """Return the preset of `NAME`, `NAME=FILE` or `FILE` (a file alone: `own`), and the SHA-256 of its weights.

    Needs no torch; published weights are not read.

    Raises:
        ModelError, WeightsError: there is no such model, file or weights.
    """
    name, _, file = model.partition("=")
    path = Path(file or model)
    if file or (path.suffix and path.is_file()):
        if not path.is_file():
            raise WeightsError(f"{path} is not a file.")
        return preset(name).name if file else "own", digest(path)
    chosen = preset(model)
    if chosen.weights is None:
        raise WeightsError(f"{chosen.name} has no weights that can be installed: write {chosen.name}=FILE.")
    return chosen.name, chosen.weights.sha256


def _graphs_folder(model: str) -> Path | None:
    """Return the folder of graphs that `model` is, or that comes with the package under this name."""
    if Path(model).is_dir():
        return Path(model)
    return SHIPPED / model if (SHIPPED / model / ABOUT).is_file() else None
