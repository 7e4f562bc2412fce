"""`jaxpapers ranks fit`: the line of the README on every kind of file, and each option."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxpapers import cli, frames

README = Path(__file__).resolve().parents[2] / "README.md"
FORMULA = "r(child) ~ r(parent) + female"
NUM_OBS = 60
NUM_MISSING = 2
SINGLE_PRECISION = 1e-5

WRITERS = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "parquet": lambda table, path: table.to_parquet(path),
    "dta": lambda table, path: table.to_stata(path, write_index=False),
}


@pytest.fixture(scope="module")
def families():
    """Tied outcome and regressor, three regions, two rows with a missing value."""
    generator = np.random.default_rng(3)
    parent = generator.standard_normal(NUM_OBS)
    child = np.round(2.0 * (0.5 * parent + generator.standard_normal(NUM_OBS)))
    child[[4, 50]] = np.nan
    return pd.DataFrame(
        {
            "child": child,
            "parent": np.round(4.0 * parent) / 4.0,
            "female": generator.integers(0, 2, NUM_OBS),
            "region": np.array(["north", "south", "west"])[np.arange(NUM_OBS) % 3],
        }
    )


@pytest.fixture
def folder(families, tmp_path, monkeypatch):
    """Working folder with the table in every kind of file."""
    for kind, write in WRITERS.items():
        write(families, tmp_path / f"families.{kind}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def advertised_words():
    """The words of the README's line, those after `jaxpapers`."""
    line = re.search(r"^jaxpapers (ranks fit .*?[^\\])\n", README.read_text("utf-8"), re.S | re.M)[
        1
    ]
    return shlex.split(line.replace("\\\n", " "))


def fitted(folder, *options):
    """The JSON of a grouped fit with further options."""
    words = ["ranks", "fit", "families.csv", FORMULA, "--by", "region", "--output", "other.json"]
    assert cli.main([*words, *options]) == 0
    return json.loads((folder / "other.json").read_text("utf-8"))


def test_readme_has_the_promised_line():
    promised = ["ranks", "fit", "families.csv", FORMULA, "--tie-weight", "0.5"]
    assert advertised_words() == [*promised, "--by", "region", "--output", "fit.json"]


@pytest.mark.parametrize("kind", WRITERS)
def test_readme_line_gives_the_numbers_of_frames(folder, families, capsys, kind):
    words = [word.replace("families.csv", f"families.{kind}") for word in advertised_words()]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    record = json.loads((folder / "fit.json").read_text("utf-8"))
    expected = frames.rank_regression(FORMULA, families, tie_weight=0.5, by="region")
    assert tuple(record["names"]) == expected.names
    np.testing.assert_array_equal(record["params"], expected.params)
    np.testing.assert_array_equal(record["bse"], expected.bse)
    np.testing.assert_array_equal(record["cov"], expected.cov_params())
    assert record["n"] == NUM_OBS - NUM_MISSING
    assert record["tie_shares"] == expected.tie_shares.to_dict()
    assert 0 < min(record["tie_shares"].values()) <= 1
    assert (record["tie_weight"], record["by"], record["vcov"]) == (0.5, "region", "rank")
    assert str(expected.summary()) in printed
    assert printed.endswith("written to fit.json\n")


def test_nothing_is_written_without_output(folder, capsys):
    before = set(folder.iterdir())
    assert cli.main(["ranks", "fit", "families.csv", FORMULA, "--by", "region"]) == 0
    assert set(folder.iterdir()) == before
    assert "written" not in capsys.readouterr().out


def test_missing_rows_are_dropped_counted_and_printed(folder, capsys):
    record = fitted(folder, "--missing", "drop")
    assert record == fitted(folder)
    assert (record["num_dropped"], record["n"]) == (NUM_MISSING, NUM_OBS - NUM_MISSING)
    assert re.search(rf"Dropped \(missing\): +{NUM_MISSING}\b", capsys.readouterr().out)


def test_missing_rows_are_refused(folder, capsys):
    words = ["ranks", "fit", "families.csv", FORMULA, "--missing", "refuse", "--output", "x.json"]
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("jaxpapers: error: 2 rows have missing values in child")
    assert not (folder / "x.json").exists()


@pytest.mark.parametrize("kind", ["rank", "iid", "HC1"])
def test_variance_is_of_the_kind_asked_for(folder, families, capsys, kind):
    record = fitted(folder, "--vcov", kind)
    expected = frames.rank_regression(FORMULA, families, by="region")
    assert record["vcov"] == kind
    np.testing.assert_array_equal(record["cov"], expected.covariance(kind))
    np.testing.assert_array_equal(record["bse"], expected.standard_errors(kind))
    assert ("INCONSISTENT" in capsys.readouterr().out.split("coef")[0]) == (kind != "rank")


def test_precision_is_double_unless_single_is_asked_for(folder):
    double, single = fitted(folder), fitted(folder, "--precision", "single")
    assert (double["precision"], single["precision"]) == ("double", "single")
    for name in ("params", "bse"):
        wide, narrow = np.array(double[name]), np.array(single[name])
        assert np.array_equal(narrow, narrow.astype(np.float32))
        assert not np.array_equal(wide, wide.astype(np.float32))
        np.testing.assert_allclose(narrow, wide, rtol=SINGLE_PRECISION, atol=SINGLE_PRECISION)


@pytest.mark.parametrize("option", ["--missing", "--precision", "--vcov"])
def test_other_values_are_refused(folder, capsys, option):
    with pytest.raises(SystemExit) as stop:
        cli.main(["ranks", "fit", "families.csv", FORMULA, option, "maybe"])
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert "maybe" in captured.out + captured.err
