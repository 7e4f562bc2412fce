"""Docstrings say what is raised, and how accurate numbers are."""

import ast
import inspect
import re
import textwrap

import architecture_rules as rules
import pytest
from test_public_names import is_verb, public_objects, section

PACKAGE = rules.read_sources("jaxpapers")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
CONSTRUCTORS = {"__check_init__", "__post_init__", "__init__"}

# --- Raises -------------------------------------------------------------------------------------


def own_nodes(function):
    """Nodes of a function without those of inner functions, and of what a `try` handles."""
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.Try) and node.handlers:
            waiting += [*node.handlers, *node.orelse, *node.finalbody]
        elif not isinstance(node, FUNCTIONS | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def raised(function, helpers, seen=frozenset()):
    """Names of the exceptions raised by a function and by private functions of its module."""
    found: set[str] = set()
    for node in own_nodes(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).split(".")[-1])
        called = node.func.id if _is_plain_call(node) else None
        if called in helpers.keys() - seen:
            found |= raised(helpers[called], helpers, seen | {called})
    return found


def _is_plain_call(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def unsaid(name, docstring, exceptions):
    said = section(textwrap.dedent(inspect.cleandoc(docstring or "")), "Raises")
    return [f"{name} does not say that it raises {e}" for e in sorted(exceptions) if e not in said]


def complaints_about_raises(tree):
    helpers = {n.name: n for n in tree.body if isinstance(n, FUNCTIONS) and n.name[0] == "_"}
    for node in tree.body:
        if isinstance(node, FUNCTIONS) and node.name[0] != "_":
            yield from unsaid(node.name, ast.get_docstring(node), raised(node, helpers))
        elif isinstance(node, ast.ClassDef) and node.name[0] != "_":
            for method in (n for n in node.body if isinstance(n, FUNCTIONS)):
                owner = node if method.name in CONSTRUCTORS else method
                if owner is node or method.name[0] != "_":
                    name = f"{node.name}.{method.name}"
                    yield from unsaid(name, ast.get_docstring(owner), raised(method, helpers))


@pytest.mark.parametrize("source", PACKAGE, ids=lambda source: str(source.path))
def test_what_is_raised_is_said(source):
    assert list(complaints_about_raises(ast.parse(source.text))) == []


def test_what_is_not_said_is_seen():
    text = '''
def _check(x):
    if not x:
        raise TypeError("x")

def fit(x):
    """Fits.

    Raises:
        ValueError: no x.
    """
    _check(x)
    try:
        _find(x)
    except KeyError:
        raise ValueError("x")

def _find(x):
    raise KeyError(x)

class Model:
    """A model."""

    def __check_init__(self):
        raise ValueError("no")

    def grow(self):
        def later():
            raise KeyError("x")
        return later
'''
    assert list(complaints_about_raises(ast.parse(text))) == [
        "fit does not say that it raises TypeError",
        "Model.__check_init__ does not say that it raises ValueError",
    ]


# --- accuracy -----------------------------------------------------------------------------------

ACCURACY = re.compile(
    r"\b(Accuracy|[Aa]ccurate|[Ee]xact|[Ee]xactly|right to)\b|\bError(:| relative)"
)


def is_numeric(function):
    """True where something that is returned holds floating-point numbers."""
    returned = str(inspect.signature(function).return_annotation)
    return not re.search(r"^(<class '(str|int|bool)'>|None|.*RankOrder.*)$", returned)


@pytest.mark.parametrize("package", ["numerics", "ranks"])
def test_numeric_verbs_say_how_accurate_they_are(package):
    verbs = {name: thing for name, thing in public_objects(package).items() if is_verb(thing)}
    silent = [
        name
        for name, verb in verbs.items()
        if is_numeric(verb) and not ACCURACY.search(inspect.getdoc(verb) or "")
    ]
    assert silent == []
