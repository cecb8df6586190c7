"""Resolve a recipe: fill in defaults, let groups override the top level, check keys against each other."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from curate.labels.base import Encoding
from curate.labels.registry import ENCODINGS
from curate.paths.pattern import Pattern, PatternError, parse_pattern, template_fields
from curate.recipe import model, resolved
from curate.recipe.channels import read_channels
from curate.recipe.faults import Code, Fault, KeyPath, nearest, not_allowed, quote
from curate.recipe.labels import check_unions, read_labels, read_values
from curate.recipe.modality import split_by_modality
from curate.recipe.split import read_split, refuse_fields

ANY_LABEL = "*"
"""The value of `labels` that makes every word found in a file name a label."""

_PACKAGE = re.compile(r"package:[A-Za-z_]\w*(?:/(?!\.\.?(?:/|$))[^/\\]+)*/?", re.ASCII)


def resolve(written: model.Recipe, bad: set[KeyPath], faults: list[Fault], path: Path | None) -> resolved.Recipe | None:
    """Return the resolved recipe, or None if it has faults, which are appended to `faults`.

    `bad` holds the keys that already have a fault; checks that depend on them are skipped.
    """
    incomplete = written.status == "incomplete"
    for key in ("name", "license", "cases"):
        unknown_terms = key == "license" and key in written.model_fields_set
        optional = unknown_terms or (key == "cases" and incomplete)
        if getattr(written, key) is None and (key,) not in bad and not optional:
            faults.append(Fault((key,), Code.MISSING, "is missing; every recipe needs it"))
    if incomplete and written.reason is None and ("reason",) not in bad:
        faults.append(Fault(("status",), Code.MISSING, "'incomplete' needs the key `reason`, which says why"))
    if written.reason is not None and not incomplete and ("status",) not in bad:
        faults.append(Fault(("reason",), Code.NO_EFFECT, "has no effect without `status: incomplete`; remove it"))
    if written.source is not None and not _is_source(written.source):
        allowed = "package:NAME/sub/folder, or an absolute folder"
        faults.append(Fault(("source",), Code.BAD_VALUE, not_allowed(written.source, allowed)))
    several = isinstance(written.cases, list)
    labelled = any(group.label is not None for group in written.groups)
    groups = [
        resolved_group
        for i, group in enumerate(written.groups)
        for resolved_group in _GroupReader(
            written, group, ("cases", i) if several else ("cases",), bad, faults, labelled
        ).read()
    ]
    if faults or written.name is None:
        return None
    terms = resolved.License("unknown", None, None)
    if written.license is not None:
        terms = resolved.License(**written.license.model_dump())
    return resolved.Recipe(
        name=written.name,
        title=written.title,
        homepage=written.homepage,
        license=terms,
        source=written.source,
        groups=tuple(groups),
        exclude=dict(written.exclude or {}),
        expect=written.expect.model_dump(exclude_none=True) if written.expect else {},
        notes=written.notes,
        path=path,
        doi=written.doi,
        citation=written.citation,
        status=written.status,
        reason=written.reason,
        overlaps=tuple(written.overlaps or ()),
        modalities=tuple(dict.fromkeys(_modalities(written))),
        anatomies=tuple(dict.fromkeys(_anatomies(written))),
    )


def _modalities(written: model.Recipe) -> Iterator[str]:
    """Yield the modalities of the groups, those of a map and of channels too; without groups that of the top."""
    for holder in _holders(written):
        modality = written.modality if holder.modality is None else holder.modality
        if isinstance(modality, model.ModalityMap):
            kinds = (kind if isinstance(kind, str) else kind.modality for kind in modality.map.values())
            yield from (kind for kind in kinds if kind is not None)
            continue
        channels = written.channels if holder.channels is None else holder.channels
        for own in [channel.modality for channel in (channels or {}).values()] or [None]:
            if own is not None or modality is not None:
                yield own or str(modality)


def _holders(written: model.Recipe) -> Sequence[model.Defaults]:
    """Return what holds the keys of the cases: the groups, or the top where there are none."""
    return written.groups or [written]


def _anatomies(written: model.Recipe) -> Iterator[str]:
    for holder in _holders(written):
        anatomy = written.anatomy if holder.anatomy is None else holder.anatomy
        yield from anatomy if isinstance(anatomy, list) else filter(None, [anatomy])


def _is_source(text: str) -> bool:
    return bool(_PACKAGE.fullmatch(text)) or text.startswith(("/", "~/")) or bool(re.match(r"[A-Za-z]:[\\/]", text))


class _GroupReader:
    """Resolves one group of cases; appends every fault to `faults`."""

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
        """Return the path of `key` as it applies to this group: inside the group, else at the top."""
        inside = key in self.group.model_fields_set or (*self.path, key) in self.bad
        return (*self.path, key) if inside or key not in model.Defaults.model_fields else (key,)

    def get(self, key: str) -> Any:
        """Return the value of `key` in the group, else at the top, else its default; null means the default."""
        for holder in (self.group, self.top):
            if key in holder.model_fields_set:
                value = getattr(holder, key)
                return model.Defaults.model_fields[key].default if value is None else value
        return model.Defaults.model_fields[key].default

    def sound(self, *keys: str) -> bool:
        """Return whether none of `keys` already has a fault."""
        return not any(self.where(key) in self.bad for key in keys)

    def fault(self, key: str, code: Code, message: str, *below: str | int) -> None:
        self.faults.append(Fault((*self.where(key), *below), code, message))

    @property
    def encoding(self) -> Encoding:
        return ENCODINGS[self.get("encoding")]

    def applies(self, key: str, value: Any) -> bool:
        """Return whether the encoding uses `key`; report a fault if it does not."""
        if key in self.encoding.keys:
            return True
        allowed = ", ".join(encoding.name for encoding in ENCODINGS.values() if key in encoding.keys)
        message = f"{quote(value)} has no effect with the encoding {self.encoding.name}; allowed with: {allowed}"
        self.fault(key, Code.NO_EFFECT, message)
        return False

    def read(self) -> list[resolved.Group]:
        """Return the resolved groups: one, or one per word of a modality map; none if a required key is wrong."""
        if self.path in self.bad:
            return []
        for key in ("modality", "anatomy"):
            if self.get(key) is None and self.sound(key):
                self.fault(key, Code.MISSING, "is missing; set it at the top or in each group")
        image = self.patterns()
        patient = self.patient(image)
        labels = self.labels()
        kinds = self.channels(image)
        if image is None or not self.sound("encoding"):
            return []
        ignore = self.ignore(labels)
        spacing, rescale = self.get("spacing"), self.get("rescale")
        if rescale is not None and rescale.slope == 0:
            self.fault("rescale", Code.BAD_VALUE, "0 is not allowed here; allowed: a slope other than 0", "slope")
        group = resolved.Group(
            image=image.text,
            label=self.group.label,
            case=self.group.case,
            patient=patient,
            channels=(),
            labels=labels,
            encoding=self.get("encoding"),
            threshold=self.threshold(),
            tolerance=self.tolerance(labels, ignore),
            ignore=ignore,
            axes=self.axes(),
            stack=self.get("stack"),
            orient=self.get("orient"),
            isotropic=self.get("isotropic"),
            geometry=self.get("geometry"),
            aspect=self.get("aspect"),
            min_area=float(self.get("min_area")),
            union=self.get("union"),
            subsample=self.get("subsample"),
            spacing=None if spacing is None else tuple(float(s) for s in spacing),
            excluded_images=tuple(self.group.excluded_images or ()),
            any_label=self.get("labels") == ANY_LABEL and self.group.label is not None,
            default_anatomy=self.first_anatomy() if self.get("labels") == ANY_LABEL else "other",
            nearest=self.nearest(),
            nan=self.get("nan"),
            rescale=None if rescale is None else (float(rescale.slope), float(rescale.intercept)),
            missing_labels=self.get("missing_labels"),
            split=read_split(self.get("split"), image, self.fault),
        )
        return [replace(group, image=text, channels=channels) for text, channels in kinds]

    def channels(self, image: Pattern | None) -> list[tuple[str, tuple[resolved.Channel, ...]]]:
        """Return the image pattern and channels of each modality of the group."""
        modality = self.get("modality")
        if image is None or modality is None or not self.sound("modality", "window"):
            return []
        if not isinstance(modality, model.ModalityMap):
            found = read_channels(self.get("channels"), modality, self.get("sequence"), self.get("window"), self.fault)
            return [(image.text, found)]
        return split_by_modality(image, modality, self.get("channels"), self.get("window"), self.fault)

    def axes(self) -> tuple[str, ...]:
        axes = tuple(axis for axis in "xyz" if axis in self.get("axes"))
        if len(axes) < len(self.get("axes")):
            self.fault("axes", Code.DUPLICATE_VALUE, f"{quote(self.get('axes'))} contains an axis twice")
        if self.get("stack") == "frames" and self.sound("axes"):
            if "axes" in self.group.model_fields_set | self.top.model_fields_set and axes != ("z",):
                self.fault("axes", Code.CONFLICT, not_allowed(self.get("axes"), "[z], since frames are 2D images"))
            axes = ("z",)
        return axes

    def nearest(self) -> bool:
        value = bool(self.get("nearest"))
        return value and self.applies("nearest", value)

    def pattern(self, key: str, text: str) -> Pattern | None:
        try:
            return parse_pattern(text)
        except PatternError as error:
            for message in error.faults:
                self.fault(key, Code.PATTERN, f"{quote(text)} {message}")
            return None

    def patterns(self) -> Pattern | None:
        """Check image, label and case together; return the image's pattern."""
        if self.group.image is None:
            if self.sound("image"):
                self.fault("image", Code.MISSING, "is missing; every group needs a pattern for its images")
            image = None
        else:
            image = self.pattern("image", self.group.image)
        for reserved in ("label", "instance"):
            if image is not None and reserved in image.fields:
                message = f"contains {{{reserved}}}, which is reserved for `label`; rename the field"
                self.fault("image", Code.PATTERN, message)
        if self.group.label is not None:
            label = self.pattern("label", self.group.label)
            if label is not None:
                self.label_fields(label, image)
        for text in self.group.excluded_images or ():
            self.pattern("not", text)
        if self.group.case is not None:
            self.template("case", self.group.case, image)
        return image

    def label_fields(self, label: Pattern, image: Pattern | None) -> None:
        own = ("label", "instance")
        for name in label.constrained:
            if name != "instance":
                message = f"gives {{{name}}} a regex; in `label` only {{instance}} may have one"
                self.fault("label", Code.PATTERN, message)
        if image is not None:
            self.unknown_fields("label", [f for f in label.fields if f not in own], image)
        if not self.sound("encoding"):
            return
        encoding, text = self.encoding, quote(self.group.label)
        needed = encoding.placeholder
        if needed is not None and needed not in label.fields and not (encoding.wild and label.wild):
            placeholder = f"{{{needed}}}" + (" or *" if encoding.wild else "")
            self.fault("label", Code.CONFLICT, f"{text} has no {placeholder}; {encoding.name}: {encoding.meaning}")
        for name in own:
            if name != needed and name in label.fields:
                owners = ", ".join(other.name for other in ENCODINGS.values() if other.placeholder == name)
                message = f"{text} has {{{name}}}, which belongs to the encoding {owners}, not {encoding.name}"
                self.fault("label", Code.CONFLICT, message)

    def unknown_fields(self, key: str, fields: list[str] | tuple[str, ...], image: Pattern) -> None:
        for name in fields:
            if name not in image.fields:
                known = f"{', '.join(image.fields) or '(none)'}{nearest(name, image.fields)}"
                message = f"the field {{{name}}} is not in `image`, whose fields are: {known}"
                self.fault(key, Code.UNKNOWN_FIELD, message)

    def template(self, key: str, text: str, image: Pattern | None) -> None:
        try:
            fields = template_fields(text)
        except PatternError as error:
            self.fault(key, Code.PATTERN, f"{quote(text)} {error}")
            return
        if image is not None:
            self.unknown_fields(key, fields, image)

    def patient(self, image: Pattern | None) -> str | resolved.PatientTable | None:
        patient = self.get("patient")
        if isinstance(patient, str):
            self.template("patient", patient, image)
        if not isinstance(patient, model.PatientTable):
            return patient
        refuse_fields(patient.csv, "patient", self.fault, "csv")
        return resolved.PatientTable(patient.csv, patient.case, patient.patient)

    def labels(self) -> tuple[resolved.Label, ...]:
        written = self.get("labels")
        if written is None and self.group.label is not None and self.sound("labels"):
            self.fault("labels", Code.MISSING, "is missing; a group with `label` needs labels, such as {liver: 1}")
        if written is None or not self.sound("encoding", "labels"):
            return ()
        if self.group.label is None and "labels" not in self.group.model_fields_set and self.labelled:
            return ()  # the labels are those of the other groups
        if written == ANY_LABEL:
            if not self.encoding.by_word:
                owners = ", ".join(encoding.name for encoding in ENCODINGS.values() if encoding.by_word)
                message = f"'*' makes every word found a label, which only the encodings {owners} support"
                self.fault("labels", Code.CONFLICT, message)
            return ()
        before = len(self.faults)
        labels = read_labels(
            written,
            self.encoding,
            self.first_anatomy(),
            lambda below, code, message: self.fault("labels", code, message, *below),
        )
        if self.get("union") and len(self.faults) == before:
            check_unions(labels, lambda below, code, message: self.fault("labels", code, message, *below))
        return labels if self.group.label is not None else ()

    def first_anatomy(self) -> str:
        anatomy = self.get("anatomy") or "other"
        return str(anatomy[0] if isinstance(anatomy, list) else anatomy)

    def threshold(self) -> float | None:
        value = self.get("threshold")
        if value is None or not self.applies("threshold", value):
            return self.encoding.threshold
        return float(value)

    def tolerance(self, labels: tuple[resolved.Label, ...], ignore: tuple[Any, ...]) -> int:
        value = int(self.get("tolerance"))
        if value and self.applies("tolerance", value):
            levels: set[Any] = {*ignore, *(v for label in labels for v in label.values)}
            levels.add((0, 0, 0) if any(isinstance(level, tuple) for level in levels) else 0)
            for a, b in combinations(sorted(levels), 2):
                gap = max(abs(p - q) for p, q in zip(a, b, strict=True)) if isinstance(a, tuple) else b - a
                if gap <= 2 * value:
                    most = f"at most {(gap - 1) // 2} keeps them apart"
                    self.fault("tolerance", Code.CONFLICT, f"{value} makes {a} and {b} overlap; {most}")
                    break
        return value

    def ignore(self, labels: tuple[resolved.Label, ...]) -> tuple[Any, ...]:
        written = self.get("ignore")
        if not written or not self.applies("ignore", written):
            return ()
        kind = self.encoding.values
        assert kind is not None
        values = read_values(
            written, kind, (), lambda below, code, message: self.fault("ignore", code, message, *below)
        )
        for label in labels:
            for value in values:
                if value in label.values:
                    message = f"{value} is also a value of the label {label.name!r}; choose one"
                    self.fault("ignore", Code.CONFLICT, message)
        return values
