"""How many samples a second the training data gives, and the step that it must feed.

    python benchmarks/data.py corpus-png corpus-npz corpus-shards --workers 2 --step repvit-m0.6

Each corpus is read as training reads it: random order, full augmentation, ready batches. With --step, the
forward and backward pass of a model on such a batch follows, and the ratio of the two.
"""

import argparse
import time
from pathlib import Path

import torch

from catalog.corpus import Corpus
from catalog.samples import load_samples
from predict.presets import preset
from train.data.augmentations import TABLES
from train.data.dataset import MaskDataset, batches, make_loader
from train.data.sampling import EpochSampler
from train.models.segmenter import Segmenter


def store_of(image: str) -> str:
    """Return the store's name, from the path of an image."""
    return {".png": "png", ".npz": "npz", ".parquet": "shards"}[Path(image).suffix]


def read_rate(corpus: Corpus, table: str, batch: int, workers: int, seconds: float) -> tuple[str, float]:
    """Return the store, and samples a second over whole epochs after a first one."""
    samples = load_samples(corpus)
    sampler = EpochSampler(samples)
    loader = make_loader(MaskDataset(samples, TABLES[table]), sampler, batch, workers)
    for _ in batches(loader):
        pass
    seen, epoch, start = 0, 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        epoch += 1
        sampler.set_epoch(epoch)
        seen += sum(len(ready.row) for ready in batches(loader))
    return store_of(samples.place(0).image), seen / (time.perf_counter() - start)


def step_rate(name: str, batch: int, seconds: float) -> tuple[str, float]:
    """Return the device, and samples a second of a model's forward and backward pass."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Segmenter(preset(name)).to(device).train()
    size = model.preset.image_size
    images = torch.rand(batch, 3, size, size, device=device)
    boxes = torch.tensor([[10.0, 10.0, 99.0, 99.0]], device=device).expand(batch, 4)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits, _ = model(images, boxes)
        logits.float().square().mean().backward()
        if device == "cuda":
            torch.cuda.synchronize()

    step()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    return device, steps * batch / (time.perf_counter() - start)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=Path, help="corpus folders, of any stores")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--augment", default="full", choices=list(TABLES))
    parser.add_argument("--step", metavar="MODEL", help="also time a model's training step")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement, at least")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rates = []
    for folder in options.corpora:
        corpus = Corpus.open(folder)
        store, rate = read_rate(corpus, options.augment, options.batch, options.workers, options.seconds)
        print(f"{store:7} {rate:8,.0f} samples/s  {options.workers} workers, {corpus.rows:,} masks, {folder.name}")
        rates.append((store, rate))
    if options.step:
        device, needed = step_rate(options.step, options.batch, options.seconds)
        print(f"{options.step} on {device}: {needed:,.1f} samples/s forward and backward, batch {options.batch}")
        for store, rate in rates:
            print(f"{store:7} feeds {rate / needed:,.1f} times that")


if __name__ == "__main__":
    main()
