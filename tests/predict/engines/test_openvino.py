"""What OpenVINO does to the process that it runs in."""

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

SIGNAL_AFTER_TWO_ENGINES = """
import gc, os, signal, sys
from pathlib import Path
import numpy as np
from predict.engines.exported import read_exported
from predict.engines.openvino import OpenVinoEngine

def handle(*_):
    print("handled")

signal.signal(signal.SIGUSR1, handle)
engines = [OpenVinoEngine(read_exported(Path(sys.argv[1])), 1, "f32", Path(sys.argv[2])) for _ in range(2)]
for engine in engines:
    engine.embed(np.zeros((3, 256, 256), np.float32))
del engine
while engines:
    engines.pop(0)
    gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_two_engines_kills_nothing(exported, tmp_path):
    """Python's handlers run on the thread's stack for signals, which a Core of OpenVINO exchanges and takes away."""
    words = [sys.executable, "-X", "faulthandler", "-c", SIGNAL_AFTER_TWO_ENGINES, str(exported), str(tmp_path)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
