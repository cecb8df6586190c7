"""The command as a user types it; the model of no cost stands in where masks are not what is looked at."""

import json
import re
import subprocess
import sys

import cv2
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from predict import run as running
from predict.engines import find
from predict.engines import open_engine as opening
from predict.engines.engine import MaskLogits
from predict.inputs.case import PromptedCase
from tests.predict.cli.conftest import error_of, labels_in, segs_of
from tests.predict.conftest import IMAGES, FakeEngine, box_of, read_ct, read_image, save_case

HEAVY = ("torch", "numpy", "cv2", "PIL", "pyarrow", "tqdm")
RANDOM = np.random.default_rng(0)
FLAT = PromptedCase(
    "2DBox_US_1", RANDOM.integers(0, 256, (40, 60, 3), np.uint8), np.array([[3, 4, 30, 30], [9, 9, 50, 39]])
)
SOLID = PromptedCase("3DBox_CT_2", RANDOM.integers(0, 256, (8, 40, 60), np.uint8), np.array([[3, 4, 1, 30, 30, 7]]))


@pytest.fixture
def cases(tmp_path):
    folder = tmp_path / "cases"
    folder.mkdir()
    for case in (FLAT, SOLID):
        save_case(folder, case)
    return folder


def failures(err):
    return [line.removeprefix("failed: ") for line in err.splitlines() if line.startswith("failed: ")]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["nowhere", "--out", "o"], ["x", "--manifest", "y"]])
