"""DICOM data sets read without a library: every element up to the pixels, sequences only when asked for.

A header takes about a tenth of the time pydicom needs, which is what makes a folder of 10^5 files quick to index. What
is read here is compared with pydicom by the tests. Layouts: DICOM PS3.5 chapter 7 (elements) and PS3.10 chapter 7
(files).
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from curate.dicom.tags import KEYWORDS

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float, double and integer pixels: the last element that is read."""

_ALWAYS = frozenset({0x00080016, 0x00080018, 0x00280010})
"""Class, instance, rows: a file without the usual beginning is DICOM where it has one of them."""

_CHUNKS = (1 << 17, 1 << 21, -1)
_DEEPEST = 24
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_NUMBERS = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FL": "f", b"FD": "d", b"UV": "Q", b"SV": "q",
            b"OW": "H", b"OF": "f", b"OD": "d"}  # fmt: skip


class DicomError(Exception):
    """The bytes are not DICOM, or break off."""


class _ShortError(Exception):
    """More of the file is needed."""


class Element(NamedTuple):
    """Where a value is: its VR (empty in implicit syntaxes), first byte, and first byte after it."""

    vr: bytes
    start: int
    stop: int


@dataclass(frozen=True)
class Form:
    """How elements are written."""

    explicit: bool
    order: str

    @cached_property
    def head(self) -> struct.Struct:
        """Group, element, VR, 16-bit length."""
        return struct.Struct(self.order + "HH2sH")

    @cached_property
    def length(self) -> struct.Struct:
        """A 32-bit length."""
        return struct.Struct(self.order + "I")


@dataclass(frozen=True)
class Pixels:
    """The element with the pixels: its keyword's tag, VR, first byte, and length (UNDEFINED where encapsulated)."""

    tag: int
    vr: bytes
    start: int
    length: int


class DataSet:
    """Elements by keyword, with their values taken from `data` when asked for.

    Absent and empty values are `""`, `()` or None; a value that cannot be read counts as absent, since one bad tag must
    not cost a series.
    """

    def __init__(self, data: bytes, elements: dict[int, Element], form: Form, charset: tuple[str, ...] = ()) -> None:
        self.data = data
        self.elements = elements
        self.form = form
        self._outer_charset = charset

    def __contains__(self, keyword: str) -> bool:
        return KEYWORDS[keyword][0] in self.elements

    @property
    def charset(self) -> tuple[str, ...]:
        """The character sets of its texts: its own, else those of the data set around it."""
        own = self.raw("SpecificCharacterSet").decode("latin-1").strip(" \0")
        return tuple(own.split("\\")) if own else self._outer_charset

    def raw(self, keyword: str) -> bytes:
        """Return the bytes of a value, empty where there is none."""
        element = self.elements.get(KEYWORDS[keyword][0])
        return b"" if element is None else self.data[element.start : element.stop]

    def text(self, keyword: str) -> str:
        """Return a text, its values joined by backslashes as stored."""
        value = self.raw(keyword).strip(b" \0")
        is_plain = value.isascii() and b"\x1b" not in value  # escape sequences change the character set
        return value.decode("ascii") if is_plain else _decoded(value, self.charset)

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a text."""
        value = self.text(keyword)
        return tuple(part.strip() for part in value.split("\\")) if value else ()

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of a number, binary or written."""
        tag, known = KEYWORDS[keyword]
        element = self.elements.get(tag)
        if element is None:
            return ()
        code = _NUMBERS.get(element.vr if element.vr not in (b"", b"UN") else known.encode())
        try:
            if code is None:
                return tuple(float(part) for part in self.texts(keyword) if part)
            count = (element.stop - element.start) // struct.calcsize(code)
            return struct.unpack_from(f"{self.form.order}{count}{code}", self.data, element.start)
        except (ValueError, struct.error):
            return ()

    def number(self, keyword: str) -> float | None:
        """Return the first value of a number."""
        values = self.numbers(keyword)
        return values[0] if values else None

    def integer(self, keyword: str, default: int = 0) -> int:
        """Return the first value of a number as an integer, `default` where there is none."""
        value = self.number(keyword)
        try:
            return default if value is None else int(value)
        except (ValueError, OverflowError):  # NaN and infinity
            return default

    def items(self, keyword: str) -> list["DataSet"]:
        """Return the items of a sequence; raises DicomError where it breaks off."""
        element = self.elements.get(KEYWORDS[keyword][0])
        if element is None or element.vr not in (b"", b"SQ", b"UN"):
            return []
        form = Form(False, self.form.order) if element.vr == b"UN" else self.form
        try:
            return [
                DataSet(self.data, found, form, self.charset)
                for found in _items(self.data, element.start, element.stop, form)
            ]
        except _ShortError:
            raise DicomError(f"the sequence {keyword} breaks off") from None

    def item(self, keyword: str) -> "DataSet | None":
        """Return the first item of a sequence, or None."""
        items = self.items(keyword)
        return items[0] if items else None


