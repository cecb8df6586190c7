"""Loads a recipe: every fault of it in one message, each with file, line and key."""

import copy
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from curate.errors import RecipeError
from curate.recipe import model
from curate.recipe.document import Document, DocumentError, Fault
from curate.recipe.document import Path as KeyPath
from curate.recipe.faults import nearest, not_allowed, one_of, shown
from curate.recipe.resolve import resolve
from curate.recipe.resolved import Recipe

_LARGEST = 4 * 2**20
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true, false or null",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
}
_PATTERNS = {
    model.NAME_PATTERN: "letters, digits, _ and single -",
    model.SEQUENCE_PATTERN: "small letters and digits, such as flair or t1c",
    model.URL_PATTERN: "an address that begins with https:// or http://",
    model.CHANNEL_PATTERN: "channel indices from 0",
    model.DOI_PATTERN: "a DOI without an address before it, such as 10.5281/zenodo.7262581",
    model.RECIPE_PATTERN: "the name of a recipe: small letters, digits and _",
}
_HOLDERS: dict[str, type[model.Mapping]] = {
    "license": model.License,
    "expect": model.Expect,
    "patient": model.PatientTable,
    "rescale": model.Rescale,
    "modality": model.ModalityMap,
}
_EXAMPLES: dict[str, str] = {
    "license": "{name: CC-BY-4.0, redistributable: true, commercial: true}",
    "cases": '{image: "{case}/image.nii.gz", label: "{case}/labels.nii.gz"}',
    "expect": "{cases: 489}",
}
_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def load_recipe(path: Path) -> Recipe:
    """Return the recipe of a YAML file, checked and with every default filled in.

    Raises RecipeError with every fault: file:line, key, what stands there, what is allowed, nearest match.
    """
    return parse_recipe(_read(path), path)


def parse_recipe(text: str, path: Path) -> Recipe:
    """Return the recipe of a YAML text; `path` is what messages call it.

    Raises RecipeError as `load_recipe` does.
    """
    try:
        document = Document(text)
    except DocumentError as error:
        raise _error(path, [(fault.line or 1, fault) for fault in error.faults]) from None
    if not isinstance(document.data, dict):
        what = "is empty" if document.data is None else f"holds {shown(document.data)}"
        message = f"{what}; a recipe is a mapping that begins such as `name: KiTS23`"
        raise _error(path, [(1, Fault((), message))])
    faults = list(document.faults)
    written, bad = _validate(document.data, faults)
    recipe = resolve(written, bad, faults, path)
    if recipe is None:
        # A top-level key is judged once for each group that has it.
        unique = dict.fromkeys(faults)
        raise _error(path, [(fault.line or document.line(fault.path), fault) for fault in unique])
    return recipe


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise RecipeError(f"{path} is a folder; a recipe is a YAML file")
        if size > _LARGEST:
            raise RecipeError(f"{path} has {size / 2**20:.0f} MB; a recipe is a short YAML file")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is no recipe: byte {error.start} is not UTF-8 text") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from None


def _error(path: Path, faults: list[tuple[int, Fault]]) -> RecipeError:
    lines = []
    for line, fault in sorted(faults, key=lambda item: item[0]):
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.path).lstrip(".")
        lines.append(f"{path}:{line}: {key}{': ' if key else ''}{fault.message}")
    if len(lines) == 1:
        return RecipeError(lines[0])
    return RecipeError("\n".join([f"{path} has {len(lines)} errors:", *(f"  {line}" for line in lines)]))


def _validate(data: dict[str, Any], faults: list[Fault]) -> tuple[model.Recipe, set[KeyPath]]:
    """Return the model of what is right in `data`, and the keys taken out because they are not."""
    bad: set[KeyPath] = set()
    data = copy.deepcopy(data)
    while True:
        try:
            return model.Recipe.model_validate(data), bad
        except ValidationError as error:
            details = error.errors(include_url=False)
        places = [_place(data, detail["loc"], detail["type"] == "missing") for detail in details]
        for detail, place in zip(details, places, strict=True):
            faults.append(Fault(place, _message(detail, place)))
        for place in places:
            bad.add(_remove(data, place))


