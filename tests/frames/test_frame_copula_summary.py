"""Summaries of fitted copulas: what they say of data, fit and status, and what to do."""

import functools

import numpy as np
import pytest
from copula_cases import ASSETS, planted, stock_prices, with_near_copy

pytestmark = pytest.mark.usefixtures("quick_compiles")
MISSING = np.float64(np.nan)


@functools.cache
def skewed():
    return planted("skew-normal")


@pytest.fixture
def summary():
    return skewed().summary()


def told(summary):
    return " ".join(" ".join(summary.notes).split())


def test_header_says_what_was_fitted(summary):
    assert summary.title == "Factor copula: skew-normal, K = 1, 3 assets"
    assert dict(summary.header) == {
        "Observations": "300",
        "Dropped (missing)": "0",
        "From": "2021-10-20",
        "To": "2022-12-28",
        "Fitted to": "log returns",
        "Margins": "empirical (ranks)",
        "Algorithm": "variational, rank 5",
        "Steps": "60",
        "ELBO": "99.25 (s.e. 0.03)",
        "k-hat": "0.31 (good)",
        "Mean correlation": "-0.001",
        "Status": "CONVERGED",
    }


def test_rows_are_skewness_by_asset(summary):
    result = skewed()
    assert summary.columns == ("mean", "sd", "[0.025", "0.975]")
    assert [row[0] for row in summary.rows] == [f"delta[{asset}]" for asset in ASSETS]
    shown = np.array([row[1:] for row in summary.rows], float)
    ends = result.conf_int().filter(like="delta", axis=0)
    expected = np.column_stack([result.delta, result.bse.filter(like="delta"), ends])
    np.testing.assert_allclose(shown, expected, atol=5e-5)


def test_the_most_asymmetric_pair_is_told(summary):
    row = skewed().most_asymmetric
    assert (
        f"Most asymmetric pair at the level 0.05: {row['asset']} and {row['asset_2']}, UR - LL = "
        f"{row['mean']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}], observed "
        f"{row['empirical']:.3f}: "
    ) in told(summary)


def test_text_is_narrow_and_aligned(summary):
    lines = str(summary).splitlines()
    assert max(map(len, lines)) <= 100
    head = next(line for line in lines if "[0.025" in line)
    rows = [line for line in lines if line.startswith("delta[")]
    assert {len(row) for row in rows} == {len(head)}
    assert "delta[JPM]" in summary.as_latex()
    assert "<td>CONVERGED" not in summary._repr_html_()
    assert "CONVERGED" in summary._repr_html_()


@pytest.mark.parametrize(
    ("k", "word", "advice"),
    [(0.3, "good", "can be trusted"), (0.6, "usable", "extremes"), (0.9, "unreliable", "'nuts'")],
)
def test_what_k_hat_means(k, word, advice):
    summary = planted("gaussian", pareto_k=np.float64(k)).summary()
    assert dict(summary.header)["k-hat"] == f"{k:.2f} ({word})"
    assert f"k-hat {k:.2f}, {word}" in told(summary)
    assert advice in told(summary)


def test_symmetric_families_show_correlations():
    summary = planted("gaussian").summary()
    assert summary.rows[0][0] == "correlation[AAPL, JPM]"
    assert "asymmetric" not in told(summary)


def test_chains_show_how_they_mixed():
    nothing = dict.fromkeys(("elbo", "elbo_se", "pareto_k"), MISSING)
    result = planted("t", algorithm="nuts", r_hat=np.float64(1.23), status=np.int32(31), **nothing)
    header = dict(result.summary().header)
    assert header["Draws"] == "2 x 30"
    assert header["Largest R-hat"] == "1.230"
    assert not {"ELBO", "k-hat", "Steps"} & set(header)
    assert header["Status"] == "MAX_STEPS (see below)"
    assert "Take twice as many (largest R-hat 1.230)" in told(result.summary())


def test_nearly_copies_are_named_whatever_the_status():
    table = with_near_copy(stock_prices())
    result = planted("gaussian", table=table, status=np.int32(26))
    assert "They are: AAPL and COPY." in told(result.summary())
    unfinished = planted("gaussian", table=table, status=np.int32(31)).summary()
    assert "num_steps was too small" in told(unfinished)
    assert "Nearly copies of each other: AAPL and COPY." in told(unfinished)


def test_ties_are_told():
    rounded = planted("gaussian", table=stock_prices().round(0))
    shares = rounded.sample.tie_shares
    worst = max(shares, key=shares.get)
    counts = np.unique(rounded.sample.returns[:, ASSETS.index(worst)], return_counts=True)[1]
    assert shares[worst] == counts[counts > 1].sum() / 300
    assert f"{100 * shares[worst]:.1f} % in {worst}" in told(rounded.summary())
    assert "ties" not in told(planted("gaussian").summary())


def test_of_many_parameters_the_first_are_shown():
    many = ("AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM")
    summary = planted("gaussian", table=stock_prices(assets=many)).summary()
    assert len(summary.rows) == 30
    assert "The first 30 of 36 parameters are shown; .tidy() has all." in told(summary)
