"""Counts of what a corpus holds: the numbers of `curate stats`.

The catalog is read once, a few cases at a time, so that 20 million rows need less than 1 GB of memory.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.corpus import Corpus
from catalog.drop_reasons import Reason
from catalog.errors import CatalogError
from catalog.images import IMAGE_KEY, Codes, codes, distinct, distinct_pairs, image_numbers
from catalog.schema import MASK_COLUMNS, check_columns

DIMENSIONS = ("modality", "label", "dataset", "anatomy", "axis")
"""The columns by which images and masks are always counted."""

CASE = ("dataset", "case")

NULL_NAMES = {"axis": "2d", "slice": "2d"}
"""The names of nulls that have a meaning; any other null is called `none`."""

MASK_REASONS = frozenset({Reason.SMALL, Reason.WHOLE_SLICE, Reason.VANISHES})
IMAGE_REASONS = frozenset({Reason.ASPECT, Reason.NO_MASK})
NOTHING_KEPT = "nothing_kept"
"""The reason, in the funnel of cases, if every slice of a case was dropped."""

TAIL = (10, 100, 1_000, 10_000, 100_000)
AREA_EDGES = (
    0.0,
    *(float(f"{step}e{power}") for power in (-4, -3, -2, -1) for step in (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)),
)
"""Fractions of the slice, ten steps a decade: the preferred numbers of ISO 3 (Renard's R10)."""
LONG_EDGES = (0, 64, 128, 256, 512, 1024, 2048, 4096)
"""Longer edge of an image, pixels."""

GROUP_LIMIT = 2_000_000

_NO_CASE = pa.table({name: pa.array([], pa.string()) for name in CASE})


class Count(NamedTuple):
    """Distinct images, and masks."""

    images: int
    masks: int


class Histogram(NamedTuple):
    """`counts[i]` values are in the bin from `edges[i]` up to, but not including, `edges[i + 1]`; the last is open."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def merged(self, edges: tuple[float, ...]) -> "Histogram":
        """Return a coarser histogram; its edges must be some of this one's, with the first."""
        starts = [self.edges.index(edge) for edge in edges]
        ends = [*starts[1:], len(self.counts)]
        return Histogram(edges, tuple(sum(self.counts[i:j]) for i, j in zip(starts, ends, strict=True)))


class Stage(NamedTuple):
    """One stage of the funnel: how much was kept, and how much was dropped for each reason."""

    kept: int
    dropped: Mapping[str, int]

    @property
    def seen(self) -> int:
        """The sum of kept and dropped."""
        return self.kept + sum(self.dropped.values())


@dataclass(frozen=True)
class Statistics:
    """The counts of a corpus; every mapping is sorted by descending number of masks, then by name.

    Attributes:
        by: The counts of each value of a column: `{"modality": {"CT": Count(images, masks)}}`. Null is called `2d` for
            axis and slice, `none` elsewhere. An image counts for each of its labels.
        drops: Rows of drops.parquet by reason.
        funnel: The stages cases, images and masks; empty if there is no drops.parquet.
        area_fraction: Masks by the fraction of the slice they cover.
        long_edge: Images by their longer edge in pixels.
    """

    images: int
    masks: int
    cases: int
    patients: int
    datasets: int
    by: Mapping[str, Mapping[str, Count]]
    drops: Mapping[str, int]
    funnel: Mapping[str, Stage]
    area_fraction: Histogram
    long_edge: Histogram

    def long_tail(self) -> dict[int, int]:
        """Return the number of labels with fewer than 10, 100, ... masks."""
        counts = [count.masks for count in self.by["label"].values()]
        return {limit: sum(count < limit for count in counts) for limit in TAIL}

    def to_json(self) -> dict[str, Any]:
        """Return the content of `curate stats --json`."""
        return {
            "images": self.images,
            "masks": self.masks,
            "cases": self.cases,
            "patients": self.patients,
            "datasets": self.datasets,
            "by": {
                column: {name: count._asdict() for name, count in groups.items()} for column, groups in self.by.items()
            },
            "drops": dict(self.drops),
            "funnel": {
                name: {"seen": stage.seen, "kept": stage.kept, "dropped": dict(stage.dropped)}
                for name, stage in self.funnel.items()
            },
            "long_tail": {
                "labels": len(self.by["label"]),
                "fewer_masks_than": {str(limit): labels for limit, labels in self.long_tail().items()},
            },
            "area_fraction": {
                "edges": list(self.area_fraction.edges),
                "masks": list(self.area_fraction.counts),
            },
            "long_edge": {"edges": list(self.long_edge.edges), "images": list(self.long_edge.counts)},
        }

    def to_rows(self) -> Iterator[tuple[str, str, int, int]]:
        """Yield the rows of `curate stats --csv`, the total first: dimension, name, images, masks."""
        yield "total", "total", self.images, self.masks
        for column, groups in self.by.items():
            for name, count in groups.items():
                yield column, name, count.images, count.masks


def corpus_statistics(corpus: Corpus, by: Sequence[str] = ()) -> Statistics:
    """Count the images and masks of a corpus by the five dimensions, and by the columns in `by`.

    Raises:
        QueryError: A column does not exist.
        CatalogError: The catalog is damaged, or a column has more than two million different values.
    """
    check_columns(by)
    tally = _Tally((*DIMENSIONS, *by))
    for table in corpus.whole_cases((*tally.by, *_Tally.COLUMNS)):
        tally.add(table)
    drops, funnel = _drops(corpus, tally)
    return Statistics(
        images=tally.images,
        masks=tally.masks,
        cases=sum(map(len, tally.cases)),
        patients=len(_without_repeats(tally.patients)),
        datasets=len(tally.by["dataset"]),
        by={
            column: {
                name: Count(images, masks)
                for name, (images, masks) in sorted(
                    groups.items(), key=lambda item: (-item[1][1], -item[1][0], item[0])
                )
            }
            for column, groups in tally.by.items()
        },
        drops=drops,
        funnel=funnel,
        area_fraction=Histogram(AREA_EDGES, tuple(tally.area_fraction.tolist())),
        long_edge=Histogram(LONG_EDGES, tuple(tally.long_edge.tolist())),
    )


class _Tally:
    """Running counts over tables of whole cases."""

    COLUMNS = (*IMAGE_KEY, "patient", "label", "height", "width", "area_fraction")

    def __init__(self, dimensions: Iterable[str]) -> None:
        self.images = self.masks = 0
        self.cases: list[pa.Table] = []
        self.patients: list[pa.Table] = []
        self.by: dict[str, dict[str, list[int]]] = {
            column: defaultdict(lambda: [0, 0]) for column in dict.fromkeys(dimensions)
        }
        self.area_fraction = np.zeros(len(AREA_EDGES), np.int64)
        self.long_edge = np.zeros(len(LONG_EDGES), np.int64)

    def add(self, table: pa.Table) -> None:
        """Add the counts of a table."""
        image = image_numbers(table)
        is_mask = table["label"].is_valid().to_numpy()
        self.images += int(image.max()) + 1
        self.masks += int(np.count_nonzero(is_mask))
        self.cases.append(distinct_pairs(table, CASE))
        self.patients.append(distinct_pairs(table, ("dataset", "patient")))
        for column, groups in self.by.items():
            _count(groups, column, table[column], image, is_mask)
            if len(groups) > GROUP_LIMIT:
                raise CatalogError(f"{column!r} has more than {GROUP_LIMIT:,} different values. Choose another column")
        area = _classes(table["area_fraction"].to_numpy()[is_mask], AREA_EDGES)
        self.area_fraction += np.bincount(area, minlength=len(AREA_EDGES))
        edge = _classes(pc.max_element_wise(table["height"], table["width"]).to_numpy(), LONG_EDGES)
        self.long_edge += _images(image, edge, len(LONG_EDGES))


def _count(
    groups: dict[str, list[int]],
    column: str,
    values: pa.ChunkedArray,
    image: Codes,
    is_mask: NDArray[np.bool_],
) -> None:
    """Add the images and masks of each value to its group."""
    code, named = codes(values)
    names = [*named.cast(pa.string()).to_pylist(), NULL_NAMES.get(column, "none")]
    images = _images(image, code, len(names))
    masks = np.bincount(code[is_mask], minlength=len(names))
    for i in np.flatnonzero(images).tolist():
        if i < len(named) or column not in MASK_COLUMNS:
            group = groups[names[i]]
            group[0] += int(images[i])
            group[1] += int(masks[i])


def _images(image: Codes, code: Codes, end: int) -> Codes:
    """Return the number of different images with each code below `end`."""
    return np.bincount(distinct(image * end + code) % end, minlength=end)


def _classes(values: NDArray[Any], edges: Sequence[float]) -> Codes:
    """Return the bin of each value in a Histogram; edges are rounded to the values' dtype."""
    return np.searchsorted(np.asarray(edges[1:], values.dtype), values, side="right")


def _drops(corpus: Corpus, tally: _Tally) -> tuple[dict[str, int], dict[str, Stage]]:
    """Return the count of each reason in drops.parquet, and the funnel."""
    if corpus.drops is None:
        return {}, {}
    reasons: Counter[str] = Counter()
    dropped: dict[str, list[pa.Table]] = defaultdict(list)
    for batch in corpus.drop_batches((*CASE, "reason")):
        table = pa.Table.from_batches([batch])
        code, values = codes(table["reason"])
        for i, reason in enumerate(values.to_pylist()):
            rows = code == i
            reasons[reason] += int(np.count_nonzero(rows))
            stage = NOTHING_KEPT if reason in MASK_REASONS | IMAGE_REASONS else reason
            dropped[stage].append(distinct_pairs(table.filter(pa.array(rows)), CASE))
    drops = _descending(reasons)
    return drops, {
        "cases": _case_stage(tally.cases, dropped),
        "images": Stage(tally.images, {name: n for name, n in drops.items() if name in IMAGE_REASONS}),
        "masks": Stage(tally.masks, {name: n for name, n in drops.items() if name in MASK_REASONS}),
    }


def _case_stage(kept: list[pa.Table], dropped: Mapping[str, list[pa.Table]]) -> Stage:
    """Return how many cases were kept and dropped; a case is dropped if nothing of it was kept, and counted once.

    Of several reasons the first by name counts; `nothing_kept` counts only if there is no other.
    """
    known = pa.concat_tables([_NO_CASE, *kept])
    counts = {}
    for reason in sorted(dropped, key=lambda reason: (reason == NOTHING_KEPT, reason)):
        new = _without_repeats(dropped[reason]).join(known, CASE, join_type="left anti")
        counts[reason] = len(new)
        known = pa.concat_tables([known, new])
    return Stage(sum(map(len, kept)), _descending(counts))


def _without_repeats(tables: list[pa.Table]) -> pa.Table:
    """Return the distinct rows of tables of strings."""
    table = pa.concat_tables(tables or [_NO_CASE])
    return table.group_by(table.column_names).aggregate([])


def _descending(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: n for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n}
