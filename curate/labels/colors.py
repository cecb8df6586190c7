"""Colour labels: each pixel becomes the listed colour it is nearest to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.labels.integers import expanded, layers_of
from curate.masks.select import Layer
from curate.recipe.resolved import Group

BLACK = (0, 0, 0)


def palette_of(group: Group) -> list[Any]:
    """Return the colours a pixel may have: background (black and `ignore`), then those of the labels."""
    wanted = [color for label in group.labels for color in label.values]
    return [*(color for color in (BLACK, *group.ignore) if color not in wanted), *wanted]


def snap_to_palette(label: Volume, name: str, group: Group, palette: Sequence[Any], notes: list[str]) -> list[Layer]:
    """Return the layers of an 8-bit colour label.

    The distance of two colours is the greatest difference of a channel. Raises CaseError for pixels further than
    `group.tolerance` from every listed colour; with `group.nearest` they are taken and counted in `notes`.
    """
    colors = expanded(label)
    if colors.dtype != np.uint8:
        raise CaseError(Reason.LABELS, f"{name} holds {colors.dtype} values: the encoding `rgb` is for 8-bit images")
    if colors.ndim != 4:
        colors = np.repeat(colors[..., np.newaxis], 3, axis=3)
    distances = np.full(colors.shape[:3], 256, np.int16)
    codes = np.zeros(colors.shape[:3], np.uint16)
    for code, color in enumerate(palette):
        distance = np.abs(colors.astype(np.int16) - np.array(color, np.int16)).max(axis=3)
        closer = distance < distances
        codes[closer] = code
        distances[closer] = distance[closer]
    far = distances > group.tolerance
    if far.any():
        if not group.nearest:
            raise _unknown_colors(colors[far], name)
        notes.append(f"{name}: {int(far.sum())} pixels took the nearest listed colour (of {far.size})")
    numbered = [replace(one, values=tuple(palette.index(color) for color in one.values)) for one in group.labels]
    return layers_of(codes, np.arange(len(palette)), numbered)


def _unknown_colors(colors: NDArray[np.uint8], name: str) -> CaseError:
    seen, counts = np.unique(colors.reshape(-1, 3), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    listed = ", ".join("#{:02x}{:02x}{:02x} ({} pixels)".format(*seen[n], counts[n]) for n in order.tolist())
    if len(seen) > 32:  # nobody draws with so many colours: the picture was interpolated or compressed
        remedy = "the edges are blended: set `nearest: true`, or a `tolerance`"
    else:
        remedy = "add them to `labels` or `ignore`, or set `tolerance` or `nearest: true`"
    return CaseError(Reason.LABELS, f"{name}: colours that are not in the recipe ({len(seen)}); {remedy}: {listed}")
