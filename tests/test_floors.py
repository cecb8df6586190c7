"""Dependency rules: which package may import which, and what a help page must not import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("catalog", "curate", "medcorpus", "predict", "train")
ALLOWED = {
    "catalog": {"catalog"},
    "curate": {"catalog", "curate"},
    "medcorpus": {"catalog", "curate", "medcorpus", "predict"},
    "predict": {"catalog", "curate", "predict"},
    "train": {"catalog", "curate", "predict", "train"},
}


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in OURS}


@pytest.mark.parametrize("package", OURS)
def test_imports_go_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        for name in _imports(path):
            assert name.split(".")[0] in ALLOWED[package], f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize(
    "command", ["import medcorpus", "import curate", "import curate.cli", "import curate.recipe.load", "import catalog"]
)
def test_nothing_heavy_is_imported_before_it_is_needed(command: str) -> None:
    heavy = (
        "numpy", "torch", "numba", "cv2", "SimpleITK", "nibabel", "pydicom", "matplotlib", "pandas", "duckdb", "scipy",
        "skimage", "pyarrow",
    )  # fmt: skip
    code = f"import sys\n{command}\nprint([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "[]"


def test_only_apache_compatible_dependencies_are_declared() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8").lower()
    for name in ("pylibjpeg-libjpeg", "dicomrttool", "fiftyone"):
        assert name not in text
