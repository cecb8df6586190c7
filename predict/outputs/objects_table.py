"""The table of objects: which label of which file is which object, and how much of it is to be seen."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from predict.outputs.summary import Outcome

COLUMNS = ("file", "label", "name", "expected_iou", "drawn", "pixels", "hidden")


def objects_table(outcomes: Sequence[Outcome]) -> str | None:
    """Return the table as CSV; None where it says no more than the labels do.

    It is needed where objects have names, are hidden in part, were not drawn, or are in files of their own. `drawn` is
    1 where pixels of the object are in the file; `pixels` are those of its mask, `hidden` those of them that another
    object has.
    """
    if not any(any(one.names) or any(one.hidden) or one.dropped or len(one.files) > 1 for one in outcomes):
        return None
    return csv_of(COLUMNS, (row for outcome in outcomes for row in _rows(outcome)))


def _rows(outcome: Outcome) -> Iterable[Sequence[Any]]:
    layered = len(outcome.files) > 1
    for row in range(outcome.boxes):
        pixels, hidden = outcome.pixels[row], 0 if layered else outcome.hidden[row]
        name = outcome.names[row] if outcome.names else ""
        file = outcome.files[row if layered else 0]
        yield file, row + 1, name, f"{outcome.iou[row]:.4f}", int(pixels > hidden), pixels, hidden


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue()
