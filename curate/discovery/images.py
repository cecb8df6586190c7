"""Images: the files that a recipe's image patterns find in a source folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from catalog.names import safe_part
from curate.paths.listing import Folders
from curate.paths.pattern import Pattern, parse_pattern, render
from curate.recipe.resolved import Group, Recipe

_SHOWN = 10
_SAME_FORMAT = ((".jpg", ".jpeg"), (".tif", ".tiff"), (".nii", ".nii.gz"))


@dataclass(frozen=True)
class FoundImage:
    """An image file: the index of its group, its path, the fields of its name, and its case id.

    `id` is the id as the names of the source give it, `case` the same as a part of file names in the corpus.
    """

    group: int
    path: str
    fields: dict[str, str]
    id: str
    case: str


def find_images(recipe: Recipe, folders: Folders, patterns: Mapping[int, Pattern]) -> list[FoundImage]:
    """Return the images of the groups with a pattern, by number, without those a group's `not` patterns match."""
    images = []
    for index, pattern in patterns.items():
        group = recipe.groups[index]
        excluded = [parse_pattern(text) for text in group.excluded_images]
        images += [
            _image(group, index, path, fields)
            for path, fields in pattern.find(folders)
            if not any(one.match(path) is not None for one in excluded)
        ]
    return images


def _image(group: Group, index: int, path: str, fields: dict[str, str]) -> FoundImage:
    if group.case is not None:
        text = render(group.case, fields)
    elif "case" in fields:
        text = fields["case"]
    else:
        text = "_".join(fields.values()) or _stem(path)
    return FoundImage(index, path, fields, text, safe_part(text))


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    return name.removesuffix(".gz").rpartition(".")[0] or name


def subsample(recipe: Recipe, images: list[FoundImage], index: int) -> list[FoundImage]:
    """Return every n-th image of a group, in name order where numbers count: frame_9, frame_10."""
    own = [image for image in images if image.group == index]
    step = recipe.groups[index].subsample
    return own if step == 1 else sorted(own, key=_natural)[::step]


def _natural(image: FoundImage) -> list[int | str]:
    return [int(run) if i % 2 else run for i, run in enumerate(re.split(r"(\d+)", image.path, flags=re.ASCII))]


def near_misses(patterns: Sequence[Pattern], folders: Folders) -> Iterator[str]:
    """Yield a sentence for files that a pattern misses by the case or the spelling of their suffix."""
    for pattern in patterns:
        for suffix in sorted(_other_suffixes(pattern.text), key=lambda s: (len(s), s)):
            own = _suffix(pattern.text)
            count = len(parse_pattern(pattern.text.removesuffix(own) + suffix).find(folders))
            if count:
                both = f"{own[1:]}|{suffix[1:]}".replace(".", r"\.")
                take = f"{pattern.text.removesuffix(own)}.{{suffix:{both}}}"
                yield f"{count} files end with {suffix} where {pattern.text} takes {own}: write {take} to take both"


def _suffix(text: str) -> str:
    name = text.rpartition("/")[2].rpartition("}")[2]
    gz = ".gz" if name.lower().endswith(".gz") else ""
    stem = name[: len(name) - len(gz)]
    dot = stem.rfind(".")
    return name[dot:] if dot >= 0 else ""


def _other_suffixes(text: str) -> set[str]:
    suffix = _suffix(text)
    if not suffix or "*" in suffix:
        return set()
    family = next((one for one in _SAME_FORMAT if suffix.lower() in one), (suffix.lower(),))
    return {spelling for one in family for spelling in (one, one.upper(), one.capitalize())} - {suffix}


def some(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
