"""Binary labels: where a label file is foreground."""

import numpy as np
from numpy.typing import NDArray

from curate.imaging.volume import Volume
from curate.labels.integers import expanded, refuse_not_finite
from curate.masks.select import Layer


def foreground_of(label: Volume, threshold: float | None, name: str) -> NDArray[np.bool_]:
    """Return where a label reaches `threshold`, or is not 0 where there is none; colours count by their mean.

    Raises CaseError for NaN and infinities.
    """
    voxels = expanded(label)
    if voxels.ndim == 4:
        voxels = voxels.mean(axis=3)
    refuse_not_finite(voxels, name)
    return voxels >= threshold if threshold is not None else voxels != 0


def binary_layer(foreground: NDArray[np.bool_], label_id: int) -> Layer:
    """Return the layer of one label."""
    return Layer(foreground.view(np.uint8), np.array([0, label_id], np.int32))
