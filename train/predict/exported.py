"""A model as graphs in a folder: which model one word means, and where its graphs lie. Nothing here needs torch.

A folder holds `encoder.onnx`, `ground.onnx`, `mask.onnx` and `decoder.onnx` (see train/models/deployed.py) and
`model.json`, which names them with their SHA-256. `train export` writes one; a model that is asked for by the name of a
preset or by a file of weights is exported once into the user's cache folder, where torch is installed.
"""

import hashlib
import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.errors import WeightsError
from train.models.presets import preset

FORMAT = 1
"""Of the graphs and their inputs: raised when they change, so that no graph of before is run."""
ABOUT = "model.json"
GRAPHS = ("encoder", "ground", "mask", "decoder")
INT8_ENCODER = "encoder.int8"
SHIPPED = Path(__file__).parents[1] / "shipped"
"""Folders of graphs that come with the package, by the name of their model, each beside its weights and model card."""


@dataclass(frozen=True)
class Exported:
    """Graphs in a folder: the name of their preset, the edge of its images in pixels, and each graph's SHA-256."""

    folder: Path
    preset: str
    image_size: int
    digests: Mapping[str, str]

    def path(self, graph: str) -> Path:
        """Return the file of a graph."""
        return self.folder / f"{graph}.onnx"


def user_cache() -> Path:
    """Return the folder in which this user's programs keep what they can make again: its part for us."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "medcorpus"


def read_exported(folder: Path) -> Exported:
    """Read what a folder of graphs says of itself.

    Raises:
        WeightsError: it is no such folder, of another format, or a graph is missing or of another length than it was.
    """
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        graphs = {name: (str(one["sha256"]), int(one["bytes"])) for name, one in about["graphs"].items()}
        found = Exported(folder, about["preset"], int(about["image_size"]), {n: d for n, (d, _) in graphs.items()})
        form = about["format"]
    except OSError as error:
        raise WeightsError(f"{folder} is no exported model: {ABOUT}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{folder / ABOUT} is damaged: {error!r}. Export the model again.") from error
    if form != FORMAT:
        raise WeightsError(f"{folder} has format {form}; this version runs {FORMAT}: export the model again.")
    for name in {*GRAPHS, *graphs}:
        path = found.path(name)
        if name not in graphs or not path.is_file() or path.stat().st_size != graphs[name][1]:
            raise WeightsError(f"{path} is missing or damaged. Export the model again.")
    return found


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    from train.export.graphs import export_model
    from train.models.load import load_model

    segmenter, remarks = load_model(model)
    export_model(segmenter, folder, about={"weights_sha256": sha256})
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


def describe(folder: Path, about: Mapping[str, Any]) -> bytes:
    """Return the content of `model.json` for the graphs that lie in a folder."""
    files = sorted(folder.glob("*.onnx"))
    graphs = {path.name.removesuffix(".onnx"): {"sha256": digest(path), "bytes": path.stat().st_size} for path in files}
    return json.dumps({"format": FORMAT, **about, "graphs": graphs}, indent=2).encode()
