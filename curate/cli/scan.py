"""`curate scan`: show what a folder of DICOM holds."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.app import JsonOption, app, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from curate.dicom.scan import Scan, ScannedSeries


@app.command()
def scan(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of DICOM files of any names and nesting.")],
    salt: Annotated[
        str, typer.Option(envvar="MEDCORPUS_SALT", show_default=False, help="The --salt of curate run.")
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Read every header again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the patients, studies, series and labels of a DICOM folder, and what is odd about them."""
    from catalog.progress import Progress
    from curate.dicom.index import read_index
    from curate.dicom.scan import scan as scan_index

    progress: list[Progress] = []

    def begin(files: int) -> None:
        progress.append(Progress(files, "file", name="index"))

    try:
        index = read_index(folder, fresh, begin, lambda: progress[0].advance())
    finally:
        for one in progress:
            one.__exit__(None, None, None)
    found = scan_index(index, salt)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    _print(found)


def _print(found: "Scan") -> None:
    from rich.console import Console

    console = Console()
    console.print(
        f"{found.files} files: {found.images} images of {found.patients} patients, {found.studies} studies, "
        f"{len(found.series)} volumes, images and films; {len(found.labels)} segmentations and structure sets"
    )
    passed_over = [f"{count} {kind}" for kind, count in found.others.items()]
    passed_over += [f"{found.foreign} that are not DICOM"] if found.foreign else []
    if passed_over:
        console.print(f"passed over: {', '.join(passed_over)}")
    if found.series:
        console.print(_series_table(found.series))
    if found.labels:
        console.print(_label_table(found))
    for path, reason in found.damaged:
        console.print(f"damaged: {path}: {reason}", markup=False, highlight=False)
    if found.closed:
        console.print(f"{found.closed} folders could not be listed")


def _series_table(series: "tuple[ScannedSeries, ...]") -> "Table":
    table = _table("patient", "study", "no.", "series", "modality", "description", "shape", "mm", "plane", "syntax",
                   "labels", "odd")  # fmt: skip
    before = ("", "")
    for one in series:
        patient = one.patient_id or one.patient
        here = (patient, one.study_description or one.study)
        shown = tuple(new if new != old or here[0] != before[0] else "" for new, old in zip(here, before, strict=True))
        before = here
        spacing = " x ".join("?" if value is None else f"{value:g}" for value in one.spacing)
        table.add_row(
            *shown,
            "" if one.number is None else str(one.number),
            one.name,
            one.modality,
            one.description,
            " x ".join(map(str, one.shape)),
            spacing if any(value is not None for value in one.spacing) else "",
            one.orientation or "",
            one.syntax,
            str(len(one.labels) or ""),
            "; ".join(one.odd),
        )
    return table


def _label_table(found: "Scan") -> "Table":
    table = _table("patient", "kind", "description", "names", "on series", "known by", "odd")
    for one in found.labels:
        table.add_row(
            one.patient_id or one.patient,
            one.kind,
            one.description,
            ", ".join(one.names),
            ", ".join(one.refers_to),
            {"images": "its images", "series": "its series", "space": "frame of reference"}.get(one.by, ""),
            "; ".join(one.odd),
        )
    return table


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
