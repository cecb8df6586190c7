import sys
from dataclasses import replace
from pathlib import Path

import pytest

from curate.discovery.cases import find_cases
from curate.discovery.source import source_folder
from curate.errors import SourceError
from curate.recipe.load import parse_recipe

RECIPE = parse_recipe(
    'name: Set\nlicense: {name: x}\nmodality: MR\nanatomy: other\ncases: {image: "{case}.png"}\n',
    Path("set.yaml"),
)


def test_given_wins(tmp_path: Path) -> None:
    recipe = replace(RECIPE, source="package:nowhere_at_all")
    assert source_folder(recipe, tmp_path) == tmp_path
    with pytest.raises(SourceError, match="none does not exist; pass the unpacked data set with --source"):
        source_folder(recipe, tmp_path / "none")


def test_own_folder(tmp_path: Path) -> None:
    assert source_folder(replace(RECIPE, source=str(tmp_path))) == tmp_path
    with pytest.raises(SourceError, match="the recipe Set names it"):
        source_folder(replace(RECIPE, source=str(tmp_path / "none")))


def test_the_default_is_a_folder_of_the_recipes_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDCORPUS_SOURCES", raising=False)
    with pytest.raises(SourceError, match=r"sources/set does not exist\. Unpack the data set there, pass its folder"):
        source_folder(RECIPE)
    (tmp_path / "sources/set").mkdir(parents=True)
    assert source_folder(RECIPE) == Path("sources/set")
    monkeypatch.setenv("MEDCORPUS_SOURCES", str(tmp_path / "elsewhere"))
    with pytest.raises(SourceError, match="elsewhere/set does not exist"):
        source_folder(RECIPE)
    (tmp_path / "elsewhere/set").mkdir(parents=True)
    assert source_folder(RECIPE) == tmp_path / "elsewhere/set"


def test_package_is_found_but_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_package/data").mkdir(parents=True)
    (tmp_path / "heavy_package/__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = replace(RECIPE, source="package:heavy_package/data")
    assert source_folder(recipe) == tmp_path / "heavy_package/data"
    assert "heavy_package" not in sys.modules
    with pytest.raises(SourceError, match="which heavy_package lacks: pip install --no-deps --upgrade heavy_package"):
        source_folder(replace(RECIPE, source="package:heavy_package/other"))


def test_package_that_is_not_installed() -> None:
    with pytest.raises(SourceError, match=r"is not installed: pip install --no-deps nowhere_at_all$"):
        source_folder(replace(RECIPE, source="package:nowhere_at_all/data"))


def test_an_incomplete_recipe_says_why(tmp_path: Path) -> None:
    text = "name: Set\nlicense: {name: x}\nmodality: MR\nstatus: incomplete\nreason: the labels are withheld\n"
    recipe = parse_recipe(text, Path("set.yaml"))
    with pytest.raises(SourceError, match="Set cannot be curated yet: the labels are withheld"):
        source_folder(recipe, tmp_path)
    with pytest.raises(SourceError, match="Set cannot be curated yet: the labels are withheld"):
        find_cases(recipe, tmp_path)
