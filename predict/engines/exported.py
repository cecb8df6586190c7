"""An exported model: graphs in a folder, run without torch.

The folder holds `encoder.onnx`, `ground.onnx`, `mask.onnx` and `decoder.onnx` (see train/models/deployed.py) and
`model.json`, which lists them with their SHA-256. Weights that several graphs use may be in `shared.bin`, as external
data of ONNX; `model.json` lists it under `data`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predict.errors import WeightsError

FORMAT = 2
"""Version of the graphs and their inputs; graphs of another version are refused."""
ABOUT = "model.json"
GRAPHS = ("encoder", "ground", "mask", "decoder")
INT8_ENCODER = "encoder.int8"
SHARED = "shared.bin"
"""The file of weights that several graphs use."""


@dataclass(frozen=True)
class Exported:
    """An exported model.

    folder: The folder of its graphs.
    preset: The name of its preset.
    image_size: Edge of its square image, in pixels.
    digests: For each graph the SHA-256 of all that it consists of.
    """

    folder: Path
    preset: str
    image_size: int
    digests: Mapping[str, str]

    def path(self, graph: str) -> Path:
        """Return the file of a graph."""
        return self.folder / f"{graph}.onnx"


def read_exported(folder: Path) -> Exported:
    """Read the description of an exported model.

    Raises:
        WeightsError: `folder` is not an exported model, has another format, or a file is missing or of another length.
    """
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        graphs, data = _files(about["graphs"], ".onnx"), _files(about.get("data", {}), "")
        preset, image_size, version = about["preset"], int(about["image_size"]), about["format"]
    except OSError as error:
        raise WeightsError(f"{folder} is not an exported model: {ABOUT}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{folder / ABOUT} is damaged: {error!r}. Export the model again.") from error
    if version != FORMAT:
        raise WeightsError(f"{folder} has format {version}; this version runs {FORMAT}: export the model again.")
    files = graphs | data
    for name in dict.fromkeys((*(f"{name}.onnx" for name in GRAPHS), *files)):
        path = folder / name
        if name not in files or not path.is_file() or path.stat().st_size != files[name][1]:
            raise WeightsError(f"{path} is missing or damaged. Export the model again.")
    common = "".join(f"+{sha256}" for sha256, _ in data.values())
    digests = {name.removesuffix(".onnx"): sha256 + common for name, (sha256, _) in graphs.items()}
    return Exported(folder, preset, image_size, digests)


def _files(described: Mapping[str, Any], suffix: str) -> dict[str, tuple[str, int]]:
    return {f"{name}{suffix}": (str(file["sha256"]), int(file["bytes"])) for name, file in described.items()}


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(folder: Path, about: Mapping[str, Any]) -> bytes:
    """Return the content of `model.json` for the graphs and the shared weights in a folder."""
    graphs = {path.name.removesuffix(".onnx"): _described(path) for path in sorted(folder.glob("*.onnx"))}
    data = {"data": {SHARED: _described(folder / SHARED)}} if (folder / SHARED).is_file() else {}
    return json.dumps({"format": FORMAT, **about, "graphs": graphs, **data}, indent=2).encode()


def _described(path: Path) -> dict[str, str | int]:
    return {"sha256": digest(path), "bytes": path.stat().st_size}
