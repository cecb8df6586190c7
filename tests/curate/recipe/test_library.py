"""Shipped recipes by name and by path."""

# ruff: noqa: E501 (messages stand as a user sees them)

from pathlib import Path

import pytest

from curate.errors import RecipeError
from curate.recipe import library
from curate.recipe.library import find_recipe, list_recipes, recipes_folder, shipped_recipes

RECIPE = """\
name: {name}
title: A title
license: {{name: MIT, redistributable: true}}
anatomy: other
cases:
  - {{image: "a/{{case}}", label: "m/{{case}}", modality: PET}}
  - {{image: "b/{{case}}", label: "m/{{case}}", modality: MR, labels: {{c: 1}}}}
labels: {{a: 1, c: 2}}
"""


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recipes of the same bare name, and one in a sub-folder, as a wheel holds them."""
    folder = tmp_path / "site-packages/curate/_recipes"
    for name in ("kits23", "samples/kits23", "samples/drive"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(RECIPE.format(name=name.replace("/", "_")))
    monkeypatch.setattr(library, "_CURATE", folder.parent)
    monkeypatch.chdir(tmp_path)
    return folder


def test_by_name(shipped: Path) -> None:
    assert find_recipe("kits23") == shipped / "kits23.yaml"
    assert find_recipe("drive") == shipped / "samples/drive.yaml"
    assert find_recipe("samples/kits23") == shipped / "samples/kits23.yaml"
    assert find_recipe("samples/drive") == shipped / "samples/drive.yaml"
    assert list(shipped_recipes()) == ["kits23", "drive", "samples/kits23"]


def test_by_path(shipped: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.touch()
    assert find_recipe("mine.yml") == Path("mine.yml")
    assert find_recipe(str(mine)) == mine


def test_a_data_folder_of_that_name_is_no_recipe(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "kits23").mkdir()
    assert find_recipe("kits23") == shipped / "kits23.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kits32", "'kits32' is neither a file nor a shipped recipe; did you mean 'kits23'?; `curate recipes` lists them"),
        ("zzz", "'zzz' is neither a file nor a shipped recipe; `curate recipes` lists them"),
        ("recipes/drive.yaml", "recipe file not found: recipes/drive.yaml; the shipped recipe with that name is 'drive'"),
        ("drvie.yaml", "recipe file not found: drvie.yaml; did you mean 'drive'?"),
        ("x.yaml", "recipe file not found: x.yaml"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("shipped")
def test_unknown(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        find_recipe(text)
    assert str(caught.value) == message


def test_list(shipped: Path) -> None:
    drive, kits, sample = list_recipes()
    assert (drive.recipe, kits.recipe, sample.recipe) == ("drive", "kits23", "samples/kits23")
    assert (drive.path, drive.name, drive.title) == (
        shipped / "samples/drive.yaml",
        "samples_drive",
        "A title",
    )
    assert (drive.modalities, drive.license, drive.redistributable, drive.labels) == (
        ("PET", "MR"),
        "MIT",
        True,
        2,
    )
    assert (drive.anatomies, drive.status, drive.reason, drive.commercial) == (("other",), None, None, None)


def test_a_checkout_has_them_beside_the_packages() -> None:
    assert recipes_folder() == Path(library.__file__).parents[2] / "recipes"


def test_shipped_recipes_load_and_have_names_of_their_own() -> None:
    infos = list_recipes()
    assert len({info.name.casefold() for info in infos}) == len(infos)
