"""The README says what the code does: its Python runs and prints that, its promises are kept."""

import contextlib
import importlib
import io
import re
from pathlib import Path

import pytest
from numbers_in_text import same_text
from promise_rows import docstring_rows, readme_rows

import jaxpapers

pytestmark = pytest.mark.usefixtures("quick_compiles")
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
BLOCKS = re.findall(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", README, re.MULTILINE | re.DOTALL
)
PACKAGES = sorted(set(jaxpapers.__all__) - {"__version__"})


def test_there_are_blocks():
    assert len(BLOCKS) == len(re.findall("^```python", README, re.MULTILINE)) >= 2
    assert len(re.findall("^```text", README, re.MULTILINE)) == len(BLOCKS)


def block(code, printed):
    """Those that fit a copula or play games take half a minute: `make acceptance` only."""
    is_long = "fit_copula(" in code or "games.play(" in code
    marks = [pytest.mark.acceptance] if is_long else []
    return pytest.param(code, printed, id=code.split("\n")[0], marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize(("code", "printed"), [block(*parts) for parts in BLOCKS])
def test_python_runs_and_prints_what_is_shown(code, printed):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(code, "README.md", "exec"), {})
    assert same_text(printed, stream.getvalue()), stream.getvalue()


@pytest.mark.parametrize("package", PACKAGES)
def test_promises_are_those_of_the_docstrings(package):
    text = importlib.import_module(f"jaxpapers.{package}").__doc__
    shown = readme_rows(README)
    assert sorted(shown) == PACKAGES
    assert sorted(shown[package]) == sorted(docstring_rows(text))


def test_rows_of_a_table_are_read():
    table = (
        "| `ranks.` | jit | grad |\n|---|---|---|\n| `a`, `b` | yes | no: c |\n| `d` | no | no |\n"
    )
    assert readme_rows("text\n\n" + table + "\nmore") == {
        "ranks": [("a", ["yes", "no: c"]), ("b", ["yes", "no: c"]), ("d", ["no", "no"])]
    }


def test_rows_of_a_docstring_are_read():
    text = "Text.\n\n``a``  | yes | no: c\n``b``,\n``d`` | no\n| no\n\nMore ``e``.\n"
    assert docstring_rows(text) == [
        ("a", ["yes", "no: c"]),
        ("b", ["no", "no"]),
        ("d", ["no", "no"]),
    ]