def _place(data: Any, loc: tuple[int | str, ...], missing: bool) -> KeyPath:
    """Return the keys of pydantic's location: those that are in the data, without the branches of unions."""
    place: list[int | str] = []
    for i, part in enumerate(loc):
        keyed = isinstance(data, dict) and isinstance(part, str) and part in data
        if keyed or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
        elif not (missing and i == len(loc) - 1):
            continue
        place.append(part)
    return tuple(place)


def _remove(data: Any, place: KeyPath) -> KeyPath:
    """Take the key at `place` out of the data, with the list or the mapping that is nothing without it."""
    depth = next((d for d in range(len(place), 0, -1) if _removable(place[:d])), 1)
    place = place[:depth]
    holder: Any = data
    for part in place[:-1]:
        holder = holder.get(part, {}) if isinstance(holder, dict) else holder[part]
    if isinstance(holder, list):
        holder[place[-1]] = {}  # type: ignore[index]
    else:
        holder.pop(place[-1], None)
    return place


def _removable(place: KeyPath) -> bool:
    """Return whether the rest can be judged without `place`: a key of the recipe or of a group, a channel."""
    if place[0] == "cases" and len(place) > 1:
        place = place[2:] if isinstance(place[1], int) else place[1:]
    return len(place) < 2 or (len(place) == 2 and place[0] == "channels")


def _message(detail: ErrorDetails, place: KeyPath) -> str:
    value, context, kind = detail["input"], detail.get("ctx", {}), detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if kind == "missing":
        return "is missing"
    if kind == "literal_error":
        return one_of(value, re.findall(r"'([^']*)'", context["expected"]))
    if kind == "string_pattern_mismatch":
        return not_allowed(value, _PATTERNS[context["pattern"]])
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        count = f"at least {least}" if least else f"at most {most}"
        return f"{shown(value)} has {context['actual_length']} items; allowed: {count}"
    if kind == "string_too_short":
        return not_allowed(value, "text that is not empty")
    bounds = {
        "greater_than_equal": ("ge", "at least"),
        "greater_than": ("gt", "more than"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        return not_allowed(value, f"{words} {context[key]:g}")
    example = _EXAMPLES.get(next((part for part in reversed(place) if isinstance(part, str)), ""))
    if kind == "model_type" and example:
        return not_allowed(value, f"a mapping such as {example}")
    message = not_allowed(value, _TYPES.get(kind, detail["msg"]))
    if kind == "string_type" and isinstance(value, dict) and list(value.values()) == [None]:
        return f'{message}; a value that begins with {{ is put in quotes, "{{{next(iter(value))}}}"'
    if kind == "string_type" and isinstance(value, (int, float)):
        return f"{message}; in quotes it is text"
    if kind == "bool_type" and str(value).lower() in _BOOLEANS:
        return f"{message}; did you mean {_BOOLEANS[value.lower()]}?"
    return message


def _unknown_key(place: KeyPath) -> str:
    """Return the message of a key that is not known, with those that are."""
    names = [part for part in place[:-1] if isinstance(part, str)]
    if names[:1] == ["cases"] and len(names) > 1:
        names = names[1:]
    key = str(place[-1])
    if names in ([], ["cases"]):
        holder: type[model.Mapping] = model.Group if names else model.Recipe
        if key in model.keys_of(model.Recipe if names else model.Group):
            return f"belongs {'at the top' if names else 'inside cases'}"
        # Its own keys first, then those that are allowed in both places.
        known = [name for name in model.keys_of(holder) if name not in model.Defaults.model_fields]
        known += model.Defaults.model_fields
    elif names[-1] == "window":
        known = ["level", "width", "percentile", "minmax"]
    elif names[-1] == "split":
        known = ["field", "csv", "case", "split", "lists", "map"]
    elif names[0] == "channels":
        known = model.keys_of(model.Channel)
    else:
        known = model.keys_of(_HOLDERS[names[0]])
    return f"is not a known key; allowed: {', '.join(known)}{nearest(key, known)}"
