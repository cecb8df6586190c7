"""From the recipe as written to the recipe as it is meant: groups over defaults, keys seen together."""

import re
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

from curate.paths.pattern import Pattern, PatternError, parse_pattern, template_fields
from curate.recipe import model, resolved
from curate.recipe.channels import read_channels
from curate.recipe.document import Fault
from curate.recipe.document import Path as KeyPath
from curate.recipe.faults import nearest, not_allowed, shown
from curate.recipe.labels import check_unions, read_labels, read_values

_THRESHOLDS = {"threshold": 128.0, "inverted": 128.0, "outline": 128.0, "files": None, "instance_files": None}
_LEVELS = ("grey", "rgb")
_LISTED = ("ids", "grey", "rgb")
_PACKAGE = re.compile(r"package:[A-Za-z_]\w*(?:/(?!\.\.?(?:/|$))[^/\\]+)*/?", re.ASCII)


def resolve(written: model.Recipe, bad: set[KeyPath], faults: list[Fault], path: Path | None) -> resolved.Recipe | None:
    """Return the resolved recipe, or None where it has faults, which are added to `faults`.

    `bad` are the keys that have a fault of their own already: what depends on them is not judged.
    """
    for key in ("name", "license", "cases"):
        if getattr(written, key) is None and (key,) not in bad:
            faults.append(Fault((key,), "is missing; every recipe has it"))
    if written.source is not None and not _is_source(written.source):
        allowed = "package:NAME/sub/folder, or an absolute folder"
        faults.append(Fault(("source",), not_allowed(written.source, allowed)))
    several = isinstance(written.cases, list)
    labelled = any(group.label is not None for group in written.groups)
    groups = [
        _GroupReader(written, group, ("cases", i) if several else ("cases",), bad, faults, labelled).read()
        for i, group in enumerate(written.groups)
    ]
    if faults or written.name is None or written.license is None:
        return None
    return resolved.Recipe(
        name=written.name,
        title=written.title,
        homepage=written.homepage,
        license=resolved.License(**written.license.model_dump()),
        source=written.source,
        groups=tuple(group for group in groups if group is not None),
        exclude=dict(written.exclude or {}),
        expect=written.expect.model_dump(exclude_none=True) if written.expect else {},
        notes=written.notes,
        path=path,
    )


def _is_source(text: str) -> bool:
    return bool(_PACKAGE.fullmatch(text)) or text.startswith(("/", "~/")) or bool(re.match(r"[A-Za-z]:[\\/]", text))


