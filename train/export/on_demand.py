"""Exports made for `predict`, which imports this module by name where torch is installed."""

from pathlib import Path

from train.export.graphs import export_model
from train.models.load import load_model


def export_weights(model: str, folder: Path, sha256: str) -> tuple[str, ...]:
    """Export the weights `model` (see `load_model`) into `folder`; return the remarks of loading them.

    Raises:
        ModelError, WeightsError: there are no such weights, or they are damaged.
        ExportError: the graphs cannot be made, or differ from the model.
    """
    segmenter, remarks = load_model(model)
    export_model(segmenter, folder, about={"weights_sha256": sha256})
    return remarks
