"""What a compressed frame says of its own size, read before a decoder makes room for it."""

import struct

_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
_SIGNATURE_BOX = b"\0\0\0\x0cjP  "


def dimensions_of(encoded: bytes) -> tuple[int, int, int] | None:
    """Return rows, columns and samples of a JPEG, JPEG-LS or JPEG 2000 stream; None where it has no header."""
    if encoded[:8] == _SIGNATURE_BOX:  # the boxes of a .jp2 file, against the standard
        start = encoded.find(b"\xff\x4f\xff\x51")
        return _jpeg_2000(encoded, start) if start >= 0 else None
    if encoded[:4] == b"\xff\x4f\xff\x51":
        return _jpeg_2000(encoded, 0)
    return _jpeg(encoded) if encoded[:2] == b"\xff\xd8" else None


def _jpeg_2000(encoded: bytes, start: int) -> tuple[int, int, int] | None:
    """Return what the SIZ marker says (ISO/IEC 15444-1 A.5.1)."""
    try:
        _, _, x1, y1, x0, y0, _, _, _, _, samples = struct.unpack_from(">HHIIIIIIIIH", encoded, start + 4)
    except struct.error:
        return None
    return y1 - y0, x1 - x0, samples


def _jpeg(encoded: bytes) -> tuple[int, int, int] | None:
    """Return what the frame header says (ISO/IEC 10918-1 B.2.2)."""
    pos = 2
    while pos + 4 <= len(encoded):
        if encoded[pos] != 0xFF:
            return None
        marker = encoded[pos + 1]
        if marker == 0xFF:  # fill bytes
            pos += 1
            continue
        if marker in _WITHOUT_LENGTH:
            pos += 2
            continue
        (length,) = struct.unpack_from(">H", encoded, pos + 2)
        if marker in _FRAME_HEADERS:
            try:
                _, rows, columns, samples = struct.unpack_from(">BHHB", encoded, pos + 4)
            except struct.error:
                return None
            return rows, columns, samples
        pos += 2 + length
    return None
