"""The command as a user types it; the model of no cost stands in where masks are not what is looked at."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

import train.predict.run
import train.predict.torch_engine
from train.predict.cli import main
from train.predict.inputs import Case

from .conftest import IMAGES, FakeEngine, read_ct, read_image, save_case

HEAVY = ("torch", "numpy", "cv2", "PIL", "pyarrow", "tqdm")
RANDOM = np.random.default_rng(0)
FLAT = Case("2DBox_US_1", RANDOM.integers(0, 256, (40, 60, 3), np.uint8), np.array([[3, 4, 30, 30], [9, 9, 50, 39]]))
SOLID = Case("3DBox_CT_2", RANDOM.integers(0, 256, (8, 40, 60), np.uint8), np.array([[3, 4, 1, 30, 30, 7]]))


@pytest.fixture
def predict(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def costless(monkeypatch):
    """The command with a model of no cost."""
    engine = FakeEngine()
    monkeypatch.setattr(train.predict.torch_engine, "load_engine", lambda preset, weights: (engine, ("a remark",)))
    monkeypatch.setattr(train.predict.torch_engine, "use_threads", engine.threads.append)
    return engine


@pytest.fixture
def cases(tmp_path):
    folder = tmp_path / "cases"
    folder.mkdir()
    for case in (FLAT, SOLID):
        save_case(folder, case)
    return folder


def segs_of(path):
    with np.load(path) as archive:
        assert archive.files == ["segs"]
        return archive["segs"]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["nowhere", "--out", "o"], ["--model", "nope"]])
def test_help_and_mistakes_need_no_heavy_library(arguments):
    code = (
        "import sys\n"
        "from train.predict.cli import main\n"
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
    assert (code, sorted(path.name for path in out.iterdir())) == (0, ["2DBox_US_1.npz", "3DBox_CT_2.npz"])
    flat, solid = segs_of(out / "2DBox_US_1.npz"), segs_of(out / "3DBox_CT_2.npz")
    assert (flat.shape, flat.dtype, solid.shape, solid.dtype) == ((40, 60), np.uint8, (8, 40, 60), np.uint8)
    assert set(np.unique(flat)) == {0, 1, 2}
    assert [bool(part.any()) for part in solid] == [False, *[True] * 7]
    assert shown.startswith("2 of 2 cases, 3 boxes in ")
    assert "a remark" in err


def test_the_propagation_asked_for_is_taken(predict, cases, costless, tmp_path, monkeypatch):
    asked = []
    segment = train.predict.run.segment_case
    monkeypatch.setattr(
        train.predict.run, "segment_case", lambda case, engine, way, tick: asked.append(way) or segment(case, engine)
    )
    assert predict(cases, "--out", tmp_path / "segs", "--propagation", "official", "--threads", 1)[0] == 0
    assert predict(cases, "--out", tmp_path / "segs")[0] == 0
    assert asked == ["official", "official", "clean", "clean"]
    assert costless.threads == [1]


def test_past_255_boxes_labels_have_16_bits(predict, tmp_path, costless):
    boxes = np.array([[i % 20, 2, 30 + i % 30, 39] for i in range(300)])
    boxes[299] = [40, 0, 60, 40]
    save_case(tmp_path, Case("2DBox_Microscope_1", FLAT.pixels, boxes))
    assert predict(tmp_path, "--out", tmp_path / "segs")[0] == 0
    segs = segs_of(tmp_path / "segs" / "2DBox_Microscope_1.npz")
    assert (segs.dtype, segs.max(), segs.shape) == (np.uint16, 300, (40, 60))


def test_one_bad_case_does_not_stop_the_others(predict, cases, costless, tmp_path):
    (cases / "2DBox_US_0.npz").write_bytes(b"PK\x03\x04 no more")
    np.savez(cases / "2DBox_US_3.npz", imgs=FLAT.pixels, boxes=[[50, 4, 9, 9]])
    out = tmp_path / "segs"
    code, shown, err = predict(cases, "--out", out, "--json")
    summary = json.loads(shown)
    assert code == 1
    assert sorted(path.name for path in out.iterdir()) == ["2DBox_US_1.npz", "3DBox_CT_2.npz"]
    assert [one["name"] for one in summary["cases"]] == ["2DBox_US_1", "3DBox_CT_2"]
    assert list(summary["failed"]) == ["2DBox_US_0", "2DBox_US_3"]
    told = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert len(told) == 2
    assert told[0].startswith("failed: 2DBox_US_0.npz: the file is damaged")
    assert told[1] == "failed: 2DBox_US_3.npz: box 1 [50, 4, 9, 9] of 1: inverted: x0, y0, x1, y1 is the order"


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{cases}"], "--out"),
        (["{tmp}/none", "--out", "{tmp}/o"], "is no folder"),
        (["{tmp}", "--out", "{tmp}/o"], "has no case, no .npz file: it holds cases"),
        (["{cases}", "--out", "{cases}"], "which the masks would overwrite"),
        (["{cases}", "--out", "{cases}/2DBox_US_1.npz"], "cannot be made: File exists"),
        (["{cases}", "--out", "{tmp}/o", "--model", "lite-medsan"], "Did you mean lite-medsam?"),
        (["{cases}", "--out", "{tmp}/o", "--model", "repvit-m0.6"], "give the file with --weights"),
        (["{cases}", "--out", "{tmp}/o", "--propagation", "dirty"], "'clean', 'official'"),
        (["{cases}", "--out", "{tmp}/o", "--threads", "0"], "Invalid value for '--threads'"),
    ],
)
def test_asking_wrongly_ends_in_2(arguments, message, predict, cases, costless, tmp_path):
    code, shown, err = predict(*(one.format(cases=cases, tmp=tmp_path) for one in arguments))
    assert (code, shown) == (2, "")
    assert message in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "o").exists()


def test_weights_that_are_none_end_in_2(predict, cases, tmp_path):
    code, _, err = predict(cases, "--out", tmp_path / "o", "--weights", tmp_path / "none.pth")
    assert (code, "is no file" in err, (tmp_path / "o").exists()) == (2, True, False)


def test_without_torch_the_remedy_is_told(cases, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import sys\nsys.modules['torch'] = None\nfrom train.predict.cli import main\nmain()\n",
         cases, "--out", tmp_path / "o"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip() == "error: this needs torch: pip install 'medcorpus[train]'"


def test_a_write_that_fails_leaves_nothing_half_done(predict, cases, costless, tmp_path, monkeypatch):
    out = tmp_path / "segs"
    out.mkdir()
    (out / "2DBox_US_1.npz").write_bytes(b"earlier")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("train.files.os.fsync", full)
    code, _, err = predict(cases, "--out", out)
    assert code == 1
    assert err.splitlines()[-1].endswith("2DBox_US_1.npz cannot be written: No space left on device")
    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [("2DBox_US_1.npz", b"earlier")]


def test_an_interrupt_leaves_whole_files(predict, cases, costless, tmp_path, monkeypatch):
    def stop(image):
        if len(costless.encoded) > 1:
            raise KeyboardInterrupt
        return FakeEngine.embed(costless, image)

    monkeypatch.setattr(costless, "embed", stop, raising=False)
    out = tmp_path / "segs"
    code, _, err = predict(cases, "--out", out)
    assert code == 1
    assert "stopped at 3DBox_CT_2.npz" in err
    assert [path.name for path in out.iterdir()] == ["2DBox_US_1.npz"]


def test_a_terminal_shows_bars():
    termios = pytest.importorskip("termios", reason="needs a pseudo-terminal")
    lead, follow = os.openpty()
    termios.tcsetwinsize(follow, (24, 100))
    code = (
        "import sys, time\n"
        "from train.predict.progress import Progress\n"
        "with Progress(2) as progress:\n"
        "    progress.begin('3DBox_CT_2')\n"
        "    progress.slices(3, 7)\n"
        "    progress.say('failed: x')\n"
        "    progress.end()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=follow, stdout=subprocess.DEVNULL) as process:
        os.close(follow)
        shown = b""
        try:
            while part := os.read(lead, 4096):
                shown += part
        except OSError:  # how Linux tells that the other end is closed
            pass
        os.close(lead)
    assert process.returncode == 0
    assert b"1/2" in shown
    assert b"failed: x" in shown


def test_real_cases_end_to_end(predict, ours, shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr(train.predict.torch_engine, "load_engine", lambda preset, weights: (ours, ()))
    flat = read_image(shared_data, next(iter(IMAGES)))
    solid, truth = read_ct(shared_data, ("liver", "spleen"))
    boxes = solid.boxes.copy()
    boxes[:, 2], boxes[:, 5] = 95, 97
    for case in (flat, Case(solid.name, solid.pixels, boxes)):
        save_case(tmp_path, case)
    out = tmp_path / "segs"
    assert predict(tmp_path, "--out", out)[0] == 0
    segs = segs_of(out / f"{solid.name}.npz")
    assert not np.delete(segs, (95, 96, 97), axis=0).any()
    for label in (1, 2):
        found, wanted = segs[95:98] == label, truth[95:98] == label
        assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.8
    assert set(np.unique(segs_of(out / f"{flat.name}.npz"))) == set(range(len(flat.boxes) + 1))
