"""`series`: DICOM series chosen by their tags, and the fields that their tags give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from curate.dicom.rules import FIELDS, IDENTIFYING, RULE_KEYS, Wanted, fault_of, shown
from curate.paths.pattern import PatternError, parse_pattern, template_fields
from curate.recipe.faults import Code, nearest, not_allowed

Report = Callable[..., None]
"""Called for each fault with a key of the group, the code, the message, and the path below the key."""


@dataclass(frozen=True)
class SeriesFields:
    """What stands for the image's pattern in a group with `series`: the rules as text, and the fields."""

    text: str
    fields: tuple[str, ...]
    constrained: tuple[str, ...] = ()

    def refuse_identifying(self, case: str, patient: object, report: Report) -> None:
        """Report fields of a case id that lead back to a patient, unless `patient` is made of them too."""
        allowed = template_fields(patient) if isinstance(patient, str) else ()
        for field in template_fields(case):
            if field in IDENTIFYING and field not in allowed:
                message = (
                    f"contains {{{field}}}, which identifies the patient; use {{patient}}, {{study}} or {{series}}, or "
                    f'allow it with `patient: "{{{field}}}"`'
                )
                report("case", Code.CONFLICT, message)


def series_fields(written: Mapping[str, Any], report: Report) -> SeriesFields:
    """Return the fields of a group with `series`, those of its folder pattern included."""
    rules = read_rules(written, "series", lambda *_: None)
    fields = dict.fromkeys(FIELDS)
    for folder in dict(rules).get("folder", ()):
        try:
            fields |= dict.fromkeys(parse_pattern(folder).fields)
        except PatternError as error:
            for message in error.faults:
                report("series", Code.PATTERN, f"{folder!r} {message}", "folder")
    return SeriesFields(f"DICOM series {shown(rules)}", tuple(fields))


def read_rules(written: Mapping[str, Any], key: str, report: Report) -> Wanted:
    """Return rules as (key, alternatives); faults go to `report`."""
    rules = []
    for name, value in written.items():
        if name not in RULE_KEYS:
            known = ", ".join(RULE_KEYS)
            report(key, Code.UNKNOWN_KEY, f"is not a known key; allowed: {known}{nearest(name, RULE_KEYS)}", name)
            continue
        alternatives = tuple(_text(one) for one in (value if isinstance(value, list) else [value]))
        for one in alternatives:
            allowed = "text, a number, or a list of these" if one is None else fault_of(name, one)
            if allowed is not None:
                report(key, Code.BAD_VALUE, not_allowed(value if one is None else one, allowed), name)
        rules.append((name, tuple(one for one in alternatives if one is not None)))
    return tuple(rules)


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
