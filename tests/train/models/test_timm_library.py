import importlib.util
import subprocess
import sys

import pytest

from predict.errors import ModelError
from train.models import timm_library


def run(code):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("timm")
def test_timm_imports_in_a_fresh_process():
    done = run(
        "from train.models.timm_library import load_timm\n"
        "load_timm()\n"
        "import torchvision, torch\n"
        "print(torch.ops.torchvision.nms, torch.ops.torchvision.qnms)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["torchvision.nms", "torchvision.qnms"]


@pytest.mark.usefixtures("timm")
def test_nothing_is_declared_where_torchvision_works_or_is_done():
    before = list(timm_library._schemas)
    timm_library.define_torchvision_operators()
    assert timm_library._schemas == before


def test_a_missing_timm_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install timm"):
        timm_library.load_timm()
