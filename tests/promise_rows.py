"""Rows of promises as they are written in the docstrings of packages and in the README."""

import re

COLUMNS = ("jit", "vmap", "grad", "shard")

# Names and columns may go on in the next line, names after a comma, columns with the bar.
_DOCSTRING_ROW = re.compile(r"^(``\w+``(?:,\s+``\w+``)*)((?:\s*\|[^|\n]*)+)$", re.MULTILINE)
_README_TABLE = re.compile(r"^\| `(\w+)\.` \|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", re.MULTILINE)


def docstring_rows(text):
    """Rows ``verb``, ``verb`` | yes | no: why | … : pairs of a verb and its columns."""
    return _spread(_DOCSTRING_ROW.findall(text or ""), r"``(\w+)``")


def readme_rows(text):
    """Tables with `package.` in the first cell of the header: package -> pairs as above."""
    tables = {}
    for package, body in _README_TABLE.findall(text):
        lines = [line.rstrip("|").split("|", 2)[1:] for line in body.splitlines()]
        tables.setdefault(package, []).extend(_spread(lines, r"`(\w+)`"))
    return tables


def reason(cell):
    """What follows yes or no in a cell, empty where nothing does."""
    return re.sub(r"^(yes|no)(: )?", "", cell)


def _spread(lines, name):
    """One pair for each name in the first cell of a line."""
    return [
        (verb, [cell.strip() for cell in cells.strip(" \n|").split("|")])
        for names, cells in lines
        for verb in re.findall(name, names)
    ]
