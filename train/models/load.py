"""A model by one word: the name of a preset, a file of weights, or both."""

from pathlib import Path

from predict.errors import WeightsError
from predict.presets import Preset, preset
from train.models.segmenter import Segmenter
from train.models.weights import find_weights, load_weights, read_about

ABOUT_PRESET = "preset"
"""Under this key a .safetensors file of ours names the preset that its weights are of."""


def parse_model(text: str) -> tuple[Preset, Path | None]:
    """Return the preset and the file of `NAME`, `NAME=FILE` or `FILE`; None: the preset's own weights.

    A file alone must name its preset in its metadata, as those that `train` writes do.

    Raises:
        ModelError: no preset is called so.
        WeightsError: there is no such file, or it does not say what it is of.
    """
    name, equals, file = text.partition("=")
    if equals:
        return preset(name), find_weights(Path(file))
    path = Path(text)
    if not path.suffix or not path.is_file():
        return preset(text), None
    told = read_about(path).get(ABOUT_PRESET)
    if told is None:
        raise WeightsError(f"{path} does not say which model it is of: write NAME={path}")
    return preset(told), path


def load_model(text: str) -> tuple[Segmenter, tuple[str, ...]]:
    """Return a model with its weights, from `NAME`, `NAME=FILE` or `FILE`, and remarks on how they were loaded.

    Raises:
        ModelError, WeightsError: as `parse_model`, or the weights do not fit; nothing is loaded in part.
    """
    chosen, file = parse_model(text)
    model = Segmenter(chosen)
    return model, load_weights(model, file or chosen.name)
