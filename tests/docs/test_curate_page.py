"""The tables of docs/curate.md are those of the code."""

import ast
import re
from pathlib import Path

import medcorpus
from catalog.drop_reasons import Reason
from catalog.schema import CATALOG_SCHEMA
from catalog.stores.registry import store_names
from curate.imaging.window import DEFAULTS, NAMED, NONE, PERCENTILE, PRESETS
from tests.curate.corpora import make_source, recipe
from tests.docs.pages import ROOT, code_words, page, rows, section


def test_windows() -> None:
    text = section(page("docs/curate.md"), "Windows")
    for names, default in rows(text.partition("depends on the modality")[2]):
        for modality in names.split(", "):
            assert {NONE: "`none`", PERCENTILE: "`percentile`"}.get(DEFAULTS.get(modality)) == (
                None if modality == "CT" else default
            )
    documented = {word for row in rows(text.partition("depends on the modality")[0]) for word in code_words(row[0])}
    assert documented == set(NAMED)
    for level, width in PRESETS.values():
        assert f"{level:g}/{width:g}" in text


def test_columns_of_the_catalog() -> None:
    text = section(page("docs/curate.md"), "Columns of catalog.parquet")
    assert {word for row in rows(text) for word in code_words(row[0])} == set(CATALOG_SCHEMA.names)


def test_reasons_of_drops() -> None:
    text = section(page("docs/curate.md"), "Reasons in drops.parquet")
    assert {code_words(row[0])[0] for row in rows(text)} == {reason.value for reason in Reason}


def test_codes_of_warnings() -> None:
    """The codes are the first arguments of CaseWarning(...) in the code."""
    codes = {
        call.args[0].value
        for path in (ROOT / "curate").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "CaseWarning" and call.args
        if isinstance(call.args[0], ast.Constant)
    }
    text = page("docs/curate.md").partition("| code | meaning |")[2].partition("\n\n")[0]
    assert {code_words(row[0])[0] for row in rows("|a|\n|-|\n" + text)} - {"--- "} == codes


def test_files_of_a_corpus(tmp_path: Path) -> None:
    """The page lists every file and folder that a run with a warning writes, and no other."""
    source = make_source(tmp_path / "source", 1)
    for store in store_names():
        medcorpus.curate(recipe(), source, tmp_path / store, store=store, window="5000/10", workers=1)
    written = {path.name for store in store_names() for path in (tmp_path / store).iterdir()}
    block = section(page("docs/curate.md"), "Files in a corpus").partition("\n\nWith")[0]
    first_column = re.findall(r"^ {4}(\S.*?)\s{2,}", block, re.MULTILINE)
    listed = {name.partition("/")[0] for names in first_column for name in names.split(", ")} | {"shards"}
    assert written == listed
