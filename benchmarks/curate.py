"""How fast `curate` is on one process: slices/s and masks/s for each store, and ratios measured in the same run.

    python -m benchmarks.curate [--cases 4] [--shared ../shared/data]

The volume is a made-up CT of 512 x 512 x 200 (int16, 97 labels, gzip); all three axes are cut and the aspect rule is
off, since it would drop two of them. Printed: each store's median over the cases after the first (a warm process), the
ratio to a script-style pipeline, the ratio to decoding and encoding alone, peak memory, and two processes against one.
"""

import argparse
import dataclasses
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.phantom import LABELS, make_phantom
from benchmarks.script import convert
from catalog.codecs.png import encode_bits, encode_image
from catalog.stores.registry import store_names
from curate.executors.processes import ProcessExecutor
from curate.executors.serial import SerialExecutor
from curate.ledger.case_key import CaseKey
from curate.ledger.case_result import CaseResult
from curate.pipeline.curate_case import curate_case
from curate.pipeline.task import Task
from curate.recipe.library import find_recipe
from curate.recipe.load import load_recipe, parse_recipe
from curate.recipe.resolved import Recipe
from curate.run.plan import Options, find, plan_run, task_bytes

RECIPE = """
name: Phantom
license: {name: CC0-1.0, redistributable: true, commercial: true}
modality: CT
anatomy: abdomen
window: abdomen
aspect: false
cases: {image: "{case}/image.nii.gz", label: "{case}/label.nii.gz"}
labels:
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5, help="cases a store; the first warms up")
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="real cases, where they are there")
    parser.add_argument("--folder", type=Path, help="work here, on the disk to be measured [a temporary folder]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        source = folder / "source"
        image, label = make_phantom(source / "c0")
        for number in range(1, options.cases):
            (source / f"c{number}").mkdir()
            for path in (image, label):
                (source / f"c{number}" / path.name).hardlink_to(path)
        recipe = parse_recipe(
            RECIPE + "".join(f"  label_{n}: {n}\n" for n in range(1, LABELS + 1)), Path("phantom.yaml")
        )
        print(f"phantom CT 512 x 512 x 200, {LABELS} labels; {os.cpu_count()} cores")
        script = _fresh(_time_script, image, label, folder)
        bare = _fresh(_time_decode_encode, image, label)
        for store in store_names():
            tasks = _tasks(recipe, source, folder / store, store)
            seconds, result, peak = _fresh(_time_store, tasks)
            _print(store, seconds, result, peak, script[0], bare[0])
            shutil.rmtree(folder / store, ignore_errors=True)
        print(f"script-style pipeline   {script[0]:7.2f} s, {script[1]} slices, {script[2]} masks")
        print(f"decode + encode alone   {bare[0]:7.2f} s")
        tasks = _tasks(recipe, source, folder / "two", "shards")
        print(f"two processes / one     {_two_to_one(tasks, folder):7.2f}  (shards)")
    for name, place in (
        ("brats_deepmedic", "BRATS_deepmedic"),
        ("totalsegmentator_sample", "TotalSegmentator"),
    ):
        if (options.shared / place).is_dir():
            _real(name, options.shared / place)


def _tasks(recipe: Recipe, source: Path, out: Path, store: str = "png") -> tuple[Task, ...]:
    options = Options(store=store, memory=16 << 30)
    return plan_run(find(recipe, source, options), source, out, options).tasks


def _fresh(function, *arguments):
    """Call in a new process, so that peak memory and warmth are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _peak_memory() -> float:
    """Return this process's own peak in MB; ru_maxrss would hold its parent's too."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _time_script(image: Path, label: Path, folder: Path) -> tuple[float, int, int]:
    start = time.perf_counter()
    images, masks = convert(image, label, folder / "script", "Phantom", 40, 400)
    seconds = time.perf_counter() - start
    shutil.rmtree(folder / "script")
    return seconds, images, masks


def _time_decode_encode(image: Path, label: Path) -> tuple[float]:
    """Time what no pipeline can leave out: inflating both files and encoding the slices and masks that are kept."""
    from curate.readers import read

    pixels, bits = _kept_pixels(image, label)
    best = []
    for _ in range(5):
        start = time.perf_counter()
        read(image)
        read(label)
        for one in pixels:
            encode_image(one)
        for packed, width in bits:
            encode_bits(packed, width)
        best.append(time.perf_counter() - start)
    return (statistics.median(best),)


def _kept_pixels(image: Path, label: Path):
    """Return the slices and packed masks that a run keeps, through a store that only collects."""
    import curate.pipeline.curate_case as pipeline

    pixels, bits = [], []

    class Collect:
        def open_case(self, folders, key):
            return self

        def image(self, name, picture):
            pixels.append(picture.copy())
            return pipeline_place

        def mask(self, name, packed, width, rows):
            bits.append((packed.copy(), width))
            return pipeline_place

        def close(self):
            pass

        def abort(self):
            pass

    from catalog.stores.base import Place

    pipeline_place = Place("", None)
    recipe = parse_recipe(RECIPE + "".join(f"  label_{n}: {n}\n" for n in range(1, LABELS + 1)), Path("phantom.yaml"))
    with tempfile.TemporaryDirectory() as out:
        task = _tasks(recipe, image.parents[1], Path(out))[0]
        original, pipeline.find_store = pipeline.find_store, lambda _: Collect()
        try:
            curate_case(task)
        finally:
            pipeline.find_store = original
    return pixels, bits


def _time_store(tasks: tuple[Task, ...]) -> tuple[float, CaseResult, float]:
    """Return the median seconds of the cases after the first, a result, and the process's peak memory in MB."""
    results = list(SerialExecutor().map(curate_case, tasks, task_bytes))
    seconds = statistics.median(result.seconds for result in results[1:])
    return seconds, results[-1], _peak_memory()


