"""Convert medical segmentation data sets into one corpus of 8-bit slices and binary masks.

>>> import curate
>>> recipe = curate.load_recipe("kits23")
>>> summary = curate.curate(recipe, "data/kits23", "corpus")

Names are imported when they are first used, so that `import curate` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.api import curate, load_recipe
    from curate.errors import CaseError, OptionError, RecipeError, RunError, SourceError
    from curate.recipe.library import list_recipes
    from curate.recipe.resolved import Recipe
    from curate.run.summary import RunSummary

_MODULES = {
    "CaseError": "curate.errors",
    "OptionError": "curate.errors",
    "Recipe": "curate.recipe.resolved",
    "RecipeError": "curate.errors",
    "RunError": "curate.errors",
    "RunSummary": "curate.run.summary",
    "SourceError": "curate.errors",
    "curate": "curate.api",
    "list_recipes": "curate.recipe.library",
    "load_recipe": "curate.api",
}

__all__ = [
    "CaseError",
    "OptionError",
    "Recipe",
    "RecipeError",
    "RunError",
    "RunSummary",
    "SourceError",
    "curate",
    "list_recipes",
    "load_recipe",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
