"""Public names: each is documented, has one name only, and verbs keep written promises."""

import dataclasses
import enum
import functools
import importlib
import inspect
import pkgutil
import re
import typing

import pytest
from promise_rows import COLUMNS, docstring_rows

import jaxpapers

PACKAGES = sorted(found.name for found in pkgutil.iter_modules(jaxpapers.__path__) if found.ispkg)


def load(package):
    return importlib.import_module(f"jaxpapers.{package}")


def public_objects(package):
    module = load(package)
    return {name: getattr(module, name) for name in module.__all__}


def is_verb(thing):
    """True for functions, jitted ones too; not for classes and aliases of types."""
    return callable(thing) and not inspect.isclass(thing) and typing.get_origin(thing) is None


# --- docstrings ---------------------------------------------------------------------------------


def section(text, title):
    """Indented lines below `title:` in a Google docstring, empty where there is none."""
    found = re.search(rf"^( *){title}:\n((?:\1[ ]+.*\n|\s*\n)*)", text + "\n", re.MULTILINE)
    return found[2] if found else ""


def complaints_about_function(name, function):
    text = inspect.getdoc(function) or ""
    if not text:
        return [f"{name} has no docstring"]
    try:
        signature = inspect.signature(function)
    except ValueError:
        return []
    arguments = section(text, "Args")
    names = [p for p in signature.parameters if p not in {"self", "cls"}]
    missing = [p for p in names if not re.search(rf"^ *\*{{0,2}}{p}\b.*:", arguments, re.MULTILINE)]
    found = [f"{name} does not describe {p} below Args:" for p in missing]
    gives_nothing = signature.return_annotation in (None, "None")
    if names and not gives_nothing and not (section(text, "Returns") or section(text, "Yields")):
        found.append(f"{name} has no Returns: section")
    return found


def fields_of(cls):
    if dataclasses.is_dataclass(cls):
        return [f.name for f in dataclasses.fields(cls)]
    return list(getattr(cls, "_fields", ()))


def complaints_about_class(name, cls):
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    # dataclass and NamedTuple write a docstring of their own where there is none.
    if not text or text.startswith(f"{cls.__name__}("):
        return [f"{name} has no docstring"]
    if issubclass(cls, enum.Enum | BaseException):
        return []
    fields = [field for field in fields_of(cls) if not field.startswith("_")]
    found = [
        f"{name} does not describe its field {field}"
        for field in fields
        if not re.search(rf"\b{field}\b", text)
    ]
    found += [
        f"{name}.{attribute} has no docstring"
        for attribute, value in vars(cls).items()
        if not attribute.startswith("_") and (inspect.isfunction(value) or _is_property(value))
        # getdoc finds the docstring of the method that this one overrides, too.
        if not inspect.getdoc(getattr(cls, attribute))
    ]
    return found


def _is_property(value):
    return isinstance(value, property | functools.cached_property | classmethod | staticmethod)


def complaints(name, thing):
    if inspect.isclass(thing):
        return complaints_about_class(name, thing)
    return complaints_about_function(name, thing) if is_verb(thing) else []


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_documented(package):
    assert (load(package).__doc__ or "").strip()
    objects = public_objects(package).items()
    assert [text for name, thing in objects for text in complaints(name, thing)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_exist_and_are_sorted_out(package):
    names = load(package).__all__
    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("_")] == []


class Documented:
    """A thing.

    Attributes:
        size: how large.
    """

    def grow(self, amount: int) -> int:
        """Grows it.

        Args:
            amount: by how much.

        Returns:
            The new size.
        """
        return amount

    def shrink(self) -> int:
        """Shrinks it."""
        return 0


def test_complaints_are_silent_where_all_is_said():
    assert complaints("Documented", Documented) == []


def test_complaints_name_what_is_missing():
    def silent(amount):
        return amount

    def half(amount, *, size=1):
        """Does something.

        Args:
            amount: by how much.
        """
        return amount + size

    @dataclasses.dataclass
    class Bare:
        size: int

    @dataclasses.dataclass
    class Vague:
        """A thing."""

        size: int

        def grow(self, amount):
            return amount

        @property
        def double(self):
            return 2 * self.size

    assert complaints("silent", silent) == ["silent has no docstring"]
    assert complaints("half", half) == [
        "half does not describe size below Args:",
        "half has no Returns: section",
    ]
    assert complaints("Bare", Bare) == ["Bare has no docstring"]
    assert complaints("Vague", Vague) == [
        "Vague does not describe its field size",
        "Vague.grow has no docstring",
        "Vague.double has no docstring",
    ]


# --- one name per thing -------------------------------------------------------------------------


def second_names(objects):
    """Pairs of public names of one and the same class or function."""
    first, found = {}, []
    for name, thing in objects:
        if callable(thing) and first.setdefault(id(thing), name) != name:
            found.append(f"{name} is {first[id(thing)]}")
    return found


def test_every_thing_has_one_public_name():
    objects = [pair for package in PACKAGES for pair in public_objects(package).items()]
    assert second_names(objects) == []


def test_a_second_name_is_seen():
    assert second_names([("fit", len), ("fit", len), ("estimate", len)]) == ["estimate is fit"]


# --- promises -----------------------------------------------------------------------------------


def promise_complaints(text, verbs):
    rows = docstring_rows(text)
    named = [verb for verb, _ in rows]
    found = [f"{verb} has no row of promises" for verb in sorted(verbs) if verb not in named]
    found += [f"{verb} has a row but is no public function" for verb in named if verb not in verbs]
    found += [f"{verb} has two rows" for verb in sorted(set(named)) if named.count(verb) > 1]
    for verb, columns in rows:
        if len(columns) != len(COLUMNS):
            found.append(f"{verb} has {len(columns)} columns, not {len(COLUMNS)}")
        found += [
            f"{verb}: {column!r} is neither yes nor no"
            for column in columns
            if not re.match(r"(yes|no)\b", column)
        ]
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_verbs_have_promises(package):
    text = load(package).__doc__
    verbs = {name for name, thing in public_objects(package).items() if is_verb(thing)}
    assert promise_complaints(text, verbs) == []


def test_promises_are_read():
    text = """A subpackage.

    ``fit`` | yes | yes: over data | no: ranks are steps | yes
    ``draw``| yes | maybe | no
    ``gone`` | yes | yes | yes | yes
    """
    text = inspect.cleandoc(text)
    assert promise_complaints(text, {"fit", "draw", "clear"}) == [
        "clear has no row of promises",
        "gone has a row but is no public function",
        "draw has 3 columns, not 4",
        "draw: 'maybe' is neither yes nor no",
    ]
