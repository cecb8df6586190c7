"""The tables of augmentations: data, for which nothing heavy is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Augmentation:
    """A change made with this probability, by an amount drawn evenly from `low` to `high`."""

    name: str
    probability: float = 1.0
    low: float = 0.0
    high: float = 0.0


TABLES: Mapping[str, tuple[Augmentation, ...]] = MappingProxyType(
    {
        "none": (),
        # of the challenge's own boxes, so that pixels stay those of a stored embedding
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
