"""Tables of texts that were sold as files that are whole or not there."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .. import engine

if TYPE_CHECKING:
    import pandas


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
