"""What a folder of DICOM holds: patients, studies, series and the labels on them, and what is odd about each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from curate.dicom.compressed import can_decode, syntax_name
from curate.dicom.facts import facts_of, patient_of, stack_name, step_of
from curate.dicom.index import Index
from curate.dicom.instance import Instance, Kind
from curate.dicom.pixels import NATIVE
from curate.dicom.pseudonyms import Pseudonyms
from curate.dicom.references import References
from curate.dicom.series_input import series_input
from curate.dicom.stacks import Stack, series_of, stacks_of

_PLAIN = {"1.2.840.10008.1.2": "implicit", "1.2.840.10008.1.2.1": "explicit", "1.2.840.10008.1.2.2": "big endian"}
"""Short names of the syntaxes without compression."""


@dataclass(frozen=True)
class ScannedSeries:
    """A volume, image or film of a series.

    `name` is its pseudonym, as messages and a corpus have it; `shape` (k, j, i) or (k, j, i, 3); `spacing` in mm along
    k, j and i, None where unknown; `orientation` axial, coronal, sagittal or None. `labels` are the names of the labels
    on it.
    """

    name: str
    patient: str
    patient_id: str
    study: str
    study_description: str
    number: int | None
    part: int
    parts: int
    modality: str
    description: str
    shape: tuple[int, ...]
    spacing: tuple[float | None, ...]
    orientation: str | None
    syntax: str
    folder: str
    labels: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScannedLabel:
    """A segmentation or structure set: the names in it, the series it belongs to, and how that is known."""

    kind: str
    name: str
    patient: str
    patient_id: str
    study: str
    description: str
    names: tuple[str, ...]
    refers_to: tuple[str, ...]
    by: str
    path: str
    odd: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """What a folder holds.

    `others` counts DICOM files without an image by their kind, `damaged` gives path and reason of each.
    """

    files: int
    images: int
    patients: int
    studies: int
    series: tuple[ScannedSeries, ...]
    labels: tuple[ScannedLabel, ...]
    others: dict[str, int] = field(default_factory=dict)
    foreign: int = 0
    damaged: tuple[tuple[str, str], ...] = ()
    closed: int = 0


def scan(index: Index, salt: str = "") -> Scan:
    """Return what an indexed folder holds; `salt` is that of the pseudonyms."""
    pseudonyms = Pseudonyms(salt)
    stacks = [stack for series in series_of(index.instances) for stack in stacks_of(series)]
    references = References(stacks)
    labels = []
    on_stack: dict[int, list[str]] = {}
    for instance in (*index.of_kind(Kind.SEG), *index.of_kind(Kind.RTSTRUCT)):
        match = references.of(instance)
        names = tuple(stack_name(stack, pseudonyms) for stack in match.stacks)
        labels.append(_label(instance, names, match.by, match.note, pseudonyms))
        for stack in match.stacks:
            on_stack.setdefault(id(stack), []).append(labels[-1].name)
    images = index.of_kind(Kind.IMAGE)
    everything = (*images, *index.of_kind(Kind.SEG), *index.of_kind(Kind.RTSTRUCT))
    return Scan(
        files=len(index.instances),
        images=len(images),
        patients=len({one.patient_id for one in everything}),
        studies=len({(one.patient_id, one.study_uid) for one in everything}),
        series=tuple(_series(index, stack, pseudonyms, tuple(on_stack.get(id(stack), ()))) for stack in stacks),
        labels=tuple(labels),
        others=dict(Counter(class_name(one.sop_class) for one in index.of_kind(Kind.OTHER)).most_common()),
        foreign=len(index.of_kind(Kind.FOREIGN)),
        damaged=tuple((one.path, one.note) for one in index.of_kind(Kind.DAMAGED)),
        closed=index.closed,
    )


def class_name(sop_class: str) -> str:
    """Return the name of a kind of DICOM object, such as `Basic Text SR Storage`."""
    from pydicom.uid import UID

    return str(UID(sop_class).name) if sop_class else "unknown"


def _series(index: Index, stack: Stack, pseudonyms: Pseudonyms, labels: tuple[str, ...]) -> ScannedSeries:
    first, facts = stack.first, facts_of(stack)
    source = series_input(index.root, stack, "")
    orientation: Any = facts["orientation"]
    return ScannedSeries(
        name=stack_name(stack, pseudonyms).partition("/")[2],
        patient=patient_of(stack.series, pseudonyms),
        patient_id=first.patient_id,
        study=pseudonyms.of("study", first.study_uid),
        study_description=first.study_description,
        number=first.number,
        part=stack.part,
        parts=stack.parts,
        modality=first.modality,
        description=first.description,
        shape=source.shape,
        spacing=_spacing(stack),
        orientation=orientation,
        syntax=_PLAIN.get(first.syntax) or syntax_name(first.syntax).partition(" (1.2")[0],
        folder=first.path.rpartition("/")[0],
        labels=tuple(name.partition("/")[2] for name in labels),
        odd=tuple(_odd(stack)),
    )


def _spacing(stack: Stack) -> tuple[float | None, ...]:
    spacing = stack.images[0].frame.spacing or (None, None)
    step = step_of(stack)
    return (None if step is None else round(step, 4), *spacing)


def _odd(stack: Stack) -> Iterator[str]:
    first = stack.first
    if stack.grid is not None and stack.grid.trouble:
        yield stack.grid.trouble
    if stack.duplicates:
        yield f"{stack.duplicates} images at positions that are taken"
    if stack.parts > 1:
        yield f"volume {stack.part} of {stack.parts} of its series"
    if stack.is_film:
        yield "a film: set `stack: frames`"
    if first.syntax not in NATIVE and not can_decode(first.syntax):
        yield f"no decoder for {syntax_name(first.syntax)}"
    if stack.grid is not None and stack.images[0].frame.spacing is None:
        yield "no pixel spacing: 1 mm is assumed"
    if any(image.instance.burned_in for image in stack.images):
        yield "text burned into the pixels"
    if not first.series_uid:
        yield "no SeriesInstanceUID: files of a folder count as one series"
    if stack.grid is not None and len(stack.images) > 1 and np.linalg.norm(stack.grid.affine[:3, 2]) > 20:
        yield "slices more than 20 mm apart"


def _label(instance: Instance, names: tuple[str, ...], by: str, note: str, pseudonyms: Pseudonyms) -> ScannedLabel:
    odd = [note] if note else []
    if not names:
        odd.append("belongs to no image here")
    if not instance.names:
        odd.append("names nothing")
    return ScannedLabel(
        kind=instance.kind.value.upper(),
        name=f"objects/{pseudonyms.of('object', instance.sop_uid or instance.path)}",
        patient=pseudonyms.of("patient", instance.patient_id or instance.study_uid),
        patient_id=instance.patient_id,
        study=pseudonyms.of("study", instance.study_uid),
        description=instance.description,
        names=instance.names,
        refers_to=tuple(name.partition("/")[2] for name in names),
        by=by,
        path=instance.path,
        odd=tuple(odd),
    )
