"""One case from its file to its results."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from train.files import write_whole
from train.predict.engine import Engine
from train.predict.inputs import modality_of, read_case
from train.predict.outputs import write_segs
from train.predict.propagate import Propagation
from train.predict.segment import segment_case
from train.predict.summary import Outcome


def predict_case(
    path: Path,
    out: Path,
    engine: Engine[Any],
    propagation: Propagation = "clean",
    overlay: Path | None = None,
    on_slice: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Segment the case of a file into a file of the same name in `out`, and draw it into the folder `overlay`.

    Raises:
        CaseError: the case cannot be used; nothing is written of it.
        OutputError: the disk is full, or a folder must not be written to.
    """
    start = perf_counter()
    case = read_case(path)
    segs = segment_case(case, engine, propagation, on_slice)
    write_segs(out / path.name, segs)
    outcome = Outcome(case.name, modality_of(case.name), perf_counter() - start, len(case.boxes))
    if overlay is not None:
        from train.predict.overlay import draw_overlay, encode_png

        write_whole(overlay / f"{case.name}.png", encode_png(draw_overlay(case, segs)))
    return outcome
