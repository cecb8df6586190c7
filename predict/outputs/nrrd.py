"""Label maps as NRRD files with the geometry of their scan.

Format: teem.sourceforge.net/nrrd/format.html.
"""

from catalog.codecs.compress import Container, compress
from predict.engines.engine import LabelArray

GEOMETRY = (
    "dimension", "space", "space dimension", "sizes", "spacings", "thicknesses", "axis mins", "axismins", "axis maxs",
    "axismaxs", "centers", "centerings", "labels", "units", "kinds", "space units", "space origin", "space directions",
    "measurement frame",
)  # fmt: skip
"""Fields whose lines are copied as they are."""


def nrrd_of(labels: LabelArray, header: bytes) -> bytes:
    """Return labels (k, j, i) as an NRRD file; the lines of its geometry are those of `header`, byte for byte."""
    magic, *lines = header.splitlines()
    kept = [line for line in lines if _field(line) in GEOMETRY]
    own = [f"type: uint{8 * labels.dtype.itemsize}".encode(), b"encoding: gzip", b"endian: little"]
    voxels = labels.astype(labels.dtype.newbyteorder("<"), order="C", copy=False).tobytes()
    return b"\n".join([magic, own[0], *kept, *own[1:], b"", compress(voxels, Container.GZIP)])


def _field(line: bytes) -> str | None:
    """Return the name of a field; None for a comment and for a key with a value of the user's own."""
    name, colon, value = line.partition(b":")
    if not colon or line.startswith(b"#") or value.startswith(b"="):
        return None
    return name.strip().lower().decode("latin-1")
