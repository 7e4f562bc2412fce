"""Prices from files: what is read, what is refused and how it is said, and returns."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from copula_cases import stock_prices

from jaxpapers import frames

HEAD = "Date,A,B\n"
DAYS = ("2020-01-02", "2020-01-03", "2020-01-06")
PLAIN = {"A": [10.0, 11.0, 11.0], "B": [4.0, 5.0, 6.0]}

WRITERS = {
    "csv": lambda table, path: table.to_csv(path),
    "parquet": lambda table, path: table.to_parquet(path),
    "columns.parquet": lambda table, path: table.reset_index().to_parquet(path, index=False),
    "dta": lambda table, path: table.reset_index().to_stata(path, write_index=False),
}


def plain(days=DAYS):
    return pd.DataFrame(PLAIN, index=pd.DatetimeIndex(days, name="Date"))


@pytest.fixture
def read(tmp_path):
    """Reads a text as a csv file."""

    def read_text(text, **settings):
        path = tmp_path / "prices.csv"
        path.write_text(text, "utf-8")
        return frames.read_prices(path, **settings)

    return read_text


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_gives_the_same(tmp_path, kind):
    prices = stock_prices()
    WRITERS[kind](prices, tmp_path / f"prices.{kind}")
    got = frames.read_prices(tmp_path / f"prices.{kind}")
    assert got.index.name == "Date"
    assert list(got.columns) == list(prices.columns)
    assert (got.index == prices.index).all()
    np.testing.assert_array_equal(got.to_numpy(), prices.to_numpy())


@pytest.mark.parametrize(
    ("days", "settings"),
    [
        (("2020-01-02", "2020-01-03", "2020-01-06"), {}),
        (("20200102", "20200103", "20200106"), {}),
        (("2020-01-02 00:00", "2020-01-03 00:00", "2020-01-06 00:00"), {}),
        (
            ("2020-01-02 00:00:00-05:00", "2020-01-03 00:00:00-05:00", "2020-01-06 00:00:00Z"),
            {},
        ),
        (("02/01/2020", "03/01/2020", "06/01/2020"), {"date_format": "%d/%m/%Y"}),
        (("200102", "200103", "200106"), {"date_format": "%y%m%d"}),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_dates_are_read_and_put_in_order(read, days, settings):
    lines = [f"{day},{a},{b}" for day, a, b in zip(days, *PLAIN.values(), strict=True)]
    got = read(HEAD + "\n".join(reversed(lines)) + "\n", **settings)
    pd.testing.assert_frame_equal(got, plain(), check_index_type=False, check_freq=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEAD, r"has no rows; its columns are Date, A, B"),
        ("Date;A;B\n2020-01-02;1;2\n", "columns are separated by ';'; needed are commas"),
        ("date,A,B\n2020-01-02,1,2\n", "no column 'Date'; did you mean 'date'?"),
        (HEAD + "2020-01-02,1,2\n2020-13-05,2,3\n", r"Date holds '2020-13-05' in row 2, which is"),
        (HEAD + "01/02/2020,1,2\n", r"Date holds '01/02/2020' in row 1, .* say by date_format"),
        (HEAD + "43832,1,2\n43833,2,3\n", r"Date holds '43832' in row 1, .*\(2 in all\)"),
        (HEAD + "2020,1,2\n", r"Date holds '2020' in row 1, which is not a date"),
        (HEAD + "2020-01-02,1,2\n,2,3\n", r"Date has no date in row 2 \(1 missing in all\)"),
        (
            HEAD + "2020-01-02,1,2\n2020-01-03,2,3\n2020-01-02,3,4\n",
            r"the date 2020-01-02 is in 2 rows \(1, 3\)",
        ),
        ("Date,A,A\n2020-01-02,1,2\n", "several columns of .*prices.csv are called A"),
        (
            HEAD + "2020-01-02,1,2\n2020-01-03,-,3\n",
            r"column 'A' holds '-' on 2020-01-03, which is no number \(1 in all\)",
        ),
        (HEAD + "2020-01-02,True,2\n2020-01-03,False,3\n", "column 'A' holds bool"),
        (HEAD + "2020-01-02,inf,2\n2020-01-03,2,3\n", "A is infinite on 2020-01-02"),
        (
            HEAD + "2020-01-02,1,2\n2020-01-03,0,3\n2020-01-04,-1,3\n",
            r"the price of A is 0 on 2020-01-03 \(2 prices at 0 or below in all\)",
        ),
        (HEAD + "2020-01-02,1,2\n2020-01-03,1,3\n", "A has the same price 1 in all rows"),
        (HEAD + "2020-01-02,1,\n2020-01-03,2,\n", "B has no price at all"),
        (HEAD + "2020-01-02,1,2\n2020-01-03,2,3\n", "there are 2 rows of prices of 2 assets"),
        ("Date,A\n2020-01-02,1\n", "columns of two assets or more, table has 1: A"),
    ],
)
def test_what_is_wrong_is_said_by_name(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        frames.read_prices(tmp_path / "prices.csv")
    (tmp_path / "prices.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="cannot be read as parquet"):
        frames.read_prices(tmp_path / "prices.parquet")
    with pytest.raises(ValueError, match=r"ends in '\.xlsx'"):
        frames.read_prices(tmp_path / "prices.xlsx")
    plain().rename_axis("day").reset_index(drop=True).rename_axis("Date").to_parquet(
        tmp_path / "numbered.parquet"
    )
    with pytest.raises(ValueError, match=r"the index 'Date' of .* holds no dates"):
        frames.read_prices(tmp_path / "numbered.parquet")


def test_returns_from_a_file_may_be_negative(tmp_path):
    returns = frames.log_returns(stock_prices())
    returns.to_csv(tmp_path / "returns.csv")
    got = frames.read_returns(tmp_path / "returns.csv")
    np.testing.assert_array_equal(got.to_numpy(), returns.to_numpy())
    returns.assign(AAPL=0.0).to_csv(tmp_path / "returns.csv")
    with pytest.raises(ValueError, match="AAPL has the same return 0 in all rows"):
        frames.read_returns(tmp_path / "returns.csv")


# --- returns --------------------------------------------------------------------------------------


def test_log_returns():
    prices = stock_prices()
    got = frames.log_returns(prices)
    assert list(got.columns) == list(prices.columns)
    assert (got.index == prices.index[1:]).all()
    np.testing.assert_array_equal(got.to_numpy(), np.diff(np.log(prices.to_numpy()), axis=0))


def test_no_return_spans_a_missing_price():
    prices = pd.DataFrame({"A": [1.0, 2.0, np.nan, 8.0, 16.0], "B": [1.0, 3.0, 9.0, 3.0, 1.0]})
    got = frames.log_returns(prices)
    np.testing.assert_array_equal(got["A"].isna(), [False, True, True, False])
    np.testing.assert_allclose(got["A"].iloc[3], np.log(2.0))
    assert not got["B"].isna().any()


def test_order_of_dates_is_that_of_time():
    turned = plain().iloc[::-1]
    pd.testing.assert_frame_equal(frames.log_returns(turned), frames.log_returns(plain()))
    texts = turned.set_axis(turned.index.strftime("%Y-%m-%d"))
    got = frames.log_returns(texts)
    np.testing.assert_array_equal(got.to_numpy(), frames.log_returns(plain()).to_numpy())


def test_rows_that_have_no_dates_keep_their_order():
    labelled = plain().set_axis(["c", "a", "b"])
    got = frames.log_returns(labelled)
    assert list(got.index) == ["a", "b"]
    np.testing.assert_array_equal(got.to_numpy(), frames.log_returns(plain()).to_numpy())
    periods = plain().to_period("D")
    assert frames.log_returns(periods).index.dtype.kind == "M"


def test_polars_and_dicts():
    days = [datetime.date.fromisoformat(day) for day in DAYS]
    expected = frames.log_returns(plain()).to_numpy()
    table = pl.DataFrame({"day": days, **PLAIN})
    got = frames.log_returns(table, date="day")
    np.testing.assert_array_equal(got.to_numpy(), expected)
    assert got.index.name == "day"
    np.testing.assert_array_equal(frames.log_returns(PLAIN).to_numpy(), expected)
    with pytest.raises(ValueError, match="column 'day' holds dates; say so by date='day'"):
        frames.log_returns(table)
    with pytest.raises(ValueError, match="no column 'days'; did you mean 'day'"):
        frames.log_returns(table, date="days")
    with pytest.raises(ValueError, match="the index has no date in row 2"):
        frames.log_returns(plain(("2020-01-02", None, "2020-01-06")).rename_axis(None))


def test_tables_that_are_none():
    with pytest.raises(TypeError, match="table must be a pandas, polars or pyarrow table"):
        frames.log_returns([1.0, 2.0])
    double = pd.DataFrame([[1.0, 2.0], [2.0, 3.0], [3.0, 1.0]], columns=["A", "A"])
    with pytest.raises(ValueError, match="several columns are called A"):
        frames.log_returns(double)
    with pytest.raises(ValueError, match="table has no rows"):
        frames.log_returns(plain().iloc[:0])
