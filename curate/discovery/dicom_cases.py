"""Cases of DICOM series: the series that a recipe's rules choose, each with the labels that belong to it.

Nothing that leads back to a patient leaves this module but in the fields a recipe asks for: inputs go by pseudonyms.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from catalog.names import safe_part
from curate.dicom.facts import facts_of, fields_of, stack_name
from curate.dicom.index import Index, read_index
from curate.dicom.instance import Kind
from curate.dicom.pseudonyms import Pseudonyms
from curate.dicom.rules import Wanted, folder_fields, matches
from curate.dicom.series_input import SeriesInput, series_input
from curate.dicom.stacks import Stack, series_of, stacks_of
from curate.discovery.dicom_labels import LabelFinder
from curate.discovery.images import FoundImage
from curate.inputs import Input
from curate.paths.listing import Folders
from curate.paths.pattern import render
from curate.recipe.resolved import Group, Recipe


@dataclass(frozen=True)
class FoundSeries:
    """A series that a rule chose, as an image, with its input and its labels (word, input)."""

    image: FoundImage
    source: SeriesInput
    labels: tuple[tuple[str, Input], ...]


@dataclass
class FoundDicom:
    """The series of all groups.

    `original` is what each case is in the source. `unnamed` counts the names of segments and regions that no label of
    any group takes; `names` holds all of them, by the number of the group.
    """

    series: list[FoundSeries] = field(default_factory=list)
    original: dict[str, dict[str, str]] = field(default_factory=dict)
    unnamed: Counter[str] = field(default_factory=Counter)
    names: dict[int, set[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def find_series(recipe: Recipe, folders: Folders, salt: str) -> FoundDicom:
    """Return the series of the groups that have rules; the folder is not indexed where there are none."""
    found = FoundDicom()
    if all(group.series is None for group in recipe.groups):
        return found
    index = read_index(folders.root)
    pseudonyms = Pseudonyms(salt)
    stacks = [stack for series in series_of(index.instances) for stack in stacks_of(series)]
    found.warnings += _index_warnings(index)
    names, taken = set[tuple[str, str]](), set[tuple[str, str]]()
    for number, group in enumerate(recipe.groups):
        if group.series is None:
            continue
        finder = LabelFinder(group, index, stacks, pseudonyms, folders)
        for stack in stacks:
            fields = chosen(group.series, stack, pseudonyms)
            if fields is None:
                continue
            image = _image(number, group, stack, fields, pseudonyms)
            source = series_input(index.root, stack, image.path, group.suv is not None)
            found.series.append(FoundSeries(image, source, finder.labels(stack, fields)))
            found.original[image.case] = _original(stack, fields, image.case)
        found.unnamed += finder.words
        found.names[number] = {name for _, name in finder.names}
        names |= finder.names
        taken |= finder.taken
        found.warnings += finder.warnings()
    found.unnamed.update(name for _, name in names - taken)
    return found


def chosen(rules: Wanted, stack: Stack, pseudonyms: Pseudonyms) -> dict[str, str] | None:
    """Return the fields of a stack that fits the rules, those of its folder included; None for any other."""
    if not matches(rules, facts_of(stack)):
        return None
    folder = folder_fields(rules, stack.first.path)
    return None if folder is None else {**fields_of(stack, pseudonyms), **folder}


def _image(number: int, group: Group, stack: Stack, fields: Mapping[str, str], pseudonyms: Pseudonyms) -> FoundImage:
    name = stack_name(stack, pseudonyms)
    default = fields.get("case") or name.rpartition("/")[2]
    text = default if group.case is None else render(group.case, fields)
    return FoundImage(number, name, dict(fields), text, safe_part(text))


def _original(stack: Stack, fields: Mapping[str, str], case: str) -> dict[str, str]:
    first = stack.first
    return {
        "case": case,
        **{name: fields[name] for name in ("patient", "study", "series", "part")},
        "patient_id": first.patient_id,
        "study_uid": first.study_uid,
        "series_uid": first.series_uid,
        "folder": str(PurePosixPath(first.path).parent),
    }


def _index_warnings(index: Index) -> Iterator[str]:
    damaged = len(index.of_kind(Kind.DAMAGED))
    if damaged:
        yield f"{damaged} DICOM files are damaged and were passed over; `curate scan` lists them"
    if index.closed:
        yield f"{index.closed} folders could not be listed and were passed over"