class File(DataSet):
    """The data set of a file.

    `syntax` is the UID of its transfer syntax, `media` the class of the object as the file's header gives it. `data` is
    the file up to its pixels, or all of it, inflated where it is deflated; `pixels` say where they are.
    """

    def __init__(
        self, data: bytes, elements: dict[int, Element], form: Form, syntax: str, media: str, pixels: Pixels | None
    ) -> None:
        super().__init__(data, elements, form)
        self.syntax = syntax
        self.media = media
        self.pixels = pixels


def read_file(path: Path, whole: bool = False, limit: int = 1 << 32) -> File:
    """Return the data set of a file up to its pixels, with their bytes where `whole`.

    `limit` is the most bytes a deflated file may inflate to. Raises DicomError where the file is not DICOM or its
    header breaks off, OSError where it cannot be read.
    """
    with path.open("rb") as stream:
        data = b""
        for size in (-1,) if whole else _CHUNKS:
            chunk = stream.read(size)
            data += chunk
            ended = size < 0 or len(chunk) < size
            try:
                return _parsed(data, ended, limit)
            except _ShortError:
                if ended:
                    raise DicomError("its header breaks off") from None
    raise DicomError("its header breaks off")


def _parsed(data: bytes, whole: bool, limit: int) -> File:
    start, syntax, media = _preamble(data)
    is_marked = data[128:132] == b"DICM"
    if syntax == DEFLATED:
        data, start = _inflated(data[start:], whole, limit), 0
    form = _form(data, start, syntax)
    elements, pixels, _ = _scan(data, start, len(data), form, 0)
    if not is_marked and not elements.keys() & _ALWAYS:
        raise DicomError("it is not DICOM")
    return File(data, elements, form, syntax or _syntax_of(form), media, pixels)


def _preamble(data: bytes) -> tuple[int, str, str]:
    """Return where the data set begins, its transfer syntax and the class of the object, empty where not given."""
    start = 132 if data[128:132] == b"DICM" else 0
    if data[start : start + 2] != b"\x02\0":
        if start or _plausible(data):
            return start, "", ""
        raise DicomError("it is not DICOM")
    meta = Form(True, "<")
    values: dict[int, str] = {}
    while data[start : start + 2] == b"\x02\0":
        if len(data) < start + 12:
            raise _ShortError
        _, element, vr, length = meta.head.unpack_from(data, start)
        head = 8
        if vr in _LONG_VRS:
            (length,), head = meta.length.unpack_from(data, start + 8), 12
        elif vr not in _SHORT_VRS:  # an implicit header, against the standard
            (length,) = meta.length.unpack_from(data, start + 4)
        if element in (0x02, 0x10):
            values[element] = data[start + head : start + head + length].strip(b" \0").decode("latin-1")
        start += head + length
        if start > len(data):
            raise _ShortError
    return start, values.get(0x10, ""), values.get(0x02, "")


def _plausible(data: bytes) -> bool:
    """Tell whether a file without the usual beginning starts with an element of group 8, in any form."""
    if len(data) < 16 or data[:2] not in (b"\x08\0", b"\0\x08"):
        return False
    order = "<" if data[:2] == b"\x08\0" else ">"
    _, element, vr, _ = struct.unpack_from(order + "HH2sH", data)
    (length,) = struct.unpack_from(order + "I", data, 4)
    return element <= 0x60 and (vr in _SHORT_VRS or length <= 64)


def _form(data: bytes, start: int, syntax: str) -> Form:
    """Return how elements are written: as the first of them shows, since syntaxes are wrong at times."""
    order = ">" if syntax == EXPLICIT_BIG or (not syntax and data[start : start + 1] == b"\0") else "<"
    vr = data[start + 4 : start + 6]
    return Form(vr in _SHORT_VRS or vr in _LONG_VRS, order)


