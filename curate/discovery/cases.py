"""Cases: which image, label files and patient belong together in a source folder."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from catalog.names import modality_token, safe_part
from curate.errors import RunError, SourceError
from curate.paths.listing import Folders
from curate.paths.pattern import Pattern, parse_pattern, render
from curate.recipe.resolved import Group, PatientTable, Recipe

_SHOWN = 10


@dataclass(frozen=True)
class Case:
    """One image with its labels: the unit of work.

    `group` is the index into the recipe's groups; paths are relative to the source folder, with `/`. `labels`
    holds (word, path): the word that stood for `{label}`, or ''; it is empty where no label file exists.
    """

    dataset: str
    case: str
    patient: str
    group: int
    image: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Found:
    """The cases by (case, group), the (case, reason) the recipe excludes, and what a user should know."""

    cases: tuple[Case, ...]
    excluded: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Image:
    group: int
    path: str
    fields: dict[str, str]
    id: str
    case: str


def find_cases(recipe: Recipe, source: Path) -> Found:
    """Find the cases of a recipe in a source folder.

    A case whose label files are missing comes back with empty `labels`. Raises SourceError where no image or
    no patient table is found, RunError where two files want one name in the corpus.
    """
    folders = Folders(source)
    patterns = [parse_pattern(group.image) for group in recipe.groups]
    images = [
        _image(recipe.groups[index], index, path, fields)
        for index, pattern in enumerate(patterns)
        for path, fields in pattern.find(folders)
    ]
    if not images:
        raise SourceError(_nothing_found(recipe, patterns, folders))
    reasons = {safe_part(case): reason for case, reason in recipe.exclude.items()}
    _refuse_twins(recipe, [image for image in images if image.case not in reasons])
    chosen = [image for index in range(len(patterns)) for image in _subsample(recipe, images, index)]
    patients = _Patients(recipe, folders)
    labels = [None if group.label is None else parse_pattern(group.label) for group in recipe.groups]
    cases = [
        Case(
            dataset=recipe.name,
            case=image.case,
            patient=patients.of(image),
            group=image.group,
            image=image.path,
            labels=tuple(_labels(recipe.groups[image.group], labels[image.group], folders, image.fields)),
        )
        for image in chosen
        if image.case not in reasons
    ]
    excluded = sorted({image.case for image in chosen} & reasons.keys())
    return Found(
        cases=tuple(sorted(cases, key=lambda case: (case.case, case.group))),
        excluded=tuple((case, reasons[case]) for case in excluded),
        warnings=(*_unexpected(recipe, images, reasons), *patients.warnings(), *folders.warnings),
    )


def _image(group: Group, index: int, path: str, fields: dict[str, str]) -> _Image:
    if group.case is not None:
        text = render(group.case, fields)
    elif "case" in fields:
        text = fields["case"]
    else:
        text = "_".join(fields.values()) or _stem(path)
    return _Image(index, path, fields, text, safe_part(text))


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    return name.removesuffix(".gz").rpartition(".")[0] or name


def _subsample(recipe: Recipe, images: list[_Image], index: int) -> list[_Image]:
    """Return every n-th image of a group, in name order where numbers count: frame_9, frame_10."""
    own = [image for image in images if image.group == index]
    step = recipe.groups[index].subsample
    if step == 1:
        return own
    return sorted(own, key=_natural)[::step]


def _natural(image: _Image) -> list[int | str]:
    return [int(run) if i % 2 else run for i, run in enumerate(re.split(r"(\d+)", image.path, flags=re.ASCII))]


def _labels(group: Group, label: Pattern | None, folders: Folders, fields: dict[str, str]) -> Iterator[tuple[str, str]]:
    if label is None:
        return
    words: Iterable[str] = [""]
    if group.encoding == "files":
        words = dict.fromkeys(str(value) for own in group.labels for value in own.values)
    several = label.wild or "instance" in label.fields
    for word in words:
        bound = {**fields, "label": word}
        if several:
            for path in label.paths(folders, bound):
                yield word, path
        else:
            found = folders.path(label.fill(bound))
            if found is not None:
                yield word, found


class _Patients:
    """Tells each image's patient: by template, by CSV table, by the field `{patient}`, else by its case."""

    def __init__(self, recipe: Recipe, folders: Folders) -> None:
        self._rules = [group.patient for group in recipe.groups]
        tables = {rule for rule in self._rules if isinstance(rule, PatientTable)}
        self._tables = {table: _read_table(table, folders.root) for table in tables}
        self._missing: dict[str, list[str]] = {}

    def of(self, image: _Image) -> str:
        rule = self._rules[image.group]
        if isinstance(rule, str):
            return render(rule, image.fields)
        if rule is None:
            return image.fields.get("patient", image.case)
        table = self._tables[rule]
        patient = table.get(image.id) or table.get(image.case)
        if patient is None:
            self._missing.setdefault(rule.csv, []).append(image.case)
        return patient or image.case

    def warnings(self) -> Iterator[str]:
        for name, cases in self._missing.items():
            unique = sorted(set(cases))
            yield f"{name} names no patient for {_some(unique)}: each counts as a patient of its own"


