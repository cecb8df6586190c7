"""The script-style pipeline that `curate` is measured against, written as such scripts are found in repositories.

float64 load, one label after the other, scikit-image for components, Pillow for PNG; same slices, same size rule.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from skimage.measure import label as connected
from skimage.measure import regionprops


def convert(image_path: Path, label_path: Path, out: Path, name: str, level: float, width: float) -> tuple[int, int]:
    """Write every slice of a scan that has masks, and its masks; return their numbers."""
    image = nib.as_closest_canonical(nib.load(image_path)).get_fdata()
    labels = nib.as_closest_canonical(nib.load(label_path)).get_fdata()
    low, high = level - width / 2, level + width / 2
    image = (np.clip(image, low, high) - low) / (high - low) * 255
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "masks").mkdir(parents=True, exist_ok=True)
    images = masks = 0
    for axis, axis_name in enumerate("xyz"):
        for index in range(image.shape[axis]):
            where = tuple(index if n == axis else slice(None) for n in range(3))
            picture, truth = np.rot90(image[where]), np.rot90(labels[where])
            stem = f"ct_00--{name}--case--{axis_name}_{index:04d}"
            kept = 0
            for value in np.unique(truth):
                if value == 0:
                    continue
                components = connected(truth == value, connectivity=2)
                number = 0
                for region in regionprops(components):
                    if region.area < 100 / 65536 * truth.size:
                        continue
                    mask = (components == region.label).astype(np.uint8) * 255
                    Image.fromarray(mask).save(out / "masks" / f"{stem}--{int(value):04d}_{number:03d}.png")
                    number += 1
                kept += number
            if kept:
                Image.fromarray(picture.astype(np.uint8)).save(out / "images" / f"{stem}.png")
                images += 1
            masks += kept
    return images, masks
