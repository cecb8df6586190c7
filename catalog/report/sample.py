"""A small sample of images, spread evenly over data sets, modalities and axes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.corpus import Corpus
from catalog.images import IMAGE_KEY, Codes, codes, image_numbers, packed

TYPICAL_RANKS = (0.5, 0.95)
"""Of the slices of a case, ranked by foreground, those between these quantiles show anatomy best."""

T = TypeVar("T")


class ImageKey(NamedTuple):
    """What identifies an image; `axis` and `slice` are None for a 2D source."""

    dataset: str
    case: str
    axis: str | None
    slice: int | None
    modality: str
    sequence: str | None


class SampledMask(NamedTuple):
    """A mask's label, and the place of its pixels."""

    label: str
    mask: str
    mask_index: int | None


@dataclass(frozen=True)
class SampledImage:
    """An image with all its masks; `spacing` is (row, column) in mm, None if either is unknown."""

    key: ImageKey
    image: str
    image_index: int | None
    spacing: tuple[float, float] | None
    masks: tuple[SampledMask, ...]


def sample_images(corpus: Corpus, count: int, seed: int = 0) -> list[SampledImage]:
    """Return at most `count` images with masks, sorted; the same corpus and seed give the same images.

    Data sets take turns; within a data set modalities and sequences, then axes, then cases. Of a case, slices whose
    foreground is in the upper half come first, except for the largest 5 %.
    """
    rng = np.random.default_rng(seed)
    best: dict[tuple[str, ...], list[tuple[float, ImageKey]]] = defaultdict(list)
    for table in corpus.whole_cases((*IMAGE_KEY, "area_fraction")):
        for priority, key in _candidates(table, rng.random((len(table), 2)), count):
            best[_stratum(key)].append((priority, key))
        for stratum, candidates in best.items():
            best[stratum] = sorted(candidates, key=lambda candidate: candidate[0])[:count]
    strata = {stratum: [key for _, key in candidates] for stratum, candidates in best.items()}
    keys = _spread(strata, rng)[:count]
    return _look_up(corpus, keys) if keys else []


def _stratum(key: ImageKey) -> tuple[str, ...]:
    return key.dataset, f"{key.modality} {key.sequence or ''}", key.axis or ""


def _spread(strata: dict[tuple[str, ...], list[ImageKey]], rng: np.random.Generator) -> list[ImageKey]:
    """Return the images of all strata, the most informative first."""
    # With more data sets than tiles, the first ones have different modalities.
    by_modality: dict[tuple[str, ...], list[str]] = {
        (keys[0].modality, dataset): [dataset] for (dataset, *_), keys in strata.items()
    }
    datasets = list(dict.fromkeys(_in_turns(by_modality, rng)))
    branches = [{key[1:]: keys for key, keys in strata.items() if key[0] == dataset} for dataset in datasets]
    return _round_robin([_in_turns(branch, rng) for branch in branches])


def _in_turns(strata: dict[tuple[str, ...], list[T]], rng: np.random.Generator) -> list[T]:
    """Merge lists: the first parts of their keys take turns, within each of them the second parts, and so on."""
    if list(strata) == [()]:
        return strata[()]
    branches: dict[str, dict[tuple[str, ...], list[T]]] = defaultdict(dict)
    for (first, *others), values in strata.items():
        branches[first][tuple(others)] = values
    names = sorted(branches)
    rng.shuffle(names)
    return _round_robin([_in_turns(branches[name], rng) for name in names])


def _round_robin(lists: list[list[T]]) -> list[T]:
    return [value for turn in zip_longest(*lists) for value in turn if value is not None]


def _candidates(table: pa.Table, draw: NDArray[np.float64], count: int) -> Iterator[tuple[float, ImageKey]]:
    """Yield the first `count` images of each stratum of some whole cases with their priority, lowest first.

    `draw` has two random numbers for each row. The priority of a case's best slice is between 0 and 1, that of its
    second between 1 and 2, and so on: every case appears once before any appears twice.
    """
    image = image_numbers(table)
    first = np.empty(int(image.max()) + 1, np.int64)
    first[image[::-1]] = np.arange(len(image))[::-1]
    foreground = np.bincount(image, weights=table["area_fraction"].fill_null(0).to_numpy())
    first, foreground = first[foreground > 0], foreground[foreground > 0]

    coded = {name: codes(table[name]) for name in IMAGE_KEY}
    columns = {name: (column[first], len(values) + 1) for name, (column, values) in coded.items()}
    series = packed([columns[name] for name in IMAGE_KEY if name != "slice"])
    stratum = packed([columns[name] for name in ("dataset", "modality", "sequence", "axis")])

    rank, size = _ranks(series, foreground)
    relative = (rank + 0.5) / size
    atypical = (relative < TYPICAL_RANKS[0]) | (relative > TYPICAL_RANKS[1])
    turn, _ = _ranks(series, atypical + draw[first, 0])
    priority = turn + draw[first, 1]
    chosen = np.flatnonzero(_ranks(stratum, priority)[0] < count)
    rows = table.select(IMAGE_KEY).take(pa.array(first[chosen])).to_pylist()
    for row, value in zip(rows, priority[chosen].tolist(), strict=True):
        yield value, ImageKey(**row)


def _ranks(group: Codes, value: NDArray[Any]) -> tuple[Codes, Codes]:
    """Return the rank of each element by value within its group, from 0, and the size of its group."""
    order = np.lexsort((value, group))
    ordered = group[order]
    starts = np.flatnonzero(np.concatenate([[len(group) > 0], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(starts, append=len(group))
    rank, size = np.empty_like(group), np.empty_like(group)
    rank[order] = np.arange(len(group)) - np.repeat(starts, sizes)
    size[order] = np.repeat(sizes, sizes)
    return rank, size


def _look_up(corpus: Corpus, keys: Sequence[ImageKey]) -> list[SampledImage]:
    """Return the images of these keys with their rows of the catalog, sorted."""
    wanted = set(keys)
    slices = [key.slice for key in wanted if key.slice is not None]
    where = (
        pc.field("dataset").isin(sorted({key.dataset for key in wanted}))
        & pc.field("case").isin(sorted({key.case for key in wanted}))
        & (pc.field("slice").is_null() | pc.field("slice").isin(pa.array(slices, pa.int32())))
        & pc.field("label").is_valid()
    )
    columns = (
        *IMAGE_KEY,
        "image",
        "image_index",
        "spacing_row",
        "spacing_col",
        "label",
        "mask",
        "mask_index",
    )
    found: dict[ImageKey, list[dict[str, Any]]] = defaultdict(list)
    for batch in corpus.batches(columns, where):
        for row in batch.to_pylist():
            key = ImageKey(*(row[name] for name in ImageKey._fields))
            if key in wanted:
                found[key].append(row)
    return [_sampled(key, found[key]) for key in sorted(found, key=lambda key: tuple(map(str, key)))]


def _sampled(key: ImageKey, rows: list[dict[str, Any]]) -> SampledImage:
    first = rows[0]
    spacing = first["spacing_row"], first["spacing_col"]
    return SampledImage(
        key,
        first["image"],
        first["image_index"],
        None if None in spacing else spacing,
        tuple(SampledMask(row["label"], row["mask"], row["mask_index"]) for row in rows),
    )