def _syntax_of(form: Form) -> str:
    if form.order == ">":
        return EXPLICIT_BIG
    return EXPLICIT_LITTLE if form.explicit else IMPLICIT_LITTLE


def _inflated(data: bytes, whole: bool, limit: int) -> bytes:
    """Return a deflated data set; of a part of one, as much as it gives."""
    inflater = zlib.decompressobj(-15)
    try:
        out = inflater.decompress(data, limit)
    except zlib.error as error:
        raise DicomError(f"its deflated data set is broken: {error}") from None
    if inflater.unconsumed_tail:
        raise DicomError(f"it inflates to more than {limit / 1e9:.1f} GB")
    if whole and not inflater.eof:
        raise DicomError("its deflated data set breaks off")
    return out


def _scan(data: bytes, pos: int, end: int, form: Form, depth: int) -> tuple[dict[int, Element], Pixels | None, int]:
    """Return the elements from `pos` on, the pixels that end them (in a file, depth 0), and where they end.

    Elements of an item (depth 1 and more) end at its delimiter.
    """
    if depth > _DEEPEST:
        raise DicomError("its sequences are nested too deep")
    found: dict[int, Element] = {}
    unpack, unpack_length, explicit = form.head.unpack_from, form.length.unpack_from, form.explicit
    while pos + 8 <= end:
        group, number, vr, length = unpack(data, pos)
        tag = group << 16 | number
        start = pos + 8
        if explicit and vr in _SHORT_VRS:
            pass
        elif explicit and vr in _LONG_VRS:
            if start + 4 > end:
                raise _ShortError
            (length,) = unpack_length(data, start)
            start += 4
        else:
            vr = b""
            (length,) = unpack_length(data, pos + 4)
        if group == 0x7FE0 and not depth and tag in PIXELS:
            return found, Pixels(tag, vr, start, length), start
        if group == 0xFFFE:
            if depth and tag == ITEM_END:
                return found, None, start
            pos = start  # a delimiter too many
            continue
        if length == UNDEFINED:
            stop, pos = _end_of_items(data, start, end, Form(False, form.order) if vr == b"UN" else form, depth)
        else:
            stop = pos = start + length
        if stop > end:
            raise _ShortError
        found[tag] = Element(vr, start, stop)
    if pos < end and any(data[pos:end]):
        raise _ShortError
    return found, None, pos


def _end_of_items(data: bytes, pos: int, end: int, form: Form, depth: int) -> tuple[int, int]:
    """Return where a sequence of undefined length ends, before and after its delimiter."""
    while True:
        tag, length = _item_head(data, pos, end, form)
        if tag == SEQUENCE_END:
            return pos, pos + 8
        if tag != ITEM:
            raise DicomError("a sequence holds something other than items")
        pos += 8
        pos = pos + length if length != UNDEFINED else _scan(data, pos, end, form, depth + 1)[2]


def _items(data: bytes, pos: int, end: int, form: Form) -> Iterator[dict[int, Element]]:
    """Yield the elements of each item of a sequence."""
    while pos < end:
        tag, length = _item_head(data, pos, end, form)
        if tag != ITEM:
            return
        pos += 8
        if length != UNDEFINED and pos + length > end:
            raise _ShortError
        found, _, stop = _scan(data, pos, end if length == UNDEFINED else pos + length, form, 1)
        yield found
        pos = stop if length == UNDEFINED else pos + length


def _item_head(data: bytes, pos: int, end: int, form: Form) -> tuple[int, int]:
    """Return tag and length at `pos`, which have no VR in any syntax."""
    if pos + 8 > end:
        raise _ShortError
    group, number, _, _ = form.head.unpack_from(data, pos)
    (length,) = form.length.unpack_from(data, pos + 4)
    return group << 16 | number, length


def _decoded(value: bytes, charset: tuple[str, ...]) -> str:
    """Return text outside ASCII in the file's character set."""
    from pydicom.charset import convert_encodings, decode_bytes

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return decode_bytes(value, convert_encodings(list(charset) or "ISO_IR 100"), set())
    except (LookupError, UnicodeError, AttributeError):
        return value.decode("latin-1")
