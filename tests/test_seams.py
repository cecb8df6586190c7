"""A new format, label encoding, store or executor is one module and at most one registry entry.

Each test adds one, made up inside the test, and curates cases with it from end to end.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
import pytest

from catalog.stores.registry import StoreRecord
from catalog.stores.registry import register as register_store
from catalog.stores.registry import unregister as unregister_store
from curate.errors import RecipeError
from curate.executors.base import WorkerDied
from curate.imaging.volume import Volume
from curate.labels import registry as encodings
from curate.labels.base import Decoded, Encoding, LabelFile, Values
from curate.masks.select import Layer
from curate.readers import registry as formats
from curate.readers.base import Channels, FileReader, Header, Reader
from curate.recipe.resolved import Group, Recipe
from curate.run.plan import Options
from curate.run.run import run
from curate.run.summary import RunSummary
from tests.catalog.stores.test_registry import NpyStore, pixels
from tests.curate.corpora import RECIPE, contents, make_source, recipe, rows

T = TypeVar("T")
R = TypeVar("R")


def curate(a_recipe: Recipe, source: Path, out: Path, store: str = "png", executor: Any = None) -> RunSummary:
    """Run without failures."""
    summary = run(a_recipe, source, out, Options(store=store, memory=2 << 30), executor=executor)
    assert not summary.failed
    return summary


# ---- a format: a line with shape and spacing, then int16 voxels ----


def read_grid_header(path: Path) -> Header:
    """Parse `i j k`, the shape, from the first line."""
    with path.open("rb") as file:
        return Header(tuple(int(word) for word in file.readline().split()[:3]), itemsize=2)


def read_grid(path: Path, channels: Channels) -> list[Volume]:
    """Return the only volume; its affine is that of `make_case`."""
    with path.open("rb") as file:
        *shape, di, dj, dk = (float(word) for word in file.readline().split())
        voxels = np.frombuffer(file.read(), np.int16).reshape([int(n) for n in shape[::-1]])
    return [Volume(voxels, np.diag([di, dj, dk, 1.0])) for _ in channels]


@pytest.fixture
def grid_format() -> Iterator[None]:
    """Register the format `.grid`."""

    @formats.register(".grid")
    def grid() -> Reader:
        return FileReader(read_grid_header, read_grid)

    yield
    del formats.READERS["grid"], formats.SUFFIXES[".grid"]


def as_grid(folder: Path) -> None:
    """Rewrite the image of `make_case` in the made-up format."""
    path = folder / "image.nii.gz"
    scan = nib.load(path)
    voxels = np.asarray(scan.dataobj, np.int16)
    path.unlink()
    line = " ".join(map(str, (*voxels.shape, *scan.affine.diagonal()[:3])))
    (folder / "image.grid").write_bytes(f"{line}\n".encode() + voxels.tobytes(order="F"))


def grid_recipe() -> Recipe:
    return recipe(text=RECIPE.replace("image.nii.gz", "image.grid"))


@pytest.mark.usefixtures("grid_format")
def test_a_format_is_one_module_and_one_entry(tmp_path: Path) -> None:
    nifti, grid = make_source(tmp_path / "nifti", 1), make_source(tmp_path / "grid", 1)
    as_grid(grid / "case_0")
    curate(recipe(), nifti, tmp_path / "a")
    curate(grid_recipe(), grid, tmp_path / "b")
    assert pixels(tmp_path / "a") == pixels(tmp_path / "b")
    assert {row["source_image"] for row in rows(tmp_path / "b")} == {"case_0/image.grid"}


def test_without_its_entry_the_format_is_refused(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", 1)
    as_grid(source / "case_0")
    summary = run(grid_recipe(), source, tmp_path / "out", Options(memory=2 << 30))
    assert summary.drops == {"unreadable": 1}


# ---- an encoding: each bit of a label value is one label, so that labels may overlap ----


def decode_bits(group: Group, files: Sequence[LabelFile], image: Volume) -> Decoded:
    """Return one layer per label."""
    from curate.labels.foreground import binary_layer
    from curate.labels.placement import decode_each

    def layers(label: Volume, name: str) -> list[Layer]:
        return [binary_layer((label.voxels >> label_of.values[0]) & 1 == 1, label_of.id) for label_of in group.labels]

    return decode_each(group, files, image, layers)


BITS = Encoding(
    "bits",
    "one file, each label one bit of the values",
    decode_bits,
    values=Values("a bit from 0 to 15", lambda written: written if written in range(16) else None),
)


@pytest.fixture
def bits_encoding() -> Iterator[None]:
    """Register the encoding `bits`."""
    encodings.register(BITS)
    yield
    del encodings.ENCODINGS["bits"]


def as_bits(folder: Path) -> None:
    """Rewrite the labels of `make_case` (1 organ, 2 tumour in it) as bits: 1 organ, 3 both."""
    path = folder / "label.nii.gz"
    scan = nib.load(path)
    values = np.asarray(scan.dataobj)
    path.unlink()
    nib.save(nib.Nifti1Image(np.where(values == 2, 3, values).astype(np.uint8), scan.affine), path)


def bits_recipe(image: str = "image.nii.gz", organ: int = 0) -> Recipe:
    head, _, _ = RECIPE.replace("image.nii.gz", image).partition("labels:")
    return recipe(f"encoding: bits\nlabels: {{organ: {organ}, tumour: 1}}\n", head)


@pytest.mark.usefixtures("bits_encoding")
def test_an_encoding_is_one_module_and_one_entry(tmp_path: Path) -> None:
    ids, bits = make_source(tmp_path / "ids", 1), make_source(tmp_path / "bits", 1)
    as_bits(bits / "case_0")
    curate(recipe(), ids, tmp_path / "a")
    curate(bits_recipe(), bits, tmp_path / "b")
    assert pixels(tmp_path / "a") == pixels(tmp_path / "b")
    with pytest.raises(RecipeError, match=r"labels.organ: 16 is not allowed here; allowed: a bit from 0 to 15"):
        bits_recipe(organ=16)


def test_without_its_entry_the_encoding_is_refused() -> None:
    with pytest.raises(RecipeError) as caught:
        bits_recipe()
    assert [(fault.key, fault.code) for fault in caught.value.faults] == [("encoding", "unknown_value")]


# ---- an executor: last case first, and it counts the bytes that it should expect ----


@dataclass
class BackwardsExecutor:
    """Runs the tasks in this process, the last one first."""

    weights: list[int] = field(default_factory=list)

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]
    ) -> Iterator[R | WorkerDied[T]]:
        for task in reversed(tasks):
            self.weights.append(weight(task))
            yield function(task)


def test_an_executor_is_an_object_with_a_map(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", 3)
    executor = BackwardsExecutor()
    curate(recipe(), source, tmp_path / "a")
    curate(recipe(), source, tmp_path / "b", executor=executor)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(executor.weights) == 3
    assert min(executor.weights) > 20 * 24 * 28 * 2


class DyingExecutor:
    """Loses every task."""

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], weight: Callable[[T], int]
    ) -> Iterator[R | WorkerDied[T]]:
        yield from (WorkerDied(task, "the node was switched off") for task in tasks)


def test_a_task_that_an_executor_loses_is_a_failed_case(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", 1)
    summary = run(recipe(), source, tmp_path / "out", Options(memory=2 << 30), executor=DyingExecutor())
    assert summary.drops == {"worker_died": 1}
    assert "the node was switched off" in summary.failed["case_0"]


# ---- a store, and everything at once ----


@pytest.fixture
def npy_store() -> Iterator[None]:
    """Register the store `npy`."""
    register_store(StoreRecord("npy", ".npy", "NumPy files", NpyStore))
    yield
    unregister_store("npy")


@pytest.mark.usefixtures("grid_format", "bits_encoding", "npy_store")
def test_format_encoding_store_and_executor_at_once(tmp_path: Path) -> None:
    plain, other = make_source(tmp_path / "plain", 2), make_source(tmp_path / "other", 2)
    for folder in other.iterdir():
        as_grid(folder)
        as_bits(folder)
    curate(recipe(), plain, tmp_path / "a")
    curate(bits_recipe("image.grid"), other, tmp_path / "b", "npy", BackwardsExecutor())
    assert pixels(tmp_path / "a") == pixels(tmp_path / "b")
    assert {Path(str(row["image"])).suffix for row in rows(tmp_path / "b")} == {".npy"}
