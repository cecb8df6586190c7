"""Builds the files of a specimen: what a published data set looks like on disk, in a few pixels a file.

A specimen (`specimens/<recipe>.yaml`) is written from published facts, before the recipe and never from it:

    facts: [where each fact was seen]
    below: folder                 that all paths stand in: what the archive unpacks to; default: none
    root: folder                  below the one above that is the source folder; default: none
    labels: {name: value}         in the published order; a value is an id, a level, a colour, a word of the file name
    differs: {value: reason}      ids of datasets.tsv that the recipe lacks, or calls otherwise
    files:
      a/case_1_{t1,t2}.nii.gz:                         images of noise
      a/case_1_seg.nii.gz: [0, 1, 2]                   a label file that holds these values
      a/notes.txt: "text"                              a text file
      a/case_1_4d.nii.gz: {shape: [16, 16, 8, 3]}      anything else: shape, values, dtype, mode, ...
    cases:
      - a/case_1_{t1,t2}.nii.gz -> a/case_1_seg.nii.gz; sequence={t1,t2}; patient=1; split=train
    shared: {folder: NAME, cases: 10}                  the real data in ../shared/data, in its published layout

A line of `cases` names an image, its label files (none: an image whose labels are withheld), and what else must be
known of it: patient, split, modality, sequence, and `names`, the labels that come out of it (by default those whose
values its files hold). With one file a label, `name=path, name=path` says which is which. Braces stand for several
lines, in parallel. Files that no case names are traps: nothing of them may be found.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
import yaml
from numpy.typing import NDArray
from PIL import Image

SPECIMENS = Path(__file__).parent / "specimens"
VOLUMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
SPACING = (1.0, 1.0, 2.0)

Array = NDArray[Any]


@dataclass(frozen=True)
class File:
    """What one file holds: text, an image of noise (no values), or a label file of `values`."""

    path: str
    text: str | None = None
    values: tuple[Any, ...] | None = None
    shape: tuple[int, ...] = ()
    dtype: str | None = None
    mode: str | None = None
    spacing: tuple[float, ...] = SPACING
    outline: bool = False


@dataclass(frozen=True)
class StatedCase:
    """A case that must be found; `labels` holds (label name or None, path)."""

    image: str
    labels: tuple[tuple[str | None, str], ...]
    names: frozenset[str]
    patient: str | None = None
    split: str | None = None
    modality: str | None = None
    sequence: str | None = None


@dataclass(frozen=True)
class Specimen:
    """A stated data set: its files, and what must be found in them; paths are relative to `below`."""

    name: str
    facts: tuple[str, ...]
    below: str
    root: str
    labels: dict[str, tuple[Any, ...]]
    differs: dict[str, str]
    files: dict[str, File]
    cases: tuple[StatedCase, ...]
    shared: dict[str, Any] = field(default_factory=dict)

    def build(self, folder: Path) -> Path:
        """Write all files below `folder` and return the source folder."""
        for number, file in enumerate(self.files.values()):
            path = folder / self.below / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, file, number)
        return folder / self.below / self.root

    def inside(self, path: str) -> str:
        """Return the path relative to the source folder."""
        return path.removeprefix(f"{self.root}/") if self.root else path


def load_specimen(path: Path) -> Specimen:
    """Return the specimen of a YAML file; raises ValueError where it contradicts itself."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    labels = {name: tuple(_listed(value)) for name, value in data.get("labels", {}).items()}
    files = {name: _file(name, content) for key, content in data["files"].items() for name in expand(key)}
    specimen = Specimen(
        name=path.stem,
        facts=tuple(data["facts"]),
        below=data.get("below", ""),
        root=data.get("root", ""),
        labels=labels,
        differs={str(key): value for key, value in data.get("differs", {}).items()},
        files=files,
        cases=tuple(_case(one, labels, files) for line in data["cases"] for one in expand(line)),
        shared=data.get("shared", {}),
    )
    for case in specimen.cases:
        if not case.names <= labels.keys():
            raise ValueError(f"{path}: {sorted(case.names - labels.keys())} are not labels of the specimen")
    return specimen


