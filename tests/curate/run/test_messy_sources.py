"""Sources as people have them, from recipe to rows: wrong headers, odd pictures, files with other words."""

from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from curate.recipe.load import parse_recipe
from curate.run.plan import Options
from curate.run.run import run
from curate.run.summary import RunSummary
from tests.curate.corpora import rows

HEAD = """
name: Set
license: {name: CC0-1.0}
anatomy: [abdomen]
min_area: 0
aspect: false
"""
PAIR = 'cases: {image: "{case}/image.nii.gz", label: "{case}/label.nii.gz"}\nlabels: {organ: 1}\n'
RNG = np.random.default_rng(0)
SCAN = RNG.integers(-200, 300, (12, 14, 16)).astype(np.int16)
ORGAN = np.zeros(SCAN.shape, np.uint8)
ORGAN[3:8, 4:9, 5:11] = 1
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def curate(source: Path, out: Path, text: str) -> RunSummary:
    """Run a recipe on a source."""
    return run(parse_recipe(HEAD + text, Path("set.yaml")), source, out, Options(memory=2 << 30))


def save(path: Path, voxels: NDArray, affine: NDArray | None = AFFINE, sform: int = 1, qform: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    nib.save(image, path)


def axial_masks(out: Path, label: str = "organ") -> NDArray[np.bool_]:
    """The masks of a label along z in RAS+ (x, y, z) order, all slices."""
    volume = np.zeros(SCAN.shape, bool)
    for row in rows(out):
        if row["axis"] == "z" and row["label"] == label:
            mask = cv2.imread(str(out / row["mask"]), cv2.IMREAD_GRAYSCALE) > 0
            volume[:, :, row["slice"]] |= mask[::-1, ::-1].T
    return volume


@pytest.mark.parametrize(
    ("label", "note"),
    [
        ({"affine": np.eye(4)}, "placeholder"),
        ({"sform": 0, "qform": 0}, "codes 0"),
    ],
)
def test_a_label_whose_header_says_nothing_is_matched_by_index(tmp_path: Path, label: dict, note: str) -> None:
    save(tmp_path / "s/a/image.nii.gz", SCAN)
    save(tmp_path / "s/a/label.nii.gz", ORGAN, **label)
    summary = curate(tmp_path / "s", tmp_path / "out", f"modality: CT\nwindow: abdomen\n{PAIR}")
    assert summary.failed == {}
    np.testing.assert_array_equal(axial_masks(tmp_path / "out"), ORGAN > 0)
    ((code, text),) = summary.case_warnings["a"]
    assert code == "label"
    assert note in text
    (row,) = pq.read_table(tmp_path / "out/warnings.parquet").to_pylist()
    assert (row["dataset"], row["case"], row["code"]) == ("Set", "a", "label")


def test_a_label_with_swapped_axes_fails(tmp_path: Path) -> None:
    save(tmp_path / "s/a/image.nii.gz", SCAN)
    save(tmp_path / "s/a/label.nii.gz", np.ascontiguousarray(ORGAN.T))
    summary = curate(tmp_path / "s", tmp_path / "out", f"modality: CT\nwindow: abdomen\n{PAIR}")
    assert "its axes are swapped" in summary.failed["a"]


def test_what_resampling_keeps_is_reported_by_case(tmp_path: Path) -> None:
    save(tmp_path / "s/a/image.nii.gz", SCAN)
    moved = AFFINE.copy()
    moved[2, 3] = 3.0 * 7  # the label's first slice is the image's eighth
    save(tmp_path / "s/a/label.nii.gz", ORGAN[:, :, :9], moved)
    summary = curate(tmp_path / "s", tmp_path / "out", f"modality: CT\nwindow: abdomen\n{PAIR}")
    voxel = 12.0
    assert summary.resampled == {"a": (float(ORGAN[:, :, :9].sum()) * voxel, 0.0)}


@pytest.mark.parametrize("shape", [(1, 14, 16), (12, 1, 16), (12, 14, 1)])
def test_a_volume_of_one_slice_is_one_image(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    part = tuple(slice(6, 7) if n == 1 else slice(None) for n in shape)
    save(tmp_path / "s/a/image.nii.gz", SCAN[part])
    save(tmp_path / "s/a/label.nii.gz", ORGAN[part])
    curate(tmp_path / "s", tmp_path / "out", f"modality: CT\nwindow: abdomen\n{PAIR}")
    (row,) = rows(tmp_path / "out")
    assert (row["axis"], row["slice"]) == (None, None)
    assert row["area"] == ORGAN[part].sum()
    assert row["image"].endswith("--2d_none.png")


def test_nan_is_an_error_or_background(tmp_path: Path) -> None:
    voxels = SCAN.astype(np.float32)
    voxels[0] = np.nan
    save(tmp_path / "s/a/image.nii.gz", voxels)
    save(tmp_path / "s/a/label.nii.gz", ORGAN)
    text = f"modality: CT\nwindow: abdomen\n{PAIR}"
    summary = curate(tmp_path / "s", tmp_path / "out", text)
    assert "set `nan: background`" in summary.failed["a"]
    assert "image.nii.gz" in summary.failed["a"]
    summary = curate(tmp_path / "s", tmp_path / "out", f"nan: background\n{text}")
    assert summary.failed == {}
    row = next(row for row in rows(tmp_path / "out") if row["axis"] == "y")
    pixels = cv2.imread(str(tmp_path / "out" / row["image"]), cv2.IMREAD_GRAYSCALE)
    assert (pixels[:, -1] == 0).all()  # x = 0 is on the right of a coronal slice


def test_an_offset_is_reported_and_mended(tmp_path: Path) -> None:
    save(tmp_path / "s/a/image.nii.gz", (SCAN.astype(np.int32) + 32768))
    save(tmp_path / "s/a/label.nii.gz", ORGAN)
    text = f"modality: CT\nwindow: abdomen\n{PAIR}"
    summary = curate(tmp_path / "s", tmp_path / "out", text)
    assert [code for code, _ in summary.case_warnings["a"]] == ["flat_image"]
    summary = curate(tmp_path / "s", tmp_path / "out", f"rescale: {{intercept: -32768}}\n{text}")
    assert summary.case_warnings == {}
    row = next(row for row in rows(tmp_path / "out") if row["axis"] == "z")
    pixels = cv2.imread(str(tmp_path / "out" / row["image"]), cv2.IMREAD_GRAYSCALE)
    wanted = np.floor(np.clip((SCAN[:, :, row["slice"]] + 160) / 400, 0, 1) * 255 + 0.5)
    np.testing.assert_array_equal(pixels, wanted[::-1, ::-1].T)


def picture(path: Path, pixels: NDArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_threshold_above_the_maximum_is_reported(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"s/images/{name}.png", RNG.integers(0, 255, (40, 40), np.uint8))
        picture(tmp_path / f"s/masks/{name}.png", np.eye(40, dtype=np.uint8))
    text = (
        "modality: Endoscopy\nencoding: threshold\nlabels: [polyp]\n"
        'cases: {image: "images/{case}.png", label: "masks/{case}.png"}\n'
    )
    summary = curate(tmp_path / "s", tmp_path / "out", text)
    assert summary.masks == 0
    assert summary.wrong, "a recipe without a single mask ends with exit status 1"
    assert summary.labels_never_found == ["polyp"]
    assert "reaches the threshold 128" in summary.case_warnings["a"][0][1]


def test_blended_colours_take_the_nearest(tmp_path: Path) -> None:
    hard = np.zeros((64, 64, 3), np.uint8)
    hard[10:40, 10:40] = 255, 0, 0
    picture(tmp_path / "s/images/a.png", RNG.integers(0, 255, (64, 64), np.uint8))
    picture(tmp_path / "s/masks/a.png", cv2.GaussianBlur(hard, (5, 5), 0))
    text = (
        'modality: Endoscopy\nencoding: rgb\nlabels: {polyp: "#ff0000"}\n'
        'cases: {image: "images/{case}.png", label: "masks/{case}.png"}\n'
    )
    assert "not in the recipe" in curate(tmp_path / "s", tmp_path / "out", text).failed["a"]
    summary = curate(tmp_path / "s", tmp_path / "out", f"nearest: true\n{text}")
    assert summary.failed == {}
    assert rows(tmp_path / "out")[0]["area"] == pytest.approx(900, abs=8)
    assert "pixels took the nearest listed colour" in summary.case_warnings["a"][0][1]


def test_channels_of_a_label_are_labels(tmp_path: Path) -> None:
    save(tmp_path / "s/a/image.nii.gz", SCAN)
    other = np.zeros_like(ORGAN)
    other[6:11, 4:9, 5:11] = 1  # overlaps the first
    save(tmp_path / "s/a/label.nii.gz", np.stack([1 - ORGAN, ORGAN, other], axis=-1))
    text = "modality: CT\nwindow: abdomen\nencoding: one_hot\nlabels: {liver: 1, spleen: 2, both: [1, 2]}\n"
    text += 'cases: {image: "{case}/image.nii.gz", label: "{case}/label.nii.gz"}\n'
    assert curate(tmp_path / "s", tmp_path / "out", text).failed == {}
    np.testing.assert_array_equal(axial_masks(tmp_path / "out", "liver"), ORGAN > 0)
    np.testing.assert_array_equal(axial_masks(tmp_path / "out", "spleen"), other > 0)
    np.testing.assert_array_equal(axial_masks(tmp_path / "out", "both"), (ORGAN | other) > 0)


WORDS = (
    'modality: CT\nwindow: abdomen\nencoding: files\ncases: {image: "{case}/ct.nii.gz", label: "{case}/{label}.nii.gz"'
)


def test_every_word_is_a_label(tmp_path: Path) -> None:
    for case, names in {"a": ("liver", "spleen left"), "b": ("liver",)}.items():
        save(tmp_path / f"s/{case}/ct.nii.gz", SCAN)
        for name in names:
            save(tmp_path / f"s/{case}/{name}.nii.gz", ORGAN)
    text = f'{WORDS}, not: "x"}}\nlabels: "*"\n'.replace('not: "x"', 'not: ["*/x.nii.gz"]')
    summary = curate(tmp_path / "s", tmp_path / "out", text)
    assert summary.failed == {}
    found = {(row["case"], row["label"]) for row in rows(tmp_path / "out")}
    assert found == {("a", "liver"), ("a", "spleen_left"), ("a", "ct"), ("b", "liver"), ("b", "ct")}


def test_files_no_label_names_and_labels_never_found(tmp_path: Path) -> None:
    save(tmp_path / "s/a/ct.nii.gz", SCAN)
    for name in ("liver", "gallblader"):
        save(tmp_path / f"s/a/seg/{name}.nii.gz", ORGAN)
    text = f"{WORDS.replace('{label}.nii', 'seg/{label}.nii')}}}\nlabels: [liver, gallbladder]\n"
    summary = curate(tmp_path / "s", tmp_path / "out", text)
    assert summary.labels_never_found == ["gallbladder"]
    assert summary.files_unnamed == {"gallblader": 1}
    assert summary.case_warnings["a"] == [("no_label_file", "no label file for gallbladder")]


def test_a_label_in_the_folder_of_the_images_is_no_case(tmp_path: Path) -> None:
    for name in ("a", "a_seg", "b", "b_seg"):
        picture(tmp_path / f"s/{name}.png", np.eye(40, dtype=np.uint8) * 255)
    text = "modality: Endoscopy\nencoding: threshold\nlabels: [polyp]\n"
    text += 'cases: {image: "{case}.png", label: "{case}_seg.png"'
    summary = curate(tmp_path / "s", tmp_path / "out", f'{text}, not: ["*_seg.png"]}}\n')
    assert (summary.cases, summary.failed) == (2, {})


def test_the_modality_by_a_field(tmp_path: Path) -> None:
    for name in ("p1_ct", "p1_t1", "p2_ct"):
        save(tmp_path / f"s/{name}.nii.gz", SCAN)
        save(tmp_path / f"s/seg/{name}.nii.gz", ORGAN)
    text = """
modality: {field: mod, map: {ct: CT, t1: {modality: MR, sequence: t1}}}
window: abdomen
cases: {image: "{case}_{mod}.nii.gz", label: "seg/{case}_{mod}.nii.gz"}
labels: {organ: 1}
"""
    assert curate(tmp_path / "s", tmp_path / "out", text).failed == {}
    kept = {(row["case"], row["modality"], row["sequence"]) for row in rows(tmp_path / "out")}
    assert kept == {("p1", "CT", None), ("p2", "CT", None), ("p1", "MR", "t1")}
    windows = {row["modality"]: (row["window_low"], row["window_high"]) for row in rows(tmp_path / "out")}
    assert windows["CT"] == (-160.0, 240.0)
    assert windows["MR"] != windows["CT"]


def test_files_with_another_suffix_are_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JPG", "c.jpeg"):
        picture(tmp_path / f"s/{name}", np.eye(40, dtype=np.uint8) * 255)
    summary = curate(tmp_path / "s", tmp_path / "out", 'modality: Endoscopy\ncases: {image: "{case}.jpg"}\n')
    assert sorted(warning.partition(":")[0] for warning in summary.warnings) == [
        "1 files end with .JPG where {case}.jpg takes .jpg",
        "1 files end with .jpeg where {case}.jpg takes .jpg",
    ]
    both = 'modality: Endoscopy\ncases: {image: "{case}.{suffix:jpg|JPG|jpeg}"}\n'
    assert curate(tmp_path / "s", tmp_path / "out2", both).cases == 3
