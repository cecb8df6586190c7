"""Check the options of a run and fill in the defaults that depend on the machine."""

import re
from collections.abc import Sequence
from pathlib import Path

from catalog.sizes import format_size, parse_size
from catalog.stores.registry import store_names
from curate.errors import OptionError
from curate.imaging.volume import AXES
from curate.imaging.window import Window, parse_window
from curate.run.machine import available_cores, usable_memory
from curate.run.plan import LEAST_MEMORY, VOLUME_COPIES, WORKER_BYTES, Options


def run_options(
    *,
    store: str = "png",
    axes: str | Sequence[str] | None = None,
    window: str | Window | None = None,
    limit: int | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    workers: int | None = None,
    memory: str | int | None = None,
    strict: bool = False,
    strict_warnings: bool = False,
    keep_empty: bool = False,
    replace: bool = False,
) -> Options:
    """Return the options of a run.

    `axes` is text such as `x,y,z` or a sequence of axes, `window` a name, `LEVEL/WIDTH` or a Window, `memory` a number
    of bytes or text such as `8G`. None is the default: the recipe's axes and windows, all cases, one worker per core,
    80 % of the machine's memory. Raises OptionError for a value that is not allowed.
    """
    return Options(
        store=_store(store),
        axes=None if not axes else _axes(axes),
        window=_window(window) if isinstance(window, str) else window,
        limit=_positive("limit", limit),
        include=_globs("include", include),
        exclude=_globs("exclude", exclude),
        workers=_positive("workers", workers) or available_cores(),
        memory=usable_memory() if memory is None else _bytes(memory),
        strict=strict,
        strict_warnings=strict_warnings,
        keep_empty=keep_empty,
        replace=replace,
    )


def local_path(option: str, path: str | Path) -> Path:
    """Return the path; raises OptionError for a URL, which as a local path would create a folder called `s3:`."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise OptionError(option, f"{str(path)!r} is a URL; only local folders are supported")
    return Path(path).expanduser()


def _store(name: str) -> str:
    if name not in store_names():
        raise OptionError("store", f"{name!r} is not a store; allowed: {', '.join(store_names())}")
    return name


def _axes(axes: str | Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(axes.replace(",", "") if isinstance(axes, str) else axes)
    if not chosen or not set(chosen) <= set(AXES) or len(set(chosen)) < len(chosen):
        raise OptionError("axes", f"{axes!r} is not a list of different axes; allowed: {', '.join(AXES)}")
    return chosen


def _window(text: str) -> Window:
    try:
        return parse_window(text)
    except ValueError as error:
        raise OptionError("window", str(error)) from None


def _positive(option: str, number: int | None) -> int | None:
    if number is not None and number < 1:
        raise OptionError(option, f"{number} is not allowed; allowed: a number from 1")
    return number


def _globs(option: str, globs: Sequence[str]) -> tuple[str, ...]:
    if isinstance(globs, str):
        raise OptionError(option, f"{globs!r} is a single text; write a list of patterns: [{globs!r}]")
    return tuple(globs)


def _bytes(size: str | int) -> int:
    try:
        found = size if isinstance(size, int) else parse_size(size)
    except ValueError as error:
        raise OptionError("memory", str(error)) from None
    if found < LEAST_MEMORY:
        worker, least = format_size(WORKER_BYTES), format_size(LEAST_MEMORY)
        message = f"a worker takes {worker} and {VOLUME_COPIES} times the decoded volume: give at least {least}"
        raise OptionError("memory", message)
    return found
