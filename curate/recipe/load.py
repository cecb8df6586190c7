"""Load a recipe; one error lists all of its faults with file, line and key."""

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from catalog.sizes import format_size
from curate.errors import RecipeError
from curate.recipe import model
from curate.recipe.document import Document, DocumentError
from curate.recipe.faults import Code, Fault, KeyPath, nearest, not_allowed, quote, unknown
from curate.recipe.resolve import resolve
from curate.recipe.resolved import Recipe

_MAX_BYTES = 4 * 2**20
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
    model.SEQUENCE_PATTERN: "lower-case letters and digits, such as flair or t1c",
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
    """Load a YAML file, check it, and return the recipe with every default filled in.

    Raises RecipeError with all faults: file and line, key, the value, what is allowed, and the nearest match.
    """
    return parse_recipe(_read(path), path)


def parse_recipe(text: str, path: Path) -> Recipe:
    """Return the recipe of a YAML text; `path` is its name in messages.

    Raises RecipeError as `load_recipe` does.
    """
    try:
        document = Document(text)
    except DocumentError as error:
        raise _error(path, error.faults) from None
    if not isinstance(document.data, dict):
        content = "the file is empty" if document.data is None else f"the file contains {quote(document.data)}"
        message = f"{content}; a recipe is a mapping with keys such as `name: KiTS23`"
        raise _error(path, [Fault((), Code.YAML, message, 1)])
    faults = list(document.faults)
    written, bad = _validate(document.data, faults)
    recipe = resolve(written, bad, faults, path)
    if recipe is None:
        unique = dict.fromkeys(faults)  # a top-level key is checked once for each group
        raise _error(path, [replace(fault, line=fault.line or document.line(fault.path)) for fault in unique])
    return recipe


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise RecipeError(f"{path} is a folder; a recipe is a YAML file")
        if size > _MAX_BYTES:
            raise RecipeError(f"{path} has {format_size(size)}; a recipe is a short YAML file")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not a recipe: byte {error.start} is not UTF-8 text") from None
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from None


def _error(path: Path, faults: list[Fault]) -> RecipeError:
    faults = sorted((replace(fault, line=fault.line or 1) for fault in faults), key=lambda fault: fault.line or 1)
    lines = [f"{path}:{fault.line}: {fault.key}{': ' if fault.key else ''}{fault.message}" for fault in faults]
    text = lines[0] if len(lines) == 1 else "\n".join([f"{path} has {len(lines)} errors:", *(f"  {x}" for x in lines)])
    return RecipeError(text, tuple(faults))


def _validate(data: dict[str, Any], faults: list[Fault]) -> tuple[model.Recipe, set[KeyPath]]:
    """Return the model of the valid part of `data`, and the keys that were removed because they are wrong."""
    bad: set[KeyPath] = set()
    data = copy.deepcopy(data)
    while True:
        try:
            return model.Recipe.model_validate(data), bad
        except ValidationError as error:
            details = error.errors(include_url=False)
        places = [_place(data, detail["loc"], detail["type"] == "missing") for detail in details]
        for detail, place in zip(details, places, strict=True):
            faults.append(Fault(place, *_explain(detail, place)))
        for place in places:
            bad.add(_remove(data, place))


def _place(data: Any, loc: tuple[int | str, ...], missing: bool) -> KeyPath:
    """Return the path of pydantic's location: the parts that occur in the data, without the branches of unions."""
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
    """Remove the key at `place` from the data, or the list or mapping that is incomplete without it."""
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
    """Return whether the rest can be checked without `place`: a key of the recipe or of a group, or a channel."""
    if place[0] == "cases" and len(place) > 1:
        place = place[2:] if isinstance(place[1], int) else place[1:]
    return len(place) < 2 or (len(place) == 2 and place[0] == "channels")


def _explain(detail: ErrorDetails, place: KeyPath) -> tuple[Code, str]:
    """Return the code and the message of a validation error."""
    if detail["type"] == "extra_forbidden":
        return _unknown_key(place)
    if detail["type"] == "missing":
        return Code.MISSING, "is missing"
    if detail["type"] == "literal_error":
        words = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        return Code.UNKNOWN_VALUE, unknown(detail["input"], words)
    return Code.BAD_VALUE, _bad_value(detail, place)


def _bad_value(detail: ErrorDetails, place: KeyPath) -> str:
    value, context, kind = detail["input"], detail.get("ctx", {}), detail["type"]
    if kind == "string_pattern_mismatch":
        return not_allowed(value, _PATTERNS[context["pattern"]])
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        count = f"at least {least}" if least else f"at most {most}"
        return f"{quote(value)} has {context['actual_length']} items; allowed: {count}"
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
        return f'{message}; put a value that begins with {{ in quotes: "{{{next(iter(value))}}}"'
    if kind == "string_type" and isinstance(value, (int, float)):
        return f"{message}; put it in quotes"
    if kind == "bool_type" and str(value).lower() in _BOOLEANS:
        return f"{message}; did you mean {_BOOLEANS[value.lower()]}?"
    return message


def _unknown_key(place: KeyPath) -> tuple[Code, str]:
    """Return the code and the message of an unknown key, with the known ones."""
    names = [part for part in place[:-1] if isinstance(part, str)]
    if names[:1] == ["cases"] and len(names) > 1:
        names = names[1:]
    key = str(place[-1])
    if names in ([], ["cases"]):
        holder: type[model.Mapping] = model.Group if names else model.Recipe
        if key in model.keys_of(model.Recipe if names else model.Group):
            return Code.MISPLACED_KEY, f"belongs {'at the top of the recipe' if names else 'inside `cases`'}"
        # keys of this place first, then those that are allowed in both
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
    return Code.UNKNOWN_KEY, f"is not a known key; allowed: {', '.join(known)}{nearest(key, known)}"
