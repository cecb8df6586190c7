"""YAML text as plain data, with the line number of every value.

Scalars follow the core schema of YAML 1.2, as editors do, and not PyYAML's 1.1: `no`, `on`, `1:20` and dates are text.
Keys are always text. The data hold only mappings, lists, text, numbers, true, false and null.
"""

import re
from typing import Any

import yaml

from curate.recipe.faults import Code, Fault, KeyPath

_MAX_VALUES = 100_000
_MAX_DEPTH = 50


class DocumentError(Exception):
    """The text is not YAML; `faults` says where."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes; resolves plain scalars by YAML 1.2's core schema."""

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
    """A parsed text: its `data`, the `faults` found while parsing (duplicate keys), and the line of each key."""

    def __init__(self, text: str) -> None:
        """Parse `text`; raises DocumentError if it is not a YAML document."""
        self.faults: list[Fault] = []
        self._lines: dict[KeyPath, int] = {}
        self._values = 0
        try:
            _check_depth(text)
            node = yaml.compose(text, Loader=_Loader)
            self.data: Any = None if node is None else self._build(node, (), ())
        except yaml.MarkedYAMLError as error:
            raise DocumentError(_explain(text, error)) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
            message = "contains a control character; a recipe is plain text"
            raise DocumentError([Fault((), Code.YAML, message, line)]) from None

    def line(self, path: KeyPath) -> int:
        """Return the line (from 1) of the key or list item at `path`, or of the closest one that contains it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _build(self, node: yaml.Node, path: KeyPath, ancestors: tuple[int, ...]) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(path, line)
        self._values += 1
        if self._values > _MAX_VALUES or id(node) in ancestors:
            message = "an alias (`*name`) contains itself or expands to too many values"
            raise DocumentError([Fault(path, Code.YAML, message, line)])
        ancestors = (*ancestors, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, ancestors)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, i), ancestors) for i, item in enumerate(node.value)]
        return self._scalar(node, path)  # type: ignore[arg-type]  # the third kind of node

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, ancestors: tuple[int, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                message = "a key must be a single word; put text that begins with { or [ in quotes"
                self.faults.append(Fault(path, Code.YAML, message, line))
                continue
            key = key_node.value
            if key in out:
                message = f"occurs twice, first on line {self._lines[*path, key]}; keep one"
                self.faults.append(Fault((*path, key), Code.DUPLICATE_KEY, message, line))
                continue
            self._lines[*path, key] = line
            out[key] = self._build(value_node, (*path, key), ancestors)
        return out

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        regex = _SCALARS.get(kind)
        if kind == "str" or regex is None or node.style or not regex.match(text):
            if kind != "str":
                message = f"has the YAML tag {kind!r}; recipes do not use tags"
                self.faults.append(Fault(path, Code.YAML, message, node.start_mark.line + 1))
            return text
        match kind:
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            case "float":
                return float(text)
        return None


def _check_depth(text: str) -> None:
    """Raise DocumentError for deep nesting, which would overflow the stack of libyaml's composer."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise DocumentError([Fault((), Code.YAML, "lists or mappings are nested too deeply")])


def _explain(text: str, error: yaml.MarkedYAMLError) -> list[Fault]:
    """Return the faults of a text that does not parse: every tab, else the first error of the parser."""
    lines = text.split("\n")
    tabs = [number for number, line in enumerate(lines, 1) if re.match(r" *\t", line)]
    if tabs:
        message = "the line is indented with a tab; YAML allows spaces only"
        return [Fault((), Code.YAML, message, number) for number in tabs]
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark is not None else 0
    problem = error.problem or error.context or "unknown"
    for candidate in (number, error.context_mark.line if error.context_mark else number):
        line = lines[candidate] if candidate < len(lines) else ""
        value = re.search(r"(?:^|:|-)\s+([{*&%@`!|>\[].*)", line)
        if value and re.match(r"\{.*\}\S|[*&%@`!]|\[[^\]]*\]\S", value[1]):
            written = value[1].strip()
            message = f'{written} begins with `{written[0]}`: put it in quotes, "{written}"'
            return [Fault((), Code.YAML, message, candidate + 1)]
    return [Fault((), Code.YAML, f"not valid YAML: {problem}", number + 1)]
