"""Notes: what the user should know about a case that was segmented."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class NoteKind(StrEnum):
    """What a note is about: its stable `code` in the summary of --json."""

    CLIPPED = "clipped"  # boxes reach past the border and were cut there
    NOT_FINITE = "not_finite"  # pixels without a finite intensity belong to no object
    UPRIGHT = "upright"  # the picture was turned by its EXIF orientation
    HIDDEN = "hidden"  # pixels of objects are under other objects
    NOT_DRAWN = "not_drawn"  # objects with an expected IoU below --min-iou
    LABEL_ORDER = "label_order"  # the reference has other labels than the objects, or in another order
    NO_SPACING = "no_spacing"  # scored in pixels
    NAMED = "named"  # two files share a name: each is called by its file name with suffix
    LEFT_OUT = "left_out"  # a picture next to a scan of the same name, with no prompt of its own


@dataclass(frozen=True)
class Note:
    """A note on a case. `count` says how many (boxes, pixels, objects) it is about."""

    kind: NoteKind
    text: str
    count: int = 1


TALLIES = {
    NoteKind.CLIPPED: "boxes clipped at the border",
    NoteKind.NOT_FINITE: "pixels that are not finite",
    NoteKind.UPRIGHT: "pictures turned upright by EXIF",
    NoteKind.HIDDEN: "pixels under other objects",
    NoteKind.NOT_DRAWN: "objects not drawn",
    NoteKind.LABEL_ORDER: "references with other labels than the boxes",
    NoteKind.NO_SPACING: "volumes scored in voxels",
    NoteKind.NAMED: "names that files share",
    NoteKind.LEFT_OUT: "pictures next to scans left out",
}
"""How the sum of a kind's counts is called."""
SHOWN = 3


class NoteLog:
    """Prints the first notes of each kind through `say`; the others are in `tally`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._cases: Counter[NoteKind] = Counter()

    def add(self, name: str, note: Note) -> None:
        """Print a note on a case, unless there were several of its kind."""
        self._cases[note.kind] += 1
        if self._cases[note.kind] <= SHOWN:
            self._say(f"{name}: {note.text}")
        elif self._cases[note.kind] == SHOWN + 1:
            self._say(f"{name}: the same, like others that follow; all are in the summary of --json")


def tally(notes: Iterable[Note]) -> str:
    """Return the sum of each kind of notes in words, empty if there are none."""
    notes = list(notes)
    sums = {kind: sum(note.count for note in notes if note.kind is kind) for kind in NoteKind}
    return "; ".join(f"{TALLIES[kind]}: {count}" for kind, count in sums.items() if count)
