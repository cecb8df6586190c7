"""Patients: which patient an image is of."""

from collections.abc import Iterator
from pathlib import Path

from curate.discovery.images import FoundImage, some
from curate.discovery.tables import read_table
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
    try:
        return read_table(source / table.csv, table.case, table.patient, "patient")
    except FileNotFoundError:
        raise SourceError(f"the recipe's patient table {table.csv} is not in {source}") from None
