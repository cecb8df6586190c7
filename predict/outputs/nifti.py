"""Label maps as gzipped NIfTI files with the geometry of their scan."""

from catalog.codecs.compress import Container, compress
from predict.engines.engine import LabelArray

SINGLE_FILE = {348: (b"n+1", 352), 540: (b"n+2\0\r\n\032\n", 544)}
"""For the size of a header: the magic of a file that holds header and voxels, and where these begin."""


def nifti_of(labels: LabelArray, header: bytes) -> bytes:
    """Return labels (k, j, i) as a NIfTI file; dimensions, qform, sform, their codes and units are those of `header`.

    All that describes intensities (scale, display range, intent) is reset. NIfTI-2 stays NIfTI-2.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    scan = (Nifti1Header if len(header) == Nifti1Header.sizeof_hdr else Nifti2Header)(header, check=False)
    own = scan.as_byteswapped("<") if scan.endianness == ">" else scan
    magic, start = SINGLE_FILE[own.sizeof_hdr]
    own.set_data_dtype(labels.dtype)
    own["magic"], own["vox_offset"] = magic, start
    own["scl_slope"], own["scl_inter"], own["cal_min"], own["cal_max"] = 1, 0, 0, 0
    own.set_intent("none")
    own["aux_file"] = b""
    no_extension = b"\0" * (start - own.sizeof_hdr)
    little = labels.astype(labels.dtype.newbyteorder("<"), order="C", copy=False)
    return compress(own.binaryblock + no_extension + little.tobytes(), Container.GZIP)
