"""The rows of a case: every column where it belongs, for what is kept and for what is dropped."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from catalog.drop_reasons import Reason
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA
from catalog.stores.base import Place
from curate.imaging.slices import Plane
from curate.ledger.rows import FRAGMENT_SCHEMA, DropRow, ImageRow, build_fragment
from curate.masks.select import DroppedMask, Mask
from curate.recipe.resolved import Label

LABELS = {1: Label("organ", 1, (1, 2), "abdomen"), 2: Label("tumour", 2, (2,), "lesion")}
IDS = {"organ": 7, "tumour": 3}
SOURCES = {1: "a/label.nii.gz", 2: "a/tumour.nii.gz"}
CASE = {
    "dataset": "Blobs",
    "case": "a",
    "patient": "p1",
    "source_image": "a/image.nii.gz",
    "license": "CC0-1.0",
    "redistributable": True,
    "recipe_hash": "abc",
}
RUNS = np.zeros((1, 3), np.int32)
AXIAL = Plane("z", 12, (0.5, 0.75, 3.0))


def mask(label: int, instance: int, area: int) -> Mask:
    return Mask(label, instance, area, 10, 20, 30, 45, 2, RUNS)


def image(masks: list[tuple[Mask, Place, str]], place: Place, plane: Plane = AXIAL) -> ImageRow:
    return ImageRow(plane, place, 100, 80, "MR", "flair", (-3.5, 1200.0), "0123456789abcdef", masks)


def fragment(images: list[ImageRow], drops: list[DropRow]) -> list[dict[str, Any]]:
    table = build_fragment(images, drops, LABELS, IDS, SOURCES, CASE)
    assert table.schema.equals(FRAGMENT_SCHEMA)
    table.validate(full=True)
    return table.to_pylist()  # type: ignore[no-any-return]


def test_schema_is_the_catalogs_and_that_of_drops() -> None:
    assert FRAGMENT_SCHEMA.names == [*CATALOG_SCHEMA.names, "reason", "value", "threshold", "detail"]
    assert set(DROPS_SCHEMA.names) <= set(FRAGMENT_SCHEMA.names)
    for name in DROPS_SCHEMA.names:
        assert FRAGMENT_SCHEMA.field(name).type == DROPS_SCHEMA.field(name).type


def test_a_row_a_mask() -> None:
    rows = fragment(
        [
            image(
                [
                    (mask(1, 0, 400), Place("masks/Blobs/m0.png", None), "aa"),
                    (mask(2, 1, 50), Place("masks/Blobs/m1.png", None), "bb"),
                ],
                Place("images/Blobs/i.png", None),
            ),
            image([(mask(2, 0, 8), Place("c.npz", 5), "cc")], Place("c.npz", 3), Plane("x", 0, (1.0, 1.0, None))),
        ],
        [],
    )
    assert len(rows) == 3
    assert rows[0] == {
        "image": "images/Blobs/i.png", "mask": "masks/Blobs/m0.png", "image_index": None, "mask_index": None,
        "dataset": "Blobs", "case": "a", "patient": "p1", "modality": "MR", "sequence": "flair", "axis": "z",
        "slice": 12, "label": "organ", "label_id": 7, "instance": 0, "anatomy": "abdomen", "height": 100, "width": 80,
        "spacing_row": 0.5, "spacing_col": 0.75, "spacing_slice": 3.0, "area": 400,
        "area_fraction": pytest.approx(0.05), "x0": 10, "y0": 20, "x1": 30, "y1": 45, "parts_at_256": 2,
        "window_low": -3.5, "window_high": 1200.0, "image_hash": "0123456789abcdef", "mask_hash": "aa",
        "source_image": "a/image.nii.gz", "source_label": "a/label.nii.gz", "license": "CC0-1.0",
        "redistributable": True, "recipe_hash": "abc", "split": None,
        "reason": None, "value": None, "threshold": None, "detail": None,
    }  # fmt: skip
    assert [rows[1][name] for name in ("mask", "label", "label_id", "instance", "anatomy", "mask_hash")] == [
        "masks/Blobs/m1.png", "tumour", 3, 1, "lesion", "bb",
    ]  # fmt: skip
    assert rows[1]["source_label"] == "a/tumour.nii.gz"
    names = ("image", "image_index", "mask", "mask_index", "axis", "slice", "spacing_slice", "area")
    assert [rows[2][name] for name in names] == ["c.npz", 3, "c.npz", 5, "x", 0, None, 8]


def test_an_image_without_masks_has_a_row_of_its_own() -> None:
    between = [(mask(1, 0, 9), Place("m", None), "h")]
    rows = fragment([image([], Place("i0", None)), image(between, Place("i1", None)), image([], Place("i2", None))], [])
    assert [(row["image"], row["mask"], row["label"]) for row in rows] == [
        ("i0", None, None), ("i1", "m", "organ"), ("i2", None, None),
    ]  # fmt: skip
    of_mask = ("mask_index", "mask_hash", "label_id", "instance", "anatomy", "area", "area_fraction", "x0", "y1",
               "parts_at_256", "source_label")  # fmt: skip
    assert [rows[0][name] for name in of_mask] == [None] * len(of_mask)
    assert (rows[0]["height"], rows[0]["window_high"], rows[0]["case"]) == (100, 1200.0, "a")


def test_a_flat_image_has_no_axis() -> None:
    (row,) = fragment([image([], Place("i", None), Plane(None, None, (None, None, None)))], [])
    assert [row[name] for name in ("axis", "slice", "spacing_row", "spacing_col", "spacing_slice")] == [None] * 5


def test_drops_of_a_case_a_slice_and_a_mask() -> None:
    rows = fragment(
        [],
        [
            DropRow(Reason.UNREADABLE, detail="a/image.nii.gz is truncated"),
            DropRow(Reason.ASPECT, AXIAL, value=40, threshold=50.0),
            DropRow(Reason.SMALL, AXIAL, DroppedMask(2, 4, Reason.SMALL, 11, 12.5), 11, 12.5),
        ],
    )
    names = ("dataset", "case", "axis", "slice", "label", "instance", "reason", "value", "threshold", "detail")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("Blobs", "a", None, None, None, None, "unreadable", None, None, "a/image.nii.gz is truncated"),
        ("Blobs", "a", "z", 12, None, None, "aspect", 40.0, 50.0, None),
        ("Blobs", "a", "z", 12, "tumour", 4, "small", 11.0, 12.5, None),
    ]
    assert all(row["image"] is None and row["mask"] is None for row in rows)


def test_kept_rows_come_before_drops() -> None:
    rows = fragment([image([], Place("i", None))], [DropRow(Reason.NO_MASK, AXIAL)])
    assert [row["reason"] for row in rows] == [None, "no_mask"]


def test_specks_by_the_ten_thousand() -> None:
    """A noisy label slice has more components than a 16-bit number counts."""
    drops = [DropRow(Reason.SMALL, AXIAL, DroppedMask(1, n, Reason.SMALL, 1, 9), 1, 9) for n in range(40_000)]
    table = build_fragment([], drops, LABELS, IDS, SOURCES, CASE)
    assert table["instance"].to_pylist() == list(range(40_000))


def test_nothing_at_all() -> None:
    assert fragment([], []) == []


def test_columns_that_are_not_given_are_null() -> None:
    table = build_fragment([], [DropRow(Reason.EXCLUDED)], {}, {}, {}, {"dataset": "Blobs", "case": "a"})
    assert [name for name in table.schema.names if table[name].null_count == 0] == ["dataset", "case", "reason"]
    assert table["redistributable"].type == pa.bool_()
