"""How one label file encodes its labels: each encoding ends as layers of unsigned values and the class of each."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.labels.outline import fill_outlines
from curate.masks.select import Layer
from curate.recipe.resolved import Group, Label

DEFAULT_THRESHOLD = 128.0
"""Half of 8 bits: what JPEG and interpolation leave of 0 and 255 is parted here."""

ROUNDING = 1e-3
"""How far a label may be off a whole number: a NIfTI's slope of 1/255 in float32 makes 1.0000001 of 255."""


def _decode_ids(group: Group, label: Volume, name: str) -> list[Layer]:
    values, keys = _integers(_single_channel(label, name), name)
    known: set[Any] = {0, *group.ignore, *(value for one in group.labels for value in one.values)}
    _refuse_unknown(values, keys, known, name)
    return _layers(values, keys, group.labels)


def _decode_instances(group: Group, label: Volume, name: str) -> list[Layer]:
    values, keys = _integers(_single_channel(label, name), name)
    ignored = {0, *group.ignore}
    classes = np.array([0 if key in ignored else group.labels[0].id for key in keys], np.int32)
    return [Layer(values, classes, by_value=True)]


def _decode_grey(group: Group, label: Volume, name: str) -> list[Layer]:
    values, keys = _integers(_single_channel(_expanded(label), name), name)
    levels: list[Any] = sorted({0, *group.ignore, *(value for one in group.labels for value in one.values)})
    nearest = [min(levels, key=lambda level: abs(level - key)) for key in keys]
    snapped = np.array(
        [level if abs(level - key) <= group.tolerance else key for level, key in zip(nearest, keys, strict=True)]
    )
    _refuse_unknown(values, snapped, set(levels), name)
    return _layers(values, snapped, group.labels)


def _decode_rgb(group: Group, label: Volume, name: str) -> list[Layer]:
    colours = _expanded(label)
    if colours.dtype != np.uint8:
        raise CaseError(Reason.LABELS, f"{name} holds {colours.dtype} values: the encoding `rgb` is for 8-bit images")
    if colours.ndim != 4:
        colours = np.repeat(colours[..., np.newaxis], 3, axis=3)
    wanted = [(colour, one.id) for one in group.labels for colour in one.values]
    background = [colour for colour in ((0, 0, 0), *group.ignore) if all(colour != c for c, _ in wanted)]
    palette = [*background, *(colour for colour, _ in wanted)]
    distances = np.full(colours.shape[:3], 256, np.int16)
    codes = np.zeros(colours.shape[:3], np.uint16)
    for code, colour in enumerate(palette):
        distance = np.abs(colours.astype(np.int16) - np.array(colour, np.int16)).max(axis=3)
        closer = distance < distances
        codes[closer] = code
        distances[closer] = distance[closer]
    strange = distances > group.tolerance
    if strange.any():
        seen, counts = np.unique(colours[strange].reshape(-1, 3), axis=0, return_counts=True)
        most = np.argsort(-counts)[:5]
        listed = ", ".join("#{:02x}{:02x}{:02x} ({} pixels)".format(*seen[n], counts[n]) for n in most)
        raise CaseError(
            Reason.LABELS,
            f"{name}: {len(seen)} colours that the recipe does not know: {listed}; "
            "add them to `labels` or `ignore`, or raise `tolerance`",
        )
    return _layers(codes, np.arange(len(palette)), _numbered(group.labels, palette))


def _numbered(labels: Sequence[Label], palette: list[Any]) -> list[Label]:
    """Return the labels with each colour replaced by its place in the palette."""
    return [
        Label(one.name, one.id, tuple(palette.index(colour) for colour in one.values), one.anatomy) for one in labels
    ]


def _decode_threshold(group: Group, label: Volume, name: str) -> list[Layer]:
    return [_binary(foreground_of(group, label), group)]


def _decode_inverted(group: Group, label: Volume, name: str) -> list[Layer]:
    return [_binary(~foreground_of(group, label), group)]


def _decode_outline(group: Group, label: Volume, name: str) -> list[Layer]:
    return [_binary(np.stack([fill_outlines(page, name) for page in foreground_of(group, label)]), group)]


DECODERS: dict[str, Callable[[Group, Volume, str], list[Layer]]] = {
    "ids": _decode_ids,
    "instances": _decode_instances,
    "grey": _decode_grey,
    "rgb": _decode_rgb,
    "threshold": _decode_threshold,
    "inverted": _decode_inverted,
    "outline": _decode_outline,
}


