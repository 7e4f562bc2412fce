"""Wide tables: one row per date, one column per asset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from .. import engine
from .dates import check_unique, day, parse_dates
from .names import listed, unknown_name
from .tables import as_table

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class WideTable:
    """Numbers of several assets over time.

    Attributes:
        values: NaN where missing; float64.
        assets: names of the columns.
        index: labels of the rows: dates in order, or whatever the table has.
    """

    values: Float[np.ndarray, "row asset"]
    assets: tuple[str, ...]
    index: "pandas.Index"

    @property
    def has_dates(self) -> bool:
        """Whether rows are labelled by dates."""
        return self.index.dtype.kind == "M"

    def frame(self) -> "pandas.DataFrame":
        """The table in pandas."""
        pandas = engine.require_extra("pandas", "formula")
        return pandas.DataFrame(self.values, index=self.index, columns=list(self.assets))

    def where(self, keep: Bool[np.ndarray, " row"]) -> "WideTable":
        """Some of the rows.

        Args:
            keep: which.

        Returns:
            The rest of the table.
        """
        return WideTable(self.values[keep], self.assets, self.index[keep])

    def row(self, place: int) -> str:
        """What errors call a row.

        Args:
            place: counted from 0.

        Returns:
            Such as "on 2020-01-31" or "in row 3".
        """
        return _row(self.index, place)


def wide_table(table: Any, date: str | None = None) -> WideTable:
    """Reads a table whose columns are assets.

    Args:
        table: pandas, polars or pyarrow table, or a dict of arrays.
        date: column of dates, by which rows are put in order; None for the index of pandas, or
            for rows without dates, in order.

    Returns:
        The table.

    Raises:
        TypeError: a table of an unknown kind.
        ValueError: a column that does not exist or has the name of another, dates that cannot be
            read or are there twice, fewer than two assets, columns that are not numbers, infinite
            values.
    """
    frame = _frame(table)
    names = [str(name) for name in frame.columns]
    _check_unique_names(names)
    frame.columns = names
    frame = _with_dates(frame, date)
    assets = tuple(str(name) for name in frame.columns)
    if len(assets) < 2:
        raise ValueError(
            f"needed are columns of two assets or more, table has {len(assets)}: {listed(assets)}"
        )
    if len(frame) == 0:
        raise ValueError("table has no rows")
    columns = [_numbers(frame, asset) for asset in assets]
    wide = WideTable(np.stack(columns, axis=1), assets, frame.index)
    _check_finite(wide)
    return wide


def check_columns(table: WideTable, what: str) -> None:
    """Checks that every asset has numbers, and that they move.

    Args:
        table: the table.
        what: what the numbers are, such as "price".

    Raises:
        ValueError: an asset without numbers, or with one number throughout.
    """
    for asset, column in zip(table.assets, table.values.T, strict=True):
        given = column[~np.isnan(column)]
        if given.size == 0:
            raise ValueError(f"{asset} has no {what} at all; drop it")
        if given.min() == given.max():
            raise ValueError(
                f"{asset} has the same {what} {given[0]:g} in all rows; drop it: what never moves "
                "depends on nothing"
            )


def complete_rows(table: WideTable, what: str) -> tuple[WideTable, int]:
    """The rows in which no number is missing.

    Args:
        table: the table.
        what: what the numbers are, such as "return".

    Returns:
        The rest, and how many rows were left out.

    Raises:
        ValueError: fewer rows are left than there are assets; the message names the asset that
            most rows were lost by.
    """
    missing = np.isnan(table.values)
    keep = np.all(~missing, axis=1)
    rest, num_dropped = table.where(keep), int(np.sum(~keep))
    num_obs, num_assets = rest.values.shape
    if num_obs < num_assets:
        left_out = ""
        if num_dropped:
            worst = int(missing.sum(axis=0).argmax())
            left_out = (
                f", {num_dropped} rows being left out because a {what} is missing, "
                f"{int(missing[:, worst].sum())} of them in {table.assets[worst]}"
            )
        raise ValueError(
            f"there are {num_obs} complete rows of {num_assets} assets{left_out}; needed are at "
            "least as many rows as assets: take a longer period or fewer assets"
        )
    return rest, num_dropped


def worst_asset(table: WideTable) -> str:
    """The asset with the most missing numbers.

    Args:
        table: the table.

    Returns:
        Its name.
    """
    return table.assets[int(np.isnan(table.values).sum(axis=0).argmax())]


def require_complete(table: WideTable, what: str) -> None:
    """Refuses missing numbers.

    Args:
        table: the table.
        what: what the numbers are, such as "return".

    Raises:
        ValueError: there are some.
    """
    num_rows = int(np.isnan(table.values).any(axis=1).sum())
    if num_rows:
        raise ValueError(
            f"{num_rows} rows have a missing {what}, most of them in {worst_asset(table)}; fill "
            "them, or leave them out by missing='drop'"
        )


def _frame(table):
    """A frame of our own, so that names and index can be set."""
    pandas = engine.require_extra("pandas", "formula")
    if isinstance(table, pandas.DataFrame):
        return table.copy(deep=False)
    wrapped = as_table(table)
    if isinstance(table, Mapping):
        return wrapped.to_native()
    return wrapped.to_pandas()


def _check_unique_names(names):
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"several columns are called {listed(repeated)}; rename or drop them")


def _with_dates(frame, date):
    """The frame with its dates as index, in order; without dates as it is."""
    pandas = engine.require_extra("pandas", "formula")
    if date is not None and date not in frame.columns and date != frame.index.name:
        raise ValueError(unknown_name("column", date, frame.columns))
    if date is not None and date in frame.columns:
        dates = parse_dates(frame[date], date)
        frame = frame.drop(columns=date)
    else:
        dates = _dates_of_index(frame.index, must_be_dates=date is not None)
    kinds = [n for n in frame if pandas.api.types.is_datetime64_any_dtype(frame[n].dtype)]
    if kinds:
        raise ValueError(
            f"column {kinds[0]!r} holds dates; say so by date={kinds[0]!r}, or drop it"
        )
    if dates is None:
        return frame
    check_unique(dates)
    frame.index = dates
    return frame.sort_index()


def _dates_of_index(index, *, must_be_dates):
    """Dates of an index, None where it holds something else."""
    pandas = engine.require_extra("pandas", "formula")
    name = index.name or "the index"
    if isinstance(index, pandas.PeriodIndex):
        return parse_dates(index.to_timestamp().to_series(), name).rename(index.name)
    is_text = index.dtype == object or pandas.api.types.is_string_dtype(index.dtype)
    if not must_be_dates and not is_text and index.dtype.kind != "M":
        return None
    try:
        return parse_dates(index.to_series(), name).rename(index.name)
    except ValueError:
        if must_be_dates or not is_text:
            raise
        return None


def _numbers(frame, name):
    """A column as float64."""
    pandas = engine.require_extra("pandas", "formula")
    column = frame[name]
    if pandas.api.types.is_bool_dtype(column.dtype) or column.dtype.kind == "c":
        raise ValueError(f"column {name!r} holds {column.dtype}, not real numbers; drop it")
    numbers = pandas.to_numeric(column.astype(object), errors="coerce").to_numpy(np.float64)
    bad = np.isnan(numbers) & ~column.isna().to_numpy()
    if bad.any():
        place = int(bad.argmax())
        raise ValueError(
            f"column {name!r} holds {column.iloc[place]!r} {_row(frame.index, place)}, which is no "
            f"number ({int(bad.sum())} in all); mend it, or drop the column"
        )
    return numbers


def _row(index, place):
    """What errors call a row."""
    return f"on {day(index[place])}" if index.dtype.kind == "M" else f"in row {place + 1}"


def _check_finite(wide):
    places = np.argwhere(np.isinf(wide.values))
    if len(places):
        row, column = places[0]
        raise ValueError(
            f"{wide.assets[column]} is infinite {wide.row(row)} ({len(places)} infinite values in "
            "all); mend or drop"
        )
