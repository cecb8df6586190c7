"""The rows of one case: what was kept and what was dropped, as one table.

A fragment has the catalog's columns and four more; a row with a `reason` tells of something dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from catalog.drop_reasons import Reason
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA
from catalog.stores.base import Place
from curate.imaging.slices import Plane
from curate.masks.select import DroppedMask, Mask
from curate.recipe.resolved import Label

FRAGMENT_SCHEMA = pa.schema(
    [
        *(DROPS_SCHEMA.field(one.name) if one.name == "instance" else one for one in CATALOG_SCHEMA),
        *(DROPS_SCHEMA.field(name) for name in ("reason", "value", "threshold", "detail")),
    ]
)
"""`instance` is as wide as that of drops: specks are dropped by the ten thousand."""


_NO_MASK = (Mask(*(None,) * len(Mask._fields)), Place(None, None), None)  # type: ignore[arg-type]
"""What an image without masks has in place of one: nulls."""


@dataclass(frozen=True)
class ImageRow:
    """A slice that was kept: where it lies, what it shows, and the window it was seen through."""

    plane: Plane
    place: Place
    height: int
    width: int
    modality: str
    sequence: str | None
    window: tuple[float, float]
    image_hash: str
    masks: Sequence[tuple[Mask, Place, str]]
    """Each mask with its place and its hash."""


@dataclass(frozen=True)
class DropRow:
    """Something that was dropped: a case (no plane), a slice (no mask) or a mask."""

    reason: Reason
    plane: Plane | None = None
    mask: DroppedMask | None = None
    value: float | None = None
    threshold: float | None = None
    detail: str | None = None


def build_fragment(
    images: Sequence[ImageRow],
    drops: Sequence[DropRow],
    labels: dict[int, Label],
    label_ids: dict[str, int],
    label_sources: dict[int, str],
    case: dict[str, Any],
) -> pa.Table:
    """Return the table of a case.

    `labels` maps a mask's class number to its label, `label_sources` to the file it was read from, `label_ids` a
    label's name to its id in labels.json; `case` holds the columns that are the same in every row. An image without
    masks takes one row with null mask columns.
    """
    return pa.concat_tables(
        [_kept(images, labels, label_ids, label_sources, case), _dropped(drops, labels, case)]
    ).combine_chunks()


def _kept(
    images: Sequence[ImageRow],
    labels: dict[int, Label],
    label_ids: dict[str, int],
    label_sources: dict[int, str],
    case: dict[str, Any],
) -> pa.Table:
    repeats = np.repeat(np.arange(len(images)), [max(1, len(image.masks)) for image in images])
    entries: list[Any] = [entry for image in images for entry in (image.masks or (_NO_MASK,))]
    masks, places, hashes = zip(*entries, strict=True) if entries else ((), (), ())
    by_field = (
        dict(zip(Mask._fields, zip(*masks, strict=True), strict=True)) if masks else dict.fromkeys(Mask._fields, ())
    )
    of_mask = [labels.get(label) for label in by_field["label"]]
    pixels = [image.height * image.width for image in images]
    per_image: dict[str, Iterable[Any]] = {
        "image": (image.place.path for image in images),
        "image_index": (image.place.position for image in images),
        "modality": (image.modality for image in images),
        "sequence": (image.sequence for image in images),
        "height": (image.height for image in images),
        "width": (image.width for image in images),
        "window_low": (image.window[0] for image in images),
        "window_high": (image.window[1] for image in images),
        "image_hash": (image.image_hash for image in images),
        **_plane_columns([image.plane for image in images]),
    }
    per_mask: dict[str, Sequence[Any]] = {
        "mask": [place.path for place in places],
        "mask_index": [place.position for place in places],
        "mask_hash": hashes,
        "label": [label.name if label else None for label in of_mask],
        "label_id": [label_ids[label.name] if label else None for label in of_mask],
        "source_label": [label_sources.get(label.id) if label else None for label in of_mask],
        "anatomy": [label.anatomy if label else None for label in of_mask],
        "area_fraction": [
            area / pixels[image] if area else None
            for area, image in zip(by_field["area"], repeats.tolist(), strict=True)
        ],
        **{name: by_field[name] for name in ("instance", "area", "x0", "y0", "x1", "y1", "parts_at_256")},
    }
    columns = {name: pa.array(list(values), _type(name)).take(pa.array(repeats)) for name, values in per_image.items()}
    columns |= {name: pa.array(values, _type(name)) for name, values in per_mask.items()}
    return _table(columns, case, len(entries))


def _dropped(drops: Sequence[DropRow], labels: dict[int, Label], case: dict[str, Any]) -> pa.Table:
    columns: dict[str, Sequence[Any]] = {
        "reason": [drop.reason.value for drop in drops],
        "value": [drop.value for drop in drops],
        "threshold": [drop.threshold for drop in drops],
        "detail": [drop.detail for drop in drops],
        "label": [labels[drop.mask.label].name if drop.mask else None for drop in drops],
        "instance": [drop.mask.instance if drop.mask else None for drop in drops],
        "axis": [drop.plane.axis if drop.plane else None for drop in drops],
        "slice": [drop.plane.number if drop.plane else None for drop in drops],
    }
    return _table({name: pa.array(values, _type(name)) for name, values in columns.items()}, case, len(drops))


def _plane_columns(planes: Sequence[Plane]) -> dict[str, Iterable[Any]]:
    return {
        "axis": (plane.axis for plane in planes),
        "slice": (plane.number for plane in planes),
        "spacing_row": (plane.spacing[0] for plane in planes),
        "spacing_col": (plane.spacing[1] for plane in planes),
        "spacing_slice": (plane.spacing[2] for plane in planes),
    }


def _table(columns: dict[str, Any], constants: dict[str, Any], count: int) -> pa.Table:
    return pa.Table.from_arrays(
        [
            columns[name] if name in columns else pa.repeat(pa.scalar(constants.get(name), _type(name)), count)
            for name in FRAGMENT_SCHEMA.names
        ],
        schema=FRAGMENT_SCHEMA,
    )


def _type(name: str) -> pa.DataType:
    return FRAGMENT_SCHEMA.field(name).type
