"""The one place that imports timm, which imports torchvision, which may need help."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import torch

from predict.errors import ModelError

_schemas: list[torch.library.Library] = []


def load_timm() -> ModuleType:
    """Import timm.

    Raises:
        ModelError: timm is not installed, or it does not import.
    """
    if importlib.util.find_spec("timm") is None:
        raise ModelError("`timm:` models need the timm package: pip install timm")
    define_torchvision_operators()
    try:
        return importlib.import_module("timm")
    except (ImportError, RuntimeError) as error:
        raise ModelError(f"timm is installed but does not import: {error}") from error


def define_torchvision_operators() -> None:
    """Let torchvision import where its compiled part cannot load; does nothing where it can.

    PyPI's torchvision is built for CUDA. Beside a torch without CUDA its library does not load, the operators
    that it would define are missing, and `import torchvision`, which timm does, ends in "operator
    torchvision::nms does not exist". timm never calls the two: it is enough that they are declared.
    """
    spec = importlib.util.find_spec("torchvision")
    if _schemas or spec is None or spec.origin is None or hasattr(torch.ops.torchvision, "nms"):
        return
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        except OSError:
            continue
    if not hasattr(torch.ops.torchvision, "nms"):
        declared = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            declared.define(schema)  # type: ignore[no-untyped-call]
        # An operator lives as long as the object that declared it.
        _schemas.append(declared)
