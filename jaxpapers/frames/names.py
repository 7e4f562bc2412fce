"""Messages about names and choices that do not exist, with those that do."""

import difflib
from collections.abc import Iterable
from typing import Any

MAX_LISTED = 8


def unknown_name(what: str, name: str, choices: Iterable[object]) -> str:
    """Says that a name does not exist, and which ones are nearest.

    Args:
        what: what the name was taken for, such as "column of table".
        name: the name.
        choices: the names that exist.

    Returns:
        One sentence.
    """
    names = [str(choice) for choice in choices]
    lowered = {entry.lower(): entry for entry in reversed(names)}
    near = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(repr(lowered[entry]) for entry in near)}?" if near else ";"
    return f"there is no {what} {name!r}{hint} there are {listed(names)}"


def listed(names: Iterable[object]) -> str:
    """Names as one comma-separated text, cut where there are many.

    Args:
        names: what to list.

    Returns:
        The text; "none" for nothing.
    """
    names = [str(name) for name in names]
    if not names:
        return "none"
    more = f", … ({len(names)} in all)" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Checks that a text is one of those that are known.

    Args:
        name: what the caller calls it.
        value: the argument.
        choices: what it may be.

    Raises:
        ValueError: something else.
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; needed is one of {', '.join(map(repr, choices))}")
