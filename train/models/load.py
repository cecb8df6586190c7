"""Load a model given by one word: the name of a preset, a weights file, or both."""

from pathlib import Path

from predict.errors import WeightsError
from predict.presets import Preset, preset
from train.models.segmenter import Segmenter
from train.models.weights import find_weights, load_weights, read_about

ABOUT_PRESET = "preset"
"""Metadata key under which our .safetensors files name the preset of their weights."""


def parse_model(text: str) -> tuple[Preset, Path | None]:
    """Return the preset and the file of `NAME`, `NAME=FILE` or `FILE`; None: the preset's own weights.

    A file alone must name its preset in its metadata, as those that `train` writes do.

    Raises:
        ModelError: there is no such preset.
        WeightsError: there is no such file, or it does not name its model.
    """
    name, equals, file = text.partition("=")
    if equals:
        return preset(name), find_weights(Path(file))
    path = Path(text)
    if not path.suffix or not path.is_file():
        return preset(text), None
    named = read_about(path).get(ABOUT_PRESET)
    if named is None:
        raise WeightsError(f"{path} does not name its model: write NAME={path}")
    return preset(named), path


def load_model(text: str) -> tuple[Segmenter, tuple[str, ...]]:
    """Return a model with its weights, from `NAME`, `NAME=FILE` or `FILE`, and remarks on how they were loaded.

    Raises:
        ModelError, WeightsError: as `parse_model`, or the weights do not fit the model.
    """
    chosen, file = parse_model(text)
    model = Segmenter(chosen)
    return model, load_weights(model, file or chosen.name)
