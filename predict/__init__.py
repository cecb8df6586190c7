"""Segment what boxes mark in medical images, on a CPU, without torch.

`predict(pixels, boxes)` segments an array; the command `predict` segments files. Names are loaded when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predict.api import predict
    from predict.errors import InputError, ModelError, PredictError, WeightsError

__all__ = ["InputError", "ModelError", "PredictError", "WeightsError", "predict"]

_MODULES = {"predict": "predict.api"} | dict.fromkeys(
    ("InputError", "ModelError", "PredictError", "WeightsError"), "predict.errors"
)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
