"""Runs small enough to be trained in a second: a corpus of drawn ellipses, a preset of three layers, plans of both.

As a script it is `train` with that preset, in a process of its own; `--die N` ends it by SIGKILL after step N.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from catalog.corpus import Corpus
from catalog.hashes import image_hash, mask_hash
from catalog.samples import Samples
from catalog.schema import CATALOG_SCHEMA
from catalog.selection import Selection
from predict.presets import PRESETS, DecoderSpec
from train.learning.distributed import Process
from train.learning.loop import Plan
from train.learning.protocol import Protocol, make_protocol
from train.learning.request import COLUMNS
from train.learning.targets import Taught
from train.models import segmenter
from train.models.layers import DropPath
from train.models.segmenter import Segmenter

NAME = "stand-in"
HERE = Process(0, 1, torch.device("cpu"))
DEFAULTS: dict[str, Any] = {"losses": {"embedding": 1}, "trained": ["image_encoder"], "epochs": 2, "batch": 4,
                            "lr": 0.01, "augment": "full"}  # fmt: skip
WORDS = {
    "losses": ("embedding=1,dice=0.5", {"embedding": 1.0, "dice": 0.5}),
    "trained": ("image_encoder,mask_decoder", ("image_encoder", "mask_decoder")),
    "copied": ("mask_decoder,image_encoder.neck", ("mask_decoder", "image_encoder.neck")),
    "epochs": ("7", 7),
    "batch": ("6", 6),
    "accumulate": ("2", 2),
    "lr": ("3e-4", 3e-4),
    "encoder_lr": ("0.001", 1e-3),
    "weight_decay": ("0", 0.0),
    "schedule": ("cosine", "cosine"),
    "factor": ("0.5", 0.5),
    "patience": ("0", 0),
    "warmup": ("0.25", 0.25),
    "clip": ("1", 1.0),
    "focus": ("0.5", 0.5),
    "embedding_epochs": ("1", 1),
    "views": ("4", 4),
    "ema": ("0.99", 0.99),
    "augment": ("none", "none"),
    "follow": ("as_stored", "as_stored"),
    "balance": ("modality,label", ("modality", "label")),
    "temperature": ("3", 3.0),
    "precision": ("bf16", "bf16"),
    "compiled": ("true", True),
}
"""Of every field of a protocol: the flag's word, and its value."""


@dataclass(frozen=True)
class StandInSpec:
    """Of the encoder below."""

    drop: float = 0.1


class StandIn(nn.Module):
    """(B, 3, 256, 256) to (B, 256, 64, 64), with batch norm, dropout and a dropped path."""

    def __init__(self, spec: StandInSpec) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.GELU())
        self.block = nn.Sequential(nn.Conv2d(8, 8, 1), nn.GELU(), DropPath(spec.drop))
        self.neck = nn.Sequential(nn.Dropout2d(spec.drop), nn.Conv2d(8, 256, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Stem, one residual block, neck."""
        x = self.stem(images)
        return self.neck(x + self.block(x))


PRESET = replace(
    PRESETS["repvit-m0.6"],
    name=NAME,
    encoder=StandInSpec(),  # type: ignore[arg-type]
    decoder=DecoderSpec(depth=1, heads=4, mlp=64, iou_depth=2),
    weights=None,
)


def _build(spec: Any) -> nn.Module:
    return StandIn(spec) if isinstance(spec, StandInSpec) else _original(spec)


_original = segmenter.build_encoder


@contextmanager
def stand_in() -> Iterator[None]:
    """Make the preset known; may be entered again within."""
    if NAME in PRESETS:
        yield
        return
    PRESETS[NAME] = PRESET
    segmenter.build_encoder = _build
    try:
        yield
    finally:
        del PRESETS[NAME]
        segmenter.build_encoder = _original


def small_model(seed: int = 0) -> Segmenter:
    """The preset with random weights."""
    torch.manual_seed(seed)
    with stand_in():
        return Segmenter(PRESET)


def write_small_corpus(folder: Path, images: int = 10, val: int = 4) -> Path:
    """Grey and coloured PNGs of an ellipse or two; CT and MR take turns, `val` patients more are for validation."""
    rng = np.random.default_rng(7)
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(images + val):
        shape = (60, 90) if number % 3 else (80, 64)
        pixels = rng.integers(0, 60, (*shape, 3) if number % 2 else shape, np.uint8)
        name = f"{number}.png"
        for instance in range(1 + number % 2):
            mask = np.zeros(shape, np.uint8)
            centre, axes = (20 + 25 * instance, 20 + 15 * instance), (8 + number, 5 + number // 2)
            cv2.ellipse(mask, centre, axes, 10 * number, 0, 360, 255, -1)
            pixels[mask > 0] += 120
            ys, xs = np.nonzero(mask)
            cv2.imwrite(str(folder / f"{number}--{instance}.png"), mask)
            rows.append(
                {"image": name, "mask": f"{number}--{instance}.png", "dataset": "Drawn", "case": str(number),
                 "patient": f"p{number}", "modality": "CT" if number % 2 else "MR", "label": "ellipse", "label_id": 1,
                 "instance": instance, "height": shape[0], "width": shape[1], "x0": xs.min(), "y0": ys.min(),
                 "x1": xs.max() + 1, "y1": ys.max() + 1, "mask_hash": mask_hash(mask),
                 "split": "train" if number < images else "val"}
            )  # fmt: skip
        cv2.imwrite(str(folder / name), pixels if pixels.ndim == 2 else pixels[..., ::-1])
        for row in rows:
            if row["image"] == name:
                row["image_hash"] = image_hash(pixels)
    pq.write_table(pa.Table.from_pylist(rows, schema=CATALOG_SCHEMA), folder / "catalog.parquet")
    Corpus.open(folder)
    return folder


def small_samples(folder: Path, split: str | None) -> Samples:
    """The masks of a split, with the hashes."""
    return Selection(folder).load(split, COLUMNS)


def small_protocol(**values: Any) -> Protocol:
    """A protocol of two short epochs."""
    return make_protocol({**DEFAULTS, **values})


class Tone:
    """The target of every channel: the image's brightness on the grid, times the channel's number / 256."""

    def __call__(self, samples: Samples, batch: Any, *, masks: bool = True) -> Taught:
        """(B, 256, 64, 64)."""
        grey = nn.functional.avg_pool2d(batch.image.mean(1, keepdim=True), 4)
        return Taught(grey * torch.linspace(0, 1, 256)[:, None, None])


def small_plan(folder: Path, out: Path, **values: Any) -> Plan:
    """A plan; fields of Plan among the values go to it, the others to its protocol."""
    own = {key: values.pop(key) for key in Plan.__dataclass_fields__ if key in values}
    out.mkdir(parents=True, exist_ok=True)
    plan = {"model": small_model(), "protocol": small_protocol(**values), "train": small_samples(folder, "train"),
            "val": small_samples(folder, "val"), "target": Tone(), "out": out,
            "decoder_ready": False}  # fmt: skip
    return Plan(**{**plan, **own})


def _die_after(last: int) -> None:
    from train.learning.journal import Journal

    original = Journal.write

    def write(self: Journal, line: dict[str, Any]) -> None:
        original(self, line)
        if line["step"] == last:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.write = write  # type: ignore[method-assign]


if __name__ == "__main__":
    from train.cli import main

    torch.set_num_threads(1)
    if sys.argv[1] == "--die":
        _die_after(int(sys.argv[2]))
        del sys.argv[1:3]
    with stand_in():
        main()
