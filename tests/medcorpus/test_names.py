"""The public names: lazy, complete, typed, and quick to import."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import catalog
import curate
import medcorpus

ROOT = Path(__file__).parents[2]
PACKAGES = [medcorpus, curate, catalog]
HEAVY = (
    "numpy", "pyarrow", "pandas", "duckdb", "cv2", "numba", "nibabel", "SimpleITK", "pydicom", "matplotlib", "scipy",
    "skimage", "torch", "openvino", "onnxruntime", "pydantic", "yaml", "typer",
)  # fmt: skip


def ids(package: ModuleType) -> str:
    return package.__name__


def typed_names(package: ModuleType) -> dict[str, tuple[str, str]]:
    """Name to (module, attribute) of the imports for type checkers."""
    found = {}
    for node in ast.parse(Path(str(package.__file__)).read_text("utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom):
                    found |= {name.asname or name.name: (str(statement.module), name.name) for name in statement.names}
    return found


@pytest.mark.parametrize("package", PACKAGES, ids=ids)
def test_every_name_is_there_and_is_what_type_checkers_see(package: ModuleType) -> None:
    typed = typed_names(package)
    assert typed.keys() | {"__version__"} == set(package.__all__) | {"__version__"}
    assert sorted(package.__all__) == dir(package)
    for name, (module, attribute) in typed.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), attribute)
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nmae'"):
        package.nmae  # noqa: B018
    assert (Path(str(package.__file__)).parent / "py.typed").is_file()


def test_version() -> None:
    assert medcorpus.__version__[0].isdigit()


def test_import_takes_nothing_heavy_and_no_time() -> None:
    code = f"import sys, medcorpus, curate, catalog\nprint([name for name in {HEAVY} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "[]"


def test_names_are_found_without_the_checkout_on_the_path(tmp_path: Path) -> None:
    """A folder of the user's own that is called like one of our packages does not get in the way of `medcorpus`."""
    (tmp_path / "corpus").mkdir()
    code = "import medcorpus; print(medcorpus.load_recipe('kits23').name)"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert shown.stdout.strip() == "KiTS23"