def expand(text: str) -> list[str]:
    """Return the lines that `a{b,c}d{e,f}` stands for: abde, acdf."""
    groups = [group.split(",") for group in re.findall(r"\{([^{}]*,[^{}]*)\}", text)]
    if not groups:
        return [text]
    rest = re.split(r"\{[^{}]*,[^{}]*\}", text)
    return [
        rest[0] + "".join(word + after for word, after in zip(words, rest[1:], strict=True))
        for words in zip(*groups, strict=True)
    ]


def voxels(file: File) -> Array:
    """Return the values of a label file: a block of each value, on a background of the first."""
    assert file.values is not None
    colors = any(isinstance(value, str) for value in file.values)
    values = [_color(value) if colors else value for value in file.values]
    plane = file.shape[:2]
    out = np.zeros((*file.shape, 3) if colors else file.shape, file.dtype or _smallest(values))
    out[...] = values[0]
    side = math.ceil(math.sqrt(len(values)))
    height, width = plane[0] // (side + 1), plane[1] // (side + 1)
    assert min(height, width) > 0, f"{file.path}: too small for {len(values)} values"
    for number, value in enumerate(values[1:]):
        i, j = divmod(number, side)
        block = (slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width))
        if len(file.shape) > 2:
            block = (*block, slice(0, max(1, file.shape[2] // 2)))
        out[block] = value
        if file.outline:
            out[tuple(slice(one.start + 1, one.stop - 1) for one in block)] = values[0]
    return out


def is_volume(path: str) -> bool:
    """Return whether a file holds a volume by its suffix, also one of a single slice."""
    return path.lower().endswith(VOLUMES)


def _file(path: str, content: Any) -> File:
    volume = is_volume(path)
    usual: dict[str, Any] = {"shape": (16, 16, 8) if volume else (24, 32, 3)}
    if isinstance(content, str):
        return File(path, text=content)
    if isinstance(content, dict):
        usual |= {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    elif content is not None:
        usual["values"] = tuple(content)
    if "values" in usual and not volume and len(usual["shape"]) == 3:
        usual["shape"] = usual["shape"][:2]
    return File(path, **usual)


def _case(line: str, labels: dict[str, tuple[Any, ...]], files: dict[str, File]) -> StatedCase:
    paths, *words = line.split("; ")
    image, _, written = paths.partition(" -> ")
    pairs = []
    for part in filter(None, written.split(", ")):
        name, is_named, path = part.rpartition("=")
        pairs.append((name if is_named else None, path))
    for path in (image, *(path for _, path in pairs)):
        if path not in files:
            raise ValueError(f"a case names {path}, which is not among the files: {line}")
    known = dict(word.split("=", 1) for word in words)
    if "names" in known:
        names = set(known.pop("names").split())
    else:
        held = {value for name, path in pairs if name is None for value in files[path].values or ()}
        names = {name for name, values in labels.items() if held & set(values)}
        names |= {name for name, path in pairs if name is not None and len(set(files[path].values or ())) > 1}
    return StatedCase(image, tuple(pairs), frozenset(names), **known)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _color(text: Any) -> tuple[int, int, int]:
    number = int(str(text).removeprefix("#"), 16)
    return number >> 16, number >> 8 & 255, number & 255


def _smallest(values: list[Any]) -> str:
    top = max(np.ravel(values))
    return "uint8" if top < 256 else "uint16" if top < 65536 else "float32"


def _write(path: Path, file: File, seed: int) -> None:
    if file.text is not None:
        path.write_text(file.text, encoding="utf-8")
        return
    data = _noise(file, seed) if file.values is None else voxels(file)
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        affine = np.diag([*np.resize(file.spacing, 3), 1.0])
        nibabel.save(nibabel.Nifti1Image(data, affine), path)
    elif is_volume(name):
        picture = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
        picture.SetSpacing(np.resize(file.spacing, data.ndim).tolist())
        SimpleITK.WriteImage(picture, str(path))
    else:
        image = Image.fromarray(data)
        image = image.convert(file.mode) if file.mode else image
        image.save(path, quality=90) if name.endswith((".jpg", ".jpeg")) else image.save(path)


def _noise(file: File, seed: int) -> Array:
    volume = is_volume(file.path)
    low, high = (-200, 1200) if volume else (1, 255)
    noise = np.random.default_rng(seed).integers(low, high, file.shape)
    return noise.astype(file.dtype or ("int16" if volume else "uint8"))