def _expanded(label: Volume) -> NDArray[Any]:
    """Return the label's source values, palette colours in place of indices."""
    if label.palette is not None:
        return label.palette[label.voxels]
    if (label.slope, label.intercept) != (1.0, 0.0):
        return label.voxels * label.slope + label.intercept
    return label.voxels


def _single_channel(voxels: Volume | NDArray[Any], name: str) -> NDArray[Any]:
    """Return values (z, y, x): palette indices as they are, a grey image saved as RGB by one of its channels."""
    if isinstance(voxels, Volume):
        voxels = voxels.voxels if voxels.palette is not None else _expanded(voxels)
    if voxels.ndim == 4:
        if (voxels[..., :1] != voxels).any():
            raise CaseError(Reason.LABELS, f"{name} is a colour image: use the encoding `rgb`, or `threshold`")
        voxels = voxels[..., 0]
    return voxels


def foreground_of(group: Group, label: Volume) -> NDArray[np.bool_]:
    """Return where a label is foreground: from the recipe's threshold on, else from half of 8 bits, in files of one
    label or instance anything but 0. Raises CaseError for NaN and infinities.
    """
    voxels = _expanded(label)
    if voxels.ndim == 4:
        voxels = voxels.mean(axis=3)
    _refuse_not_finite(voxels)
    if group.threshold is not None:
        return voxels >= group.threshold
    if group.encoding in ("files", "instance_files"):
        return voxels != 0
    return voxels >= DEFAULT_THRESHOLD


def _refuse_not_finite(voxels: NDArray[Any]) -> None:
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise CaseError(Reason.NOT_FINITE, "the label holds NaN or infinite values; mend or exclude the case")


def _binary(foreground: NDArray[np.bool_], group: Group) -> Layer:
    return Layer(foreground.view(np.uint8), np.array([0, group.labels[0].id], np.int32))


def _integers(voxels: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return unsigned values of 8 or 16 bits, and the label value that each stands for (mostly itself)."""
    _refuse_not_finite(voxels)
    if voxels.dtype.kind == "f":
        whole = np.rint(voxels)
        off = np.abs(voxels - whole) > ROUNDING
        if off.any():
            raise CaseError(
                Reason.LABELS,
                f"{name}: {int(off.sum())} voxels are no whole numbers; "
                "an interpolated mask takes the encoding `threshold`, or `files` with a `threshold`",
            )
        voxels = whole
    low, high = voxels.min(), voxels.max()
    if low < -(2**63) or high >= 2**63:
        raise CaseError(Reason.LABELS, f"{name} holds values from {low:g} to {high:g}: that is no label map")
    if low < 0 or high > 65535:
        keys, values = np.unique(voxels, return_inverse=True)
        if len(keys) > 65535:
            raise CaseError(Reason.LABELS, f"{name} holds {len(keys)} different values: that is no label map")
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


def _refuse_unknown(values: NDArray[Any], keys: NDArray[np.int64], known: set[int], name: str) -> None:
    from curate.imaging.kernels import present_values

    present = present_values(np.ascontiguousarray(values).reshape(-1), len(keys))
    unknown = sorted(
        (int(keys[code]), code) for code in np.flatnonzero(present).tolist() if int(keys[code]) not in known
    )
    if unknown:
        listed = ", ".join(f"{key} ({int((values == code).sum())} voxels)" for key, code in unknown[:10])
        more = f", and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise CaseError(
            Reason.LABELS,
            f"{name}: label values that the recipe does not know: {listed}{more}; add them to `labels` or `ignore`",
        )


def _layers(values: NDArray[Any], keys: NDArray[np.int64], labels: Sequence[Label]) -> list[Layer]:
    """Return one layer for each set of labels that share no value; regions that nest lie in different layers."""
    if any(0 in one.values for one in labels):
        # 0 is a layer's background: count what there is from 1
        from curate.imaging.kernels import present_values

        present = np.flatnonzero(present_values(np.ascontiguousarray(values).reshape(-1), len(keys)))
        codes = np.zeros(len(keys), np.uint16)
        codes[present] = np.arange(1, len(present) + 1)
        values, keys = codes[values], np.concatenate([[0], keys[present]])
    layers: list[list[Label]] = []
    for one in labels:
        for members in layers:
            if all(set(one.values).isdisjoint(other.values) for other in members):
                members.append(one)
                break
        else:
            layers.append([one])
    tables = []
    for members in layers:
        classes = np.zeros(len(keys), np.int32)
        for one in members:
            classes[1:][np.isin(keys[1:], one.values)] = one.id
        tables.append(classes)
    return [Layer(values, classes) for classes in tables]
