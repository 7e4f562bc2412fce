"""Dates of tables: read strictly, so that none is taken for another."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import engine

if TYPE_CHECKING:
    import pandas

ISO = "ISO8601"
OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
SHOWN_ROWS = 3


def parse_dates(column: Any, name: str, date_format: str | None = None) -> "pandas.DatetimeIndex":
    """Dates of a column.

    Time zones are dropped: the time on the clock stands.

    Args:
        column: pandas Series of dates, texts, or whole numbers such as 20200131.
        name: what errors call it.
        date_format: how they are written, such as "%d/%m/%Y"; None for ISO 8601, the only form in
            which day and month cannot be taken for each other.

    Returns:
        The dates, in the order of the column.

    Raises:
        ValueError: a date that is missing or cannot be read; the message names row and value.
    """
    pandas = engine.require_extra("pandas", "formula")
    column = pandas.Series(column).reset_index(drop=True)
    missing = column.isna().to_numpy()
    if missing.any():
        row = int(missing.argmax()) + 1
        raise ValueError(
            f"{name} has no date in row {row} ({int(missing.sum())} missing in all); fill or drop"
        )
    if pandas.api.types.is_datetime64_any_dtype(column.dtype):
        return pandas.DatetimeIndex(column.dt.tz_localize(None), name=name)
    texts = _texts(column)
    parsed = pandas.to_datetime(texts, format=date_format or ISO, errors="coerce")
    if date_format is None:
        parsed = parsed.where(texts.str.contains(r"\d{8}|\D", regex=True))  # no bare years
    bad = parsed.isna().to_numpy()
    if bad.any():
        row, kind = int(bad.argmax()), date_format or "ISO 8601, such as 2020-01-31"
        raise ValueError(
            f"{name} holds {texts[row]!r} in row {row + 1}, which is not a date as {kind} "
            f"({int(bad.sum())} in all); mend it, or say by date_format how dates are written"
        )
    return pandas.DatetimeIndex(parsed.dt.tz_localize(None), name=name)


def _texts(column):
    """Texts of a column of dates, without time zones."""
    pandas = engine.require_extra("pandas", "formula")
    texts = column.astype(str).str.strip()
    if pandas.api.types.is_numeric_dtype(column.dtype):
        return texts.str.removesuffix(".0")
    return texts.str.replace(OFFSET, "", regex=True)


def check_unique(dates: "pandas.DatetimeIndex") -> None:
    """Checks that no date is there twice.

    Args:
        dates: in the order of the table.

    Raises:
        ValueError: a date that is; the message names it and its rows.
    """
    repeated = dates.duplicated(keep=False)
    if not repeated.any():
        return
    first = dates[repeated.argmax()]
    rows = [int(row) + 1 for row in np.flatnonzero(dates == first)]
    shown = ", ".join(map(str, rows[:SHOWN_ROWS])) + (", …" if rows[SHOWN_ROWS:] else "")
    raise ValueError(
        f"the date {day(first)} is in {len(rows)} rows ({shown}), and "
        f"{int(repeated.sum())} rows share their date with another; keep one row a date"
    )


def day(label: Any) -> str:
    """A label of a row as text; dates without a time of day are short.

    Args:
        label: of any kind.

    Returns:
        Such as "2020-01-31".
    """
    text = str(label)
    return text.removesuffix(" 00:00:00")