def _two_to_one(tasks: tuple[Task, ...], folder: Path) -> float:
    """Return how many times as fast two processes are as one, both warm, over twice the cases."""
    rates = []
    for workers in (1, 2):
        many = [
            dataclasses.replace(task, key=CaseKey(task.key.token, f"{task.key.case}_{n}"), out=folder / f"w{workers}")
            for task in tasks
            for n in range(2)
        ]
        results = ProcessExecutor(workers, 16 << 30).map(curate_case, many, task_bytes)
        for _ in range(workers):
            next(results)  # starts the workers and warms them
        start = time.perf_counter()
        count = sum(1 for _ in results)
        rates.append(count / (time.perf_counter() - start))
        shutil.rmtree(folder / f"w{workers}")
    return rates[1] / rates[0]


def _print(name: str, seconds: float, result: CaseResult, peak: float, script: float, bare: float) -> None:
    print(
        f"{name:8} {seconds:6.2f} s a case  {result.images / seconds:6.0f} slices/s  "
        f"{result.masks / seconds:7.0f} masks/s  {script / seconds:5.1f} x the script  "
        f"{bare / seconds:4.0%} of decode + encode  peak {peak:5.0f} MB  "
        f"({result.images} slices, {result.masks} masks)",
        flush=True,
    )


def _real(recipe_name: str, source: Path) -> None:
    """Print the stores' figures on a real source, all its cases three times over in one warm process."""
    recipe = load_recipe(find_recipe(recipe_name))
    for store in store_names():
        with tempfile.TemporaryDirectory() as out:
            tasks = _tasks(recipe, source, Path(out), store)
            seconds, images, masks, peak = _fresh(_time_real, tasks)
        print(
            f"{recipe_name:24} {store:8} {seconds:6.2f} s  {images / seconds:6.0f} slices/s  "
            f"{masks / seconds:7.0f} masks/s  peak {peak:5.0f} MB  "
            f"({len(tasks)} cases, {images} slices, {masks} masks)",
            flush=True,
        )


def _time_real(tasks: tuple[Task, ...]) -> tuple[float, int, int, float]:
    rounds = [list(SerialExecutor().map(curate_case, tasks, task_bytes)) for _ in range(3)]
    seconds = min(sum(result.seconds for result in results) for results in rounds[1:])
    last = rounds[-1]
    peak = _peak_memory()
    return seconds, sum(r.images for r in last), sum(r.masks for r in last), peak


if __name__ == "__main__":
    sys.exit(main())
