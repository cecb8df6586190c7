"""How long `curate stats` takes on a made-up catalog, and how much memory.

    python benchmarks/stats.py --rows 20_000_000

Writes a catalog and a drops table of realistic names, numbers and order to a temporary folder (about 30 bytes
a row), computes the statistics in a fresh process, and prints rows, seconds and peak memory.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.corpus import Corpus
from catalog.drop_reasons import Reason
from catalog.names import modality_token
from catalog.report.statistics import Statistics, corpus_statistics
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA

BLOCK = 500_000
"""Rows made at once; also the catalog's row group."""


@dataclass(frozen=True)
class Source:
    """A made-up data set; `share` is its part of the catalog's rows."""

    name: str
    modality: str
    sequences: tuple[str | None, ...]
    labels: int
    anatomy: str
    share: float

    @property
    def volumes(self) -> bool:
        """Whether its cases are volumes, sliced along three axes."""
        return self.modality in ("CT", "MR", "PET")


def sources() -> list[Source]:
    """Return 92 data sets of falling size, four fifths of their rows in volumes."""
    kinds = [
        ("CT", (None,), 117, "abdomen"),
        ("MR", (None,), 12, "thorax"),
        ("MR", ("flair", "t1", "t1ce", "t2"), 4, "head_and_neck"),
        ("PET", (None,), 1, "lesion"),
        ("CT", (None,), 24, "head_and_neck"),
        ("X-ray", (None,), 8, "thorax"),
        ("Microscopy", (None,), 3, "other"),
        ("Dermoscopy", (None,), 5, "lesion"),
        ("Endoscopy", (None,), 7, "abdomen"),
        ("Fundus", (None,), 4, "head_and_neck"),
        ("Ultrasound", (None,), 6, "pelvis"),
        ("OCT", (None,), 9, "head_and_neck"),
    ]
    made = [
        (f"{kind[0].replace('-', '')}-Set{i:02d}", *kind, (3 if i % 12 < 5 else 1) / (1 + i // 3))
        for i, kind in enumerate((kinds * 8)[:92])
    ]
    total = sum(row[-1] for row in made)
    return sorted((Source(*row[:-1], row[-1] / total) for row in made), key=lambda source: source.name)


def positions(source: Source, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return case number, axis number and slice index of about `rows` rows' worth of slices, in order."""
    slices = max(1, round(rows / 4.3 / len(source.sequences)))
    if not source.volumes:
        return np.arange(slices), np.zeros(slices, int), np.zeros(slices, int)
    per_axis = rng.integers(40, 180, size=slices // 100 + 3)
    per_axis = per_axis[: max(1, len(per_axis) // 3) * 3]
    run = np.repeat(np.arange(len(per_axis)), per_axis)[:slices]
    start = np.concatenate([[0], np.cumsum(per_axis)[:-1]])
    return run // 3, run % 3, np.arange(len(run)) - start[run] + 20


def hashes(rng: np.random.Generator, count: int) -> pa.Array:
    """Return `count` random strings of 16 hex digits."""
    text = np.frombuffer(rng.bytes(count * 8).hex().encode(), dtype=np.uint8)
    offsets = np.arange(count + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))


def strings(*parts: pa.Array | str) -> pa.Array:
    """Join arrays and constants, element by element."""
    return pc.binary_join_element_wise(*parts, "")


def padded(numbers: np.ndarray, width: int) -> pa.Array:
    """Return the numbers as text with leading zeros."""
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width=width, padding="0")


def block(source: Source, rng: np.random.Generator, first_case: int, rows: int) -> pa.Table:
    """Return about `rows` catalog rows of one data set, from case number `first_case` on."""
    case_at, axis_at, slice_at = positions(source, rng, rows)
    slices, depth = len(case_at), len(source.sequences)
    masks_at = 1 + rng.poisson(3.3, slices)
    at = np.repeat(np.arange(slices), masks_at)
    skew = rng.random(len(at)) ** 3
    label = np.sort(at * source.labels + (skew * source.labels).astype(int)) % source.labels
    key = at * source.labels + label
    instance = np.arange(len(key)) - np.searchsorted(key, key)
    # The sequences of a case show the same masks, one row each.
    at, label, instance = (np.repeat(column, depth) for column in (at, label, instance))
    sequence = np.tile(np.arange(depth), len(label) // depth)
    n = len(at)

    side = np.array([256, 320, 512, 640, 1024])[rng.integers(0, 5, slices)].astype(np.int32)[at]
    fraction = np.clip(10 ** rng.normal(-2, 0.5, n), 0.00153, 0.9)
    image_hash = hashes(rng, slices * depth).take(pa.array(at * depth + sequence))
    case = strings(f"{source.name}_", padded(case_at + first_case, 7)).take(pa.array(at))
    axis = pa.array(["x", "y", "z"]).take(pa.array(axis_at))
    plane = strings(axis, "_", padded(slice_at, 4)) if source.volumes else pa.repeat("2d_none", slices)
    tokens = pa.array([modality_token(source.modality, name) for name in source.sequences])
    token = tokens.take(pa.array(sequence))
    name = strings(token, f"--{source.name}--", case, "--", plane.take(pa.array(at)))
    mask = strings(name, "--", padded(label + 1, 4), "_", padded(instance, 3))
    ids = np.arange(source.labels)
    anatomy = pa.array(np.where(ids % 7, source.anatomy, "lesion"))
    columns = {
        "image": strings(f"images/{source.name}/", name, ".png"),
        "mask": strings(f"masks/{source.name}/", mask, ".png"),
        "dataset": pa.repeat(source.name, n),
        "case": case,
        "patient": pc.utf8_slice_codeunits(case, 0, -1) if source.volumes else case,
        "modality": pa.repeat(source.modality, n),
        "sequence": pa.array(source.sequences, pa.string()).take(pa.array(sequence)),
        "axis": axis.take(pa.array(at)) if source.volumes else pa.nulls(n, pa.string()),
        "slice": pa.array(slice_at[at], pa.int32()) if source.volumes else pa.nulls(n, pa.int32()),
        "label": pa.array([f"structure_{i % 210}" for i in ids + 7 * len(source.name)]).take(pa.array(label)),
        "label_id": label + 1,
        "instance": instance,
        "anatomy": anatomy.take(pa.array(label)),
        "height": side,
        "width": side,
        "spacing_row": np.float32(0.78) + np.zeros(n, np.float32),
        "spacing_col": np.float32(0.78) + np.zeros(n, np.float32),
        "area": fraction * side * side,
        "area_fraction": fraction,
        **{name: rng.integers(0, 256, n) for name in ("x0", "y0", "x1", "y1")},
        "parts_at_256": 1 + (rng.random(n) < 0.03),
        "image_hash": image_hash,
        "mask_hash": hashes(rng, n),
        "source_image": strings("imagesTr/", case, "_0000.nii.gz"),
        "source_label": strings("labelsTr/", case, ".nii.gz"),
        "license": pa.repeat("CC-BY-4.0", n),
        "redistributable": pa.repeat(True, n),
        "recipe_hash": pa.repeat("5f1c0d7a9be24c63", n),
    }
    return pa.table(
        {
            field.name: pa.array(columns[field.name]).cast(field.type, safe=False)
            if field.name in columns
            else pa.nulls(n, field.type)
            for field in CATALOG_SCHEMA
        },
        schema=CATALOG_SCHEMA,
    )


def blocks(rows: int) -> Iterator[pa.Table]:
    """Yield a catalog of `rows` rows, give or take a rounding, in sorted order, block by block."""
    rng = np.random.default_rng(20)
    for source in sources():
        cases, wanted = 0, round(rows * source.share)
        while wanted > 0:
            table = block(source, rng, cases, min(wanted, BLOCK))[:wanted]
            cases += len(table["case"].unique())
            wanted -= len(table)
            yield table


def drops(table: pa.Table) -> pa.Table:
    """Return the drops that go with a block: as many as its rows, most of them small components."""
    n = len(table)
    reasons = [Reason.SMALL] * 7 + [Reason.NO_MASK] * 2 + [Reason.VANISHES]
    columns = {name: table[name] for name in ("dataset", "case", "axis", "slice", "label", "instance")}
    columns["reason"] = pa.array(map(str, reasons)).take(pa.array(np.arange(n) % len(reasons)))
    columns["value"] = pa.array(np.arange(n) % 100, pa.float64())
    columns["threshold"] = pa.repeat(pa.scalar(100.0), n)
    columns["detail"] = pa.nulls(n, pa.string())
    return pa.table(columns, schema=DROPS_SCHEMA)


def write(folder: Path, rows: int) -> None:
    """Write catalog.parquet and drops.parquet of `rows` rows each."""
    options = {"compression": "zstd", "use_dictionary": True}
    with (
        pq.ParquetWriter(folder / "catalog.parquet", CATALOG_SCHEMA, **options) as catalog,
        pq.ParquetWriter(folder / "drops.parquet", DROPS_SCHEMA, **options) as dropped,
    ):
        for table in blocks(rows):
            catalog.write_table(table, row_group_size=BLOCK)
            dropped.write_table(drops(table), row_group_size=BLOCK)


def measure(folder: str) -> tuple[Statistics, float, float]:
    """Compute the statistics; return them, the seconds, and the process's peak memory in MB."""
    start = time.perf_counter()
    found = corpus_statistics(Corpus.open(folder))
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return found, seconds, peak


def main() -> None:
    """Make the catalog, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="masks in the catalog")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.rows)
        size = (Path(folder) / "catalog.parquet").stat().st_size / 1e6
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            found, seconds, peak = fresh.submit(measure, folder).result()
    rows = found.masks
    print(f"catalog     {rows:,} rows, {found.images:,} images, {found.cases:,} cases, {size:,.0f} MB")
    print(f"statistics  {seconds:.2f} s, {rows / seconds / 1e6:.1f} million rows/s, peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
