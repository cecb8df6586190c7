"""Small sources and recipes for the tests of whole runs, and what a corpus on disk comes down to."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pyarrow.parquet as pq

from curate.recipe.load import parse_recipe
from curate.recipe.resolved import Recipe

RECIPE = """
name: Blobs
license: {name: CC0-1.0, redistributable: true, commercial: true}
modality: CT
anatomy: [abdomen]
window: abdomen
cases: {image: "{case}/image.nii.gz", label: "{case}/label.nii.gz"}
labels: {organ: [1, 2], tumour: 2}
"""


def recipe(extra: str = "", text: str = RECIPE) -> Recipe:
    """The recipe of `make_source`, with more keys at the top."""
    return parse_recipe(text + extra, Path("blobs.yaml"))


def make_case(folder: Path, seed: int = 0, shape: tuple[int, int, int] = (20, 24, 28)) -> None:
    """One scan of noise with an organ (1) that holds a tumour (2), stored (i, j, k) in LPS."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    image = rng.integers(-200, 300, shape).astype(np.int16)
    label = np.zeros(shape, np.uint8)
    label[4:15, 5:18, 6:20] = 1
    label[7:11, 8:13, 9:15] = 2
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(image, affine), folder / "image.nii.gz")
    nib.save(nib.Nifti1Image(label, affine), folder / "label.nii.gz")


def make_source(folder: Path, cases: int = 3) -> Path:
    """A source of `cases` scans."""
    for number in range(cases):
        make_case(folder / f"case_{number}", seed=number)
    return folder


def contents(out: Path) -> dict[str, str]:
    """Every file a user sees, by path, with a hash; run.json (it holds times) is left out."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not name.startswith(".state/") and name != "run.json":
            # Parquet files are compared by their rows: the bytes may hold the order of writing
            data = str(pq.read_table(path).to_pydict()).encode() if path.suffix == ".parquet" else path.read_bytes()
            found[name] = hashlib.sha256(data).hexdigest()
    return found


def rows(out: Path, name: str = "catalog") -> list[dict[str, object]]:
    """The rows of catalog.parquet or drops.parquet."""
    return pq.read_table(out / f"{name}.parquet").to_pylist()
