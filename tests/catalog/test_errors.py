"""Every exception has a code of its own, and an exit status."""

import pickle
import re
from importlib import import_module

import pytest

from catalog.errors import CatalogError, MedcorpusError, MissingPackageError, OutputError, QueryError


def family(kind: type[MedcorpusError] = MedcorpusError) -> list[type[MedcorpusError]]:
    for package in ("curate", "predict", "train"):
        import_module(f"{package}.errors")
    return [kind, *(found for child in kind.__subclasses__() for found in family(child))]


def test_codes_are_short_and_each_is_used_once() -> None:
    codes = [kind.code for kind in family()]
    assert len(codes) == len(set(codes)), codes
    assert all(re.fullmatch("[a-z_]{3,16}", code) for code in codes), codes


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (CatalogError, "catalog", 2),
        (QueryError, "query", 2),
        (OutputError, "output", 1),
        (MissingPackageError, "package", 2),
    ],
)
def test_codes_and_exit_statuses_do_not_change(kind: type[MedcorpusError], code: str, status: int) -> None:
    error = kind("what, where, what to do")
    assert (error.code, error.exit_code) == (code, status)
    assert isinstance(error, MedcorpusError)
    assert str(pickle.loads(pickle.dumps(error))) == "what, where, what to do"
