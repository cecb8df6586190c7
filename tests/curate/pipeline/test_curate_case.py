"""One case through the pipeline, checked against nibabel, scikit-image and a float64 window."""

import dataclasses
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from skimage.measure import label as connected
from skimage.measure import regionprops

from catalog.hashes import image_hash, mask_hash
from catalog.tables import write_catalog
from curate.ledger import fragments as state
from curate.ledger.case_result import CaseResult
from curate.pipeline.curate_case import curate_case
from curate.pipeline.task import Task
from curate.recipe.resolved import Recipe
from curate.run.plan import Options, Plan, find, plan_run
from tests.curate.corpora import make_case, make_source, recipe, rows


def plan(out: Path, source: Path, a_recipe: Recipe, **options: object) -> Plan:
    chosen = Options(memory=2 << 30, **options)
    return plan_run(find(a_recipe, source, chosen), source, out, chosen)


def curate(
    out: Path, source: Path, a_recipe: Recipe, **options: object
) -> tuple[list[dict], list[dict], list[CaseResult]]:
    """The rows and drops of every case of a source, without a run around them."""
    tasks = plan(out, source, a_recipe, **options).tasks
    reports = [curate_case(task) for task in tasks]
    write_catalog(out, (state.read_fragment(path) for _, path in state.fragments(out, a_recipe.name)))
    return rows(out), rows(out, "drops"), reports


def only_task(out: Path, source: Path, a_recipe: Recipe, **options: object) -> Task:
    (task,) = plan(out, source, a_recipe, **options).tasks
    return task


def expected_slice(volume: np.ndarray, axis: str, index: int) -> np.ndarray:
    """A slice of a canonical (R, A, S) array as a radiologist looks at it."""
    where = {"x": np.s_[index, ::-1, ::-1], "y": np.s_[::-1, index, ::-1], "z": np.s_[::-1, ::-1, index]}[axis]
    return volume[where].T


