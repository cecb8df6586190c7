"""`predict` in situations of real users: what is skipped, hidden, clipped, turned, and how it is said."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image, ImageOps

from predict.cli import notices
from predict.cli.cases import default_out
from predict.cli.notices import click_warning, trade_off
from predict.engines import open_engine as opening
from predict.engines.engine import MaskLogits
from predict.inputs.case import PromptedCase
from predict.presets import DEFAULT_MODEL, PRESETS, UnseenScores
from tests.predict.cli.conftest import error_of, labels_in, segs_of
from tests.predict.conftest import FakeEngine, save_case

RANDOM = np.random.default_rng(0)


def disc(shape, x, y, radius):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(columns - x, rows - y) <= radius


def picture(path, shape=(80, 120), **options):
    """A bright organ with a brighter tumour in it, and their boxes: x, y of the centre, then its extent."""
    pixels = np.full(shape, 20, np.uint8)
    pixels[disc(shape, 60, 40, 30)] = 120
    pixels[disc(shape, 70, 40, 8)] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return pixels


ORGAN, TUMOUR = "30,10,90,70", "62,32,78,48"


class Blunt(FakeEngine):
    """Takes the whole of each box."""

    def decode(self, embedding, prompts):
        for x0, y0, x1, y1 in prompts.boxes.tolist():
            logits = np.full((1, 256, 256), -4, np.float32)
            logits[0, y0 : y1 + 1, x0 : x1 + 1] = 4
            yield MaskLogits(logits, np.ones(1, np.float32))


@pytest.fixture
def blunt(monkeypatch):
    monkeypatch.setattr(opening, "open_engine", lambda *_, **__: (Blunt(), ()))


# ---- the command as it is typed ----


def test_a_folder_and_nothing_more(predict, costless, tmp_path, monkeypatch):
    save_case(tmp_path, PromptedCase("2DBox_US_1", picture(tmp_path / "x" / "a.png"), np.array([[3, 4, 30, 30]])))
    cases = tmp_path / "cases"
    cases.mkdir()
    (tmp_path / "2DBox_US_1.npz").rename(cases / "2DBox_US_1.npz")
    assert predict(f"{cases}/")[0] == 0
    assert labels_in(tmp_path / "cases-predicted") == ["2DBox_US_1.npz"]
    monkeypatch.chdir(cases)
    code, shown, _ = predict(".")
    assert code == 0
    assert "1 finished before" in shown  # the same folder of results
    assert predict(cases / "2DBox_US_1.npz")[0] == 0
    assert labels_in(cases / "2DBox_US_1-predicted") == ["2DBox_US_1.npz"]
    assert predict(cases)[0] == 0  # results inside it are not cases


@pytest.mark.parametrize(
    ("place", "out"),
    [
        ("cases", "cases-predicted"),
        ("scan.nii.gz", "scan-predicted"),
        ("a/scan.v2.mha", "a/scan.v2-predicted"),
        ("corpus/catalog.parquet", "corpus-predicted"),
    ],
)
def test_results_are_beside_the_cases(place, out, tmp_path):
    assert default_out(tmp_path / place) == tmp_path / out


def test_a_folder_with_a_dot_in_its_name(tmp_path):
    (tmp_path / "set.png").mkdir()
    assert default_out(tmp_path / "set.png") == tmp_path / "set.png-predicted"


def run(*words, cwd=None):
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd or root, env=environment, capture_output=True, text=True, check=False
    )


def test_the_version(predict):
    assert predict("--version") == (0, f"medcorpus {version('medcorpus')}\n", "")


def test_python_m_predict_beside_a_predict_py_of_the_users_own(tmp_path):
    (tmp_path / "predict.py").write_text("print('mine')\n")
    assert run("-P", "-m", "predict", "--version", cwd=tmp_path).stdout.startswith("medcorpus ")
    assert run("-m", "predict", "--version").stdout.startswith("medcorpus ")
    assert "python -P -m predict" in (Path(__file__).parents[3] / "docs" / "predict.md").read_text()


def test_a_stopped_run_goes_on_and_changes_are_done_again(predict, costless, tmp_path):
    cases = tmp_path / "cases"
    for name in ("p1/a.png", "p2/a.png", "b.png"):
        picture(cases / name)
    assert predict(cases, "--boxes", "whole")[0] == 0
    assert labels_in(tmp_path / "cases-predicted") == ["b.png", "p1/a.png", "p2/a.png"]
    assert len(costless.encoded) == 3
    code, shown, _ = predict(cases, "--boxes", "whole", "--json")
    summary = json.loads(shown)
    assert (code, len(costless.encoded), summary["finished_before"]) == (0, 3, 3)
    assert [one["name"] for one in summary["cases"]] == ["b", "p1/a", "p2/a"]
    picture(cases / "b.png", (90, 120))
    assert predict(cases, "--boxes", "whole")[0] == 0
    assert len(costless.encoded) == 4
    assert cv2.imread(str(tmp_path / "cases-predicted" / "b.png"), -1).shape == (90, 120)
    assert predict(cases, "--boxes", "whole", "--overwrite")[0] == 0
    assert len(costless.encoded) == 7
    assert predict(cases, "--boxes", "whole", "--propagation", "official")[0] == 0
    assert len(costless.encoded) == 10


def test_labels_of_the_users_own_are_not_overwritten(predict, costless, tmp_path):
    cases, labels = tmp_path / "cases", tmp_path / "labels"
    picture(cases / "a.png")
    picture(cases / "b.png")
    labels.mkdir()
    (labels / "a.png").write_bytes(b"drawn by hand")
    code, shown, _ = predict(cases, "--out", labels, "--boxes", "whole", "--json")
    assert (code, json.loads(shown)["failed"]["a"]["code"]) == (1, "not_ours")
    assert (labels / "a.png").read_bytes() == b"drawn by hand"
    assert labels_in(labels) == ["a.png", "b.png"]


def test_one_picture_with_boxes_on_the_command_line(predict, blunt, tmp_path):
    pixels = picture(tmp_path / "a.png")
    code, _, err = predict(tmp_path / "a.png", "--box", ORGAN, "--box", TUMOUR)
    assert code == 0, err
    labels = cv2.imread(str(tmp_path / "a-predicted" / "a.png"), -1)
    assert labels.shape == pixels.shape
    assert (labels[40, 40], labels[40, 70], labels[5, 5]) == (1, 2, 0)
    nib.save(nib.Nifti1Image(np.stack([pixels] * 4, -1), np.eye(4)), tmp_path / "s.nii.gz")
    assert predict(tmp_path / "s.nii.gz", "--box", "10,30,1,70,90,2")[0] == 0
    found = np.asarray(nib.load(tmp_path / "s-predicted" / "s.nii.gz").dataobj)
    assert [bool(found[..., z].any()) for z in range(4)] == [False, True, True, False]
    assert error_of(tmp_path / "none.png", "--box", ORGAN).code == "folder"


# ---- objects on one another ----


@pytest.fixture(params=["picture", "npz", "scan"])
def nested(request, tmp_path):
    """A tumour's box before its organ's, in each kind of case: the folder, options, and how labels are read."""
    folder = tmp_path / "cases"
    pixels = picture(folder / "a.png")
    boxes = [[int(n) for n in text.split(",")] for text in (TUMOUR, ORGAN)]
    if request.param == "picture":
        (tmp_path / "b.csv").write_text(
            "image,x0,y0,x1,y1,label\n"
            + "".join(f"a,{','.join(map(str, b))},{n}\n" for b, n in zip(boxes, "to", strict=True))
        )
        return (
            folder,
            ["--boxes", tmp_path / "b.csv"],
            lambda out, name="a": cv2.imread(str(out / f"{name}.png"), -1)[None],
        )
    (folder / "a.png").unlink()
    if request.param == "npz":
        save_case(folder, PromptedCase("a", pixels, np.array(boxes)))
        return folder, [], lambda out, name="a": segs_of(out / f"{name}.npz")[None]
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([pixels] * 3)), str(folder / "a.mha"))
    lines = "".join(f"a,{x0},{y0},0,{x1},{y1},2\n" for x0, y0, x1, y1 in boxes)
    (tmp_path / "b.csv").write_text("image,x0,y0,z0,x1,y1,z1\n" + lines)
    return (
        folder,
        ["--boxes", tmp_path / "b.csv"],
        lambda out, name="a": sitk.GetArrayFromImage(sitk.ReadImage(str(out / f"{name}.mha"))),
    )


def test_a_tumour_before_its_organ_is_not_painted_over(predict, blunt, nested, tmp_path):
    folder, options, read = nested
    out = tmp_path / "o"
    code, shown, err = predict(folder, "--out", out, *options)
    assert code == 0, err
    labels = read(out)
    assert (labels[:, 40, 70] == 1).all()
    assert (labels[:, 40, 40] == 2).all()
    rows = [row.split(",") for row in (out / "objects.csv").read_text().splitlines()[1:]]
    assert [row[4] for row in rows] == ["1", "1"]
    tumour, organ = (tuple(map(int, row[5:])) for row in rows)
    assert tumour == ((labels == 1).sum(), 0)
    assert organ[1] == tumour[0]
    assert organ[0] - organ[1] == (labels == 2).sum()
    assert f"a: {organ[1]} pixels are under other objects: object 2 in part" in err
    assert f"noted: pixels under other objects: {organ[1]}" in shown


def test_the_later_box_may_have_the_pixel_as_in_the_script(predict, blunt, nested, tmp_path):
    folder, options, read = nested
    code, _, err = predict(folder, "--out", tmp_path / "o", *options, "--overlaps", "last")
    assert code == 0
    assert set(np.unique(read(tmp_path / "o"))) == {0, 2}
    assert "object 1 wholly" in err
    assert ",0," in (tmp_path / "o" / "objects.csv").read_text().splitlines()[1]


def test_layers_keep_every_pixel(predict, blunt, nested, tmp_path):
    folder, options, read = nested
    out = tmp_path / "o"
    assert predict(folder, "--out", out, *options)[0] == 0
    smallest = read(out)
    code, shown, _ = predict(folder, "--out", out, *options, "--overlaps", "layers", "--json")
    assert code == 0
    (case,) = json.loads(shown)["cases"]
    suffix = case["files"][0].partition("--001")[2]
    assert case["files"] == [f"a--001{suffix}", f"a--002{suffix}"]
    assert labels_in(out) == [f"a--001{suffix}", f"a--002{suffix}", "objects.csv"]  # the label map is gone
    tumour, organ = read(out, "a--001"), read(out, "a--002")
    np.testing.assert_array_equal(tumour, smallest == 1)
    np.testing.assert_array_equal(organ == 2, smallest > 0)
    rows = [row.split(",") for row in (out / "objects.csv").read_text().splitlines()[1:]]
    assert [(row[0], row[4], row[6]) for row in rows] == [(f"a--001{suffix}", "1", "0"), (f"a--002{suffix}", "1", "0")]


def test_layers_without_overlaps_are_one_file(predict, blunt, tmp_path):
    picture(tmp_path / "a.png")
    words = ["--box", "0,0,20,20", "--box", "60,60,80,70", "--overlaps", "layers"]
    assert predict(tmp_path / "a.png", "--out", tmp_path / "o", *words)[0] == 0
    assert labels_in(tmp_path / "o") == ["a.png"]


# ---- files as people have them ----


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_mask_of_a_phones_picture_is_where_the_object_is_seen(orientation, predict, costless, tmp_path):
    image = Image.fromarray(picture(tmp_path / "upright.png"))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=98)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    y, x = np.nonzero(shown > 200)
    box = f"{x.min() - 3},{y.min() - 3},{x.max() + 3},{y.max() + 3}"
    code, _, err = predict(tmp_path / "a.jpg", "--out", tmp_path / "o", "--box", box)
    assert code == 0
    mask = np.asarray(Image.open(tmp_path / "o" / "a.png")) > 0
    assert mask.shape == shown.shape
    found, wanted = mask, shown > 200
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.9
    assert f"EXIF orientation ({orientation})" in err


def test_nan_in_a_scan_is_named_and_the_rest_segmented(predict, blunt, tmp_path):
    voxels = np.stack([picture(tmp_path / "x.png")] * 6, -1).astype(np.float32)
    voxels[40, 60, 2], voxels[..., 4] = np.nan, np.nan
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "s.nii.gz")
    words = [tmp_path / "s.nii.gz", "--box", "10,30,0,70,90,5"]
    code, shown, err = predict(*words, "--out", tmp_path / "o")
    assert code == 0
    assert "slices 2, 4 (1 without any finite voxel, skipped)" in err
    assert f"pixels that are not finite: {1 + 80 * 120}" in shown
    found = np.asarray(nib.load(tmp_path / "o" / "s.nii.gz").dataobj)
    assert [bool(found[..., z].any()) for z in range(6)] == [True, True, True, True, False, True]
    assert (found[40, 60, 1], found[40, 60, 2]) == (1, 0)
    code, shown, _ = predict(*words, "--out", tmp_path / "p", "--strict", "--json")
    assert (code, json.loads(shown)["failed"]["s"]["code"]) == (1, "not_finite")


def test_boxes_past_the_border_are_counted_over_all_cases(predict, costless, tmp_path):
    cases = tmp_path / "cases"
    for name in "abcde":
        picture(cases / f"{name}.png")
    rows = "".join(f"{name}.png,30,10,120,80\n{name}.png,5,5,5,9\n" for name in "abcde")
    (tmp_path / "b.csv").write_text("image,x0,y0,x1,y1\n" + rows)
    code, shown, err = predict(cases, "--boxes", tmp_path / "b.csv")
    assert code == 0
    assert "boxes clipped at the border: 5" in shown
    assert err.count("reach past the border") == 3  # then they are only counted
    code, shown, _ = predict(cases, "--boxes", tmp_path / "b.csv", "--out", tmp_path / "o", "--strict", "--json")
    assert {fault["code"] for fault in json.loads(shown)["failed"].values()} == {"box_outside"}


def test_scoring_with_other_label_ids_than_the_boxes_says_so(predict, blunt, tmp_path):
    cases, truth = tmp_path / "cases", tmp_path / "truth"
    picture(cases / "a.png")
    reference = np.zeros((80, 120), np.uint8)
    reference[10:71, 30:91], reference[32:49, 62:79] = 3, 7
    truth.mkdir()
    Image.fromarray(reference).save(truth / "a.png")
    (tmp_path / "b.csv").write_text(f"image,x0,y0,x1,y1\na,{ORGAN}\na,{TUMOUR}\n")
    words = [cases, "--boxes", tmp_path / "b.csv", "--truth", truth, "--score", "--json"]
    _, shown, err = predict(*words, "--out", tmp_path / "o")
    assert json.loads(shown)["cases"][0]["dsc"] == 0
    assert "the reference has the labels 3, 7, the objects are 1 to 2" in err
    Image.fromarray(np.select([reference == 3, reference == 7], [1, 2]).astype(np.uint8)).save(truth / "a.png")
    _, shown, err = predict(*words, "--out", tmp_path / "o")
    assert json.loads(shown)["cases"][0]["dsc"] > 0.95
    assert "the reference has" not in err


def test_a_volume_without_spacing_is_scored_in_voxels(predict, blunt, tmp_path):
    pixels = np.stack([picture(tmp_path / "x.png")] * 3)
    truth = np.zeros(pixels.shape, np.uint8)
    truth[:, 10:71, 30:91] = 1
    (tmp_path / "cases").mkdir()
    np.savez(tmp_path / "cases" / "3DBox_CT_1.npz", imgs=pixels, boxes=[[30, 10, 0, 90, 70, 2]], gts=truth)
    code, shown, _ = predict(tmp_path / "cases", "--score", "--json")
    summary = json.loads(shown)
    assert code == 0
    assert summary["cases"][0]["nsd"] > 0.95
    assert [note["code"] for note in summary["notes"]] == ["no_spacing"]


# ---- what is said of the model ----


def test_the_default_says_what_it_trades_once_and_not_in_json(predict, costless, tmp_path):
    picture(tmp_path / "cases" / "a.png")
    line = trade_off(DEFAULT_MODEL)
    _, shown, err = predict(tmp_path / "cases", "--boxes", "whole")
    assert err.splitlines().count(line) == 1
    assert "--model lite-medsam" in line
    assert line not in shown
    assert line not in predict(tmp_path / "cases", "--boxes", "whole", "--json")[2]
    assert "times as fast" not in predict(tmp_path / "cases", "--boxes", "whole", "--model", "lite-medsam")[2]


def test_a_default_that_holds_trades_nothing(monkeypatch):
    for scores, silent in (((0.99, 0.95), True), ((0.989, 1.0), False), ((1.0, 0.949), False)):
        preset = PRESETS[DEFAULT_MODEL].__class__(
            "x", PRESETS[DEFAULT_MODEL].encoder, "", unseen=UnseenScores(*scores, 8)
        )
        monkeypatch.setattr(notices, "PRESETS", {DEFAULT_MODEL: preset})
        assert (trade_off(DEFAULT_MODEL) is None) == silent


def test_clicks_are_warned_of_once_per_run(predict, costless, tmp_path):
    cases = tmp_path / "cases"
    picture(cases / "a.png")
    picture(cases / "b.png")
    points = tmp_path / "p.csv"
    points.write_text("image,object,x,y,inside\na,1,60,40,1\nb,1,60,40,0\n")
    _, _, err = predict(cases, "--boxes", "whole", "--points", points)
    assert err.splitlines().count(click_warning(DEFAULT_MODEL, True)) == 1
    assert click_warning(DEFAULT_MODEL, False) is None
    assert click_warning("effnet-lite0=mine.pth", True).endswith("was this model trained with points?")
