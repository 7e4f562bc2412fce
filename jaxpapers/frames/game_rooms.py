"""Rooms from text files."""

import re
from pathlib import Path

from .. import games

NAMED_ROW = re.compile(r"(?:in|at) row (\d+)")


def read_room(path: str | Path) -> games.Room:
    r"""Reads a room of the evacuation game from a text file with one character per cell.

    ``#`` is wall, ``.`` floor, ``o`` an obstacle, and a capital letter a cell of an exit; all cells
    of one letter are one exit, and the outermost cells are walls or exits.

    Args:
        path: of the file, in UTF-8.

    Returns:
        The room.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that is no text or no room; the message names file and line.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxpapers import frames
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "hall.txt"
        ...     _ = file.write_text("#####\nA...#\n#.o.B\n#####\n")
        ...     print(frames.read_room(file).num_floor)
        5
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; check the name and the folder")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error.reason}") from error
    try:
        return games.Room.from_text(text)
    except ValueError as error:
        raise ValueError(f"{path}{_line_of(str(error), text)}: {error}") from error


def _line_of(message: str, text: str) -> str:
    """The line of the file that a message about a row of the map means."""
    rows = NAMED_ROW.findall(message)
    if not rows:
        return ""
    num_blank = len(text) - len(text.lstrip())
    return f", line {int(rows[-1]) + 1 + len(text[:num_blank].splitlines())}"
