"""Every benchmark can be started: its imports are those of the code as it is."""

import importlib
from pathlib import Path

import pytest

import benchmarks

MODULES = sorted(path.stem for path in Path(str(benchmarks.__path__[0])).glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_imports(name: str) -> None:
    if name == "official":
        pytest.importorskip("torch")
    importlib.import_module(f"benchmarks.{name}")
