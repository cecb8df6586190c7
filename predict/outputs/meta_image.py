"""Label maps as MetaImage files (.mha) with the geometry of their scan.

Format: itk.org/Wiki/ITK/MetaIO/Documentation.
"""

import re

from catalog.codecs.compress import compress
from predict.engines.engine import LabelArray

GEOMETRY = (
    "NDims", "TransformMatrix", "Rotation", "Orientation", "Offset", "Position", "Origin", "CenterOfRotation",
    "AnatomicalOrientation", "DistanceUnits", "ElementSpacing", "ElementSize", "DimSize",
)  # fmt: skip
"""Keys whose lines are copied as they are."""
TYPES = {1: "MET_UCHAR", 2: "MET_USHORT"}


def meta_image_of(labels: LabelArray, header: bytes) -> bytes:
    """Return labels (k, j, i) as a MetaImage; the lines of its geometry are those of `header`, byte for byte."""
    lines = [line for line in header.splitlines() if _key(line) in GEOMETRY]
    voxels = labels.astype(labels.dtype.newbyteorder("<"), order="C", copy=False).tobytes()
    packed = compress(voxels)
    before = [b"ObjectType = Image"]
    after = [
        b"BinaryData = True",
        b"BinaryDataByteOrderMSB = False",
        b"CompressedData = True",
        f"CompressedDataSize = {len(packed)}".encode(),
        f"ElementType = {TYPES[labels.dtype.itemsize]}".encode(),
        b"ElementDataFile = LOCAL",
    ]
    return b"\n".join([*before, *lines, *after, packed])


def _key(line: bytes) -> str:
    return re.split(b"[=:]", line, maxsplit=1)[0].strip().decode("latin-1")
