"""Label maps as PNG, in a fifth of OpenCV's time."""

import struct

import numpy as np
from isal import isal_zlib

from predict.engines.engine import LabelMap
from predict.npz import LEVEL


def png_of(labels: LabelMap) -> bytes:
    """Return labels (H, W) as a grey PNG of 8 or 16 bits without row filters (W3C PNG, sections 5, 7 and 9)."""
    height, width = labels.shape
    deep = labels.dtype.itemsize
    rows = np.zeros((height, 1 + width * deep), np.uint8)
    rows[:, 1:] = np.ascontiguousarray(labels, labels.dtype.newbyteorder(">")).view(np.uint8)
    header = struct.pack(">IIBBBBB", width, height, 8 * deep, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", isal_zlib.compress(rows, LEVEL)), (b"IEND", b""))
    framed = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", isal_zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)
