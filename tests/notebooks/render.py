"""Renders `notebooks/*.py` to `.ipynb` with their outputs: `python tests/notebooks/render.py`."""

from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def run(script):
    """The executed notebook of a percent script."""
    notebook = jupytext.read(script)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3")
    return client.execute()


def render(script):
    notebook = run(script)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, script.with_suffix(".ipynb"))


if __name__ == "__main__":
    for path in sorted(NOTEBOOKS.glob("*.py")):
        render(path)