def test_help_and_mistakes_need_no_heavy_library(arguments):
    code = (
        "import sys\n"
        "from predict.cli.command import main\n"
        f"sys.argv = ['predict', *{arguments}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    code = stop.code\n"
        f"print('loaded', [name for name in {HEAVY[:1]} if name in sys.modules], code)\n"
        f"print('heavy', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    asks = arguments[0] in ("-h", "--help")
    assert done.stdout.splitlines()[-2] == f"loaded [] {0 if asks else 2}", done.stderr
    if asks:
        assert done.stdout.splitlines()[-1] == "heavy []"


def test_masks_have_the_names_and_shapes_of_the_cases(predict, cases, costless, tmp_path):
    out = tmp_path / "deep" / "segs"
    code, shown, err = predict(cases, "--out", out)
    assert (code, labels_in(out)) == (0, ["2DBox_US_1.npz", "3DBox_CT_2.npz", "objects.csv"])
    flat, solid = segs_of(out / "2DBox_US_1.npz"), segs_of(out / "3DBox_CT_2.npz")
    assert (flat.shape, flat.dtype, solid.shape, solid.dtype) == ((40, 60), np.uint8, (8, 40, 60), np.uint8)
    assert set(np.unique(flat)) == {0, 1, 2}
    assert [bool(part.any()) for part in solid] == [False, *[True] * 7]
    assert re.fullmatch(r"2 of 2 cases, 3 boxes in \d+\.\d s, f32: .*\nnoted: pixels under other objects: \d+\n", shown)
    assert "a remark" in err


def test_what_is_asked_for_is_taken(predict, cases, costless, tmp_path, monkeypatch):
    asked = []
    segment = running.segment_case
    monkeypatch.setattr(
        running,
        "segment_case",
        lambda case, engine, way, tick, memory, keeps: asked.append((way, memory)) or segment(case, engine),
    )
    options = ["--propagation", "official", "--threads", 1, "--memory", "1.5G", "--engine", "openvino"]
    options += ["--precision", "bf16", "--model", "lite-medsam=x.pth", "--cache", tmp_path]
    monkeypatch.setattr(find, "fingerprint", lambda model: model)
    assert predict(cases, "--out", tmp_path / "segs", *options)[0] == 0
    assert predict(cases, "--out", tmp_path / "segs")[0] == 0
    assert asked == [("official", 3 << 29)] * 2 + [("clean", 1 << 29)] * 2
    assert costless.asked == [
        ("openvino", "lite-medsam=x.pth", {"threads": 1, "precision": "bf16", "cache": tmp_path}),
        ("auto", "effnet-lite0", {"threads": None, "precision": "auto", "cache": None}),
    ]


def test_past_255_boxes_labels_have_16_bits(predict, tmp_path, costless):
    boxes = np.array([[i % 20, 2, 30 + i % 30, 39] for i in range(300)])
    boxes[299] = [40, 0, 60, 40]
    save_case(tmp_path, PromptedCase("2DBox_Microscope_1", FLAT.pixels, boxes))
    assert predict(tmp_path, "--out", tmp_path / "segs")[0] == 0
    segs = segs_of(tmp_path / "segs" / "2DBox_Microscope_1.npz")
    assert (segs.dtype, segs.max(), segs.shape) == (np.uint16, 300, (40, 60))


def test_one_bad_case_does_not_stop_the_others(predict, cases, costless, tmp_path):
    (cases / "2DBox_US_0.npz").write_bytes(b"PK\x03\x04 no more")
    np.savez(cases / "2DBox_US_3.npz", imgs=FLAT.pixels, boxes=[[50, 4, 9, 9]])
    (cases / "a.png").write_bytes(b"\x89PNG no more")
    Image.fromarray(FLAT.pixels).save(cases / "b.png")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x0,y0,x1,y1\na.png,1,2,3,4\nc.png,1,2,3,4\n")
    out = tmp_path / "segs"
    code, shown, err = predict(cases, "--out", out, "--boxes", boxes, "--json")
    summary = json.loads(shown)
    assert code == 1
    assert labels_in(out) == ["2DBox_US_1.npz", "3DBox_CT_2.npz", "objects.csv"]
    assert [one["name"] for one in summary["cases"]] == ["2DBox_US_1", "3DBox_CT_2"]
    assert {name: fault["code"] for name, fault in summary["failed"].items()} == {
        "c.png": "missing", "2DBox_US_0": "unreadable", "2DBox_US_3": "box_order", "a": "unreadable", "b": "no_prompt"
    }  # fmt: skip
    told = failures(err)
    assert [line.split(": ")[0] for line in told] == list(summary["failed"])
    assert told == [f"{name}: {fault['message']}" for name, fault in summary["failed"].items()]


def test_json_is_the_summary(predict, cases, costless, tmp_path):
    code, shown, _ = predict(cases, "--out", tmp_path / "segs", "--json")
    summary = json.loads(shown)
    assert code == 0
    assert [(one["name"], one["modality"], one["boxes"]) for one in summary["cases"]] == [
        ("2DBox_US_1", "US", 2),
        ("3DBox_CT_2", "CT", 1),
    ]
    seconds = [one["seconds"] for one in summary["cases"]]
    assert all(one > 0 for one in seconds)
    assert summary["mean"] == {"seconds": pytest.approx(np.mean(seconds), abs=0.001), "boxes": 1.5}
    assert summary["by"]["modality"]["CT"] == {"seconds": seconds[1], "boxes": 1}
    assert summary["failed"] == {}
    assert summary["precision"] == "f32"
    assert [(note["case"], note["code"]) for note in summary["notes"]] == [("2DBox_US_1", "hidden")]


def test_a_folder_of_bad_cases_alone_still_gives_json(predict, tmp_path, costless):
    (tmp_path / "2DBox_US_0.npz").touch()
    code, shown, _ = predict(tmp_path, "--out", tmp_path / "segs", "--json")
    summary = json.loads(shown)
    assert (code, summary["cases"], summary["mean"], summary["by"]) == (1, [], {}, {"modality": {}})


def test_overlays_show_image_mask_and_box(predict, cases, costless, tmp_path):
    folder = tmp_path / "pictures"
    assert predict(cases, "--out", tmp_path / "segs", "--overlay", folder)[0] == 0
    flat, solid = (cv2.imread(str(folder / f"{case.name}.png")) for case in (FLAT, SOLID))
    assert flat.shape == (683, 1024, 3)
    assert solid.shape == (2 * (227 + 2), 3 * (341 + 2), 3)
    box = flat[round(4 * 1024 / 60), round(3 * 1024 / 60) + 5]
    assert np.ptp(box.astype(int)) > 30  # a coloured line


# ---- pictures, scans, corpora ----


@pytest.fixture
def mixed(tmp_path):
    """A picture, a scan and a case of the challenge in one folder, and a file of their boxes."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.fromarray(FLAT.pixels).save(folder / "polyp.png")
    voxels = RANDOM.integers(-500, 500, (30, 25, 10)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-2.0, 1, 3, 1])), folder / "scan.nii.gz")
    save_case(folder, SOLID)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(
        "image,x0,y0,z0,x1,y1,z1,label\npolyp.png,3,4,,30,30,,polyp\nscan.nii.gz,4,5,2,20,18,5,liver\n"
        "scan.nii.gz,1,1,7,9,9,7,spleen\n"
    )
    return folder, boxes


def test_a_mixed_folder(predict, mixed, costless, tmp_path):
    folder, boxes = mixed
    out, look = tmp_path / "segs", tmp_path / "look"
    code, _, err = predict(folder, "--out", out, "--boxes", boxes, "--window", "40/400", "--overlay", look)
    assert code == 0, err
    assert labels_in(out) == ["3DBox_CT_2.npz", "objects.csv", "polyp.png", "scan.nii.gz"]
    flat = cv2.imread(str(out / "polyp.png"), cv2.IMREAD_UNCHANGED)
    assert (flat.shape, flat.dtype, set(np.unique(flat))) == ((40, 60), np.uint8, {0, 1})
    scan, labels = nib.load(folder / "scan.nii.gz"), nib.load(out / "scan.nii.gz")
    np.testing.assert_array_equal(labels.affine, scan.affine)
    found = np.asarray(labels.dataobj)
    assert found.shape == scan.shape
    for label, (low, high) in {1: (2, 5), 2: (7, 7)}.items():
        assert sorted(set(np.nonzero(found == label)[2].tolist())) == list(range(low, high + 1))
    x0, y0, x1, y1 = box_of((found[..., 7] == 2).T)
    assert x0 >= 1
    assert y0 >= 1
    assert max(x1, y1) <= 10  # a logit's width more
    assert sorted(path.name for path in look.iterdir()) == ["3DBox_CT_2.png", "polyp.png", "scan.png"]
    rows = [row.split(",")[:5] for row in (out / "objects.csv").read_text().splitlines()[1:]]
    assert rows == [
        ["3DBox_CT_2.npz", "1", "", "1.0000", "1"],
        ["polyp.png", "1", "polyp", "1.0000", "1"],
        ["scan.nii.gz", "1", "liver", "1.0000", "1"],
        ["scan.nii.gz", "2", "spleen", "1.0000", "1"],
    ]


class Doubtful(FakeEngine):
    """Expects less of each box than of the one before."""

    def decode(self, embedding, prompts):
        for place, decoded in enumerate(super().decode(embedding, prompts)):
            yield MaskLogits(decoded.logits, decoded.iou * (0.9 - 0.3 * place))


def test_objects_below_the_least_iou_are_not_drawn(predict, mixed, monkeypatch, tmp_path):
    monkeypatch.setattr(opening, "open_engine", lambda *_, **__: (Doubtful(), ()))
    folder = tmp_path / "flat"
    folder.mkdir()
    save_case(folder, FLAT)
    save_case(folder, PromptedCase(SOLID.name, SOLID.pixels, np.tile(SOLID.boxes, (3, 1))))
    code, shown, _ = predict(folder, "--out", tmp_path / "segs", "--min-iou", 0.5, "--json")
    summary = json.loads(shown)
    assert code == 0
    assert [one["dropped"] for one in summary["cases"]] == [[], [3]]
    assert ("3DBox_CT_2", "not_drawn", 1) in [(n["case"], n["code"], n["count"]) for n in summary["notes"]]
    assert np.unique(segs_of(tmp_path / "segs" / "3DBox_CT_2.npz")).tolist() == [0, 2]
    _, shown, _ = predict(folder, "--out", tmp_path / "segs", "--min-iou", 0.95, "--json")
    assert [one["dropped"] for one in json.loads(shown)["cases"]] == [[1, 2], [1, 2, 3]]
    assert not segs_of(tmp_path / "segs" / "2DBox_US_1.npz").any()


def test_cases_are_scored_by_their_reference(predict, cases, costless, tmp_path):
    out = tmp_path / "first"
    assert predict(cases, "--out", out)[0] == 0
    for case in (FLAT, SOLID):  # what was found is made the truth, but for the second object
        found = segs_of(out / f"{case.name}.npz")
        spacing = {"spacing": np.array([1, 1, 5.0])} if case.is_volume else {}
        np.savez(cases / f"{case.name}.npz", imgs=case.pixels, boxes=case.boxes, gts=np.minimum(found, 1), **spacing)
    code, shown, _ = predict(cases, "--out", tmp_path / "segs", "--score", "--json")
    summary = json.loads(shown)
    flat, solid = summary["cases"]
    assert code == 0
    assert [solid[metric] for metric in ("dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24")] == [1, 1, 1, 1]
    assert flat["dsc"] < flat["dsc_cvpr24"] < 1  # cvpr24 looks at no label above the largest of the truth
    assert summary["mean"]["dsc"] == pytest.approx((flat["dsc"] + 1) / 2, abs=1e-4)
    tables = {path.name for path in (tmp_path / "segs").glob("*.csv")}
    assert tables == {"metrics.csv", "running_time.csv", "objects.csv"}
    code, shown, _ = predict(cases, "--out", tmp_path / "segs", "--score", "--boxes-from", "gts")
    assert code == 0
    assert [line.split()[0] for line in shown.splitlines()] == ["modality", "CT", "US", "mean", "2"]


def test_a_corpus(predict, corpora, costless, tmp_path):
    corpus = corpora["npz"]
    out = tmp_path / "segs"
    code, shown, err = predict(
        "--manifest", corpus.catalog, "--out", out, "--only", "modality=Ultrasound|Endoscopy", "--score", "--json"
    )
    assert code == 0, err
    summary = json.loads(shown)
    assert (
        {one["modality"] for one in summary["cases"]} == {"Ultrasound", "Endoscopy"} == set(summary["by"]["modality"])
    )
    for one in summary["cases"]:
        dataset = one["name"].split("--")[1]
        labels = cv2.imread(str(out / dataset / f"{one['name']}.png"), cv2.IMREAD_UNCHANGED)
        assert labels.max() <= one["boxes"]
        assert 0 < one["dsc"] < 1
    assert (out / "objects.csv").read_text().count("\n") == 1 + sum(one["boxes"] for one in summary["cases"])


# ---- trouble ----


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--out", "{tmp}/o"], "options"),
        (["{cases}", "--manifest", "{tmp}", "--out", "{tmp}/o"], "options"),
        (["--manifest", "{tmp}", "--out", "{tmp}/o", "--boxes", "b.csv"], "options"),
        (["{tmp}/none", "--out", "{tmp}/o"], "folder"),
        (["{tmp}/empty", "--out", "{tmp}/o"], "folder"),
        (["{cases}", "--out", "{cases}"], "folder"),
        (["{cases}", "--out", "{tmp}/o", "--overlay", "{tmp}/o"], "folder"),
        (["{cases}", "--out", "{cases}/2DBox_US_1.npz"], "folder"),
        (["{cases}", "--out", "{tmp}/o", "--memory", "much"], "options"),
        (["{cases}", "--out", "{tmp}/o", "--window", "liver"], "options"),
        (["{cases}", "--out", "{tmp}/o", "--boxes", "{tmp}/b.csv"], "prompts"),
        (["{cases}", "--out", "{tmp}/o", "--boxes-from", "masks"], "options"),
        (["{cases}", "--out", "{tmp}/o", "--boxes-from", "gts", "--boxes", "b"], "options"),
        (["{cases}", "--out", "{tmp}/o", "--boxes", "whole", "--box", "1,2,3,4"], "options"),
        (["{cases}", "--out", "{tmp}/o", "--box", "1,2,3,4"], "options"),
        (["{cases}/2DBox_US_1.npz", "--out", "{tmp}/o", "--box", "1,2,3"], "options"),
        (["{cases}", "--out", "{tmp}/o", "--truth", "{tmp}/t"], "folder"),
        (["{cases}", "--out", "{tmp}/o", "--only", "modality=CT"], "options"),
    ],
)
def test_usage_errors_end_in_2_and_write_nothing(arguments, code, predict, cases, costless, tmp_path):
    (tmp_path / "empty").mkdir()
    words = [one.format(cases=cases, tmp=tmp_path) for one in arguments]
    assert error_of(*words).code == code
    status, shown, err = predict(*words)
    assert (status, shown) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("option", ["--propagation=dirty", "--threads=0", "--min-iou=2", "--overlaps=all", "--none"])
def test_values_of_options_are_checked(option, predict, cases, costless, tmp_path):
    code, shown, err = predict(cases, "--out", tmp_path / "o", option)
    assert (code, shown) == (2, "")
    assert option.split("=")[0] in err
    assert not (tmp_path / "o").exists()


def test_a_folder_that_is_not_a_corpus_ends_in_2(predict, costless, tmp_path):
    assert predict("--manifest", tmp_path, "--out", tmp_path / "o")[0] == 2


@pytest.mark.parametrize("model", ["lite-medsan", "lite-medsam=none.pth", "swin-t"])
def test_a_model_that_cannot_be_had_ends_in_2(model, predict, cases, tmp_path):
    code, _, err = predict(cases, "--out", tmp_path / "o", "--model", model)
    assert (code, (tmp_path / "o").exists()) == (2, False)
    assert err.startswith("error: ")


def test_no_module_of_the_inputs_needs_torch(mixed, tmp_path):
    folder, boxes = mixed
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'timm', 'torchvision', 'safetensors'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import numpy as np\n"
        "import predict.engines.open_engine\n"
        "from predict.engines.engine import MaskLogits\n"
        "class Engine:\n"
        "    size, precision = 256, 'f32'\n"
        "    def embed(self, image):\n"
        "        return image\n"
        "    def decode(self, embedding, prompts):\n"
        "        yield MaskLogits(np.ones((len(prompts), 256, 256), np.float32), np.ones(len(prompts), np.float32))\n"
        "predict.engines.open_engine.open_engine = lambda *_, **__: (Engine(), ())\n"
        "from predict.cli.command import main\n"
        "main()\n"
    )
    arguments = [folder, "--out", tmp_path / "o", "--boxes", boxes, "--overlay", tmp_path / "look"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, len(labels_in(tmp_path / "o"))) == (0, 4), done.stderr


def test_what_scoring_lacks_is_told_before_anything_is_done(predict, cases, costless, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "predict.scoring.score_case", raising=False)
    monkeypatch.delitem(sys.modules, "predict.scoring.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "surface_distance", None)
    code, _, err = predict(cases, "--out", tmp_path / "o", "--score")
    assert (code, err) == (2, "error: this needs surface_distance: pip install 'medcorpus[train]'\n")
    assert not (tmp_path / "o").exists()


def test_a_write_that_fails_leaves_nothing_half_done(predict, cases, costless, tmp_path, monkeypatch):
    out = tmp_path / "segs"
    assert predict(cases, "--out", out)[0] == 0
    before = (out / "2DBox_US_1.npz").read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("catalog.atomic.os.fsync", full)
    code, _, err = predict(cases, "--out", out, "--overwrite")
    assert code == 1
    assert "2DBox_US_1.npz cannot be written: No space left on device" in err.splitlines()[-1]
    assert (out / "2DBox_US_1.npz").read_bytes() == before
    assert labels_in(out) == ["2DBox_US_1.npz", "3DBox_CT_2.npz", "objects.csv"]


def test_an_interrupt_leaves_whole_files(predict, cases, costless, tmp_path, monkeypatch):
    def stop(image):
        if len(costless.encoded) > 1:
            raise KeyboardInterrupt
        return FakeEngine.embed(costless, image)

    monkeypatch.setattr(costless, "embed", stop, raising=False)
    out = tmp_path / "segs"
    code, shown, err = predict(cases, "--out", out)
    assert code == 1
    assert "Interrupted at 3DBox_CT_2" in err
    assert shown.startswith("1 of 2 cases")
    assert labels_in(out) == ["2DBox_US_1.npz", "objects.csv"]
    monkeypatch.delattr(costless, "embed")
    code, shown, _ = predict(cases, "--out", out)  # goes on
    assert code == 0
    assert shown.startswith("1 of 2 cases, 1 boxes")
    assert "1 finished before" in shown
    assert len(costless.encoded) == 2 + 7
    assert labels_in(out) == ["2DBox_US_1.npz", "3DBox_CT_2.npz", "objects.csv"]


def test_too_little_memory_fails_the_case_alone(predict, cases, costless, tmp_path, monkeypatch):
    def fail(image):
        if len(costless.encoded) == 0:
            costless.encoded.append(image)
            raise MemoryError
        return FakeEngine.embed(costless, image)

    monkeypatch.setattr(costless, "embed", fail, raising=False)
    code, _, err = predict(cases, "--out", tmp_path / "segs")
    assert (code, failures(err)) == (1, ["2DBox_US_1: there is not enough memory for it"])
    assert labels_in(tmp_path / "segs") == ["3DBox_CT_2.npz"]


def test_real_cases_end_to_end(predict, ours, shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "open_engine", lambda *_, **__: (ours, ()))
    flat = read_image(shared_data, next(iter(IMAGES)))
    solid, truth = read_ct(shared_data, ("liver", "spleen"))
    boxes = solid.boxes.copy()
    boxes[:, 2], boxes[:, 5] = 95, 95
    for case in (flat, PromptedCase(solid.name, solid.pixels, boxes)):
        save_case(tmp_path, case)
    out = tmp_path / "segs"
    assert predict(tmp_path, "--out", out)[0] == 0
    segs = segs_of(out / f"{solid.name}.npz")
    assert not np.delete(segs, 95, axis=0).any()
    for label in (1, 2):
        found, wanted = segs[95] == label, truth[95] == label
        assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.8
    assert set(np.unique(segs_of(out / f"{flat.name}.npz"))) == set(range(len(flat.boxes) + 1))
