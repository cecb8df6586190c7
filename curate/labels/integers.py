"""Integer label maps: their values, the ones a recipe does not know, and the layers they make."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.masks.select import Layer
from curate.recipe.resolved import Group, Label

ROUNDING = 1e-3
"""Greatest distance of a label from a whole number: a NIfTI slope of 1/255 in float32 turns 255 into 1.0000001."""

MANY_VALUES = 32
"""More unknown values than this are the traces of compression or interpolation, not labels that were forgotten."""


def expanded(label: Volume) -> NDArray[Any]:
    """Return the label's source values, palette colours in place of indices."""
    if label.palette is not None:
        return label.palette[label.voxels]
    if (label.slope, label.intercept) != (1.0, 0.0):
        return label.voxels * label.slope + label.intercept
    return label.voxels


def single_channel(label: Volume | NDArray[Any], name: str) -> NDArray[Any]:
    """Return values (z, y, x): palette indices as they are, a grey image saved as RGB by one of its channels.

    Raises CaseError for a colour image.
    """
    if isinstance(label, Volume):
        label = label.voxels if label.palette is not None else expanded(label)
    if label.ndim == 4:
        if (label[..., :1] != label).any():
            raise CaseError(Reason.LABELS, f"{name} is a colour image: use the encoding `rgb`, or `threshold`")
        label = label[..., 0]
    return label


def refuse_not_finite(voxels: NDArray[Any], name: str) -> None:
    """Raise CaseError where a label holds NaN or infinities."""
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        count = int((~np.isfinite(voxels)).sum())
        raise CaseError(
            Reason.NOT_FINITE, f"the label {name} holds {count} NaN or infinite values; correct or exclude the case"
        )


def integer_values(voxels: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return unsigned values of 8 or 16 bits, and the label value that each stands for (mostly itself).

    Raises CaseError for fractions, and for more than 65,535 different values.
    """
    refuse_not_finite(voxels, name)
    if voxels.dtype.kind == "f":
        whole = np.rint(voxels)
        off = np.abs(voxels - whole) > ROUNDING
        if off.any():
            raise CaseError(
                Reason.LABELS,
                f"{name}: {int(off.sum())} voxels are not whole numbers (from {voxels.min():g} to {voxels.max():g}); "
                "for an interpolated mask use the encoding `threshold`, or `files` with a `threshold`",
            )
        voxels = whole
    low, high = voxels.min(), voxels.max()
    if low < -(2**63) or high >= 2**63:
        raise CaseError(Reason.LABELS, f"{name} holds values from {low:g} to {high:g}: this is not a label map")
    if low < 0 or high > 65535:
        keys, values = np.unique(voxels, return_inverse=True)
        if len(keys) > 65535:
            raise CaseError(Reason.LABELS, f"{name} holds {len(keys)} different values: this is not a label map")
        keys = keys.astype(np.int64)
        values = values.reshape(voxels.shape)
        if not (keys == 0).any():
            return (values + 1).astype(np.uint16), np.concatenate([[0], keys])
        zero = int(np.flatnonzero(keys == 0)[0])
        swap = np.arange(len(keys))
        swap[[0, zero]] = zero, 0
        return swap[values].astype(np.uint16), keys[swap]
    dtype = np.uint8 if high < 256 else np.uint16
    return voxels.astype(dtype, copy=False), np.arange(int(high) + 1)


def known_values(group: Group) -> set[Any]:
    """Return the values a recipe knows: those of its labels, `ignore`, and 0."""
    return {0, *group.ignore, *(value for label in group.labels for value in label.values)}


def refuse_unknown(values: NDArray[Any], keys: NDArray[np.int64], known: set[Any], name: str) -> None:
    """Raise CaseError that names every value a recipe does not know, with its number of voxels."""
    from curate.imaging.kernels import present_values

    present = np.flatnonzero(present_values(np.ascontiguousarray(values).reshape(-1), len(keys)))
    strange = [int(code) for code in present if int(keys[code]) not in known]
    if not strange:
        return
    counts = np.bincount(np.ascontiguousarray(values).reshape(-1), minlength=len(keys))
    unknown = sorted((int(keys[code]), int(counts[code])) for code in strange)
    listed = ", ".join(f"{key} ({count} voxels)" for key, count in unknown)
    if len(unknown) > MANY_VALUES:
        remedy = "the mask was compressed or interpolated: use the encoding `threshold`, or `grey` with `nearest: true`"
    else:
        remedy = "add them to `labels` or `ignore`"
    raise CaseError(
        Reason.LABELS, f"{name}: label values that are not in the recipe ({len(unknown)}); {remedy}: {listed}"
    )


def layers_of(values: NDArray[Any], keys: NDArray[np.int64], labels: Sequence[Label]) -> list[Layer]:
    """Return one layer for each set of labels that share no value; nested regions are in different layers."""
    if any(0 in label.values for label in labels):
        # 0 is a layer's background: renumber what is present from 1
        from curate.imaging.kernels import present_values

        present = np.flatnonzero(present_values(np.ascontiguousarray(values).reshape(-1), len(keys)))
        codes = np.zeros(len(keys), np.uint16)
        codes[present] = np.arange(1, len(present) + 1)
        values, keys = codes[values], np.concatenate([[0], keys[present]])
    disjoint: list[list[Label]] = []
    for label in labels:
        for members in disjoint:
            if all(set(label.values).isdisjoint(other.values) for other in members):
                members.append(label)
                break
        else:
            disjoint.append([label])
    tables = []
    for members in disjoint:
        classes = np.zeros(len(keys), np.int32)
        for label in members:
            classes[1:][np.isin(keys[1:], label.values)] = label.id
        tables.append(classes)
    return [Layer(values, classes) for classes in tables]
