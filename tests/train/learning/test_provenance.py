"""What run.json says of data and code."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from tests.train.small_runs import small_samples, write_small_corpus
from train.learning import provenance
from train.learning.provenance import describe_code, describe_samples


def test_the_hash_is_of_the_pixels_alone(tmp_path):
    first = describe_samples(small_samples(write_small_corpus(tmp_path / "a", images=4, val=1), None))
    assert (first["images"], first["masks"]) == (5, 7)
    assert re.fullmatch(r"[0-9a-f]{64}", first["sha256"])
    assert describe_samples(small_samples(write_small_corpus(tmp_path / "b", images=4, val=1), None)) == first
    larger = describe_samples(small_samples(write_small_corpus(tmp_path / "c", images=5, val=1), None))
    assert larger["sha256"] != first["sha256"]


@pytest.mark.parametrize("column", ["image_hash", "mask_hash"])
def test_one_other_pixel_gives_another_hash(column, tmp_path):
    import dataclasses

    samples = small_samples(write_small_corpus(tmp_path, images=3, val=1), None)
    values = samples.table[column].to_pylist()
    values[2] = "0" * 16
    place = samples.table.column_names.index(column)
    changed = dataclasses.replace(samples, table=samples.table.set_column(place, column, [values]))
    assert describe_samples(changed)["sha256"] != describe_samples(samples)["sha256"]
    order = dataclasses.replace(samples, grouped=np.ascontiguousarray(samples.grouped[::-1]))
    assert describe_samples(order)["sha256"] != describe_samples(samples)["sha256"]


def test_the_code_is_named(tmp_path, monkeypatch):
    import torch

    found = describe_code()
    assert found["torch"] == torch.__version__
    assert {"medcorpus", "python"} <= found.keys()
    if shutil.which("git") is None:
        pytest.skip("the commit needs git")
    root = tmp_path / "checkout"
    module = root / "train" / "learning" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.touch()
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert "commit" not in describe_code()

    def git(*words):
        done = subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=root,
                              capture_output=True, text=True, check=True)  # fmt: skip
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    git("tag", "v1")
    assert describe_code()["commit"] == git("rev-parse", "HEAD")
    module.write_text("changed")
    assert describe_code()["commit"] == git("rev-parse", "HEAD") + "-dirty"


def test_a_package_inside_anothers_checkout_has_no_commit(tmp_path, monkeypatch):
    if shutil.which("git") is None:
        pytest.skip("needs git")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    inside = tmp_path / "venv" / "site-packages" / "train" / "learning"
    inside.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(inside / "provenance.py"))
    assert "commit" not in describe_code()
