"""docs/python.md names what there is, and its code runs."""

import inspect
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import catalog
import curate
import medcorpus
import predict
from curate.recipe.load import parse_recipe
from tests.docs.pages import code_words, page, rows, section

PACKAGES = {"medcorpus": medcorpus, "curate": curate, "catalog": catalog, "predict": predict}


def test_every_public_name_is_documented() -> None:
    table = dict(rows(section(page("docs/python.md"), "Packages")))
    assert {name.strip("`"): code_words(names) for name, names in table.items()} == {
        name: sorted(package.__all__) for name, package in PACKAGES.items()
    }


def test_arguments_of_curate() -> None:
    text = page("docs/python.md")
    parameters = inspect.signature(medcorpus.curate).parameters
    table = {
        word: row for row in rows(text.partition("| argument |")[2].partition("\n\n")[0]) for word in code_words(row[0])
    }
    assert list(table) == list(parameters)
    for name, parameter in parameters.items():
        if isinstance(parameter.default, (bool, str)):
            assert table[name][2] == f"`{parameter.default}`"


def test_exceptions_and_their_codes() -> None:
    for name, code, _ in rows(section(page("docs/python.md"), "Errors")):
        module, _, exception = name.strip("`").partition(".")
        found = getattr(PACKAGES[module], exception)
        assert issubclass(found, medcorpus.MedcorpusError)
        assert found.code == code.strip("`")
    public = {
        f"{name}.{entry}"
        for name in ("curate", "catalog")
        for entry in PACKAGES[name].__all__
        if entry.endswith("Error") and entry != "MedcorpusError"
    }
    assert public <= set(code_words(section(page("docs/python.md"), "Errors")))


def make_kits(folder: Path) -> None:
    """Two small scans in the layout of KiTS23: a kidney of noise with a tumour in it."""
    affine = np.diag([-1.0, -1.0, 3.0, 1.0])
    for number in range(2):
        case = folder / "dataset" / f"case_{number:05d}"
        case.mkdir(parents=True)
        rng = np.random.default_rng(number)
        label = np.zeros((48, 40, 30), np.uint8)
        label[8:34, 6:30, 5:25] = 1
        label[12:24, 10:22, 8:20] = 2
        image = (60 * label + rng.normal(0, 10, label.shape)).astype(np.int16)
        nib.save(nib.Nifti1Image(image, affine), case / "imaging.nii.gz")
        nib.save(nib.Nifti1Image(label, affine), case / "segmentation.nii.gz")


def test_the_python_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every code block, one after another, on a made-up source; what the comments say is so."""
    pytest.importorskip("openvino")
    make_kits(tmp_path / "data/kits23")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page("docs/python.md"), re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
    assert (names["summary"].cases, names["summary"].failed) == (2, {})
    assert len(names["corpus"]) == names["summary"].masks
    assert set(names["table"]["modality"]) == {"CT"}
    assert set(names["sizes"]["label"].to_pylist()) == {"kidney"}
    image, masks = names["image"], names["masks"]
    assert {row["label"] for row in image.rows} == {"kidney_tumor"}
    assert image.masks.shape == masks.shape == (len(image.rows), *image.pixels.shape)
    assert masks.dtype == np.bool_
    printed = capsys.readouterr().out
    assert "recipe\n'kits32' is neither a file nor a shipped recipe; did you mean 'kits23'?; " in printed


def test_the_examples_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_kits(tmp_path / "data/kits23")
    monkeypatch.chdir(tmp_path)
    (written,) = re.findall(r"```yaml\n(.*?)```", page("README.md"), re.DOTALL)
    groups = parse_recipe(written, Path("readme.yaml")).groups
    assert groups[0].label == medcorpus.load_recipe("kits23").groups[0].label
    (block,) = re.findall(r"```python\n(.*?)```", page("README.md"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert capsys.readouterr().out.startswith("ct_00--KiTS23--case_00000--")
    assert len(names["table"])
