"""Tables of any kind as pandas frames of the columns that are needed, without missing rows."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int

from .. import engine
from .formulas import python_expression
from .names import unknown_name

if TYPE_CHECKING:
    import pandas

ACCEPTED = "a pandas, polars or pyarrow table, or a dict of arrays"


@dataclass(frozen=True)
class Columns:
    """Columns of a table, complete in every row.

    Attributes:
        frame: pandas, with NumPy dtypes, categoricals or text; rows numbered from 0.
        rows: place of each row in the table.
        num_missing: number of rows that were left out because a value is missing.
    """

    frame: "pandas.DataFrame"
    rows: Int[np.ndarray, " row"]
    num_missing: int

    def where(self, keep: Bool[np.ndarray, " row"]) -> "Columns":
        """Leaves out more rows as missing.

        Args:
            keep: the rows that stay.

        Returns:
            The rest.
        """
        frame = self.frame.loc[keep].reset_index(drop=True)
        num_missing = self.num_missing + int(np.sum(~keep))
        return Columns(_plain(frame), self.rows[keep], num_missing)


def as_table(table: Any) -> Any:
    """Wraps a table so that all kinds of tables look the same.

    Args:
        table: pandas, polars or pyarrow table, or a dict of one-dimensional arrays.

    Returns:
        A narwhals data frame.

    Raises:
        TypeError: something else, or a lazy frame.
        ValueError: a dict of arrays of unequal lengths or more than one axis; column names that
            are not unique.
    """
    narwhals = engine.require_extra("narwhals", "io")
    if isinstance(table, Mapping):
        table = _from_mapping(table)
    try:
        wrapped = narwhals.from_native(table, eager_only=True)
    except TypeError as error:
        lazy = "; collect the lazy frame first" if hasattr(table, "collect") else ""
        raise TypeError(f"table must be {ACCEPTED}, got {type(table).__name__}{lazy}") from error
    except Exception as error:
        raise ValueError(f"table cannot be used: {' '.join(str(error).split())}") from error
    return wrapped


def _from_mapping(table: Mapping[str, Any]) -> "pandas.DataFrame":
    pandas = engine.require_extra("pandas", "formula")
    kept = (pandas.Series, pandas.api.extensions.ExtensionArray)
    columns = {
        name: pandas.Series(values).reset_index(drop=True)
        if isinstance(values, kept)
        else np.asarray(values)
        for name, values in table.items()
    }
    for name, values in columns.items():
        if values.ndim != 1:
            raise ValueError(f"column {name!r} of table must have one axis, got {values.shape}")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ValueError(f"columns of table must have the same length, got {shown}")
    return pandas.DataFrame(columns)


def read_columns(
    table: Any, names: Iterable[str], keep: Bool[np.ndarray, " row"] | None
) -> Columns:
    """Takes the columns that are needed out of a table.

    Args:
        table: as `as_table` returns it.
        names: the columns.
        keep: rows to look at; None for all.

    Returns:
        The columns, rows with a missing value left out before anything is converted.

    Raises:
        ValueError: a column that does not exist, with the nearest names.
    """
    names = list(dict.fromkeys(names))
    for name in names:
        check_column(table, name)
    missing = np.zeros(len(table), bool)
    for name in names:
        missing |= _missing(table[name])
    chosen = np.ones(len(table), bool) if keep is None else keep
    rows = np.flatnonzero(chosen & ~missing)
    selected = table.select(names)
    if rows.size < len(table):
        selected = selected.filter((chosen & ~missing).tolist())
    frame = selected.to_pandas().reset_index(drop=True)
    return Columns(_plain(frame), rows.astype(np.int64), int(np.sum(chosen & missing)))


def check_column(table: Any, name: str) -> None:
    """Checks that a column exists.

    Args:
        table: as `as_table` returns it.
        name: of the column.

    Raises:
        ValueError: it does not; the message has the nearest names.
    """
    if name not in table.columns:
        raise ValueError(unknown_name("column", name, table.columns))


def _missing(column: Any) -> Bool[np.ndarray, " row"]:
    narwhals = engine.require_extra("narwhals", "io")
    if column.dtype in (narwhals.Float32, narwhals.Float64):
        return np.isnan(np.asarray(column.to_numpy(), np.float64))
    return column.is_null().to_numpy().astype(bool)


def _plain(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Columns in dtypes that formulas and NumPy know; levels that no row has are dropped."""
    pandas = engine.require_extra("pandas", "formula")
    columns = {name: _plain_column(column) for name, column in frame.items()}
    return pandas.DataFrame(columns, index=frame.index)


def _plain_column(column: Any) -> Any:
    pandas = engine.require_extra("pandas", "formula")
    if isinstance(column.dtype, pandas.CategoricalDtype):
        return column.cat.remove_unused_categories()
    if isinstance(column.dtype, np.dtype) and column.dtype != object:
        return column
    if pandas.api.types.is_numeric_dtype(column.dtype):
        return pandas.Series(column.to_numpy(dtype=_numeric_dtype(column.dtype)))
    column = column.astype(object).infer_objects()
    if column.dtype == object and type(column.iloc[0] if len(column) else "").__name__ == "Decimal":
        return column.astype(float)
    return column


def _numeric_dtype(dtype: Any) -> np.dtype:
    kind = np.dtype(getattr(dtype, "numpy_dtype", float))
    return kind if kind.kind != "O" else np.dtype(float)


def subset_rows(table: Any, subset: Any) -> Bool[np.ndarray, " row"]:
    """Rows that a subset names.

    Args:
        table: as `as_table` returns it.
        subset: name of a boolean column, an expression on columns such as "age > 30", or a
            boolean array with one entry per row.

    Returns:
        A mask; rows for which the condition is missing are not in the subset.

    Raises:
        TypeError: a condition that is not boolean.
        ValueError: a column that does not exist, an expression that cannot be evaluated, an array
            of the wrong length.
    """
    if isinstance(subset, str):
        values = table[subset] if subset in table.columns else _evaluate(table, subset)
    else:
        values = subset
    narwhals = engine.require_extra("narwhals", "io")
    series = narwhals.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, narwhals.Series):
        may_be_true = series.dtype in (narwhals.Boolean, narwhals.Object)
        values = (series.fill_null(False) if may_be_true else series).to_numpy()
    mask = np.asarray(values)
    if mask.dtype == object and all(isinstance(entry, bool | np.bool_) for entry in mask):
        mask = mask.astype(bool)
    if mask.dtype != bool:
        raise TypeError(f"subset must be true or false for each row, got dtype {mask.dtype}")
    if mask.shape != (len(table),):
        raise ValueError(f"subset has shape {mask.shape}; table has {len(table)} rows")
    return mask


def _evaluate(table: Any, expression: str) -> Any:
    tree, aliases = python_expression(expression)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    needed = {aliases.get(name, name) for name in names}
    for name in sorted(needed):
        check_column(table, name)
    frame = table.select(sorted(needed)).to_pandas()
    try:
        return frame.eval(expression)
    except Exception as error:
        raise ValueError(f"subset {expression!r} cannot be evaluated: {error}") from error
