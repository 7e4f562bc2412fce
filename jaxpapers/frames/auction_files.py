"""Tables of texts that were sold as files that are whole or not there."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .. import engine

if TYPE_CHECKING:
    import pandas


def write_table(table: "pandas.DataFrame", path: Path, kind: Literal["csv", "parquet"]) -> None:
    """Writes a table to a temporary file beside the path, then renames it.

    Args:
        table: the table; its index is not written.
        path: of the file; missing folders are made.
        kind: "csv" or "parquet".

    Raises:
        ImportError: parquet without the extra `io`.
    """
    if kind == "parquet":
        engine.require_extra("pyarrow", "io")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        if kind == "parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, lineterminator="\n")
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
