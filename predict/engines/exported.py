"""A model as graphs in a folder. Nothing here needs torch.

The folder holds `encoder.onnx`, `ground.onnx`, `mask.onnx` and `decoder.onnx` (see train/models/deployed.py) and
`model.json`, which names them with their SHA-256.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predict.errors import WeightsError

FORMAT = 2
"""Of the graphs and their inputs: raised when they change, so that no graph of before is run."""
ABOUT = "model.json"
GRAPHS = ("encoder", "ground", "mask", "decoder")
INT8_ENCODER = "encoder.int8"


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


def describe(folder: Path, about: Mapping[str, Any]) -> bytes:
    """Return the content of `model.json` for the graphs that lie in a folder."""
    files = sorted(folder.glob("*.onnx"))
    graphs = {path.name.removesuffix(".onnx"): {"sha256": digest(path), "bytes": path.stat().st_size} for path in files}
    return json.dumps({"format": FORMAT, **about, "graphs": graphs}, indent=2).encode()
