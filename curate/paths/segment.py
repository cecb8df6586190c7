"""Segments: the parts of a pattern between slashes, with their fields and regexes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_FIELD = re.compile(r"(?P<name>[A-Za-z_]\w*)(?::(?P<regex>.*))?", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Part:
    """A piece of a segment: literal `text`, a field with its regex (None: anything), or `*` (all three None)."""

    text: str | None = None
    field: str | None = None
    regex: str | None = None


@dataclass(frozen=True)
class Segment:
    """The part of a pattern between two slashes; `**` has no parts."""

    text: str
    parts: tuple[Part, ...]

    @property
    def any_folders(self) -> bool:
        """Whether this is `**`."""
        return not self.parts

    def regex(self, bound: Mapping[str, str], seen: set[str]) -> str:
        """Return the regex; fields in `bound` become their values, fields in `seen` become back-references."""
        out = []
        for part in self.parts:
            if part.text is not None:
                out.append(re.escape(part.text))
            elif part.field is None:
                out.append("[^/]*")
            elif part.field in bound:
                out.append(re.escape(bound[part.field]))
            elif part.field in seen:
                out.append(f"(?P={part.field})")
            else:
                seen.add(part.field)
                out.append(f"(?P<{part.field}>{part.regex or '[^/]+?'})")
        return "".join(out)

    def literal(self, bound: Mapping[str, str]) -> str | None:
        """Return the only name that matches with `bound` filled in, or None if there may be several."""
        names = [bound.get(part.field or "") if part.text is None else part.text for part in self.parts]
        return "".join(filter(None, names)) if names and None not in names else None

    def prefix(self, bound: Mapping[str, str]) -> str:
        """Return the literal prefix of every match."""
        out = ""
        for part in self.parts:
            text = bound.get(part.field or "") if part.text is None else part.text
            if text is None:
                break
            out += text
        return out


def parse_segments(text: str, faults: list[str]) -> tuple[Segment, ...]:
    """Return the segments of a pattern; messages about errors are appended to `faults`."""
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        faults.append("is absolute; allowed: a path relative to the source folder")
    segments = []
    pieces = _split(text.strip("/") if faults else text, faults)
    for i, pieces_of_segment in enumerate(pieces):
        written = "".join(pieces_of_segment)
        if written == "**":
            if i == len(pieces) - 1:
                faults.append("ends with `**`, which matches folders; end with a file, such as `**/*.png`")
            segments.append(Segment(written, ()))
        elif written in ("", ".", ".."):
            what = f"contains {written!r}" if written else "contains an empty part (`//`, or `/` at the end)"
            faults.append(f"{what}; allowed: names below the source folder, joined by `/`")
        else:
            segments.append(Segment(written, tuple(_parts(pieces_of_segment, faults))))
    regexes = _regexes(segments, faults)
    return tuple(
        Segment(s.text, tuple(Part(p.text, p.field, regexes.get(p.field or "")) for p in s.parts)) for s in segments
    )


def _split(text: str, faults: list[str]) -> list[list[str]]:
    """Split at every `/` outside braces, and each segment into text and `{...}` pieces."""
    segments: list[list[str]] = [[""]]
    depth, i = 0, 0
    while i < len(text):
        char = text[i]
        if depth and char == "\\" and i + 1 < len(text):
            segments[-1][-1] += text[i : i + 2]
            i += 2
            continue
        if char == "{":
            depth += 1
            if depth == 1:
                segments[-1].append("")
        if char == "/" and depth == 0:
            segments.append([""])
        elif char == "}" and depth == 0:
            faults.append("has a `}` without a `{`")
        else:
            segments[-1][-1] += char
        if char == "}" and depth:
            depth -= 1
            if depth == 0:
                segments[-1].append("")
        i += 1
    if depth:
        faults.append("has a `{` that is not closed")
    return [[piece for piece in segment if piece] for segment in segments]


def _parts(pieces: list[str], faults: list[str]) -> Iterator[Part]:
    for piece in pieces:
        if not piece.startswith("{"):
            if "**" in piece:
                faults.append("has `**` next to other characters; use `**` as a whole part, or `*` within a name")
            if "\\" in piece:
                faults.append("contains a `\\`; separate folders with `/`")
            for run in re.split(r"(\*)", piece):
                if run:
                    yield Part() if run == "*" else Part(text=run)
            continue
        field = _FIELD.fullmatch(piece[1:-1])
        if field is None:
            faults.append(f"contains `{piece}`; write a field as {{word}} or {{word:REGEX}}")
        else:
            yield Part(field=field["name"], regex=field["regex"])


def _regexes(segments: list[Segment], faults: list[str]) -> dict[str, str]:
    """Return the regex of each field; a regex given once applies wherever the field occurs."""
    regexes: dict[str, str] = {}
    for part in (part for segment in segments for part in segment.parts):
        if part.field is None or part.regex is None:
            continue
        written = f"{{{part.field}:{part.regex}}}"
        if regexes.setdefault(part.field, part.regex) != part.regex:
            faults.append(f"gives the field `{part.field}` two different regexes")
        if "/" in part.regex:
            faults.append(f"contains `{written}`; a field matches within one name, so its regex cannot contain `/`")
            continue
        try:
            compiled = re.compile(f"(?:{part.regex})")
        except re.error as error:
            faults.append(f"contains `{written}`, whose regex is invalid: {error.msg}")
            continue
        if compiled.groups:
            faults.append(f"contains `{written}`, whose regex has a group; write (?:...) instead of (...)")
        elif compiled.fullmatch(""):
            faults.append(f"contains `{written}`, whose regex matches an empty text; write + instead of *")
    return regexes
