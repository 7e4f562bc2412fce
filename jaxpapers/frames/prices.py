"""Prices from files, and returns from prices."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .dates import parse_dates
from .files import read_table
from .names import listed, unknown_name
from .wide_tables import WideTable, check_columns, wide_table

if TYPE_CHECKING:
    import pandas


def read_prices(
    path: str | Path, date: str = "Date", *, date_format: str | None = None
) -> "pandas.DataFrame":
    r"""Reads a table of prices: one row per date, one column per asset.

    Rows are put in the order of their dates. Missing prices stay missing: `log_returns` and
    `fit_copula` say what becomes of them. Time zones are dropped, the time on the clock stands.

    Args:
        path: of a csv, parquet or Stata file, as `read_table` takes it.
        date: column of the dates, or name of the index that pandas stored.
        date_format: how dates are written, such as "%d/%m/%Y"; None for ISO 8601.

    Returns:
        Prices in float64, dates as index, assets as columns.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that cannot be read; no column of dates; dates that cannot be read, are
            missing or are there twice; columns of the same name, that are not numbers, or in which
            no price moves; prices at 0 or below; not more rows than assets.

    Example:
        >>> import pathlib, tempfile
        >>> from jaxpapers import frames
        >>> path = pathlib.Path(tempfile.mkdtemp(), "prices.csv")
        >>> rows = ["Date,A,B", "2020-01-03,11,5", "2020-01-02,10,4", "2020-01-06,11,6"]
        >>> _ = path.write_text("\n".join(rows))
        >>> print(frames.read_prices(path))
                       A    B
        Date
        2020-01-02  10.0  4.0
        2020-01-03  11.0  5.0
        2020-01-06  11.0  6.0
    """
    prices = _read_wide(path, date, date_format)
    check_prices(prices)
    return prices.frame()


def read_returns(
    path: str | Path, date: str = "Date", *, date_format: str | None = None
) -> "pandas.DataFrame":
    """Reads a table of returns: one row per date, one column per asset.

    As `read_prices` but for what prices must be.

    Args:
        path: of a csv, parquet or Stata file.
        date: column of the dates, or name of the index that pandas stored.
        date_format: how dates are written, such as "%d/%m/%Y"; None for ISO 8601.

    Returns:
        Returns in float64, dates as index, assets as columns; NaN where missing.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `read_prices`; an asset without returns, or whose return never moves.
    """
    returns = _read_wide(path, date, date_format)
    check_columns(returns, "return")
    return returns.frame()


def _read_wide(path, date, date_format):
    path = Path(path)
    table = read_table(path)
    _check_header(path)
    if date in table.columns:
        dates = parse_dates(table[date], date, date_format)
        table = table.drop(columns=date).set_index(dates)
    elif date != table.index.name:
        hint = "date names the column of dates"
        raise ValueError(f"{unknown_name('column', date, table.columns)}; {hint}")
    wide = wide_table(table)
    if not wide.has_dates:
        raise ValueError(f"the index {date!r} of {path} holds no dates")
    return wide


def _check_header(path):
    """Columns of the same name, which pandas would rename."""
    if path.suffix.lower() != ".csv":
        return
    with path.open(encoding="utf-8-sig", newline="") as stream:
        names = next(csv.reader(stream))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"several columns of {path} are called {listed(repeated)}; rename them")


def log_returns(table: Any, date: str | None = None) -> "pandas.DataFrame":
    """Log returns of prices, from each row to the next.

    Where a price is missing both returns that need it are missing: no return spans a gap.

    Args:
        table: prices, a pandas, polars or pyarrow table or a dict of arrays, assets as columns.
        date: column of dates; None for the index of pandas, or for rows in order.

    Returns:
        One row fewer than prices, labelled by the later of two dates; NaN where missing.

    Raises:
        TypeError: a table of an unknown kind.
        ValueError: as `read_prices`.

    Example:
        >>> from jaxpapers import frames
        >>> prices = {"A": [10.0, 11.0, 9.9, 10.5], "B": [4.0, 5.0, 6.0, 5.5]}
        >>> print(frames.log_returns(prices).round(3))
               A      B
        1  0.095  0.223
        2 -0.105  0.182
        3  0.059 -0.087
    """
    return returns_of_prices(wide_table(table, date)).frame()


def returns_of_prices(prices: WideTable) -> WideTable:
    """Log returns of a table of prices.

    Args:
        prices: checked here.

    Returns:
        The returns.

    Raises:
        ValueError: as `check_prices`.
    """
    check_prices(prices)
    returns = np.diff(np.log(prices.values), axis=0)
    return WideTable(returns, prices.assets, prices.index[1:])


def check_prices(prices: WideTable) -> None:
    """Checks that numbers can be prices.

    Args:
        prices: the table.

    Raises:
        ValueError: prices at 0 or below; an asset without prices, or whose price never moves; not
            more rows than assets.
    """
    values, assets = prices.values, prices.assets
    places = np.argwhere(values <= 0)
    if len(places):
        row, column = places[0]
        raise ValueError(
            f"the price of {assets[column]} is {values[row, column]:g} {prices.row(row)} "
            f"({len(places)} prices at 0 or below in all); needed are prices above 0"
        )
    check_columns(prices, "price")
    if len(values) <= len(assets):
        raise ValueError(
            f"there are {len(values)} rows of prices of {len(assets)} assets; needed are more rows "
            "than assets: take a longer period or fewer assets"
        )
