"""A small corpus of real images in each store, and catalogs written by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.corpus import Corpus
from catalog.schema import CATALOG_SCHEMA

SOURCES = {
    "recipes/kvasir_seg.yaml": "Kvasir-SEG",
    "recipes/samples/busi_mini.yaml": "BUSI_mini",
    "recipes/samples/brats_deepmedic.yaml": "BRATS_deepmedic",
}
"""Endoscopy in colour, grey ultrasound, both oblong; an MR volume with two sequences and overlapping labels."""
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def corpora(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    """The same corpus in each store: two cases a source, axial slices."""
    from typer.testing import CliRunner

    from catalog.stores.registry import store_names
    from curate.cli import app

    found = {}
    for store in store_names():
        out = tmp_path_factory.mktemp("corpora") / store
        for recipe, source in SOURCES.items():
            if not (shared_data / source).is_dir():
                pytest.skip(f"the real data has no {source}")
            options = {"--source": shared_data / source, "--out": out, "--store": store, "--axes": "z",
                       "--workers": 1, "--limit": 2, "--memory": "2G"}  # fmt: skip
            words = [str(word) for pair in options.items() for word in pair]
            done = CliRunner().invoke(app, ["run", str(ROOT / recipe), *words])
            assert done.exit_code == 0, done.output
        found[store] = Corpus.open(out)
    return found


@pytest.fixture(params=["png", "npz", "shards"])
def corpus(request: pytest.FixtureRequest, corpora: dict[str, Corpus]) -> Corpus:
    return corpora[request.param]


def _write_catalog(folder: Path, rows: list[dict[str, Any]]) -> Corpus:
    """A catalog of these rows, completed; each is a mask of an image of its own unless told otherwise."""
    usual = [
        {
            "image": f"images/{i}.png",
            "mask": f"masks/{i}.png",
            "dataset": "A",
            "case": str(i),
            "patient": str(i),
            "modality": "CT",
            "label": "liver",
            "height": 40,
            "width": 40,
            "x0": 0,
            "y0": 0,
            "x1": 10,
            "y1": 10,
        }
        for i in range(len(rows))
    ]
    table = pa.Table.from_pylist([a | b for a, b in zip(usual, rows, strict=True)], schema=CATALOG_SCHEMA)
    pq.write_table(table, folder / "catalog.parquet")
    return Corpus.open(folder)


@pytest.fixture(scope="session")
def write_catalog() -> Callable[[Path, list[dict[str, Any]]], Corpus]:
    """A function that writes catalog.parquet to a folder from parts of rows, and opens it."""
    return _write_catalog


class BoxEngine:
    """Finds the upper `part` of every box, all of it by default: what it scores can be reckoned by hand."""

    size = 256
    precision = "f32"

    def __init__(self, part: float = 1) -> None:
        self._part = part

    def embed(self, image):
        assert image.shape == (3, 256, 256)
        return image

    def decode(self, embedding, prompts):
        from predict.engines.engine import MaskLogits

        for start in range(0, len(prompts), 2):
            boxes = prompts.boxes[start : start + 2]
            logits = np.full((len(boxes), 256, 256), -9, np.float32)
            for drawn, (x0, y0, x1, y1) in zip(logits, boxes.tolist(), strict=True):
                drawn[y0 : y0 + round(self._part * (y1 + 1 - y0)), x0 : x1 + 1] = 9
            yield MaskLogits(logits, np.ones(len(boxes), np.float32))


@pytest.fixture
def box_engine() -> type[BoxEngine]:
    """An engine that finds the upper part of every box."""
    return BoxEngine


@pytest.fixture
def drawn_corpus(tmp_path: Path) -> Corpus:
    """Four images of 256 x 256 with masks: CT of patients p and q (a rectangle, and two more), MR of r with a spacing
    (a small square beside a long bar), and a bar of two pixels in X-ray whose patient has the same id as another's."""
    rectangles = {
        ("A", "CT", "p", "1"): [("liver", 20, 30, 80, 60)],
        ("A", "CT", "q", "2"): [("liver", 100, 100, 140, 180), ("spleen", 0, 0, 50, 50)],
        ("A", "MR", "r", "3"): [("brain", 5, 5, 15, 15), ("vessel", 60, 60, 250, 62)],
        ("B", "X-ray", "p", "4"): [("rib", 128, 7, 130, 207)],
    }
    rows = []
    for (dataset, modality, patient, case), masks in rectangles.items():
        name = f"{case}.png"
        noise = np.random.default_rng(int(case)).integers(0, 256, (256, 256), np.uint8)
        cv2.imwrite(str(tmp_path / name), noise)
        for i, (label, x0, y0, x1, y1) in enumerate(masks):
            mask = np.zeros((256, 256), np.uint8)
            mask[y0:y1, x0:x1] = 255
            cv2.imwrite(str(tmp_path / f"{case}--{i}.png"), mask)
            rows.append(
                {"image": name, "mask": f"{case}--{i}.png", "dataset": dataset, "modality": modality, "case": case,
                 "patient": patient, "label": label, "label_id": i + 1, "instance": 0, "height": 256, "width": 256,
                 "x0": x0, "y0": y0, "x1": x1, "y1": y1, "spacing_row": 0.5 if modality == "MR" else None,
                 "spacing_col": 0.5 if modality == "MR" else None}
            )  # fmt: skip
    return _write_catalog(tmp_path, rows)


def _small_model(seed: int = 0, spread: float = 1.0) -> Any:
    from dataclasses import replace

    import torch

    from predict.presets import PRESETS, DecoderSpec, RepViTSpec, RepViTStage
    from train.models.segmenter import Segmenter

    encoder = RepViTSpec(2, (RepViTStage(8, "1"),))
    decoder = DecoderSpec(depth=2, heads=4, mlp=32, iou_depth=2)
    model = Segmenter(replace(PRESETS["repvit-m0.6"], encoder=encoder, decoder=decoder)).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(0.5 + noise.abs())
        elif value.ndim < 2:
            value.add_(0.2 * noise)
        else:
            value.copy_(spread * noise / value[0].numel() ** 0.5)
    return model


@pytest.fixture(scope="session")
def small_model() -> Any:
    """A segmenter with every part and random weights, which is exported in seconds."""
    return _small_model()


@pytest.fixture(scope="session")
def exported(small_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small model's graphs; not to be changed."""
    from train.export.graphs import export_model

    folder = tmp_path_factory.mktemp("exported") / "small"
    export_model(small_model, folder)
    return folder
