"""The formats: which reader a suffix chooses.

A new format is one module and one function here. The function imports its module, so that listing formats costs
nothing.
"""

from collections.abc import Callable
from functools import cache

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.inputs import Input
from curate.readers.base import FileReader, Reader

READERS: dict[str, Callable[[], Reader]] = {}
"""Format name to a function that returns its reader."""

SUFFIXES: dict[str, str] = {}
"""Suffix, in lower case, to format name."""


def register(*suffixes: str) -> Callable[[Callable[[], Reader]], Callable[[], Reader]]:
    """Register a format under the decorated function's name, chosen by these suffixes."""

    def add(make: Callable[[], Reader]) -> Callable[[], Reader]:
        name = make.__name__
        READERS[name] = cache(make)
        SUFFIXES.update(dict.fromkeys(suffixes, name))
        return make

    return add


@register(".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
def nifti() -> Reader:
    """NIfTI-1 and NIfTI-2, Analyze 7.5 and SPM."""
    from curate.readers import nifti

    return FileReader(nifti.read_header, nifti.read, nifti.data_files)


@register(".nrrd", ".nhdr")
def nrrd() -> Reader:
    """NRRD."""
    from curate.readers import nrrd

    return FileReader(nrrd.read_header, nrrd.read, nrrd.data_files)


@register(".mha", ".mhd")
def metaimage() -> Reader:
    """MetaImage."""
    from curate.readers import metaimage

    return FileReader(metaimage.read_header, metaimage.read, metaimage.data_files)


@register(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".jp2", ".j2k", ".webp")
def raster() -> Reader:
    """Pictures."""
    from curate.readers import raster

    return FileReader(raster.read_header, raster.read)


def reader_of(source: Input) -> Reader:
    """Return the reader of an input: by its format, else by the longest suffix of its name.

    Raises CaseError for a suffix that none reads.
    """
    if source.format is not None:
        return READERS[source.format]()
    name = source.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return READERS[SUFFIXES[suffix]]()
    file = source.name.rpartition("/")[2]
    raise CaseError(Reason.UNREADABLE, f"{file}: no reader for this suffix; supported: {', '.join(SUFFIXES)}")