def test_every_slice_and_mask_is_what_nibabel_and_skimage_say(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", 1)
    kept, drops, _ = curate(tmp_path / "out", source, recipe("aspect: false"))
    image, truth = (
        np.asarray(nib.as_closest_canonical(nib.load(source / "case_0" / f"{name}.nii.gz")).dataobj)
        for name in ("image", "label")
    )
    pixels = np.floor(np.clip((image - -160.0) / 400.0, 0, 1) * 255 + 0.5).astype(np.uint8)
    wanted = {}
    for axis_number, axis in enumerate("xyz"):
        for index in range(image.shape[axis_number]):
            for name, values in (("organ", (1, 2)), ("tumour", (2,))):
                plane = np.isin(expected_slice(truth, axis, index), values)
                regions = regionprops(connected(plane, connectivity=2))
                kept_regions = [one for one in regions if one.area >= 100 / 65536 * plane.size]
                for number, one in enumerate(sorted(kept_regions, key=lambda one: one.bbox)):
                    y0, x0, y1, x1 = one.bbox
                    wanted[axis, index, name, number] = (
                        one.area,
                        x0,
                        y0,
                        x1,
                        y1,
                        mask_hash(connected(plane, connectivity=2) == one.label),
                    )
    found = {
        (row["axis"], row["slice"], row["label"], row["instance"]): (
            row["area"], row["x0"], row["y0"], row["x1"], row["y1"], row["mask_hash"],
        )
        for row in kept
    }  # fmt: skip
    assert found == wanted
    for row in kept:
        picture = cv2.imread(str(tmp_path / "out" / row["image"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(picture, expected_slice(pixels, row["axis"], row["slice"]))
        assert row["image_hash"] == image_hash(picture)
        mask = cv2.imread(str(tmp_path / "out" / row["mask"]), cv2.IMREAD_GRAYSCALE)
        assert mask.shape == picture.shape
        assert set(np.unique(mask)) == {0, 255}
        assert mask_hash(mask) == row["mask_hash"]
        assert (row["window_low"], row["window_high"]) == (-160.0, 240.0)
        spacing = {"x": (2, 1, 1), "y": (2, 1, 1), "z": (1, 1, 2)}[row["axis"]]
        assert (row["spacing_row"], row["spacing_col"], row["spacing_slice"]) == spacing
    assert {drop["reason"] for drop in drops} == {"no_mask"}


def test_the_same_anatomy_stored_otherwise_gives_the_same_corpus(tmp_path: Path) -> None:
    make_case(tmp_path / "a" / "case_0")
    first, _, _ = curate(tmp_path / "out_a", tmp_path / "a", recipe("aspect: false"))
    (tmp_path / "b" / "case_0").mkdir(parents=True)
    turned = nib.orientations.axcodes2ornt("SPL")
    for name in ("image", "label"):
        scan = nib.load(tmp_path / "a" / "case_0" / f"{name}.nii.gz")
        change = nib.orientations.ornt_transform(nib.io_orientation(scan.affine), turned)
        nib.save(scan.as_reoriented(change), tmp_path / "b" / "case_0" / f"{name}.nii.gz")
    second, _, _ = curate(tmp_path / "out_b", tmp_path / "b", recipe("aspect: false"))
    same = ("axis", "slice", "label", "instance", "image_hash", "mask_hash", "spacing_row", "spacing_col")
    assert [[row[name] for name in same] for row in first] == [[row[name] for name in same] for row in second]


def test_the_aspect_rule_drops_slices_of_volumes(tmp_path: Path) -> None:
    make_case(tmp_path / "s" / "case_0", shape=(40, 20, 19))
    kept, drops, _ = curate(tmp_path / "out", tmp_path / "s", recipe())
    assert {row["axis"] for row in kept} == {"x", "z"}  # 20 x 40 is just wide enough, 19 x 40 is not
    aspect = [drop for drop in drops if drop["reason"] == "aspect"]
    assert {(drop["axis"], drop["value"], drop["threshold"]) for drop in aspect} == {("y", 19.0, 20.0)}
    assert len(aspect) == 20


def test_isotropic_slices_have_square_pixels(tmp_path: Path) -> None:
    make_case(tmp_path / "s" / "case_0")
    kept, _, _ = curate(tmp_path / "out", tmp_path / "s", recipe("isotropic: true\naspect: false"))
    for row in kept:
        assert (row["height"], row["width"]) == {"x": (56, 24), "y": (56, 20), "z": (24, 20)}[row["axis"]]
        assert row["spacing_row"] == row["spacing_col"] == 1.0


def test_windows_slice_by_slice_record_each_slice_s_own_bounds(tmp_path: Path) -> None:
    make_case(tmp_path / "s" / "case_0")
    kept, _, _ = curate(tmp_path / "out", tmp_path / "s", recipe("aspect: false", RECIPE_MINMAX))
    image = np.asarray(nib.as_closest_canonical(nib.load(tmp_path / "s/case_0/image.nii.gz")).dataobj)
    for row in kept:
        plane = expected_slice(image, row["axis"], row["slice"]).astype(float)
        low, high = plane.min(), plane.max()
        assert (row["window_low"], row["window_high"]) == (low, high)
        picture = cv2.imread(str(tmp_path / "out" / row["image"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(picture, np.floor((plane - low) / (high - low) * 255 + 0.5))


RECIPE_MINMAX = """
name: Blobs
license: {name: CC0-1.0, redistributable: true, commercial: true}
modality: CT
anatomy: [abdomen]
window: {minmax: slice}
cases: {image: "{case}/image.nii.gz", label: "{case}/label.nii.gz"}
labels: {organ: [1, 2], tumour: 2}
"""


def test_a_4d_image_gives_one_image_a_channel(tmp_path: Path) -> None:
    make_case(tmp_path / "s" / "case_0")
    path = tmp_path / "s" / "case_0" / "image.nii.gz"
    scan = nib.load(path)
    data = np.stack([np.asarray(scan.dataobj), 2 * np.asarray(scan.dataobj)], axis=-1)
    nib.save(nib.Nifti1Image(data, scan.affine), path)
    text = """
name: Blobs
license: {name: CC0-1.0, redistributable: true, commercial: true}
modality: MR
anatomy: [abdomen]
channels: {0: {sequence: t1}, 1: {sequence: flair}}
cases: {image: "{case}/image.nii.gz", label: "{case}/label.nii.gz"}
labels: {organ: [1, 2]}
"""
    kept, _, (report,) = curate(tmp_path / "out", tmp_path / "s", recipe(text=text))
    assert report.error is None
    by_sequence = {name: [row for row in kept if row["sequence"] == name] for name in ("t1", "flair")}
    assert len(by_sequence["t1"]) == len(by_sequence["flair"]) > 0
    assert {row["image"].split("/")[-1].split("--")[0] for row in kept} == {"mr_t1", "mr_flair"}
    for one, other in zip(by_sequence["t1"], by_sequence["flair"], strict=True):
        assert one["mask_hash"] == other["mask_hash"]
        assert 2 * one["window_low"] == other["window_low"]


def test_keep_empty_keeps_images_without_masks(tmp_path: Path) -> None:
    make_case(tmp_path / "s" / "case_0")
    kept, drops, _ = curate(tmp_path / "out", tmp_path / "s", recipe("aspect: false"), keep_empty=True)
    images = {(row["axis"], row["slice"]) for row in kept}
    assert len(images) == 20 + 24 + 28
    empty = [row for row in kept if row["mask"] is None]
    assert empty
    for row in empty:
        assert (tmp_path / "out" / row["image"]).exists()
        assert [row[name] for name in ("label", "label_id", "instance", "area", "x0", "mask_hash")] == [None] * 6
    assert not drops


@pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        (lambda folder: (folder / "label.nii.gz").unlink(), "no_label", "no label file"),
        (lambda folder: (folder / "image.nii.gz").write_bytes(b"junk"), "unreadable", "cannot be read"),
        (lambda folder: _truncate(folder / "image.nii.gz"), "unreadable", "cannot be read"),
        (lambda folder: _change(folder / "image.nii.gz", _with_nan), "not_finite", "NaN"),
        (lambda folder: _change(folder / "label.nii.gz", _with_seven), "labels", "7 (3 voxels)"),
        (lambda folder: _move(folder / "label.nii.gz", 500.0), "geometry", "do not overlap"),
    ],
)
def test_a_bad_case_fails_with_its_reason_and_leaves_nothing(tmp_path: Path, spoil, reason: str, words: str) -> None:
    make_case(tmp_path / "s" / "case_0")
    spoil(tmp_path / "s" / "case_0")
    kept, drops, (report,) = curate(tmp_path / "out", tmp_path / "s", recipe())
    assert not kept
    assert words in (report.error or "")
    (drop,) = drops
    assert (drop["dataset"], drop["case"], drop["reason"]) == ("Blobs", "case_0", reason)
    assert words in drop["detail"]
    assert not list((tmp_path / "out" / "images").rglob("*.png"))


def test_a_case_larger_than_memory_fails_before_it_is_decoded(tmp_path: Path) -> None:
    make_case(tmp_path / "s" / "case_0")
    task = dataclasses.replace(only_task(tmp_path / "out", tmp_path / "s", recipe()), limit=1000)
    report = curate_case(task)
    assert report.drops == {"memory": 1}
    assert "--memory" in (report.error or "")


def test_label_on_a_flipped_and_cropped_grid_lands_where_it_is(tmp_path: Path) -> None:
    make_case(tmp_path / "s" / "case_0")
    first, _, _ = curate(tmp_path / "out_a", tmp_path / "s", recipe("aspect: false"))
    path = tmp_path / "s" / "case_0" / "label.nii.gz"
    label = nib.load(path).slicer[2:18, 3:20, 4:25]
    turned = nib.orientations.axcodes2ornt("RAI")
    change = nib.orientations.ornt_transform(nib.io_orientation(label.affine), turned)
    nib.save(label.as_reoriented(change), path)
    second, _, (report,) = curate(tmp_path / "out_b", tmp_path / "s", recipe("aspect: false"))
    assert report.resampled
    assert [row["mask_hash"] for row in first] == [row["mask_hash"] for row in second]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def _change(path: Path, change) -> None:
    scan = nib.load(path)
    nib.save(nib.Nifti1Image(change(np.asarray(scan.dataobj)), scan.affine), path)


def _with_nan(data: np.ndarray) -> np.ndarray:
    data = data.astype(np.float32)
    data[3, 3, 3] = np.nan
    return data


def _with_seven(data: np.ndarray) -> np.ndarray:
    data = data.copy()
    data[0, 0, :3] = 7
    return data


def _move(path: Path, distance: float) -> None:
    scan = nib.load(path)
    affine = scan.affine.copy()
    affine[0, 3] += distance
    nib.save(nib.Nifti1Image(np.asarray(scan.dataobj), affine), path)


def test_pages_of_known_pixel_size_but_unknown_distance(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    rng = np.random.default_rng(0)
    pages = rng.integers(1, 255, (20, 24, 24)).astype(np.uint8)
    truth = np.zeros_like(pages)
    truth[4:15, 5:18, 6:20] = 1
    for name, stack in (("image", pages), ("label", truth)):
        first, *others = [Image.fromarray(page) for page in stack]
        first.save(tmp_path / "s" / f"{name}.tif", save_all=True, append_images=others)
    text = """
name: Pages
license: {name: CC0-1.0, redistributable: true, commercial: true}
modality: Microscopy
anatomy: [other]
isotropic: true
spacing: [0.5, 0.25]
cases: {image: image.tif, label: label.tif}
labels: {cell: 1}
"""
    kept, _, (report,) = curate(tmp_path / "out", tmp_path / "s", recipe(text=text))
    assert report.error is None
    sizes = {row["axis"]: (row["height"], row["width"]) for row in kept}
    assert sizes == {"z": (48, 24), "y": (20, 24), "x": (20, 24)}  # square pixels where both edges are known
    assert {(row["axis"], row["spacing_row"], row["spacing_col"], row["spacing_slice"]) for row in kept} == {
        ("z", 0.25, 0.25, None), ("y", None, 0.25, 0.5), ("x", None, 0.5, 0.25),
    }  # fmt: skip
