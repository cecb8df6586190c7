"""Weights that several graphs of a model use, stored once."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from predict.engines.exported import SHARED

LEAST_BYTES = 1024
"""Smaller tensors stay in their graphs."""
ALIGNMENT = 4096
"""Offsets are multiples of this, as ONNX recommends for files that are mapped into memory."""


def share_weights(folder: Path) -> None:
    """Move the weights that occur in several graphs of a folder into one file, as external data of ONNX.

    The graphs compute the same; OpenVINO and ONNX Runtime read external data by themselves.
    """
    import onnx

    paths = sorted(folder.glob("*.onnx"))
    models = [onnx.load(path) for path in paths]
    digests = [{tensor.name: _digest(tensor) for tensor in _large(model)} for model in models]
    counts = Counter(digest for found in digests for digest in set(found.values()))
    offsets: dict[str, int] = {}
    content = bytearray()
    for path, model, found in zip(paths, models, digests, strict=True):
        shared = [tensor for tensor in _large(model) if counts[found[tensor.name]] > 1]
        for tensor in shared:
            data, digest = _bytes(tensor), found[tensor.name]
            if digest not in offsets:
                content.extend(bytes(-len(content) % ALIGNMENT))
                offsets[digest] = len(content)
                content.extend(data)
            _refer(tensor, offsets[digest], len(data))
        if shared:
            path.write_bytes(model.SerializeToString())
    if content:
        (folder / SHARED).write_bytes(content)


def _large(model: Any) -> list[Any]:
    return [tensor for tensor in model.graph.initializer if len(_bytes(tensor)) >= LEAST_BYTES]


def _bytes(tensor: Any) -> bytes:
    """Return the values of a tensor as ONNX stores them: little-endian, the last axis fastest."""
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    return bytes(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def _digest(tensor: Any) -> str:
    head = repr((tensor.data_type, tuple(tensor.dims))).encode()
    return hashlib.sha256(head + _bytes(tensor)).hexdigest()


def _refer(tensor: Any, offset: int, length: int) -> None:
    """Let a tensor's values be those of the shared file from `offset` on."""
    from onnx import TensorProto

    kept = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    kept.data_location = TensorProto.EXTERNAL
    for key, value in (("location", SHARED), ("offset", offset), ("length", length)):
        kept.external_data.add(key=key, value=str(value))
    tensor.CopyFrom(kept)
