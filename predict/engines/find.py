"""Where the graphs of a model lie: beside its weights in the package, in a folder, or in the user's cache.

A model that is asked for by the name of a preset or by a file of weights is exported once into the cache, where torch
is installed. Until then, nothing here needs torch.
"""

import importlib.util
import os
from importlib import import_module
from pathlib import Path

from predict.engines.exported import ABOUT, FORMAT, Exported, digest, read_exported
from predict.errors import WeightsError
from predict.presets import preset

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Folders of graphs that come with the package, by the name of their model, each beside its weights and model card."""


def user_cache() -> Path:
    """Return the folder in which this user's programs keep what they can make again: its part for us."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "medcorpus"


def find_exported(model: str, cache: Path) -> tuple[Exported, tuple[str, ...]]:
    """Return the graphs of `NAME`, `NAME=FILE`, `FILE` or of a folder of graphs, and remarks on where they are from.

    Those of weights are exported into `cache`, unless they lie there.

    Raises:
        ModelError, WeightsError: there is no such model or file, or the weights are not exported and torch is missing.
        ExportError: the graphs cannot be made, or do not do what the model does.
    """
    if Path(model).is_dir():
        return read_exported(Path(model)), ()
    if (SHIPPED / model / ABOUT).is_file():
        return read_exported(SHIPPED / model), ()
    name, sha256 = identify(model)
    folder = cache / "models" / f"{name}-{sha256[:16]}-{FORMAT}".replace(":", "_").replace("/", "_")
    if folder.is_dir():
        try:
            return read_exported(folder), ()
        except WeightsError:
            pass  # made anew below, over what is damaged
    if importlib.util.find_spec("torch") is None:
        raise WeightsError(
            f"{model} has to be exported once, which needs torch: pip install 'medcorpus[train]', or run "
            f"`train export {model} --out FOLDER` where torch is installed and give the folder as the model."
        )
    remarks = import_module("train.export.on_demand").export_weights(model, folder, sha256)
    return read_exported(folder), (*remarks, f"exported once into {folder}")


def identify(model: str) -> tuple[str, str]:
    """Return the preset of `NAME`, `NAME=FILE` or `FILE` (of a file alone: `own`), and the SHA-256 of its weights.

    Published weights are not read, and torch is not asked.

    Raises:
        ModelError, WeightsError: there is no such model, file or weights.
    """
    name, _, file = model.partition("=")
    path = Path(file or model)
    if file or (path.suffix and path.is_file()):
        if not path.is_file():
            raise WeightsError(f"{path} is no file.")
        return preset(name).name if file else "own", digest(path)
    chosen = preset(model)
    if chosen.weights is None:
        raise WeightsError(f"no weights of {chosen.name} can be installed: write {chosen.name}=FILE.")
    return chosen.name, chosen.weights.sha256
