"""The labels of a DICOM series: segmentations and structure sets that refer to it, mask series, or files by pattern."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from catalog.names import safe_part
from curate.dicom.facts import facts_of, stack_name, tags_of
from curate.dicom.index import Index
from curate.dicom.instance import Instance, Kind
from curate.dicom.objects import HiddenFile, hidden_name
from curate.dicom.pseudonyms import Pseudonyms
from curate.dicom.references import References
from curate.dicom.rules import folder_fields, matches
from curate.dicom.series_input import series_input
from curate.dicom.stacks import Stack
from curate.discovery.label_files import find_labels
from curate.inputs import Input
from curate.labels.named import Named, labels_of, literal
from curate.labels.registry import ENCODINGS
from curate.paths.listing import Folders
from curate.paths.pattern import parse_pattern
from curate.recipe.labels import is_label_name
from curate.recipe.resolved import Group, Label

SAME_GRID = 0.1
"""Greatest distance between the corners of an image and a mask series, mm, at which they are on one grid."""

Labels = tuple[tuple[str, Input], ...]


class LabelFinder:
    """Finds the labels of a group's series.

    `words` counts label files by a word that no label names. `names` holds (object, name) of every segment and region,
    `taken` of those that a label takes.
    """

    def __init__(
        self, group: Group, index: Index, stacks: Sequence[Stack], pseudonyms: Pseudonyms, folders: Folders
    ) -> None:
        self.words: Counter[str] = Counter()
        self.names: set[tuple[str, str]] = set()
        self.taken: set[tuple[str, str]] = set()
        self._group, self._index, self._stacks = group, index, stacks
        self._pseudonyms, self._folders = pseudonyms, folders
        self._homeless = self._ambiguous = 0

    def labels(self, stack: Stack, fields: Mapping[str, str]) -> Labels:
        """Return the labels (word, input) of a series; `fields` are those of its tags and folder."""
        if self._group.label is None:
            return ()
        if self._group.label_series is None:
            return tuple(self._files(fields))
        if ENCODINGS[self._group.encoding].dicom:
            return tuple(self._objects(stack))
        return tuple(self._mask(stack))

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for objects without an image, and for series with several masks."""
        if self._homeless:
            kind = ENCODINGS[self._group.encoding].dicom.upper()
            yield (
                f"{self._homeless} DICOM {kind} objects belong to no image here: the images they refer to are missing, "
                "and no other shares their frame of reference"
            )
        if self._ambiguous:
            yield (
                f"{self._ambiguous} series have several mask series that match `label`, none of which alone is on the "
                "grid of its image; add rules"
            )

    def _files(self, fields: Mapping[str, str]) -> Iterator[tuple[str, Input]]:
        assert self._group.label is not None
        files = find_labels(self._group, parse_pattern(self._group.label), self._folders, fields)
        self.words.update(files.unnamed)
        for word, path in files.files:
            name = hidden_name(self._pseudonyms.of("file", path), path)
            yield word, HiddenFile(self._folders.root, path, name)

    @cached_property
    def _by_stack(self) -> dict[int, list[tuple[Instance, str]]]:
        """The label objects of each stack, by its id, with what a user should know of how they were matched."""
        rules = self._group.label_series or ()
        references = References(self._stacks)
        found: dict[int, list[tuple[Instance, str]]] = {}
        copies = set[str]()
        for instance in self._index.of_kind(Kind(ENCODINGS[self._group.encoding].dicom)):
            is_chosen = matches(rules, tags_of(instance)) and folder_fields(rules, instance.path) is not None
            if instance.sop_uid in copies or not is_chosen:
                continue
            copies.add(instance.sop_uid)
            match = references.of(instance)
            self._homeless += not match.stacks
            for stack in match.stacks:
                found.setdefault(id(stack), []).append((instance, match.note))
        return found

    def _objects(self, stack: Stack) -> Iterator[tuple[str, Input]]:
        for instance, note in self._by_stack.get(id(stack), ()):
            pseudonym = self._pseudonyms.of("object", instance.sop_uid or instance.path)
            for one in named_in(instance):
                self.names.add((pseudonym, one.name))
                if self._group.any_label or labels_of(one, self._group.labels):
                    self.taken.add((pseudonym, one.name))
            notes = (f"{note} ({instance.kind.value.upper()})",) if note else ()
            yield "", HiddenFile(self._index.root, instance.path, f"objects/{pseudonym}", "dicom", notes)

    @cached_property
    def _masks(self) -> list[Stack]:
        rules = self._group.label_series or ()
        return [
            stack
            for stack in self._stacks
            if matches(rules, facts_of(stack)) and folder_fields(rules, stack.first.path) is not None
        ]

    def _mask(self, stack: Stack) -> Iterator[tuple[str, Input]]:
        """Yield the mask series of an image: of its space or study, and on its grid where several are."""
        near = [one for one in self._masks if one is not stack and _same_study(one, stack)]
        if len(near) > 1:
            near = [one for one in near if _same_grid(one, stack)]
            self._ambiguous += len(near) != 1
        if len(near) == 1:
            yield "", series_input(self._index.root, near[0], stack_name(near[0], self._pseudonyms))


def named_in(instance: Instance) -> list[Named]:
    """Return the segments or regions of a label object."""
    return [
        Named(int(number), name, code)
        for number, name, code in zip(instance.numbers, instance.names, instance.codes, strict=True)
    ]


def names_as_labels(group: Group, names: Iterable[str]) -> Group:
    """Return a group with `labels: "*"` with a label for each name of a segment or region; any other as it is."""
    if not group.any_label:
        return group
    by_label: dict[str, list[str]] = {}
    for name in sorted(names):
        by_label.setdefault(name if is_label_name(name) else safe_part(name), []).append(name)
    anatomy = group.default_anatomy
    labels = (Label(name, n, literal(by_label[name]), anatomy) for n, name in enumerate(sorted(by_label), 1))
    return replace(group, labels=tuple(labels))


def _same_study(a: Stack, b: Stack) -> bool:
    """Tell whether two stacks share a frame of reference, or, where one of them has none, a study."""
    spaces = set(a.first.frames_of_reference), set(b.first.frames_of_reference)
    if all(spaces):
        return not spaces[0].isdisjoint(spaces[1])
    study = a.first.study_uid
    return bool(study) and (study, a.first.patient_id) == (b.first.study_uid, b.first.patient_id)


def _same_grid(a: Stack, b: Stack) -> bool:
    if a.grid is None or b.grid is None or len(a.images) != len(b.images):
        return False
    shapes = (a.first.rows, a.first.columns), (b.first.rows, b.first.columns)
    return shapes[0] == shapes[1] and bool(np.abs(a.grid.affine - b.grid.affine).max() < SAME_GRID)
