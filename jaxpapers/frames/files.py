"""Tables from files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import engine
from .names import listed

if TYPE_CHECKING:
    import pandas


def read_table(path: str | Path) -> "pandas.DataFrame":
    """Reads a table from a csv, parquet or Stata file.

    Args:
        path: of a file whose name ends in .csv (commas, names in the first line), .parquet or
            .dta. Labelled values of Stata become categories.

    Returns:
        The table.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another kind of file, a folder, a file without rows, or one whose content is
            not what its name says.
        ImportError: parquet without the extra `io`.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"{path} ends in {path.suffix or 'nothing'!r}; needed is a file that ends in "
            f"{', '.join(_READERS)}"
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the name and the folder")
    if not path.is_file():
        raise ValueError(f"{path} is a folder; needed is a file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; needed is a table with a line of names and rows")
    try:
        table = reader(path)
    except (ImportError, PermissionError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as {path.suffix.lower()[1:]}: {reason}") from error
    if table.shape[0] == 0:
        raise ValueError(f"{path} has no rows; its columns are {listed(table.columns)}")
    return table


def _read_csv(path: Path) -> Any:
    pandas = engine.require_extra("pandas", "formula")
    table = pandas.read_csv(path)
    names = [str(name) for name in table.columns]
    for separator in (";", "\t"):
        if len(names) == 1 and separator in names[0]:
            raise ValueError(f"columns are separated by {separator!r}; needed are commas")
    return table


def _read_parquet(path: Path) -> Any:
    engine.require_extra("pyarrow", "io")
    return engine.require_extra("pandas", "formula").read_parquet(path)


def _read_stata(path: Path) -> Any:
    pandas = engine.require_extra("pandas", "formula")
    try:
        return pandas.read_stata(path)
    except ValueError as error:
        if "value labels" not in str(error).lower():
            raise
        return pandas.read_stata(path, convert_categoricals=False)


_READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".dta": _read_stata,
}
