"""Label files: those that belong to an image, and those that no label names."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from catalog.names import safe_part
from curate.labels.registry import ENCODINGS
from curate.paths.listing import Folders
from curate.paths.pattern import Pattern
from curate.recipe.labels import is_label_name
from curate.recipe.resolved import Group, Label


@dataclass(frozen=True)
class FoundLabels:
    """The label files (word, path) of an image, and the words of files that no label names."""

    files: tuple[tuple[str, str], ...] = ()
    unnamed: tuple[str, ...] = ()


def find_labels(group: Group, pattern: Pattern | None, folders: Folders, fields: Mapping[str, str]) -> FoundLabels:
    """Return the label files of the image whose name has these fields."""
    if pattern is None:
        return FoundLabels()
    if ENCODINGS[group.encoding].by_word:
        return _by_word(group, pattern, folders, fields)
    if pattern.wild or "instance" in pattern.fields:
        return FoundLabels(tuple(("", path) for path in pattern.paths(folders, fields)))
    path = folders.path(pattern.fill(fields))
    return FoundLabels(() if path is None else (("", path),))


def _by_word(group: Group, pattern: Pattern, folders: Folders, fields: Mapping[str, str]) -> FoundLabels:
    """Return the files in the order of the labels; with `labels: "*"` in the order of their words."""
    by_word: dict[str, list[str]] = {}
    for path, free in pattern.find_filled(folders, fields):
        by_word.setdefault(free["label"], []).append(path)
    words = list(dict.fromkeys(str(value) for label in group.labels for value in label.values))
    if group.any_label:
        words = sorted(by_word)
    files = tuple((word, path) for word in words for path in by_word.get(word, ()))
    return FoundLabels(files, tuple(word for word in by_word if word not in words for _ in by_word[word]))


def words_as_labels(group: Group, words: Set[str]) -> Group:
    """Return a group with `labels: "*"` with a label for each word found; any other group as it is.

    A word that is not a label name becomes one: other characters are replaced by `_`.
    """
    if not group.any_label:
        return group
    anatomy = group.default_anatomy
    names: dict[str, list[str]] = {}
    for word in sorted(words):
        names.setdefault(word if is_label_name(word) else safe_part(word), []).append(word)
    labels = tuple(Label(name, number, tuple(names[name]), anatomy) for number, name in enumerate(sorted(names), 1))
    return replace(group, labels=labels)
