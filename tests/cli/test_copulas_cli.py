"""`jaxpapers copulas`: real processes on real prices, files they write, mistakes in one line."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from jaxpapers import cli, frames

NUM_PRICES = 201
ASSETS = ["AAPL", "JPM", "XOM"]
QUICK = ["--num-factors", "1", "--family", "gaussian", "--num-steps", "150"]


@pytest.fixture(scope="module")
def prices():
    from skfolio.datasets import load_sp500_dataset

    return load_sp500_dataset()[ASSETS].iloc[-NUM_PRICES:]


@pytest.fixture
def folder(prices, tmp_path, monkeypatch):
    """Working folder with the prices."""
    prices.to_csv(tmp_path / "prices.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    """A process of its own, programs compiled without optimisation."""
    command = [sys.executable, "-m", "jaxpapers", *words]
    surroundings = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=surroundings)


def complaint(capsys, *words):
    """The one line of a mistake."""
    assert cli.main(list(words)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("jaxpapers: error: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_fit_and_dependence_as_processes(folder, prices):
    fitted = run("copulas", "fit", "prices.csv", *QUICK, "--seed", "3", "--output", "out/fit.nc")
    assert fitted.returncode == 0, fitted.stderr
    assert fitted.stdout.endswith("written to out/fit.nc\n")
    fit = frames.read_copula_fit("out/fit.nc")
    assert (fit.nobs, fit.assets) == (NUM_PRICES - 1, tuple(ASSETS))
    assert (fit.settings.seed, fit.settings.num_steps) == (3, 150)
    assert (fit.sample.index == prices.index[1:]).all()
    assert str(fit.summary()) in fitted.stdout
    words = ["--level", "0.1", "--output", "table.csv"]
    asked = run("copulas", "dependence", "out/fit.nc", *words)
    assert asked.returncode == 0, asked.stderr
    table = pd.read_csv("table.csv")
    pd.testing.assert_frame_equal(table, fit.quantile_dependence(0.1), rtol=1e-12)
    lines = asked.stdout.splitlines()
    assert lines[0].split() == list(table.columns)
    assert len(lines) == 1 + len(table) + 1
    assert lines[-1] == "written to table.csv"


@pytest.mark.usefixtures("quick_compiles")
def test_every_choice_reaches_the_fit(folder, prices, capsys):
    frames.log_returns(prices).rename_axis("day").to_parquet("returns.parquet")
    words = ["copulas", "fit", "returns.parquet", "--num-factors", "1", "--num-steps", "40"]
    words += ["--date", "day", "--returns", "--family", "gaussian", "--margins", "kernel"]
    assert cli.main([*words, "--rank", "2", "--output", "fit.nc", "--checkpoint", "saves"]) == 0
    printed = capsys.readouterr()
    for text in ("Gaussian, K = 1", "returns as given", "Gaussian kernel", "rank 2", "k-hat"):
        assert text in printed.out
    assert "copula: 40/40 steps" in printed.err
    assert {entry.name for entry in (folder / "saves").iterdir()} == {"mode", "steps"}
    fit = frames.read_copula_fit("fit.nc")
    assert (fit.settings.values, fit.settings.rank) == ("returns", 2)
    assert np.isfinite(fit.fit.elbo)
    np.testing.assert_array_equal(fit.sample.returns, frames.log_returns(prices))
    assert cli.main(["copulas", "dependence", "fit.nc", "--assets", "AAPL", "XOM"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in shown[1:]] == [
        ["AAPL", "XOM", name] for name in ("LL", "UR", "LR", "UL", "asymmetry")
    ]


@pytest.mark.acceptance
def test_the_skew_t_of_real_prices(tmp_path):
    """The advertised command; nothing of the skew-t is compiled in the tests of every day."""
    from skfolio.datasets import load_sp500_dataset

    names = [*ASSETS, "KO", "BAC"]
    load_sp500_dataset()[names].iloc[-501:].to_csv(tmp_path / "prices.csv")
    words = ["prices.csv", "--num-factors", "3", "--output", "fit.nc"]
    done = run("copulas", "fit", *(str(tmp_path / w) if "." in w else w for w in words))
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    fit = frames.read_copula_fit(tmp_path / "fit.nc")
    assert not fit.status.is_failure
    assert (fit.settings.family, fit.settings.num_steps) == ("skew-t", 2_000)
    scores = np.corrcoef(fit.sample.returns.T)
    np.testing.assert_allclose(fit.correlation, scores, atol=0.1)
    assert (fit.delta.abs() < 1).all()
    assert 2 < fit.conf_int().loc["nu", 0] < fit.nu < 60


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv", *QUICK], "there is no file nowhere.csv"),
        (["prices.csv", *QUICK, "--date", "day"], "there is no column 'day'; there are Date"),
        (["prices.csv", "--num-factors", "3"], "num_factors must be below num_assets"),
        (["prices.csv", *QUICK, "--output", "."], ". is a folder; needed is the name of a file"),
        (["prices.csv", *QUICK, "--algorithm", "hybrid"], "'hybrid' is for family 'skew-t'"),
        (["prices.csv", *QUICK, "--seed", "-1"], "seed must be at least 0"),
        (["prices.csv", *QUICK, "--date-format", "%d.%m.%y"], "Date holds '2022-"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, words, message):
    assert message in complaint(capsys, "copulas", "fit", *words)
    assert {entry.name for entry in folder.iterdir()} == {"prices.csv"}


def test_bad_prices_are_one_line_and_status_2(folder, prices):
    prices.assign(JPM=prices["JPM"].where(prices.index != prices.index[7], -1.0)).to_csv("bad.csv")
    done = run("copulas", "fit", "bad.csv", *QUICK, "--output", "fit.nc")
    assert done.returncode == 2
    day = prices.index[7].date()
    assert done.stderr.startswith(f"jaxpapers: error: the price of JPM is -1 on {day} (1 prices")
    assert done.stderr.count("\n") == 1
    assert not (folder / "fit.nc").exists()


def test_missing_rows_are_refused_on_request(folder, prices, capsys):
    prices.where(prices != prices.iloc[9, 2]).to_csv("gaps.csv")
    words = ["copulas", "fit", "gaps.csv", *QUICK, "--missing", "refuse"]
    assert "rows have a missing return, most of them in XOM" in complaint(capsys, *words)


def test_dependence_of_what_is_no_fit(folder, capsys):
    words = ["copulas", "dependence", "prices.csv", "--output", "table.csv"]
    assert "prices.csv cannot be read as a fitted copula" in complaint(capsys, *words)
    assert "there is no file fit.nc" in complaint(capsys, "copulas", "dependence", "fit.nc")
    assert not (folder / "table.csv").exists()


@pytest.mark.parametrize("words", [["fit", "prices.csv"], ["fit", "--num-factors", "2"]], ids=str)
def test_required_arguments(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["copulas", *words])
    assert stop.value.code == 2
    printed = capsys.readouterr()
    missing = "DATA" if "--num-factors" in words else "--num-factors"
    assert missing in printed.out + printed.err
