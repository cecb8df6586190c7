"""The cases of a folder and its sub-folders, of every kind; or one file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from predict.errors import CaseFault, FolderError, InputError, UsageError
from predict.inputs.case import CaseSource
from predict.inputs.challenge import ChallengeFile
from predict.inputs.input_options import InputOptions
from predict.inputs.kinds import CHALLENGE, KINDS, PICTURES, SCANS, is_dicom, is_of, stem_of
from predict.inputs.label_files import label_suffixes
from predict.inputs.names import CaseNames, by_case
from predict.inputs.pictures import PictureFile
from predict.inputs.scans import ScanFile
from predict.inputs.walk import relative_name, walk
from predict.notes import Note, NoteKind
from predict.prompts.tables import NamedBoxes

SHOWN = 3
AnyCase = ChallengeFile | PictureFile | ScanFile
SOURCES: dict[tuple[str, ...], Callable[[Path, str, str, InputOptions], AnyCase]] = {
    CHALLENGE: ChallengeFile,
    PICTURES: PictureFile,
    SCANS: ScanFile,
}
DICOM_ADVICE = "`predict` does not read DICOM yet: convert the series to NIfTI, for example with dcm2niix"


@dataclass(frozen=True)
class FoundCases:
    """The cases to segment; the fault of each one that cannot be, by name; and notes, by file or folder."""

    sources: Sequence[CaseSource] = ()
    failed: Mapping[str, InputError] = field(default_factory=dict)
    notes: Mapping[str, Note] = field(default_factory=dict)


def find_cases(
    place: Path, options: InputOptions, box: NamedBoxes | None = None, left_out: Sequence[Path] = ()
) -> FoundCases:
    """Return the cases of a folder and its sub-folders, or the one case that a file is.

    A case is called by its file's name below the folder, without suffix where that is unique; in the files of boxes and
    points with or without suffix, see `CaseNames`.

    Args:
        place: The folder, or one file.
        options: Prompts by the names that the user gives the cases.
        box: Boxes of the one case there is.
        left_out: Folders in it that hold no cases, such as the one of results.

    Raises:
        FolderError: there is no such folder or file, or it holds no case; the message lists what it holds.
        UsageError: `box` is given and there are several cases.
    """
    files = _files(place, left_out)
    root = place if place.is_dir() else place.parent
    cases = {path: name for path, name in files.items() if is_of(path, KINDS)}
    failed = _dicom([path for path in files if path not in cases], root)
    if not cases:
        _refuse(place, list(files), failed)
    names = _case_names(cases)
    table = CaseNames({cases[path]: name for path, name in names.items()})
    boxes, faults = by_case(options.boxes, table, "boxes", _boxes_fit)
    points, point_faults = by_case(options.points, table, "points", _points_fit)
    failed |= faults | point_faults
    options = replace(options, boxes=boxes, points=points)
    notes = {}
    for group in _groups(names, lambda path: stem_of(cases[path])):
        note = _named_note(group, cases)
        notes[stem_of(cases[group[0]])] = note
        for path in _quick_looks(group, names, cases, options):
            notes[names.pop(path)] = Note(
                NoteKind.LEFT_OUT, "it has no prompt, and is next to a scan of the same name: left out"
            )
    if box is not None:
        if len(names) > 1:
            raise UsageError(f"--box is for one case, and {place} has {len(names)}: use --boxes FILE")
        options = replace(options, boxes=dict.fromkeys(names.values(), box))
    sources = {path: _source(path, name, root, options) for path, name in names.items()}
    for clash in _groups(sources, lambda path: sources[path].target.as_posix()):
        listed = " and ".join(cases[path] for path in clash)
        message = f"{listed} would both be written as {sources[clash[0]].target}: rename one of them"
        failed |= {names[path]: InputError(CaseFault.CLASH, message) for path in clash}
    return FoundCases([source for source in sources.values() if source.name not in failed], failed, notes)


def _files(place: Path, left_out: Sequence[Path]) -> dict[Path, str]:
    if place.is_dir():
        return dict(walk(place, left_out))
    if place.is_file():
        return {place: relative_name(place, place.parent)}
    raise FolderError(f"not found: {place}. Give the folder of the cases, or one file.")


def _refuse(place: Path, files: list[Path], dicom: Mapping[str, InputError]) -> NoReturn:
    kinds = ", ".join(KINDS)
    if dicom:
        raise FolderError(f"{place} holds DICOM files: {DICOM_ADVICE}.")
    if place.is_file():
        raise FolderError(f"{place.name} is not a case; cases end in {kinds}.")
    listed = ", ".join(path.relative_to(place).as_posix() for path in files[:SHOWN])
    holds = f"it holds {listed}{', ...' * (len(files) > SHOWN)}" if files else "it is empty"
    raise FolderError(f"{place} has no case ({kinds}): {holds}.")


def _dicom(paths: list[Path], root: Path) -> dict[str, InputError]:
    """Return a fault for each folder that holds DICOM files."""
    counts: dict[str, int] = {}
    for path in paths:
        if is_dicom(path):
            folder = path.parent.relative_to(root).as_posix()
            counts[folder] = counts.get(folder, 0) + 1
    return {
        f"{folder} (DICOM)": InputError(CaseFault.FORMAT, f"{count} DICOM files: {DICOM_ADVICE}")
        for folder, count in counts.items()
    }


def _case_names(cases: Mapping[Path, str]) -> dict[Path, str]:
    """Return the name of each case: without suffix, unless two cases then share it."""
    shared = {path for group in _groups(cases, lambda path: stem_of(cases[path])) for path in group}
    return {path: name if path in shared else stem_of(name) for path, name in cases.items()}


def _groups(paths: Mapping[Path, object], key: Callable[[Path], str]) -> list[list[Path]]:
    """Return the groups of two and more paths with the same key."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(key(path), []).append(path)
    return [group for group in found.values() if len(group) > 1]


def _boxes_fit(known: NamedBoxes, file: str) -> bool:
    """Boxes with a z range are a scan's."""
    return known.boxes.shape[1] == 4 or not is_of(Path(file), PICTURES)


def _points_fit(points: object, file: str) -> bool:
    """Points are a picture's."""
    return is_of(Path(file), PICTURES)


def _named_note(group: list[Path], cases: Mapping[Path, str]) -> Note:
    listed = " and ".join(cases[path] for path in group)
    return Note(NoteKind.NAMED, f"{listed} share this name: each is called by its file name with suffix")


def _quick_looks(
    group: list[Path], names: Mapping[Path, str], cases: Mapping[Path, str], options: InputOptions
) -> list[Path]:
    """Return the pictures of a group that only show the scan next to them: nothing is given for them."""
    if options.whole or all(is_of(path, PICTURES) for path in group):
        return []
    folders = [folder for folder in (options.masks, options.truth) if folder is not None]
    return [
        path
        for path in group
        if is_of(path, PICTURES)
        and names[path] not in (*options.boxes, *options.points)
        and not any(folder.find(stem_of(cases[path]), label_suffixes(path)) for folder in folders)
    ]


def _source(path: Path, name: str, root: Path, options: InputOptions) -> AnyCase:
    stem = stem_of(path.relative_to(root).as_posix())
    return next(source for suffixes, source in SOURCES.items() if is_of(path, suffixes))(path, name, stem, options)
