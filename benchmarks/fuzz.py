"""Damaged and hostile files: whatever a file holds, reading it gives volumes or a CaseError, and no process dies.

    python -m benchmarks.fuzz 20000

Small files of every format are damaged at random, the same way for the same seed, and read in child processes. A child
that dies, hangs, or meets another exception is recorded with the file, and the next child goes on. Exit status 1 where
anything of the kind was met.
"""

import argparse
import os
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

SECONDS = 20
"""A file that takes longer hangs."""

LIMIT, ADDRESS_SPACE = 1 << 26, 6 << 30
"""Most bytes of a decoded file (as `--memory` sets it), and of a child's address space."""

NUMBERS = [b"-1", b"0", b"1", b"4", b"100", b"1e3", b"1e30", b"-1e30", b"nan", b"inf", b"99999999999999999999", b"0x10",
           b"9" * 1100, b"../x", b"/etc/passwd", b"LIST", b"%d", b"%s%n", b""]  # fmt: skip
"""What numbers and words of a text header are replaced by."""

Seed = Callable[[Path], Any]


def seeds() -> dict[str, Seed]:
    """Return a writer of a small sound file for each name; the suffix says what reads it."""
    import cv2
    import nibabel as nib
    import SimpleITK as sitk  # noqa: N813
    import tifffile
    from PIL import Image

    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 99, (5, 6, 7)).astype(np.int16)
    grey = rng.integers(0, 255, (24, 31)).astype(np.uint8)
    rgb = rng.integers(0, 255, (24, 31, 3)).astype(np.uint8)
    deep = rgb.astype(np.uint16) * 200
    pages = np.stack([grey, grey // 2, grey // 3])
    scan = sitk.GetImageFromArray(voxels)
    vector = sitk.GetImageFromArray(rgb.astype(np.float32), isVector=True)

    def picture(pixels: Any, **keys: Any) -> Seed:
        return lambda path: Image.fromarray(pixels).save(path, **keys)

    def tiff(pixels: Any, **keys: Any) -> Seed:
        return lambda path: tifffile.imwrite(path, pixels, **keys)

    def itk(image: Any, compressed: bool = False) -> Seed:
        return lambda path: sitk.WriteImage(image, path, compressed)

    def nifti(kind: Any, pixels: Any = voxels) -> Seed:
        return lambda path: kind(pixels, np.diag([1.0, 2, 3, 1])).to_filename(path)

    def text_nrrd(path: Path) -> None:
        numbers = " ".join(map(str, voxels.ravel()))
        path.write_text(f"NRRD0004\ntype: short\ndimension: 3\nsizes: 7 6 5\nencoding: ascii\n\n{numbers}\n")

    return {
        "1.nii": nifti(nib.Nifti1Image),
        "1.nii.gz": nifti(nib.Nifti1Image),
        "2.nii": nifti(nib.Nifti2Image),
        "pair.hdr": nifti(nib.Nifti1Pair),
        "analyze.hdr": nifti(nib.AnalyzeImage),
        "spm.hdr": nifti(nib.Spm2AnalyzeImage),
        "raw.mha": itk(scan),
        "packed.mha": itk(scan, True),
        "vector.mha": itk(vector),
        "raw.mhd": itk(scan),
        "packed.mhd": itk(scan, True),
        "raw.nrrd": itk(scan),
        "packed.nrrd": itk(scan, True),
        "vector.nrrd": itk(vector),
        "text.nrrd": text_nrrd,
        "detached.nhdr": itk(scan, True),
        "grey.png": picture(grey),
        "bit.png": picture(grey > 99),
        "deep.png": lambda path: cv2.imwrite(str(path), deep),
        "rgb.jpg": picture(rgb),
        "progressive.jpg": picture(rgb, progressive=True),
        "rgb.bmp": picture(rgb),
        "grey.gif": picture(grey),
        "animated.gif": picture(grey, save_all=True, append_images=[Image.fromarray(rgb)]),
        "rgb.jp2": picture(rgb, num_resolutions=3),
        "deep.jp2": picture(grey.astype(np.uint16) * 99, num_resolutions=3),
        "rgb.webp": picture(rgb),
        "grey.tif": tiff(grey),
        "pages.tif": tiff(pages, photometric="minisblack"),
        "deep.tif": tiff(deep, photometric="rgb", compression="zlib", predictor=True),
        "float.tif": tiff(grey.astype(np.float64), compression="zlib"),
        "tiles.tif": tiff(np.resize(grey, (64, 64)), tile=(32, 32), compression="lzma"),
        "lzw.tif": picture(rgb, compression="tiff_lzw"),
        "jpeg.tif": picture(rgb, compression="jpeg"),
        "g4.tif": picture(grey > 99, compression="group4"),
        "packbits.tif": picture(grey, compression="packbits"),
        "zstd.tif": picture(grey, compression="zstd"),
        "ome.tif": tiff(pages, ome=True, metadata={"axes": "CYX"}),
        "imagej.tif": tiff(pages, imagej=True, metadata={"axes": "ZYX", "unit": "um"}, resolution=(2, 2)),
        "big.tif": tiff(grey, bigtiff=True),
    }  # fmt: skip


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a damaged copy of a file."""
    content = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not content:
            break
        reach = len(content) if rng.random() < 0.5 else min(len(content), 600)
        at = int(rng.integers(0, reach))
        way = rng.integers(0, 8)
        if way < 3:
            content[at] = rng.integers(0, 256)
        elif way == 3:
            size = int(rng.choice([2, 4, 8]))
            value = int(rng.choice([0, 1, 0x7F, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
            content[at : at + size] = value.to_bytes(8, str(rng.choice(["little", "big"])))[:size]  # type: ignore[arg-type]
        elif way == 4:
            del content[at : at + int(rng.integers(1, 40))]
        elif way == 5:
            content[at:at] = content[max(0, at - int(rng.integers(1, 200))) : at]
        elif way == 6 and rng.random() < 0.3:
            del content[at:]
        else:
            words = [*re.finditer(rb"[-+.\w]+", bytes(content[:2000]))]
            if words:
                word = words[int(rng.integers(0, len(words)))]
                content[word.start() : word.end()] = NUMBERS[int(rng.integers(0, len(NUMBERS)))]
    return bytes(content)


def child(folder: Path, start: int, stop: int, seed: int) -> None:
    """Read the files from `start` to `stop`; a line before and after each says how far it came."""
    from curate.errors import CaseError
    from curate.readers import read

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sources = sorted(folder.glob("seeds/*/*.*"))
    names = sorted({source.parent.name for source in sources})
    for index in range(start, stop):
        name = names[index % len(names)]
        rng = np.random.default_rng((seed, index))
        place = folder / f"work-{start}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder / "seeds" / name, place)
        files = sorted(place.iterdir())
        victim = place / name if rng.random() < 0.8 else files[int(rng.integers(0, len(files)))]
        victim.write_bytes(damaged(victim.read_bytes(), rng))
        print("at", index, flush=True)
        try:
            channel = None if rng.random() < 0.7 else int(rng.integers(0, 3))
            read(place / name, channel, limit=LIMIT)
            print("done", "volume", flush=True)
        except CaseError as error:
            cause = type(error.__cause__).__name__ if error.__cause__ else "CaseError"
            print("done", f"refused {cause}", flush=True)
        except BaseException as error:
            print("done", f"BUG {type(error).__name__}: {error}", flush=True)


def main() -> int:
    """Damage and read `count` files; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="read only the files whose name holds this")
    parser.add_argument("--keep", type=Path, help="folder for the files that killed a child")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, write in seeds().items():
            if options.only in name:
                (folder / "seeds" / name).mkdir(parents=True)
                write(folder / "seeds" / name / name)
        start = time.perf_counter()
        outcomes, deaths, lines = _supervise(folder, options)
    print(f"{options.count} files in {time.perf_counter() - start:.0f} s")
    for outcome, count in outcomes.most_common():
        print(f"{count:8} {outcome}")
    print(f"{len(deaths)} processes lost, {lines} lines on the terminal that name no file")
    for death in deaths:
        print(f"  {death}")
    return int(bool(deaths) or any(outcome.startswith("BUG") for outcome in outcomes))


def _supervise(folder: Path, options: argparse.Namespace) -> tuple[Counter[str], list[str], int]:
    outcomes: Counter[str] = Counter()
    deaths: list[str] = []
    at = 0
    with (folder / "stderr").open("wb+") as noise:
        while at < options.count:
            at = _run_child(folder, at, options, outcomes, deaths, noise)
        noise.seek(0)
        said = noise.read()
        if options.keep and said:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / "stderr").write_bytes(said)
        lines = said.count(b"\n")
    return outcomes, deaths, lines


def _run_child(
    folder: Path, start: int, options: argparse.Namespace, outcomes: Counter[str], deaths: list[str], noise: IO[bytes]
) -> int:
    """Run a child from `start` on until it ends, and return where the next one begins."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.fuzz import child; "
        "child(Path(sys.argv[1]), *map(int, sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, str(folder), str(start), str(options.count), str(options.seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=noise)
    assert process.stdout is not None
    at, last = start, "start"
    buffer = b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], 120 if last == "start" else SECONDS)
        chunk = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        if not chunk:
            break
        *complete, buffer = (buffer + chunk).split(b"\n")
        for line in complete:
            last, _, rest = line.decode(errors="replace").partition(" ")
            if last == "at":
                at = int(rest)
            else:
                outcomes[rest] += 1
    process.kill()
    status = process.wait()
    if last == "done" and at == options.count - 1:
        return options.count
    if last == "start":
        raise SystemExit("the child did not start; see its message above")
    work = folder / f"work-{start}"
    deaths.append(f"file {at} ({', '.join(sorted(path.name for path in work.iterdir()))}): status {status}")
    if options.keep:
        shutil.copytree(work, options.keep / str(at), dirs_exist_ok=True)
    return at + 1


if __name__ == "__main__":
    sys.exit(main())
