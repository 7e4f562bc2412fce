"""Files that are either whole or not there: bytes, JSON, CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import engine
from .results import plain


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: a temporary file in the same folder, flushed, then renamed.

    Args:
        path: Where; missing folders are made.
        content: The bytes.
    """
    engine.write_whole(path, lambda temporary: temporary.write_bytes(content))


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, atomically.

    Args:
        path: Where.
        value: Anything `plain` takes; numbers that are not finite become null.
    """
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: Where.

    Returns:
        Its value, or None when there is no such file or it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, atomically; floats keep all their digits, None is an empty cell.

    Args:
        path: Where.
        rows: Dictionaries of plain values; columns in order of first appearance.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table that `write_csv` wrote.

    Args:
        path: Where.

    Returns:
        The names of the columns, and the rows as texts.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        columns, *rows = list(csv.reader(stream))
    return columns, rows
