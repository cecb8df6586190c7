"""The made-up CT of the benchmarks: 512 x 512 x 200 int16 in HU with noise, and a mask of 97 labels."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SHAPE = (200, 512, 512)
LABELS = 97


def make_phantom(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Write `image.nii.gz` and `label.nii.gz` (gzip level 6, as they are downloaded) and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    image, label = folder / "image.nii.gz", folder / "label.nii.gz"
    if not (image.exists() and label.exists()):
        rng = np.random.default_rng(seed)
        labels = _blobs(rng)
        affine = np.diag([-0.8, -0.8, 2.5, 1.0])  # stored towards left, back and head, as DICOM converters do
        _save(_body(rng, labels), affine, image)
        _save(labels, affine, label)
    return image, label


def _save(voxels: NDArray[np.generic], affine: NDArray[np.float64], path: Path) -> None:
    nib.save(nib.Nifti1Image(voxels.T, affine), path)  # type: ignore[attr-defined, no-untyped-call]


def _blobs(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return wobbly ellipsoids, one to three a label, some ending up in several parts where they hide each other."""
    labels = np.zeros(SHAPE, np.uint8)
    body = np.array(SHAPE) / 2
    for label in range(1, LABELS + 1):
        for _ in range(1 + int(rng.random() < 0.1)):
            radii = rng.uniform((12, 16, 16), (36, 50, 50))
            centre = body + (rng.random(3) - 0.5) * (np.array(SHAPE) * (0.75, 0.5, 0.6))
            low = np.maximum(np.floor(centre - radii), 0).astype(int)
            high = np.minimum(np.ceil(centre + radii), SHAPE).astype(int)
            grids = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            distance = sum(((g - c) / r) ** 2 for g, c, r in zip(grids, centre, radii, strict=True))
            wobble = 0.1 * sum(
                np.sin(g / w + p) for g, w, p in zip(grids, rng.uniform(3, 9, 3), rng.uniform(0, 6, 3), strict=True)
            )
            box = labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            box[distance + wobble < 0.8] = label
    return labels


def _body(rng: np.random.Generator, labels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return HU: air, an elliptic body of soft tissue, each label with its own level, and a scanner's smooth noise."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = ((y - 256) / 180.0) ** 2 + ((x - 256) / 225.0) ** 2 < 1 + 0.0 * z
    levels = np.concatenate([[20], rng.integers(-120, 260, LABELS)]).astype(np.float32)
    voxels = np.where(inside, levels[labels], -1000).astype(np.float32)
    for index in range(SHAPE[0]):
        noise = ndimage.gaussian_filter(rng.normal(0, 60, SHAPE[1:]).astype(np.float32), 0.8)
        voxels[index] = ndimage.gaussian_filter(voxels[index], 0.7) + np.where(inside[index], noise, noise * 0.2)
    return np.clip(np.rint(voxels), -1024, 3071).astype(np.int16)
