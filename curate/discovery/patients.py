"""Patients: which patient an image is of."""

import csv
from collections.abc import Iterator
from pathlib import Path

from curate.discovery.images import FoundImage, some
from curate.errors import SourceError
from curate.paths.listing import Folders
from curate.paths.pattern import render
from curate.recipe.resolved import PatientTable, Recipe


class Patients:
    """Finds the patient of each image: by template, by CSV table, by the field `{patient}`, else by its case id."""

    def __init__(self, recipe: Recipe, folders: Folders) -> None:
        self._rules = [group.patient for group in recipe.groups]
        tables = {rule for rule in self._rules if isinstance(rule, PatientTable)}
        self._tables = {table: _read_table(table, folders.root) for table in tables}
        self._missing: dict[str, list[str]] = {}

    def of(self, image: FoundImage) -> str:
        """Return the patient id of an image."""
        rule = self._rules[image.group]
        if isinstance(rule, str):
            return render(rule, image.fields)
        if rule is None:
            return image.fields.get("patient", image.id)
        table = self._tables[rule]
        patient = table.get(image.id) or table.get(image.case)
        if patient is None:
            self._missing.setdefault(rule.csv, []).append(image.case)
        return patient or image.id

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for each table that lacks cases."""
        for name, cases in self._missing.items():
            unique = sorted(set(cases))
            yield f"{name} has no patient for {some(unique)}: each counts as a separate patient"


def _read_table(table: PatientTable, source: Path) -> dict[str, str]:
    """Return case to patient of a CSV file (comma, semicolon or tab; UTF-8)."""
    path = source / table.csv
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count)))
    except FileNotFoundError:
        raise SourceError(f"the recipe's patient table {table.csv} is not in {source}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"the patient table {path} cannot be read: {error}") from None
    header = [column.strip() for column in rows[0]] if rows else []
    missing = [column for column in (table.case, table.patient) if column not in header]
    if missing:
        columns = ", ".join(header) or "(none)"
        raise SourceError(f"the patient table {path} has no column {' and '.join(missing)}; it has: {columns}")
    at_case, at_patient = header.index(table.case), header.index(table.patient)
    patients: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(at_case, at_patient) or not row[at_case].strip() or not row[at_patient].strip():
            continue
        case, patient = row[at_case].strip(), row[at_patient].strip()
        if patients.setdefault(case, patient) != patient:
            raise SourceError(f"{path}:{number}: case {case!r} has two patients: {patients[case]!r}, {patient!r}")
    return patients
