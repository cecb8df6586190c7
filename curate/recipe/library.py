"""The recipes that ship with medcorpus, found by name."""

from dataclasses import dataclass
from pathlib import Path

from curate.errors import RecipeError
from curate.recipe.faults import nearest
from curate.recipe.load import load_recipe

_CURATE = Path(__file__).parents[1]


@dataclass(frozen=True)
class RecipeInfo:
    """An entry in the list of recipes; `recipe` is the name to type, `labels` the number of distinct labels.

    `status` is seen, recalled or incomplete (then `reason` says why), and None for recipes of samples and demos.
    """

    recipe: str
    path: Path
    name: str
    title: str | None
    modalities: tuple[str, ...]
    license: str
    redistributable: bool | None
    labels: int
    commercial: bool | None
    anatomies: tuple[str, ...]
    status: str | None
    reason: str | None
    doi: str | None


def recipes_folder() -> Path:
    """Return the folder of the shipped recipes: in the installed package, or next to it in a checkout."""
    installed = _CURATE / "_recipes"
    return installed if installed.is_dir() else _CURATE.parent / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Return the file of each recipe by the name to type: the file's stem, with its folder if that is not unique."""
    folder = recipes_folder()
    paths = sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    found: dict[str, Path] = {}
    for path in paths:
        name = path.stem
        found[name if name not in found else path.relative_to(folder).with_suffix("").as_posix()] = path
    return found


def find_recipe(text: str) -> Path:
    """Return the file of a recipe, given as a path or as the name of a shipped recipe (`kits23`, `samples/hc18`).

    Raises RecipeError with the nearest name if there is none.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path
    shipped = shipped_recipes()
    known = {
        **{p.relative_to(recipes_folder()).with_suffix("").as_posix(): p for p in shipped.values()},
        **shipped,
    }
    if text in known:
        return known[text]
    if path.suffix in (".yaml", ".yml"):
        hint = f"; the shipped recipe with that name is {path.stem!r}" if path.stem in known else ""
        raise RecipeError(f"recipe file not found: {text}{hint or nearest(path.stem, known)}")
    raise RecipeError(
        f"{text!r} is neither a file nor a shipped recipe{nearest(text, known)}; `curate recipes` lists them"
    )


def list_recipes() -> list[RecipeInfo]:
    """Return all shipped recipes, sorted by name; raises RecipeError if one of them is wrong."""
    infos = []
    for text, path in sorted(shipped_recipes().items()):
        recipe = load_recipe(path)
        infos.append(
            RecipeInfo(
                recipe=text,
                path=path,
                name=recipe.name,
                title=recipe.title,
                modalities=recipe.modalities,
                license=recipe.license.name,
                redistributable=recipe.license.redistributable,
                labels=len({label.name for group in recipe.groups for label in group.labels}),
                commercial=recipe.license.commercial,
                anatomies=recipe.anatomies,
                status=recipe.status,
                reason=recipe.reason,
                doi=recipe.doi,
            )
        )
    return infos
