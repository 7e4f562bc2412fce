"""Examples in docstrings run and print what they say, and every result has one."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest
from numbers_in_text import Checker, same_text

import jaxpapers

pytestmark = pytest.mark.usefixtures("quick_compiles")
MODULES = [
    found.name
    for found in pkgutil.walk_packages(jaxpapers.__path__, "jaxpapers.")
    if not found.name.endswith("__main__")
]
PACKAGES = ("engine", "numerics", "ranks", "frames")


def examples(module):
    """Doctests of a module's own objects; names have to be imported by the example itself."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = finder.find(importlib.import_module(module), extraglobs=None, globs={})
    return [test for test in found if test.examples]


ALL = [test for module in MODULES for test in examples(module)]


@pytest.mark.parametrize("example", ALL, ids=lambda test: test.name.removeprefix("jaxpapers."))
def test_prints_what_it_says(example):
    report = []
    runner = doctest.DocTestRunner(Checker(), verbose=False)
    runner.run(example, out=report.append, clear_globs=False)
    assert runner.failures == 0, "".join(report)


def results(package):
    """Public classes that a public function of the package says it returns."""
    module = importlib.import_module(f"jaxpapers.{package}")
    public = {name: getattr(module, name) for name in module.__all__}
    functions = [thing for thing in public.values() if inspect.isfunction(thing)]
    returned = " ".join(str(inspect.signature(f).return_annotation) for f in functions)
    return [
        thing
        for name, thing in public.items()
        if inspect.isclass(thing) and re.search(rf"\b{name}\b", returned)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_no_example_is_only_shown(module):
    """Every example is one that the test above runs."""
    source = inspect.getsource(importlib.import_module(module))
    headings = re.findall(r"^ *Examples?:\n(.*)", source, re.MULTILINE)
    assert [line for line in headings if not line.strip().startswith(">>> ")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_result_has_an_example(package):
    classes = results(package)
    assert classes
    shown = {test.name for test in ALL}
    missing = [c.__name__ for c in classes if f"{c.__module__}.{c.__name__}" not in shown]
    assert missing == []


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ("[0.5 1.]", "[0.50001 1.0]"),
        ("x  1\ny 2", "x 1\n y  2"),
        ("error: no root ...", "error: no root was found"),
        ("-3e-07", "0.0"),
    ],
)
def test_last_digits_and_spaces_may_differ(expected, got):
    assert same_text(expected, got)


@pytest.mark.parametrize(
    ("expected", "got"),
    [("0.5", "0.501"), ("[1 2]", "[1 2 3]"), ("yes 1", "no 1"), ("1", "-1"), ("no root ...", "no")],
)
def test_other_differences_are_seen(expected, got):
    assert not same_text(expected, got)