class _GroupReader:
    """Reads one group; every fault found goes to `faults`."""

    def __init__(
        self,
        top: model.Recipe,
        group: model.Group,
        path: KeyPath,
        bad: set[KeyPath],
        faults: list[Fault],
        labelled: bool,
    ) -> None:
        self.top, self.group, self.path, self.bad, self.faults = top, group, path, bad, faults
        self.labelled = labelled

    def where(self, key: str) -> KeyPath:
        """Return where `key` stands for this group; at the top where it stands nowhere."""
        inside = key in self.group.model_fields_set or (*self.path, key) in self.bad
        return (*self.path, key) if inside or key not in model.Defaults.model_fields else (key,)

    def get(self, key: str) -> Any:
        """Return the group's value, else the recipe's, else the default, which null stands for as well."""
        for holder in (self.group, self.top):
            if key in holder.model_fields_set:
                value = getattr(holder, key)
                return model.Defaults.model_fields[key].default if value is None else value
        return model.Defaults.model_fields[key].default

    def sound(self, *keys: str) -> bool:
        """Return whether none of `keys` has a fault of its own."""
        return not any(self.where(key) in self.bad for key in keys)

    def fault(self, key: str, message: str, *below: str | int) -> None:
        self.faults.append(Fault((*self.where(key), *below), message))

    def meaningless(self, key: str, value: Any, encodings: Iterable[str]) -> None:
        message = f"{shown(value)} has no meaning for the encoding {self.get('encoding')}"
        self.fault(key, f"{message}; allowed for: {', '.join(encodings)}")

    def read(self) -> resolved.Group | None:
        """Return the resolved group, or None where something required is missing or wrong."""
        if self.path in self.bad:
            return None
        for key in ("modality", "anatomy"):
            if self.get(key) is None and self.sound(key):
                self.fault(key, "is missing; give it at the top or in each group")
        image = self.patterns()
        patient = self.patient(image)
        labels = self.labels()
        channels: tuple[resolved.Channel, ...] = ()
        if self.get("modality") is not None and self.sound("modality", "window"):
            channels = read_channels(
                self.get("channels"),
                self.get("modality"),
                self.get("sequence"),
                self.get("window"),
                self.fault,
            )
        if image is None or not self.sound("encoding"):
            return None
        ignore = self.ignore(labels)
        stack = self.get("stack")
        axes = tuple(axis for axis in "xyz" if axis in self.get("axes"))
        if len(axes) < len(self.get("axes")):
            self.fault("axes", f"{shown(self.get('axes'))} names an axis twice")
        if stack == "frames" and self.sound("axes"):
            if "axes" in self.group.model_fields_set | self.top.model_fields_set and axes != ("z",):
                self.fault("axes", not_allowed(self.get("axes"), "[z]: frames are 2D images"))
            axes = ("z",)
        spacing = self.get("spacing")
        return resolved.Group(
            image=image.text,
            label=self.group.label,
            case=self.group.case,
            patient=patient,
            channels=channels,
            labels=labels,
            encoding=self.get("encoding"),
            threshold=self.threshold(),
            tolerance=self.tolerance(labels, ignore),
            ignore=ignore,
            axes=axes,
            stack=stack,
            orient=self.get("orient"),
            isotropic=self.get("isotropic"),
            geometry=self.get("geometry"),
            aspect=self.get("aspect"),
            min_area=float(self.get("min_area")),
            union=self.get("union"),
            subsample=self.get("subsample"),
            spacing=None if spacing is None else tuple(float(s) for s in spacing),
        )

    def pattern(self, key: str, text: str) -> Pattern | None:
        try:
            return parse_pattern(text)
        except PatternError as error:
            for message in error.faults:
                self.fault(key, f"{shown(text)} {message}")
            return None

    def patterns(self) -> Pattern | None:
        """Check image, label and case together; return the image's pattern."""
        if self.group.image is None:
            if self.sound("image"):
                self.fault("image", "is missing; every group has a pattern for its images")
            image = None
        else:
            image = self.pattern("image", self.group.image)
        for reserved in ("label", "instance"):
            if image is not None and reserved in image.fields:
                self.fault("image", f"holds {{{reserved}}}, which only `label` may; name the field otherwise")
        if self.group.label is not None:
            label = self.pattern("label", self.group.label)
            if label is not None:
                self.label_fields(label, image)
        if self.group.case is not None:
            self.template("case", self.group.case, image)
        return image

    def label_fields(self, label: Pattern, image: Pattern | None) -> None:
        own = ("label", "instance")
        for name in label.constrained:
            if name != "instance":
                self.fault("label", f"gives {{{name}}} a regex; only {{instance}} may have one here")
        if image is not None:
            self.unknown_fields("label", [f for f in label.fields if f not in own], image)
        if not self.sound("encoding"):
            return
        encoding = self.get("encoding")
        text = shown(self.group.label)
        if encoding == "files" and "label" not in label.fields:
            self.fault(
                "label",
                f"{text} has no {{label}}; the encoding files has one file a label: {{label}} is its word",
            )
        if encoding != "files" and "label" in label.fields:
            self.fault("label", f"{text} has {{label}}, which belongs to the encoding files, not {encoding}")
        if encoding == "instance_files" and "instance" not in label.fields and not label.wild:
            self.fault(
                "label",
                f"{text} has neither {{instance}} nor *; the encoding instance_files has one file an object",
            )
        if encoding != "instance_files" and "instance" in label.fields:
            self.fault(
                "label",
                f"{text} has {{instance}}, which belongs to the encoding instance_files, not {encoding}",
            )

    def unknown_fields(self, key: str, fields: list[str] | tuple[str, ...], image: Pattern) -> None:
        for name in fields:
            if name not in image.fields:
                known = f"{', '.join(image.fields) or '(none)'}{nearest(name, image.fields)}"
                self.fault(key, f"the field {{{name}}} is not in `image`, whose fields are: {known}")

    def template(self, key: str, text: str, image: Pattern | None) -> None:
        try:
            fields = template_fields(text)
        except PatternError as error:
            self.fault(key, f"{shown(text)} {error}")
            return
        if image is not None:
            self.unknown_fields(key, fields, image)

    def patient(self, image: Pattern | None) -> str | resolved.PatientTable | None:
        patient = self.get("patient")
        if isinstance(patient, str):
            self.template("patient", patient, image)
        if not isinstance(patient, model.PatientTable):
            return patient
        try:
            if parse_pattern(patient.csv).fields or parse_pattern(patient.csv).wild:
                self.fault(
                    "patient",
                    f"{shown(patient.csv)} is no single file; allowed: a path without fields",
                    "csv",
                )
        except PatternError as error:
            for message in error.faults:
                self.fault("patient", f"{shown(patient.csv)} {message}", "csv")
        return resolved.PatientTable(patient.csv, patient.case, patient.patient)

    def labels(self) -> tuple[resolved.Label, ...]:
        written = self.get("labels")
        if written is None and self.group.label is not None and self.sound("labels"):
            self.fault("labels", "is missing; a group with `label` needs labels, such as {liver: 1}")
        if written is None or not self.sound("encoding", "labels"):
            return ()
        if self.group.label is None and "labels" not in self.group.model_fields_set and self.labelled:
            return ()  # the labels are those of the other groups
        encoding = self.get("encoding")
        anatomy = self.get("anatomy") or "other"
        first = anatomy[0] if isinstance(anatomy, list) else anatomy
        before = len(self.faults)
        labels = read_labels(written, encoding, first, lambda below, message: self.fault("labels", message, *below))
        if self.get("union") and len(self.faults) == before:
            check_unions(labels, lambda below, message: self.fault("labels", message, *below))
        return labels if self.group.label is not None else ()

    def threshold(self) -> float | None:
        encoding, value = self.get("encoding"), self.get("threshold")
        if encoding in _THRESHOLDS:
            return _THRESHOLDS[encoding] if value is None else float(value)
        if value is not None:
            self.meaningless("threshold", value, _THRESHOLDS)
        return None

    def tolerance(self, labels: tuple[resolved.Label, ...], ignore: tuple[Any, ...]) -> int:
        encoding, value = self.get("encoding"), int(self.get("tolerance"))
        if value and encoding not in _LEVELS:
            self.meaningless("tolerance", value, _LEVELS)
        elif value:
            black = (0, 0, 0) if encoding == "rgb" else 0
            levels: set[Any] = {black, *ignore, *(v for label in labels for v in label.values)}
            for a, b in combinations(sorted(levels), 2):
                gap = max(abs(p - q) for p, q in zip(a, b, strict=True)) if isinstance(a, tuple) else b - a
                if gap <= 2 * value:
                    most = f"at most {(gap - 1) // 2} tells them apart"
                    self.fault("tolerance", f"{value} makes {a} and {b} overlap; {most}")
                    break
        return value

    def ignore(self, labels: tuple[resolved.Label, ...]) -> tuple[Any, ...]:
        encoding, written = self.get("encoding"), self.get("ignore")
        if not written:
            return ()
        if encoding not in _LISTED:
            self.meaningless("ignore", written, _LISTED)
            return ()
        values = read_values(written, encoding, (), lambda below, message: self.fault("ignore", message, *below))
        for label in labels:
            for value in values:
                if value in label.values:
                    self.fault("ignore", f"{value} is a value of the label {label.name!r} as well; choose one")
        return values
