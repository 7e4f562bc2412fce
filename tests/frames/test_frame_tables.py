"""Tables of all kinds and files of all kinds."""

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from jaxpapers import frames
from jaxpapers.frames.tables import as_table, read_columns, subset_rows

BIG = 2**60 + 1
DATA = {
    "i": [BIG, None, 3, 4],
    "f": [1.0, 2.0, float("nan"), 2.5],
    "s": ["a", "b", "c", None],
    "b": [True, False, None, True],
    "d": [decimal.Decimal("1.5")] * 4,
}
KNOWN = {**DATA, "f": [1.0, 2.0, None, 2.5]}
NULLABLE = {"i": "Int64", "f": "Float64", "s": "string", "b": "boolean"}
KINDS = {
    "polars": lambda: pl.DataFrame(DATA),
    "pyarrow": lambda: pa.table(DATA),
    "pandas": lambda: pd.DataFrame({**DATA, "i": pd.array(DATA["i"], "Int64")}),
    "nullable pandas": lambda: pd.DataFrame(
        {name: pd.array(KNOWN[name], NULLABLE.get(name, object)) for name in KNOWN}
    ),
    "arrow pandas": lambda: pa.table(DATA).to_pandas(types_mapper=pd.ArrowDtype),
    "dict": lambda: {**DATA, "i": pd.array(DATA["i"], "Int64")},
}


@pytest.mark.parametrize("kind", KINDS)
def test_missing_rows_go_before_anything_is_converted(kind):
    table = as_table(KINDS[kind]())
    columns = read_columns(table, ["i"], None)
    assert columns.frame["i"].tolist() == [BIG, 3, 4]
    assert columns.frame["i"].dtype == np.int64 or kind == "dict"
    assert columns.rows.tolist() == [0, 2, 3]
    assert columns.num_missing == 1
    everything = read_columns(table, list(DATA), None)
    assert everything.rows.tolist() == [0]
    assert everything.num_missing == 3
    kinds = {name: column.dtype.kind for name, column in everything.frame.items() if name != "s"}
    assert {**kinds, "i": "i"} == {"i": "i", "f": "f", "b": "b", "d": "f"}


def test_only_chosen_rows_count_as_missing():
    keep = np.array([True, True, False, False])
    columns = read_columns(as_table(pl.DataFrame(DATA)), ["i", "f"], keep)
    assert (columns.rows.tolist(), columns.num_missing) == ([0], 1)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_categories_keep_their_order_and_lose_unused_levels(kind):
    if kind == "pandas":
        values = pd.Categorical(["u", "v", "u"], categories=["v", "t", "u"])
        table = pd.DataFrame({"c": values})
    else:
        table = pl.DataFrame({"c": ["u", "v", "u"]}, schema={"c": pl.Enum(["v", "t", "u"])})
    column = read_columns(as_table(table), ["c"], None).frame["c"]
    assert column.cat.categories.tolist() == ["v", "u"]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (3, TypeError, "table must be a pandas, polars or pyarrow table, or a dict of arrays, got"),
        (np.ones((3, 2)), TypeError, "or a dict of arrays, got ndarray"),
        (pl.LazyFrame(DATA), TypeError, "got LazyFrame; collect the lazy frame first"),
        ({"a": [1], "b": [1, 2]}, ValueError, "must have the same length, got a: 1, b: 2"),
        ({"a": np.ones((2, 2))}, ValueError, "column 'a' of table must have one axis, got (2, 2)"),
        (pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]), ValueError, "table cannot be used"),
    ],
)
def test_refused_tables(table, error, message):
    with pytest.raises(error) as raised:
        as_table(table)
    assert message in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("b", [True, False, False, True]),
        ("f > 1.5", [False, True, False, True]),
        (np.array([True, True, False, False]), [True, True, False, False]),
        ([True, True, False, False], [True, True, False, False]),
        (pl.Series([True, None, False, True]), [True, False, False, True]),
        (pd.Series([True, None, False, True]), [True, False, False, True]),
    ],
    ids=["column", "expression", "array", "list", "polars", "pandas"],
)
def test_subsets(kind, subset, expected):
    assert subset_rows(as_table(KINDS[kind]()), subset).tolist() == expected


@pytest.mark.parametrize(
    ("subset", "error", "message"),
    [
        ("f", TypeError, "subset must be true or false for each row, got dtype float64"),
        ("ff > 1", ValueError, "there is no column 'ff'; did you mean 'f'?"),
        ("f >", ValueError, "'f >' cannot be read"),
        ("s > 1", ValueError, "subset 's > 1' cannot be evaluated"),
        (np.ones(3, bool), ValueError, "subset has shape (3,); table has 4 rows"),
        (np.ones(4), TypeError, "subset must be true or false for each row, got dtype float64"),
    ],
)
def test_refused_subsets(subset, error, message):
    with pytest.raises(error) as raised:
        subset_rows(as_table(pd.DataFrame(DATA)), subset)
    assert message in str(raised.value)


WRITERS = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".parquet": lambda table, path: pa.parquet.write_table(pa.Table.from_pandas(table), path),
    ".dta": lambda table, path: table.to_stata(path, write_index=False),
    ".CSV": lambda table, path: table.to_csv(path, index=False),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_files(tmp_path, suffix):
    table = pd.DataFrame({"y": [1.5, 2.0, 0.1], "x": [3, 1, 2], "g": ["a", "b", "a"]})
    path = tmp_path / f"table{suffix}"
    WRITERS[suffix](table, path)
    for name in (path, str(path)):
        read = frames.read_table(name)
        assert read.to_dict("list") == table.to_dict("list")


def test_labelled_values_of_stata(tmp_path):
    path = tmp_path / "labelled.dta"
    table = pd.DataFrame({"y": [1.0, 2.0], "sex": [1, 0]})
    table.to_stata(path, write_index=False, value_labels={"sex": {0: "male", 1: "female"}})
    assert frames.read_table(path)["sex"].tolist() == ["female", "male"]
    table.to_stata(path, write_index=False, value_labels={"sex": {0: "same", 1: "same"}})
    assert frames.read_table(path)["sex"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.xlsx", b"x", "ends in '.xlsx'; needed is a file that ends in .csv, .parquet, .dta"),
        ("table", b"x", "ends in 'nothing'; needed is a file that ends in .csv"),
        ("table.csv", b"", "is empty; needed is a table with a line of names and rows"),
        ("table.csv", b"a,b\n", "has no rows; its columns are a, b"),
        ("table.csv", b"a;b\n1;2\n", "columns are separated by ';'; needed are commas"),
        ("table.csv", b"a\tb\n1\t2\n", "columns are separated by '\\t'; needed are commas"),
        ("table.csv", b"a,b\n1,2\n3,4,5,6\n", "cannot be read as csv: Error tokenizing data"),
        ("table.csv", b"a,b\n\xff\xfe,1\n", "cannot be read as csv: 'utf-8' codec can't decode"),
        ("table.parquet", b"nothing", "cannot be read as parquet"),
        ("table.dta", b"nothing", "cannot be read as dta"),
    ],
)
def test_refused_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"(?s).") as raised:
        frames.read_table(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere.csv; check the name"):
        frames.read_table(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match=r"folder.csv is a folder; needed is a file"):
        frames.read_table(tmp_path / "folder.csv")
