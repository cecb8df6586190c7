"""The augmentation tables: plain data, so that help pages import nothing heavy."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from catalog.errors import DataError


@dataclass(frozen=True)
class Augmentation:
    """One kind of change: its probability, and the range its amount is drawn from (uniformly)."""

    name: str
    probability: float = 1.0
    low: float = 0.0
    high: float = 0.0


_VIEWS = (
    Augmentation("crop", 0.8, 0.35, 1),
    Augmentation("flip_x", 0.3),
    Augmentation("flip_y", 0.2),
    Augmentation("turn", 0.2, 1, 3),
    Augmentation("window", 0.3, 0, 0.35),
    Augmentation("brightness", 0.2, -0.15, 0.15),
    Augmentation("contrast", 0.3, -0.4, 0.4),
    Augmentation("gamma", 0.3, -0.8, 0.8),
    Augmentation("saturation", 0.3, -0.8, 0.8),
    Augmentation("saturation", 0.1, -1, -1),
    Augmentation("tint", 0.3, -0.25, 0.25),
    Augmentation("invert", 0.1, 1, 1),
    Augmentation("blend", 0.15, 0.1, 0.45),
    Augmentation("blur", 0.15, 0.5, 1.5),
    Augmentation("noise", 0.2, 0.01, 0.06),
)
_USER_BOXES = (
    Augmentation("box_jitter", 0.4, 0, 5),
    Augmentation("box_widen", 0.4, -0.05, 0.3),
    Augmentation("box_random", 0.2),
)

TABLES: Mapping[str, tuple[Augmentation, ...]] = MappingProxyType(
    {
        "none": (),
        # the challenge's boxes alone: pixels stay those of a stored embedding
        "boxes": (Augmentation("box_jitter", 1, 0, 5),),
        # bowang-lab/MedSAM, branch LiteMedSAM, train_one_gpu.py
        "lite-medsam": (
            Augmentation("flip_x", 0.5),
            Augmentation("flip_y", 0.5),
            Augmentation("box_jitter", 1, 0, 5),
        ),
        # YSongxiao/MedSAMonLaptop_RepViT, train_val_one_gpu.py: the same, with wider boxes
        "swin-t": (
            Augmentation("flip_x", 0.5),
            Augmentation("flip_y", 0.5),
            Augmentation("box_jitter", 1, 0, 10),
        ),
        # AlfredQin/DB-SAM, medsam_dataset_params.yaml: of 1024 pixels
        "db-sam": (Augmentation("box_jitter", 1, 0, 20),),
        # ours: many views of an image, for a teacher's embeddings, and boxes as users draw them
        "views": (*_VIEWS, *_USER_BOXES),
        "user-boxes": _USER_BOXES,
        "full": (
            Augmentation("flip_x", 0.5),
            Augmentation("flip_y", 0.5),
            Augmentation("turn", 0.75, 1, 3),
            Augmentation("brightness", 0.3, -0.15, 0.15),
            Augmentation("contrast", 0.3, -0.3, 0.3),
            Augmentation("gamma", 0.3, -0.7, 0.7),
            Augmentation("saturation", 0.3, -0.5, 0.5),
            Augmentation("tint", 0.3, -0.1, 0.1),
            Augmentation("box_jitter", 1, 0, 5),
        ),
    }
)
"""Ready-made tables by name."""


def table_of(name: str) -> tuple[Augmentation, ...]:
    """Return a table by its name.

    Raises:
        DataError: there is none.
    """
    if name not in TABLES:
        raise DataError(f"unknown augmentation table {name!r}; known: {', '.join(TABLES)}")
    return TABLES[name]


def describe_views(name: str) -> dict[str, str]:
    """Return a table's name and a digest of what it does to pixels, by which stored views are recognised.

    Boxes are no part of it: they change without the embedding.
    """
    pixels = [repr(entry) for entry in table_of(name) if not entry.name.startswith("box_")]
    return {"augment": name, "augment_sha256": hashlib.sha256("\n".join(pixels).encode()).hexdigest()}
