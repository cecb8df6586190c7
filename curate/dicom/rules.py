"""Rules that choose series by their tags, as recipes write them.

This module imports nothing heavy, since recipe checks read it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt
from typing import Literal

from curate.paths.pattern import parse_pattern

RuleKind = Literal["code", "text", "number", "folder"]


@dataclass(frozen=True)
class RuleKey:
    """A key of a rule: how its values are compared, and what it is about."""

    kind: RuleKind
    meaning: str

    @property
    def description(self) -> str:
        """The meaning with the form of its values."""
        return f"{_FORMS[self.kind]}: {self.meaning}."


_FORMS: dict[RuleKind, str] = {
    "code": "A regular expression of the whole code",
    "text": "A regular expression found anywhere",
    "number": "A number, a comparison ('>=20') or a range ('20..40')",
    "folder": "A pattern",
}


RULE_KEYS: dict[str, RuleKey] = {
    "modality": RuleKey("code", "Modality: CT, MR, PET (or PT), CR, DX, MG, US, ..."),
    "description": RuleKey("text", "SeriesDescription"),
    "study_description": RuleKey("text", "StudyDescription"),
    "protocol": RuleKey("text", "ProtocolName"),
    "body_part": RuleKey("code", "BodyPartExamined"),
    "image_type": RuleKey("text", "ImageType, its values joined by a backslash"),
    "sequence_name": RuleKey("text", "SequenceName"),
    "contrast": RuleKey("text", "ContrastBolusAgent"),
    "kernel": RuleKey("text", "ConvolutionKernel"),
    "manufacturer": RuleKey("text", "Manufacturer"),
    "model": RuleKey("text", "ManufacturerModelName"),
    "view": RuleKey("code", "ViewPosition: AP, PA, CC, MLO, ..."),
    "laterality": RuleKey("code", "ImageLaterality or Laterality: L, R"),
    "orientation": RuleKey("code", "axial, coronal or sagittal, from the directions of the image"),
    "patient_id": RuleKey("text", "PatientID"),
    "folder": RuleKey("folder", "pattern of the folder of the files, whose fields may be used like those of `image`"),
    "number": RuleKey("number", "SeriesNumber"),
    "slices": RuleKey("number", "number of slices, or of frames"),
    "rows": RuleKey("number", "pixels of a column"),
    "columns": RuleKey("number", "pixels of a row"),
    "thickness": RuleKey("number", "SliceThickness, mm"),
    "step": RuleKey("number", "distance of the slices, mm"),
    "echo": RuleKey("number", "EchoNumbers, else EchoTime in ms"),
    "b_value": RuleKey("number", "diffusion b-value, s/mm2"),
    "time": RuleKey("number", "TemporalPositionIdentifier"),
    "part": RuleKey("number", "number of the volume within its series, from 1"),
    "repetition_time": RuleKey("number", "RepetitionTime, ms"),
    "field_strength": RuleKey("number", "MagneticFieldStrength, T"),
}
"""Key of a rule to what it compares."""

FIELDS: dict[str, str] = {
    "patient": "pseudonym of the patient",
    "study": "pseudonym of the study",
    "series": "pseudonym of the series",
    "part": "number of the volume within its series",
    "number": "SeriesNumber",
    "description": "SeriesDescription",
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "view": "ViewPosition",
    "laterality": "laterality",
    "echo": "EchoNumbers, else EchoTime",
    "b_value": "diffusion b-value",
    "time": "TemporalPositionIdentifier",
    "patient_id": "PatientID as it is",
    "study_uid": "StudyInstanceUID as it is",
    "series_uid": "SeriesInstanceUID as it is",
}
"""Fields that `case`, `patient` and `label` may use in a group with `series`."""

IDENTIFYING = ("patient_id", "study_uid", "series_uid")
"""Fields that lead back to a patient: they reach the corpus only where `patient` is made of them."""

MODALITIES: dict[str, str] = {
    "PET": "PT",
    "X-ray": "CR|DX|RG|XA|RF",
    "Mammography": "MG",
    "Ultrasound": "US|IVUS",
    "OCT": "OPT|OCT",
    "Fundus": "OP",
    "Endoscopy": "ES",
    "Microscopy": "SM|GM",
}
"""Modalities as recipes name them, where DICOM has another code."""

Facts = Mapping[str, str | float | None]
"""What is known of a series: text, number, or None."""

Wanted = tuple[tuple[str, tuple[str, ...]], ...]
"""Rules as a recipe writes them: each key with its alternatives."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt, "=": eq, "": eq}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_COMPARISON = re.compile(rf"\s*(>=|<=|>|<|=|)\s*({_NUMBER})\s*")
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")


def fault_of(key: str, value: str) -> str | None:
    """Return what is wrong with a value of a rule, None where nothing is."""
    kind = RULE_KEYS[key].kind
    if kind == "number":
        if _COMPARISON.fullmatch(value) or _RANGE.fullmatch(value):
            return None
        return "a number such as 20, a comparison such as '>=20', or a range such as '20..40'"
    if kind == "folder":
        return None  # judged as a pattern
    try:
        re.compile(value)
    except re.error as error:
        return f"a regular expression ({error.msg})"
    return None


def matches(rules: Wanted, facts: Facts) -> bool:
    """Tell whether a series fits: of every key, one of the alternatives; a fact that is not known fits nothing."""
    return all(
        any(_fits(key, value, facts.get(key)) for value in alternatives)
        for key, alternatives in rules
        if RULE_KEYS[key].kind != "folder"
    )


def shown(rules: Wanted) -> str:
    """Return rules as a message shows them."""
    return "{" + ", ".join(f"{key}: {' | '.join(values)}" for key, values in rules) + "}"


def _fits(key: str, value: str, fact: str | float | None) -> bool:
    if fact is None:
        return False
    kind = RULE_KEYS[key].kind
    if kind == "number":
        return isinstance(fact, (int, float)) and _compares(value, float(fact))
    if kind == "code":
        pattern = MODALITIES.get(value, value) if key == "modality" else value
        return re.fullmatch(pattern, str(fact), re.IGNORECASE) is not None
    return re.search(value, str(fact)) is not None


def _compares(value: str, fact: float) -> bool:
    between = _RANGE.fullmatch(value)
    if between:
        return float(between[1]) <= fact <= float(between[2])
    found = _COMPARISON.fullmatch(value)
    assert found is not None
    number = float(found[2])
    return _COMPARE[found[1]](fact, number)


def folder_fields(rules: Wanted, path: str) -> dict[str, str] | None:
    """Return the fields of the folder of a file, {} where the rules have no pattern, None where none matches."""
    patterns = dict(rules).get("folder")
    if patterns is None:
        return {}
    folder = path.rpartition("/")[0]
    found = (parse_pattern(one).match(folder) for one in patterns)
    return next((fields for fields in found if fields is not None), None)
