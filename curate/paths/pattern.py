"""Path patterns: `dataset/{case}/imaging.nii.gz` finds files and returns the fields of each.

A pattern is a path relative to the source folder, with `/`. `{word}` is a field: it matches one or more characters
within one folder or file name, as few as possible, from left to right. `{word:REGEX}` matches REGEX. A field that
occurs twice has the same value both times. `*` matches any characters within one name; `**` as a whole part matches any
number of folders. Everything else, including brackets and parentheses, is literal. Names are compared in composed
Unicode (NFC), so that archives written on macOS match too.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

from curate.paths.listing import Folders
from curate.paths.segment import Part, Segment, parse_segments

_TEMPLATE_FIELD = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)


class PatternError(ValueError):
    """A pattern is invalid; `faults` holds one message per error."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@lru_cache(maxsize=1024)
def _compiled(regex: str) -> re.Pattern[str]:
    return re.compile(regex)


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern; `parse_pattern` returns one."""

    text: str
    segments: tuple[Segment, ...]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in order of first appearance."""
        names = (part.field for segment in self.segments for part in segment.parts if part.field is not None)
        return tuple(dict.fromkeys(names))

    @cached_property
    def constrained(self) -> tuple[str, ...]:
        """Names of the fields that have a regex."""
        parts = (part for segment in self.segments for part in segment.parts)
        return tuple(dict.fromkeys(part.field for part in parts if part.field and part.regex))

    @cached_property
    def wild(self) -> bool:
        """Whether the pattern contains `*` or `**`, so that the fields do not determine the path."""
        return any(segment.any_folders or Part() in segment.parts for segment in self.segments)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the fields of a path relative to the source folder, or None if it does not match."""
        found = self._regex.fullmatch(path if path.isascii() else unicodedata.normalize("NFC", path))
        if found is None:
            return None
        fields = found.groupdict()
        # with `**`, a regex could match across a `/`; a field never does
        return None if any("/" in fields[name] for name in self.constrained) else fields

    def fill(self, fields: Mapping[str, str]) -> str:
        """Return the path with all `fields` filled in; raises ValueError if `*` or a field without a value remains."""
        names = [segment.literal(fields) for segment in self.segments]
        if None in names:
            raise ValueError(f"{self.text!r} needs more than the fields {', '.join(fields) or '(none)'}")
        return "/".join(filter(None, names))

    def find(self, folders: Folders) -> list[tuple[str, dict[str, str]]]:
        """Return (path as written on disk, fields) of every file that matches, sorted by path.

        Only folders that can match are listed. Hidden names are skipped unless the segment begins with a dot.
        """
        files = {}  # with two `**`, several routes can lead to one file
        for path, key in self._walk(folders, {}):
            fields = self.match(key)
            if fields is not None:
                files[path] = fields
        return sorted(files.items())

    def paths(self, folders: Folders, bound: Mapping[str, str]) -> list[str]:
        """Return the paths on disk of the files that match with the fields of `bound` filled in, sorted."""
        segments = [{part.field for part in segment.parts if part.field} for segment in self.segments]
        tied = any((a & b) - bound.keys() for a, b in combinations(segments, 2))
        whole = _compiled(self._whole(bound)) if tied else None
        found = self._walk(folders, bound)
        return sorted({path for path, key in found if whole is None or whole.fullmatch(key)})

    def find_filled(self, folders: Folders, bound: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
        """Return (path, remaining fields) of the files that match with the fields of `bound` filled in, sorted."""
        whole = _compiled(self._whole(bound))
        found = {path: whole.fullmatch(key) for path, key in self._walk(folders, bound)}
        return sorted((path, match.groupdict()) for path, match in found.items() if match is not None)

    def reach(self, folders: Folders) -> str:
        """Return the first of the deepest folders that match a prefix of the pattern; `""` is the source itself."""
        frontier = [""]
        for segment in self.segments[:-1]:
            regex = _compiled(segment.regex({}, set()))
            deeper = [
                f"{folder}{name}/"
                for folder in frontier[:100]
                for key, name in folders.listing(folder).folders.items()
                if not segment.any_folders and regex.fullmatch(key)
            ]
            if not deeper:
                break
            frontier = deeper
        return frontier[0]

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(self._whole({}))

    def _whole(self, bound: Mapping[str, str]) -> str:
        seen: set[str] = set()
        last = len(self.segments) - 1
        return "".join(
            "(?:[^/]+/)*" if segment.any_folders else segment.regex(bound, seen) + ("/" if i < last else "")
            for i, segment in enumerate(self.segments)
        )

    def _walk(self, folders: Folders, bound: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Yield (path, path in NFC) of the files each of whose segments matches by itself."""
        steps = [s.literal(bound) or _compiled(s.regex(bound, set())) for s in self.segments]
        last = len(steps) - 1
        seen: set[tuple[str, int]] = set()
        stack: list[tuple[str, str, int, frozenset[tuple[int, int]]]] = [("", "", 0, frozenset())]
        while stack:
            path, key, i, above = stack.pop()
            segment, step = self.segments[i], steps[i]
            names: dict[str, str]
            if segment.any_folders:
                here = folders.identity(path)
                if here is None or here in above or (path, i) in seen:  # `in above`: a link to a parent
                    continue
                seen.add((path, i))
                stack.append((path, key, i + 1, frozenset()))
                names = folders.listing(path).folders
                deeper, above = i, above | {here}
            elif isinstance(step, str):
                name = folders.file(path, step) if i == last else folders.folder(path, step)
                names = {} if name is None else {step: name}
                deeper = i + 1
            else:
                listing = folders.listing(path)
                among = listing.files if i == last else listing.folders
                near = listing.starting(segment.prefix(bound), files=i == last)
                names = {k: among[k] for k in near if step.fullmatch(k)}
                deeper = i + 1
            for name_key, name in names.items():
                if name.startswith(".") and not segment.text.startswith("."):
                    continue
                if i == last:
                    yield path + name, key + name_key
                else:
                    stack.append((f"{path}{name}/", f"{key}{name_key}/", deeper, above))


def parse_pattern(text: str) -> Pattern:
    """Parse a pattern.

    Raises PatternError with every error: an absolute path, `..`, unbalanced braces, an invalid regex, or `**` next to
    other characters.
    """
    text = unicodedata.normalize("NFC", text)
    faults: list[str] = []
    segments = parse_segments(text, faults)
    if faults:
        raise PatternError(faults)
    return Pattern(text, segments)


def template_fields(template: str) -> tuple[str, ...]:
    """Return the fields of a template such as `"{site}_{case}"`, in order.

    Raises PatternError if braces contain anything but the name of a field.
    """
    if re.search(r"[{}]", _TEMPLATE_FIELD.sub("", template)):
        raise PatternError(["has braces without the name of a field; write {word}"])
    return tuple(dict.fromkeys(_TEMPLATE_FIELD.findall(template)))


def render(template: str, fields: Mapping[str, str]) -> str:
    """Return the template with each `{field}` replaced by its value."""
    return _TEMPLATE_FIELD.sub(lambda found: fields[found[1]], template)
