"""Notebooks run from their percent scripts, and the rendered ones are what the scripts make."""

import jupytext
import nbformat
import pytest
from render import NOTEBOOKS, run

SCRIPTS = sorted(NOTEBOOKS.glob("*.py"))
MAX_BYTES = 2**20


def sources(notebook):
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def test_there_are_notebooks():
    assert [script.stem for script in SCRIPTS] == ["auctions", "copulas", "games", "ranks"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_rendered_one_has_the_cells_of_the_script(script):
    notebook = jupytext.read(script)
    rendered = script.with_suffix(".ipynb")
    assert rendered.stat().st_size < MAX_BYTES
    kept = nbformat.read(rendered, as_version=4)
    assert sources(kept) == sources(notebook)
    assert all(cell.outputs for cell in kept.cells if "print(" in cell.source)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "ranks",
        *(
            pytest.param(name, marks=pytest.mark.acceptance)
            for name in ("auctions", "copulas", "games")
        ),
    ],
)
def test_runs(name):
    run(NOTEBOOKS / f"{name}.py")
