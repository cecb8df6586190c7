"""Cases: which image, label files and patient belong together in a source folder."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.names import modality_token, safe_part
from curate.discovery.images import FoundImage, find_images, near_misses, some, subsample
from curate.discovery.label_files import find_labels, words_as_labels
from curate.discovery.patients import Patients
from curate.discovery.source import refuse_incomplete
from curate.discovery.splits import Splits
from curate.errors import RunError, SourceError
from curate.inputs import FileInput, Input
from curate.paths.listing import Folders
from curate.paths.pattern import Pattern, parse_pattern
from curate.recipe.resolved import Recipe

_SHOWN = 10


@dataclass(frozen=True)
class Case:
    """One image with its labels: the unit of work.

    `group` is the index into the recipe's groups. `labels` holds (word, input): the word that stood for `{label}`, or
    ''; it is empty if there is no label file. `split` is the official one (train, val, test), None if the recipe has
    none for the case.
    """

    dataset: str
    case: str
    patient: str
    group: int
    image: Input
    labels: tuple[tuple[str, Input], ...]
    split: str | None = None


@dataclass(frozen=True)
class Found:
    """The cases found in a source folder.

    `recipe` includes the labels found for `labels: "*"`. `cases` are sorted by (case, group), `excluded` holds (case,
    reason) pairs that the recipe leaves out, `unnamed` counts label files by a word that no label has, `warnings` are
    messages for the user.
    """

    recipe: Recipe
    cases: tuple[Case, ...]
    excluded: tuple[tuple[str, str], ...]
    unnamed: dict[str, int]
    warnings: tuple[str, ...]


def find_cases(recipe: Recipe, source: Path) -> Found:
    """Find the cases of a recipe in a source folder.

    A case whose label files are missing comes back with empty `labels`, unless its group skips such cases. Raises
    SourceError where no image or no patient table is found and for an incomplete recipe without cases, RunError where
    two files map to the same case id.
    """
    refuse_incomplete(recipe)
    folders = Folders(source)
    patterns = [parse_pattern(group.image) for group in recipe.groups]
    images = find_images(recipe, folders, patterns)
    if not images:
        raise SourceError(_nothing_found(recipe, patterns, folders))
    reasons = {safe_part(case): reason for case, reason in recipe.exclude.items()}
    _refuse_twins(recipe, [image for image in images if image.case not in reasons])
    chosen = [image for index in range(len(patterns)) for image in subsample(recipe, images, index)]
    patients, splits = Patients(recipe, folders), Splits(recipe, folders)
    labels = [None if group.label is None else parse_pattern(group.label) for group in recipe.groups]
    cases, unnamed, unlabelled = [], Counter[str](), 0
    for image in chosen:
        if image.case in reasons:
            continue
        group = recipe.groups[image.group]
        found = find_labels(group, labels[image.group], folders, image.fields)
        unnamed.update(found.unnamed)
        if group.label is not None and group.missing_labels == "skip" and not found.files:
            unlabelled += 1
            continue
        patient = patients.of(image)
        cases.append(
            Case(
                dataset=recipe.name,
                case=image.case,
                patient=patient,
                group=image.group,
                image=FileInput(source, image.path),
                labels=tuple((word, FileInput(source, path)) for word, path in found.files),
                split=splits.of(image, patient),
            )
        )
    excluded = sorted({image.case for image in chosen} & reasons.keys())
    words = [{word for case in cases if case.group == index for word, _ in case.labels} for index in range(len(labels))]
    return Found(
        recipe=replace(recipe, groups=tuple(words_as_labels(*pair) for pair in zip(recipe.groups, words, strict=True))),
        cases=tuple(sorted(cases, key=lambda case: (case.case, case.group))),
        excluded=tuple((case, reasons[case]) for case in excluded),
        unnamed=dict(sorted(unnamed.items())),
        warnings=(
            *_unexpected(recipe, images, reasons, unlabelled),
            *near_misses(patterns, folders),
            *patients.warnings(),
            *splits.warnings(),
            *folders.warnings,
        ),
    )


def _refuse_twins(recipe: Recipe, images: list[FoundImage]) -> None:
    first: dict[tuple[str, str], FoundImage] = {}
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
            f"{recipe.name}: two image files map to the same case id:{lines}{more}\n"
            "add a field to `case`, such as '{site}_{case}', or give one of the groups a `sequence`"
        )


def _unexpected(recipe: Recipe, images: list[FoundImage], reasons: dict[str, str], unlabelled: int) -> Iterator[str]:
    if unlabelled:
        yield f"{unlabelled} images without a label file are left out, as the recipe says"
    found = {"cases": len({image.case for image in images}), "images": len(images)}
    for what, number in recipe.expect.items():
        if found[what] != number:
            yield f"{recipe.name} should have {number} {what}, found {found[what]}"
    with_images = {image.group for image in images}
    for index, group in enumerate(recipe.groups):
        if index not in with_images:
            yield f"no image matches {group.image}"
    unmatched = sorted(reasons.keys() - {image.case for image in images})
    if unmatched:
        yield f"the recipe excludes cases that were not found: {some(unmatched)}"


def _nothing_found(recipe: Recipe, patterns: list[Pattern], folders: Folders) -> str:
    """Return a message with the pattern, the contents of the folder it leads to, and folders that would work."""
    root = folders.root.absolute()
    lines = [f"no image of {recipe.name} in {root}"]
    for pattern in patterns:
        reached = pattern.reach(folders)
        listing = folders.listing(reached)
        names = sorted([f"{name}/" for name in listing.folders.values()] + list(listing.files.values()))
        lines.append(f"  looked for {pattern.text}; {root / reached} contains: {some(names) or '(nothing)'}")
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