def _read_table(table: PatientTable, source: Path) -> dict[str, str]:
    """Return case to patient of a CSV file (comma, semicolon or tab; UTF-8)."""
    path = source / table.csv
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count)))
    except FileNotFoundError:
        raise SourceError(f"the recipe's patient table {table.csv} is not in {source}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"the patient table {path} cannot be read: {error}") from None
    header = [column.strip() for column in rows[0]] if rows else []
    missing = [column for column in (table.case, table.patient) if column not in header]
    if missing:
        columns = ", ".join(header) or "(none)"
        raise SourceError(f"the patient table {path} has no column {' and '.join(missing)}; it has: {columns}")
    at_case, at_patient = header.index(table.case), header.index(table.patient)
    patients: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(at_case, at_patient) or not row[at_case].strip() or not row[at_patient].strip():
            continue
        case, patient = row[at_case].strip(), row[at_patient].strip()
        if patients.setdefault(case, patient) != patient:
            raise SourceError(f"{path}:{number}: case {case!r} has two patients: {patients[case]!r}, {patient!r}")
    return patients


def _refuse_twins(recipe: Recipe, images: list[_Image]) -> None:
    first: dict[tuple[str, str], _Image] = {}
    pairs = []
    for image in images:
        for channel in recipe.groups[image.group].channels:
            token = modality_token(channel.modality, channel.sequence)
            other = first.setdefault((token, image.case), image)
            if other is not image:
                pairs.append(f"{token}--{recipe.name}--{image.case}: {other.path} and {image.path}")
    if pairs:
        lines = "".join(f"\n  {pair}" for pair in pairs[:_SHOWN])
        more = f"\n  and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        raise RunError(
            f"{recipe.name}: two files want one name in the corpus:{lines}{more}\n"
            "tell them apart by `case` with one more field, such as '{site}_{case}', or by a `sequence`"
        )


def _unexpected(recipe: Recipe, images: list[_Image], reasons: dict[str, str]) -> Iterator[str]:
    found = {"cases": len({image.case for image in images}), "images": len(images)}
    for what, number in recipe.expect.items():
        if found[what] != number:
            yield f"{recipe.name} has {number} {what}, here are {found[what]}"
    with_images = {image.group for image in images}
    for index, group in enumerate(recipe.groups):
        if index not in with_images:
            yield f"no image matches {group.image}"
    unmatched = sorted(reasons.keys() - {image.case for image in images})
    if unmatched:
        yield f"the recipe excludes what is not here: {_some(unmatched)}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _nothing_found(recipe: Recipe, patterns: list[Pattern], folders: Folders) -> str:
    """Return what was looked for, what lies there instead, and where else it would be found."""
    root = folders.root.absolute()
    lines = [f"no image of {recipe.name} in {root}"]
    for pattern in patterns:
        reached = pattern.reach(folders)
        listing = folders.listing(reached)
        names = sorted([f"{name}/" for name in listing.folders.values()] + list(listing.files.values()))
        lines.append(f"  looked for {pattern.text}; in {root / reached} lie: {_some(names) or '(nothing)'}")
    for count, where, path in _elsewhere(patterns, folders):
        lines.append(f"  found {count} under {where}: use --source {path}")
    return "\n".join([*lines, *(f"  {warning}" for warning in folders.warnings)])


def _elsewhere(patterns: list[Pattern], folders: Folders) -> Iterator[tuple[int, str, Path]]:
    """Yield (number of images, what to call the folder, folder) for folders below and above that would do."""
    root = folders.root.absolute()
    for name in folders.listing("").folders.values():
        if not name.startswith("."):
            count = sum(len(pattern.find(Folders(root / name))) for pattern in patterns)
            if count:
                yield count, f"{name}/", root / name
    parts = root.parts[1:]
    for levels in range(1, 1 + min(len(parts), max(len(p.segments) for p in patterns) - 1)):
        count = sum(len(p.find(folders)) for p in filter(None, (_without(q, parts[-levels:]) for q in patterns)))
        if count:
            yield count, "/".join(parts[-levels:]) + "/", root.parents[levels - 1]


def _without(pattern: Pattern, folders: tuple[str, ...]) -> Pattern | None:
    """Return the rest of a pattern whose first segments match `folders`, or None."""
    head, rest = pattern.segments[: len(folders)], pattern.segments[len(folders) :]
    if not rest or any(segment.any_folders for segment in head):
        return None
    if parse_pattern("/".join(segment.text for segment in head)).match("/".join(folders)) is None:
        return None
    return parse_pattern("/".join(segment.text for segment in rest))
