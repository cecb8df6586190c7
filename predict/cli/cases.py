"""From the options of `predict` to the cases that it segments."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from predict.cli.options import FROM_TRUTH, WHOLE
from predict.errors import UsageError

if TYPE_CHECKING:
    from catalog.selection import Selection
    from predict.inputs.folder import FoundCases

PREDICTED = "-predicted"


@dataclass(frozen=True)
class CaseArguments:
    """The options that say what is known of the cases, as typed."""

    boxes: str | None = None
    box: tuple[str, ...] = ()
    boxes_from: str | None = None
    points: Path | None = None
    masks: Path | None = None
    truth: Path | None = None
    window: str = "none"
    jitter: int = 0
    seed: int = 0
    score: bool = False
    strict: bool = False

    def given(self) -> dict[str, object]:
        """Return the options about prompts and labels that were given, by their name."""
        options = {
            "--boxes": self.boxes,
            "--box": self.box or None,
            "--boxes-from": self.boxes_from,
            "--points": self.points,
            "--masks": self.masks,
            "--truth": self.truth,
        }
        return {name: value for name, value in options.items() if value is not None}


def check_arguments(
    place: Path | None, manifest: Path | None, arguments: CaseArguments, selecting: Mapping[str, object]
) -> None:
    """Raise UsageError where options exclude each other; `selecting` are those that select masks of a corpus."""
    if (place is None) == (manifest is None):
        raise UsageError("give either CASES (a folder or a file) or --manifest")
    if arguments.boxes_from not in (None, FROM_TRUTH):
        raise UsageError(f"--boxes-from {arguments.boxes_from}: only gts is allowed; a file of boxes goes to --boxes")
    boxes = [name for name in arguments.given() if name in ("--boxes", "--box", "--boxes-from")]
    if len(boxes) > 1:
        raise UsageError(f"{' and '.join(boxes)}: boxes come from one of them")
    if manifest is not None and arguments.given():
        name = next(iter(arguments.given()))
        raise UsageError(f"--manifest takes boxes and labels from the masks of the corpus: leave out {name}")
    if place is not None and (used := [name for name, value in selecting.items() if value]):
        raise UsageError(f"{used[0]} selects masks of a --manifest; a folder is taken whole")


def default_out(place: Path) -> Path:
    """Return the default folder of results of a folder, a file or a corpus: next to it, called NAME-predicted."""
    from predict.inputs.kinds import stem_of

    place = place.absolute() if place.name in ("", "..") else place
    if place.name == "catalog.parquet":
        place = place.parent.absolute() if place.parent.name in ("", "..") else place.parent
    name = place.resolve().name if place.name in ("", "..") else place.name
    return place.with_name(f"{name if place.is_dir() else stem_of(name)}{PREDICTED}")


def folder_cases(place: Path, arguments: CaseArguments, out: Path, overlay: Path | None) -> "FoundCases":
    """Return the cases of a folder or a file.

    Raises:
        PredictError: a folder or a file of prompts cannot be used.
    """
    from curate.imaging.window import parse_window
    from predict.inputs.folder import find_cases
    from predict.inputs.input_options import InputOptions
    from predict.inputs.label_files import LabelFolder
    from predict.prompts.tables import parse_boxes, read_boxes, read_points

    try:
        window = parse_window(arguments.window)
    except ValueError as error:
        raise UsageError(f"--window: {error}") from None
    whole = arguments.boxes == WHOLE
    options = InputOptions(
        boxes={} if arguments.boxes is None or whole else read_boxes(Path(arguments.boxes)),
        points={} if arguments.points is None else read_points(arguments.points),
        whole=whole,
        masks=None if arguments.masks is None else LabelFolder(arguments.masks),
        truth=None if arguments.truth is None else LabelFolder(arguments.truth),
        score=arguments.score,
        boxes_from_truth=arguments.boxes_from is not None,
        jitter=arguments.jitter,
        seed=arguments.seed,
        window=window,
        strict=arguments.strict,
    )
    left_out = [folder for folder in (out, overlay, arguments.masks, arguments.truth) if folder is not None]
    return find_cases(place, options, parse_boxes(arguments.box) if arguments.box else None, left_out)


def corpus_cases(selection: "Selection", split: str | None, arguments: CaseArguments) -> tuple["FoundCases", Path]:
    """Return the images of a corpus, and its folder."""
    from predict.inputs.corpus import COLUMNS, corpus_images
    from predict.inputs.folder import FoundCases

    samples = selection.load(split, COLUMNS)
    return FoundCases(corpus_images(samples, arguments.jitter, arguments.seed, arguments.score)), samples.root
