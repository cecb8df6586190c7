"""Progress as a terminal and a log show it."""

import os
import subprocess
import sys

import pytest

import catalog.progress
from catalog.progress import Progress


def test_a_terminal_shows_bars():
    termios = pytest.importorskip("termios", reason="needs a pseudo-terminal")
    lead, follow = os.openpty()
    termios.tcsetwinsize(follow, (24, 100))
    code = (
        "import sys, time\n"
        "from catalog.progress import Progress\n"
        "with Progress(2, step='slice') as progress:\n"
        "    progress.begin('3DBox_CT_2')\n"
        "    progress.step(3, 7)\n"
        "    progress.say('failed: x')\n"
        "    progress.advance()\n"
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


def test_a_log_gets_a_line_every_few_seconds(monkeypatch, capsys):
    clock = 0.0
    monkeypatch.setattr(catalog.progress, "monotonic", lambda: clock)
    with Progress(3, "image", name="KiTS23", step="slice") as progress:
        progress.begin("a")
        clock = 6
        progress.step(2, 9)
        progress.step(3, 9)
        progress.advance("5 slices/s")
        progress.begin("b")
        clock = 12
        progress.advance("7 slices/s")
        progress.say("failed: c")
    assert capsys.readouterr().err.splitlines() == [
        "KiTS23: 0/3 images done, at a, slice 2/9", "KiTS23: 2/3 images done, at b, 7 slices/s", "failed: c"
    ]  # fmt: skip


def test_nothing_to_do_says_nothing(capsys):
    with Progress(0) as progress:
        progress.advance()
    assert capsys.readouterr().err == ""
