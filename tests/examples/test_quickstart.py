"""The notebook runs, and its stored outputs are what its cells print. `--update-golden` stores them again."""

import base64
import contextlib
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import matplotlib
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples/quickstart.ipynb"


def outputs(printed: str) -> list[dict[str, Any]]:
    """The outputs of a cell, as nbformat 4 has them: what it printed, and the figures it drew."""
    from matplotlib import pyplot

    found: list[dict[str, Any]] = []
    if printed:
        found.append({"name": "stdout", "output_type": "stream", "text": printed.splitlines(keepends=True)})
    for number in pyplot.get_fignums():
        file = io.BytesIO()
        pyplot.figure(number).savefig(file, format="png", dpi=72, bbox_inches="tight")
        picture = base64.b64encode(file.getvalue()).decode()
        found.append({"data": {"image/png": picture}, "metadata": {}, "output_type": "display_data"})
    pyplot.close("all")
    return found


def printed_text(cell: dict[str, Any]) -> str:
    return "".join(line for output in cell["outputs"] for line in output.get("text", ()))


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for package in ("nilearn", "stardist", "openvino", "pandas"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells, 1):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile("".join(cell["source"]), f"{NOTEBOOK.name} [{number}]", "exec"), names)
        found = outputs(said.getvalue())
        if request.config.getoption("--update-golden"):
            cell["outputs"], cell["execution_count"] = found, number
        else:
            assert said.getvalue() == printed_text(cell), f"cell {number}"
            assert [output["output_type"] for output in found] == [output["output_type"] for output in cell["outputs"]]
    if request.config.getoption("--update-golden"):
        NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def test_the_notebook_has_the_form_of_nbformat_4() -> None:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        keys = {"cell_type", "id", "metadata", "source"}
        assert cell.keys() == keys | ({"execution_count", "outputs"} if cell["cell_type"] == "code" else set())
