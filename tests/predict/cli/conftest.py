"""The command as a user types it, with a model of no cost where masks are not what is looked at."""

import sys

import numpy as np
import pytest

from catalog.errors import MedcorpusError
from predict.cli.command import app, main
from predict.engines import open_engine as opening
from predict.inputs.walk import JOURNAL
from tests.predict.conftest import FakeEngine


@pytest.fixture
def predict(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return call


def error_of(*arguments):
    """The error that the command ends with."""
    with pytest.raises(MedcorpusError) as caught:
        app([*map(str, arguments)], standalone_mode=False)
    return caught.value


def labels_in(folder):
    """The files of a folder of results, but for the journal."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != JOURNAL
    )


@pytest.fixture
def costless(monkeypatch):
    """The command with a model of no cost, which remembers how it was asked for."""
    engine = FakeEngine()
    engine.asked = []

    def open_engine(*arguments, **options):
        engine.asked.append((*arguments, options))
        return engine, ("a remark",)

    monkeypatch.setattr(opening, "open_engine", open_engine)
    return engine


def segs_of(path):
    with np.load(path) as archive:
        assert archive.files == ["segs"]
        return archive["segs"]
