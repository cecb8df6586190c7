"""Compressed pixels: which library decodes which transfer syntax.

pydicom finds the frames and hands them to pylibjpeg-openjpeg (JPEG 2000, HTJ2K), pyjpegls, pylibjpeg-rle and Pillow
(baseline JPEG). Lossless and 12-bit JPEG go to the GDCM inside SimpleITK: the library pydicom would take is GPL.
"""

import struct
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.dicom.codestream import dimensions_of
from curate.dicom.data_set import UNDEFINED, DicomError, File
from curate.dicom.pixels import FLOAT, PixelForm, clear_unused_bits

PYDICOM: dict[str, str] = {
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg",
    "1.2.840.10008.1.2.5": "pylibjpeg",
}
"""Transfer syntax to the plugin of pydicom that decodes it."""

GDCM = frozenset({"1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
"""Extended and lossless JPEG."""

_ITEM = 0xE000FFFE  # group and element as one little-endian number
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"


def can_decode(syntax: str) -> bool:
    """Tell whether compressed pixels of a transfer syntax can be decoded."""
    return syntax in PYDICOM or syntax in GDCM or syntax == DEFLATED_FRAMES


def syntax_name(syntax: str) -> str:
    """Return a transfer syntax as a message names it."""
    from pydicom.uid import UID

    uid = UID(syntax)
    return syntax if uid.name == syntax else f"{uid.name} ({syntax})"


def decode_frames(file: File, form: PixelForm, wanted: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield frames of compressed pixels; raises DicomError where one is damaged or nothing decodes its syntax."""
    if not can_decode(file.syntax):
        raise DicomError(f"no decoder for the transfer syntax {syntax_name(file.syntax)}")
    frames = _encoded(file, form)
    for number in wanted:
        if number >= len(frames):
            raise DicomError(f"its pixels break off: {len(frames)} frames of {form.frames}")
        encoded = frames[number]
        if file.syntax == DEFLATED_FRAMES:
            yield _inflated(encoded, form)
            continue
        if file.syntax == RLE and form.allocated == 1:
            yield _unpacked(_pack_bits(encoded), form)
            continue
        if file.syntax != RLE:
            _refuse_other_size(encoded, form)
        yield _by_gdcm(encoded, file, form) if file.syntax in GDCM else _by_pydicom(encoded, file, form)


def _encoded(file: File, form: PixelForm) -> list[bytes]:
    """Return the encoded frames of a file."""
    from pydicom.encaps import generate_frames

    assert file.pixels is not None
    if file.pixels.length != UNDEFINED:
        raise DicomError("its compressed pixels are not in frames")
    _refuse_broken_off(file)
    offsets = file.raw("ExtendedOffsetTable"), file.raw("ExtendedOffsetTableLengths")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = generate_frames(
                file.data[file.pixels.start :],
                number_of_frames=form.frames,
                extended_offsets=offsets if all(offsets) else None,
            )
            return list(frames)
    except Exception as error:
        raise DicomError(f"its compressed pixels are damaged: {error}") from None


def _refuse_broken_off(file: File) -> None:
    """Raise DicomError where a fragment is longer than the file: a decoder would return half an image."""
    assert file.pixels is not None
    pos, end = file.pixels.start, len(file.data)
    while pos + 8 <= end:
        tag, length = struct.unpack_from("<II", file.data, pos)
        if tag != _ITEM:
            return
        pos += 8 + length
    if pos > end:
        raise DicomError(f"its compressed pixels break off: {pos - end} bytes are missing")


def _refuse_other_size(encoded: bytes, form: PixelForm) -> None:
    """Raise DicomError before a decoder makes room for more pixels than the header says."""
    found = dimensions_of(encoded)
    if found is None:
        raise DicomError("its compressed pixels have no header")
    if found != (form.rows, form.columns, form.samples):
        shown = " x ".join(map(str, found))
        raise DicomError(
            f"its compressed pixels are {shown}, its header says {form.rows} x {form.columns} x {form.samples}"
        )


def _by_pydicom(encoded: bytes, file: File, form: PixelForm) -> NDArray[Any]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame, _ = get_decoder(file.syntax).as_array(
                encapsulate([encoded]),
                index=0,
                decoding_plugin=PYDICOM[file.syntax],
                rows=form.rows,
                columns=form.columns,
                number_of_frames=1,
                samples_per_pixel=form.samples,
                bits_allocated=form.allocated,
                bits_stored=form.stored,
                photometric_interpretation=form.photometric,
                pixel_representation=int(form.signed),
                pixel_keyword="FloatPixelData" if form.keyword == FLOAT else "PixelData",
                planar_configuration=form.planar,
            )
    except Exception as error:  # each plugin has exceptions of its own
        raise DicomError(f"its pixels cannot be decoded ({syntax_name(file.syntax)}): {_first_line(error)}") from None
    return clear_unused_bits(frame, form) if file.syntax == RLE and form.samples == 1 else frame


def _inflated(encoded: bytes, form: PixelForm) -> NDArray[Any]:
    """Return a frame of the syntax Deflated Image Frame Compression."""
    count = form.rows * form.columns * form.samples
    nbytes = -(-count // 8) if form.allocated == 1 else count * form.allocated // 8
    try:
        data = zlib.decompressobj(-15).decompress(encoded, nbytes)
    except zlib.error as error:
        raise DicomError(f"a deflated frame is damaged: {error}") from None
    if len(data) < nbytes:
        raise DicomError(f"a deflated frame has {len(data)} bytes of {nbytes}")
    if form.allocated == 1:
        return _unpacked(data, form)
    from curate.dicom.pixels import native_frame

    return native_frame(np.frombuffer(data, form.dtype.newbyteorder("<")).astype(form.dtype), form)


def _unpacked(data: bytes, form: PixelForm) -> NDArray[np.uint8]:
    """Return a frame of one bit a pixel."""
    count = form.rows * form.columns
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if len(bits) < count:
        raise DicomError(f"a frame has {len(bits)} bits of {count}")
    return bits[:count].reshape(form.rows, form.columns)


def _pack_bits(encoded: bytes) -> bytes:
    """Return the bytes of an RLE frame of one segment (DICOM PS3.5 annex G): segmentations, whose pixels are bits."""
    try:
        count, start = struct.unpack_from("<II", encoded)
    except struct.error:
        raise DicomError("an RLE frame has no header") from None
    if count != 1:
        raise DicomError(f"an RLE frame of bits has {count} segments in place of one")
    out, pos = bytearray(), start
    while pos < len(encoded):
        code = encoded[pos]
        if code < 128:
            out += encoded[pos + 1 : pos + 2 + code]
            pos += 2 + code
        elif code > 128:
            out += encoded[pos + 1 : pos + 2] * (257 - code)
            pos += 2
        else:
            pos += 1
    return bytes(out)


def _by_gdcm(encoded: bytes, file: File, form: PixelForm) -> NDArray[Any]:
    """Return a frame that SimpleITK decodes from a file of nothing but its pixels, so that nothing is rescaled."""
    import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

    with tempfile.TemporaryDirectory(prefix="curate-jpeg-") as folder:
        path = Path(folder) / "frame.dcm"
        path.write_bytes(_bare_file(encoded, file.syntax, form))
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        try:
            frame = sitk.GetArrayFromImage(reader.Execute())
        except RuntimeError:
            raise DicomError(f"its pixels cannot be decoded ({syntax_name(file.syntax)})") from None
    frame = frame.reshape(form.shape)
    return clear_unused_bits(frame.astype(form.dtype), form) if form.samples == 1 else frame.astype(form.dtype)


def _bare_file(encoded: bytes, syntax: str, form: PixelForm) -> bytes:
    """Return a DICOM file that says of one frame what a decoder needs, and no more."""
    from io import BytesIO

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    meta.TransferSyntaxUID = UID(syntax)
    bare = Dataset()
    bare.file_meta = meta
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, UID("2.25.1")
    bare.Rows, bare.Columns, bare.SamplesPerPixel = form.rows, form.columns, form.samples
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = form.allocated, form.stored, form.stored - 1
    bare.PixelRepresentation = int(form.signed)
    bare.PhotometricInterpretation = form.photometric if form.samples == 3 else "MONOCHROME2"
    if form.samples > 1:
        bare.PlanarConfiguration = 0
    bare.PixelData = encapsulate([encoded])
    bare["PixelData"].VR = "OB"
    out = BytesIO()
    bare.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
