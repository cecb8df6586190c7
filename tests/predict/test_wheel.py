"""What a wheel holds of the models: the graphs of one, each weight once."""

import json
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from predict.engines.exported import read_exported
from predict.engines.find import SHIPPED
from predict.presets import DEFAULT_MODEL, PRESETS

ROOT = Path(__file__).parents[2]
MOST_BYTES = 19_000_000
"""A wheel has at most 20 MB; recipes and code take the rest."""


def in_the_wheel() -> list[Path]:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = [path.relative_to(ROOT) for path in SHIPPED.rglob("*") if path.is_file()]
    return [path for path in files if not any(fnmatch(str(path), pattern) for pattern in wheel["exclude"])]


def test_the_wheel_has_the_graphs_of_one_model_and_no_other_weights():
    files = in_the_wheel()
    assert {path.suffix for path in files} == {".onnx", ".bin", ".json", ".md"}
    assert sum((ROOT / path).stat().st_size for path in files) < MOST_BYTES
    weights = {path.parent.name for path in files if path.suffix in (".onnx", ".bin")}
    assert weights == {DEFAULT_MODEL}
    assert len(read_exported(SHIPPED / DEFAULT_MODEL).digests) == 4


def test_the_graphs_are_those_of_the_weights_in_the_source_tree():
    about = json.loads((SHIPPED / DEFAULT_MODEL / "model.json").read_text())
    assert about["weights_sha256"] == PRESETS[DEFAULT_MODEL].weights.sha256
