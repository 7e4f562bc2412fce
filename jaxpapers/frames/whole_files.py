"""Tables, and trees of arrays in netCDF, in files that are whole or not there."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from .. import engine

if TYPE_CHECKING:
    import pandas
    import xarray

_T = TypeVar("_T")


def write_table(table: "pandas.DataFrame", path: Path, kind: Literal["csv", "parquet"]) -> None:
    """Writes a table as a whole file.

    Args:
        table: the table; its index is not written.
        path: of the file; missing folders are made.
        kind: "csv" or "parquet".

    Raises:
        ImportError: parquet without the extra `io`.
    """
    if kind == "parquet":
        engine.require_extra("pyarrow", "io")

    def write(temporary):
        if kind == "parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, lineterminator="\n")

    engine.write_whole(path, write)


def write_netcdf(tree: "xarray.DataTree", path: Path) -> None:
    """Writes a tree as a whole file.

    Args:
        tree: the tree.
        path: of the file; missing folders are made.

    Raises:
        ImportError: without the extra `io`.
    """
    engine.require_extra("h5netcdf", "io")
    engine.write_whole(path, lambda temporary: tree.to_netcdf(temporary, engine="h5netcdf"))


def read_netcdf(path: str | Path, make: Callable[["xarray.DataTree"], _T], *, what: str) -> _T:
    """Reads a tree, and makes of it what it was.

    Args:
        path: of the file.
        make: of the loaded tree.
        what: what the file should hold, for the message.

    Returns:
        What `make` gave.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that is not netCDF, or one of which `make` makes nothing.
        ImportError: without the extra `io`.
    """
    path = Path(path)
    engine.require_extra("h5netcdf", "io")
    xarray = engine.require_extra("xarray", "io")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the name and the folder")
    try:
        with xarray.open_datatree(path, engine="h5netcdf") as tree:
            return make(tree.load())
    except (ImportError, PermissionError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as {what}: {reason}") from error
