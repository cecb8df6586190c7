"""What a file that cannot be read holds instead: the usual leftovers of a download."""

from pathlib import Path

_FIRST = 512

_SIGNS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    (
        (b"version https://git-lfs", b"version https://hawser"),
        "it is a Git LFS pointer, not the data; fetch the data with `git lfs pull`",
    ),
    (
        (b"/annex/objects/", b"../.git/annex/", b".git/annex/"),
        "it is a git-annex pointer, not the data; fetch the data with `datalad get` or `git annex get`",
    ),
    (
        (b"<!doctype html", b"<html", b"<head"),
        "it is an HTML page (a login or error page of the server); download it again",
    ),
    ((b"<?xml", b"<error"), "it is an XML text (an error message of the server?); download it again"),
    ((b"pk\x03\x04", b"pk\x05\x06"), "it is a ZIP archive; unpack it"),
    ((b"%!ps", b"\xc5\xd0\xd3\xc6"), "it is a PostScript (EPS) file, which is not supported; convert it to PNG"),
    ((b"%pdf",), "it is a PDF file; extract the images"),
)
"""First bytes in lower case, and what a file that begins so is."""


def foreign_content(path: Path) -> str | None:
    """Return what is wrong with a file that holds something else than its name says, and what to do; None if unknown.

    Meant for files that a reader has refused: nothing is decided by the first bytes alone.
    """
    try:
        if path.is_symlink() and not path.exists():
            return "it is a link to a file that does not exist; fetch the data it leads to"
        with path.open("rb") as file:
            first = file.read(_FIRST)
    except OSError:
        return None
    if not first:
        return "it is empty (0 bytes); download it again"
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signs, meaning in _SIGNS:
        if text.startswith(signs):
            return meaning
    if not first.strip(b"\0"):
        return f"it begins with {len(first)} zero bytes, as an interrupted download does; download it again"
    if text.startswith((b"{", b"[")) and _is_text(first):
        return "it is a JSON text (an error message of the server?); download it again"
    return None


def _is_text(data: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\r\n" for byte in data)
