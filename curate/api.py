"""Curation from Python: load a recipe, convert a data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.recipe.library import find_recipe
from curate.recipe.load import load_recipe as load_file
from curate.recipe.resolved import Recipe

if TYPE_CHECKING:
    from curate.executors.base import Executor
    from curate.imaging.window import Window
    from curate.run.summary import RunSummary


def load_recipe(recipe: str | Path) -> Recipe:
    """Load and check a recipe, given as a path or as the name of a shipped recipe such as `kits23`.

    Raises RecipeError with every fault of the recipe, or with the nearest name if there is no such recipe.
    """
    return load_file(find_recipe(str(recipe)))


def curate(
    recipe: Recipe | str | Path,
    source: str | Path | None = None,
    out: str | Path = "corpus",
    *,
    store: str = "png",
    axes: str | Sequence[str] | None = None,
    window: "str | Window | None" = None,
    limit: int | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    workers: int | None = None,
    memory: str | int | None = None,
    keep_empty: bool = False,
    replace: bool = False,
    strict: bool = False,
    progress: bool = False,
    executor: "Executor | None" = None,
) -> "RunSummary":
    """Convert a data set into a corpus; finished cases are skipped.

    Args:
        recipe: A recipe, or its path or name.
        source: Folder of the unpacked data set. None: the recipe's own source, else the folder of the recipe's name in
            $MEDCORPUS_SOURCES, else in `sources/`.
        out: Corpus folder, created or extended.
        store: How pixels are stored: `png`, `npz` or `shards`.
        axes: Slice axes instead of the recipe's, such as `z`, `x,y,z` or `["x", "y"]`.
        window: Window instead of the recipe's: a name such as `lung`, LEVEL/WIDTH such as `40/400`, or a Window.
        limit: Convert only the first cases.
        include: Convert only cases whose id matches one of these glob patterns.
        exclude: Skip cases whose id matches one of these glob patterns.
        workers: Worker processes; None: one per core.
        memory: Memory for all workers, in bytes or as text such as `8G`; None: 80 % of the machine's.
        keep_empty: Keep images without any mask.
        replace: Overwrite a case of the same id that came from another source folder.
        strict: Raise CaseError at the first case that fails, instead of recording it.
        progress: Show progress on the standard error stream.
        executor: Runs the cases instead of worker processes on this machine.

    Returns:
        A summary of the whole data set in the corpus, earlier runs included; `print` shows it as `curate run` does.

    Raises:
        RecipeError: The recipe is wrong.
        SourceError: The source folder does not exist, or contains no image of the recipe.
        RunError: The run cannot start with these options; nothing is written.
        OutputError: The corpus cannot be written, for example because the disk is full.
    """
    from curate.discovery.source import source_folder
    from curate.run.options import local_path, run_options
    from curate.run.progress import CaseProgress
    from curate.run.run import run

    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    folder = source_folder(recipe, None if source is None else local_path("source", source)).absolute()
    options = run_options(
        store=store,
        axes=axes,
        window=window,
        limit=limit,
        include=include,
        exclude=exclude,
        workers=workers,
        memory=memory,
        strict=strict,
        keep_empty=keep_empty,
        replace=replace,
    )
    target = local_path("out", out)
    if not progress:
        return run(recipe, folder, target, options, executor=executor)
    with CaseProgress() as display:
        return run(recipe, folder, target, options, display.begin, display.add, executor)
