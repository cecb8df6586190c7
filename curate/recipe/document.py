"""A YAML text as plain data that remembers the line of everything in it.

Scalars follow YAML 1.2's core schema, as editors read it, and not PyYAML's 1.1: `no`, `on`, `1:20` and a date
are text. Keys always are text. Nothing but mappings, lists, text, numbers, true, false and null can come out.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""Keys and list positions from the top of a document to a value."""

_MOST_VALUES = 100_000
_DEEPEST = 50


@dataclass(frozen=True)
class Fault:
    """One thing wrong: at which key, and what; `line` only where the key does not tell it."""

    path: Path
    message: str
    line: int | None = None


class DocumentError(Exception):
    """The text is no YAML; `faults` says where."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes; what a plain scalar is follows YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_SCALARS: dict[str, re.Pattern[str]] = {}
for _kind, _regex, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _SCALARS[_kind] = re.compile(rf"(?:{_regex})\Z")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _SCALARS[_kind], list(_first))


class Document:
    """A parsed text: `data`, the `faults` seen on the way (duplicate keys), and the line of each key."""

    def __init__(self, text: str) -> None:
        """Parse; raises DocumentError where `text` is no YAML document."""
        self.faults: list[Fault] = []
        self._lines: dict[Path, int] = {}
        self._values = 0
        try:
            _refuse_depth(text)
            node = yaml.compose(text, Loader=_Loader)
            self.data: Any = None if node is None else self._build(node, (), ())
        except yaml.MarkedYAMLError as error:
            raise DocumentError(_explain(text, error)) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
            raise DocumentError([Fault((), "a control character; a recipe is plain text", line)]) from None

    def line(self, path: Path) -> int:
        """Return the line, from 1, of the key or list item at `path`, or of the nearest thing around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _build(self, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        self._values += 1
        if self._values > _MOST_VALUES or id(node) in above:
            where = node.start_mark.line + 1
            raise DocumentError([Fault(path, "an alias (`*name`) that stands for itself or for too much", where)])
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, i), above) for i, item in enumerate(node.value)]
        return self._scalar(node, path)  # type: ignore[arg-type]  # the third kind of node

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[int, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(Fault(path, "a key that is no plain word; quote what begins with { or [", line))
                continue
            key = key_node.value
            if key in out:
                first = self._lines[*path, key]
                self.faults.append(Fault((*path, key), f"is listed twice, first on line {first}; keep one", line))
                continue
            self._lines[*path, key] = line
            out[key] = self._build(value_node, (*path, key), above)
        return out

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        regex = _SCALARS.get(kind)
        if kind == "str" or regex is None or node.style or not regex.match(text):
            if kind != "str":
                line = node.start_mark.line + 1
                self.faults.append(Fault(path, f"the tag {kind!r}; a recipe has no tags", line))
            return text
        match kind:
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            case "float":
                return float(text)
        return None


def _refuse_depth(text: str) -> None:
    """Raise DocumentError on deep nesting, on which libyaml's composer would overflow the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise DocumentError([Fault((), "lists or mappings are nested too deep")])


def _explain(text: str, error: yaml.MarkedYAMLError) -> list[Fault]:
    """Return what is wrong; a parser stops at the first fault, but tabs can all be named."""
    lines = text.split("\n")
    tabs = [i for i, line in enumerate(lines, 1) if re.match(r" *\t", line)]
    if tabs:
        return [Fault((), "a tab at the line's beginning; YAML is indented by spaces", line) for line in tabs]
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark is not None else 0
    problem = error.problem or error.context or "unknown"
    for near in (number, error.context_mark.line if error.context_mark else number):
        shown = lines[near] if near < len(lines) else ""
        value = re.search(r"(?:^|:|-)\s+([{*&%@`!|>\[].*)", shown)
        if value and re.match(r"\{.*\}\S|[*&%@`!]|\[[^\]]*\]\S", value[1]):
            quoted = value[1].strip()
            return [Fault((), f'{quoted} begins with `{quoted[0]}`: put it in quotes, "{quoted}"', near + 1)]
    return [Fault((), f"not valid YAML: {problem}", number + 1)]
