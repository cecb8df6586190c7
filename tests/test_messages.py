"""The texts of the main errors, in one file: tests/golden/messages.txt.

Other tests check codes, keys and reasons. To change a message, change it in the code, run
`pytest tests/test_messages.py --update-golden`, and review the difference.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from catalog.errors import MedcorpusError
from curate.discovery.cases import find_cases
from curate.discovery.source import source_folder
from curate.imaging.window import parse_window
from curate.paths.pattern import PatternError, parse_pattern, template_fields
from curate.recipe import library
from curate.recipe.library import find_recipe
from curate.recipe.load import load_recipe, parse_recipe
from curate.recipe.resolved import Recipe
from curate.run.plan import Options
from curate.run.run import run
from tests.curate.corpora import RECIPE, make_case, make_source
from tests.curate.corpora import recipe as blobs
from tests.curate.paths.test_pattern import BAD_PATTERNS
from tests.curate.recipe.bad_recipes import BAD_DOCUMENTS, BAD_RECIPES, MANY_FAULTS

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests/golden/messages.txt"
SHIPPED = 'name: {name}\nlicense: {{name: x}}\nmodality: MR\nanatomy: other\ncases: {{image: "{{case}}"}}\n'
SET = parse_recipe(SHIPPED.format(name="Set"), Path("set.yaml"))
Messages = Iterator[tuple[str, str]]


def message(error: type[Exception], act: Callable[[], object]) -> str:
    """The message of the error that `act` raises."""
    with pytest.raises(error) as caught:
        act()
    return str(caught.value)


def recipe_messages(folder: Path) -> Messages:
    texts = {bad.title: bad.text for bad in BAD_RECIPES} | {title: text for title, (text, _) in BAD_DOCUMENTS.items()}
    texts |= {"many faults": MANY_FAULTS, "missing keys": "title: x\n"}
    for title, text in texts.items():
        yield title, message(MedcorpusError, lambda text=text: parse_recipe(text, Path("r.yaml")))
    (folder / "scan.nii.gz").write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
    (folder / "big.yaml").write_bytes(b"#" * (5 * 2**20))
    for name in ("none.yaml", ".", "scan.nii.gz", "big.yaml"):
        yield f"file {name}", message(MedcorpusError, lambda name=name: load_recipe(folder / name))


def recipe_name_messages(folder: Path) -> Messages:
    shipped = folder / "_recipes"
    shipped.mkdir()
    for name in ("kits23", "drive"):
        (shipped / f"{name}.yaml").write_text(SHIPPED.format(name=name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_CURATE", folder)
        patch.chdir(folder)  # where no recipes/drive.yaml is
        for name in ("kits32", "zzz", "recipes/drive.yaml", "drvie.yaml", "x.yaml"):
            yield name, message(MedcorpusError, lambda name=name: find_recipe(name))


def pattern_messages(folder: Path) -> Messages:
    for pattern in BAD_PATTERNS:
        yield repr(pattern), message(PatternError, lambda pattern=pattern: parse_pattern(pattern))
    yield "template {1}", message(PatternError, lambda: template_fields("{1}"))


def window_messages(folder: Path) -> Messages:
    for text in ("liver", "40/0"):
        yield text, message(ValueError, lambda text=text: parse_window(text))


def source_messages(folder: Path) -> Messages:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MEDCORPUS_SOURCES", raising=False)
        yield "no source", message(MedcorpusError, lambda: source_folder(SET))
    (folder / "file").touch()
    yield "missing --source", message(MedcorpusError, lambda: source_folder(SET, folder / "none"))
    yield "--source is a file", message(MedcorpusError, lambda: source_folder(SET, folder / "file"))
    named = replace(SET, source=str(folder / "none"))
    yield "the recipe's source is missing", message(MedcorpusError, lambda: source_folder(named))
    packaged = replace(SET, source="package:nowhere_at_all/data")
    yield "package not installed", message(MedcorpusError, lambda: source_folder(packaged))

    def find(recipe: Recipe, *names: str) -> str:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        return message(MedcorpusError, lambda: find_cases(recipe, folder / names[0].split("/")[0]))

    yield "no image matches", find(blobs(), "a/readme", "a/x.txt")
    yield "images in a subfolder", find(blobs(), "b/dataset/case_0/image.nii.gz")
    one_name = parse_recipe(SHIPPED.format(name="Set").replace('"{case}"', '"{case}.png"'), Path("set.yaml"))
    yield "two images of one name", find(one_name, "c/a b.png", "c/a_b.png")
    table = "patient: {csv: p.csv, case: id, patient: who}\n"
    yield "no patient table", find(blobs(table), "d/case_0/image.nii.gz")
    yield "a patient table without the columns", find(blobs(table), "e/case_0/image.nii.gz", "e/p.csv")


def case_messages(folder: Path) -> Messages:
    """The reasons of cases that fail, each in a corpus of its own."""

    def save(case: str, name: str, change: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> str:
        make_case(folder / case / "case_0")
        path = folder / case / "case_0" / f"{name}.nii.gz"
        scan = nib.load(path)
        voxels = change(np.asarray(scan.dataobj))
        path.unlink()
        nib.save(nib.Nifti1Image(voxels, scan.affine if affine is None else affine), path)
        return failure(case)

    def failure(case: str, memory: int = 4 << 30) -> str:
        summary = run(blobs(), folder / case, folder / f"{case}-corpus", Options(memory=memory))
        (reason,) = summary.drops
        return f"{reason}: {summary.failed['case_0']}"

    yield "unknown label values", save("unknown", "label", lambda label: label * 3)
    yield "another shape", save("shape", "label", lambda label: label[1:], np.diag([9.0, 9.0, 9.0, 1.0]))
    yield (
        "no overlap",
        save("far", "label", lambda label: label, np.diag([-1.0, -1.0, 2.0, 1.0]) + 1000 * np.eye(4, k=3)),
    )
    yield "NaN", save("nan", "image", lambda image: np.where(image > 250, np.nan, image).astype(np.float32))
    make_case(folder / "junk" / "case_0")
    (folder / "junk/case_0/label.nii.gz").write_bytes(b"junk")
    yield "not NIfTI", failure("junk")
    make_case(folder / "nolabel" / "case_0")
    (folder / "nolabel/case_0/label.nii.gz").unlink()
    yield "no label file", failure("nolabel")
    make_case(folder / "large" / "case_0")
    yield "memory", failure("large", memory=(300 << 20) + 3000)


def option_messages(folder: Path) -> Messages:
    make_source(folder / "source", 1)
    (folder / "blobs.yaml").write_text(RECIPE)
    run_words = ("run", folder / "blobs.yaml", "--source", folder / "source", "--out", folder / "out")
    commands = {
        "--axes q": (*run_words, "--axes", "q"),
        "--window liver": (*run_words, "--window", "liver"),
        "--memory lots": (*run_words, "--memory", "lots"),
        "--include nothing": (*run_words, "--include", "nothing"),
        "--out s3://x": (*run_words[:-1], "s3://x"),
    }
    for title, words in commands.items():
        ended = subprocess.run(
            [sys.executable, "-c", "from curate.cli import main; main()", *map(str, words)],
            cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        )  # fmt: skip
        assert ended.returncode == 2
        yield title, re.sub(r"Usage: (.*\n)+\n", "", ended.stderr)


SECTIONS = {
    "recipe": recipe_messages,
    "recipe name": recipe_name_messages,
    "pattern": pattern_messages,
    "window": window_messages,
    "source": source_messages,
    "case": case_messages,
    "option": option_messages,
}


@pytest.fixture(scope="module")
def golden() -> dict[str, str]:
    """The stored messages by `section: title`."""
    blocks = re.split(r"^## (.*)\n", GOLDEN.read_text("utf-8"), flags=re.MULTILINE)[1:] if GOLDEN.exists() else []
    return {title: text.strip() for title, text in zip(blocks[::2], blocks[1::2], strict=True)}


@pytest.mark.parametrize("section", SECTIONS)
def test_messages(section: str, golden: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = {
        f"{section}: {title}".replace("\n", "\\n"): text.replace(str(tmp_path), "TMP").strip()
        for title, text in SECTIONS[section](tmp_path)
    }
    stored = {title: text for title, text in golden.items() if title.startswith(f"{section}: ")}
    if request.config.getoption("--update-golden"):
        for title in stored.keys() - found.keys():
            del golden[title]
        golden.update(found)
        GOLDEN.write_text("\n\n".join(f"## {title}\n{text}" for title, text in golden.items()) + "\n", "utf-8")
        return
    assert found == stored


def test_messages_are_plain_english(golden: dict[str, str]) -> None:
    """No words that the project avoids, and no file path of the machine that wrote the file."""
    text = "\n".join(golden.values())
    for word in (" told ", " is no ", " lie: ", " lies ", " beside ", "reckon", "stands there", str(ROOT)):
        assert word not in text
