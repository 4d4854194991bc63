"""The notebooks of docs/ run from top to bottom, and show what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))


def executed(name: str) -> Any:
    """A notebook with what its cells gave."""
    notebook = nbformat.read(DOCS / f"{name}.ipynb", as_version=4)
    where = {"metadata": {"path": str(DOCS)}}
    return NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()


def words(notebook: Any) -> str:
    """All that was printed, and all results as text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    told = [output.get("text", "") for output in outputs]
    return "\n".join([*told, *(o.get("data", {}).get("text/plain", "") for o in outputs)])


def pictures(notebook: Any) -> int:
    """How many pictures it shows."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    """Fails if outputs of another day stand beside the code."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_one_run() -> None:
    """Fails if a function of the notebook is gone, or a figure is not shown."""
    notebook = executed("one-run")
    text = words(notebook)
    assert "founding lineages left" in text
    assert "oversight.rotation" in text
    assert pictures(notebook) == 5


@pytest.mark.slow
def test_one_sweep() -> None:
    """Fails if a function of the notebook is gone, or a figure is not shown."""
    notebook = executed("one-sweep")
    text = words(notebook)
    assert "python run.py run ai2027 --seed" in text
    assert "()" in text, "a whole sweep has no notes"
    assert pictures(notebook) == 5


@pytest.mark.slow
def test_an_overseer_of_ones_own() -> None:
    """Fails if a plug-in's overseer is not seated, or its measure is not kept."""
    notebook = executed("own-overseer")
    text = words(notebook)
    assert "{'interpreter': 1.0}" in text
    assert "interpreter.py" in text
    assert "worst_team" in text
    assert pictures(notebook) == 2
