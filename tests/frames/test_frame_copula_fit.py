"""Factor copulas from tables: the numbers of the arrays layer, every kind of table, refusals."""

import functools

import jax
import numpy as np
import polars as pl
import pytest
from copula_cases import ASSETS, stock_prices, with_near_copy

from jaxpapers import copulas, engine, frames
from jaxpapers.engine import Status
from jaxpapers.frames.copula_settings import chosen_algorithm

pytestmark = pytest.mark.usefixtures("quick_compiles")
SETTINGS = {"num_factors": 1, "family": "gaussian", "num_steps": 150, "rank": 2}


def fit(table, seed=4, *, values="prices", **settings):
    return frames.fit_copula(seed, table, values=values, **{**SETTINGS, **settings})


@functools.cache
def fitted():
    return fit(stock_prices())


@pytest.fixture
def result():
    return fitted()


def test_numbers_are_those_of_the_arrays_layer(result):
    returns = np.diff(np.log(stock_prices().to_numpy()), axis=0)
    with engine.double_precision():
        expected = copulas.fit(
            jax.random.key(4),
            copulas.GaussianFactorModel(3, 1),
            copulas.pseudo_observations(returns),
            copulas.FactorGaussianVI(rank=2),
            num_steps=150,
        )
        draws, elbo, u = map(
            np.asarray, (expected.draws, expected.elbo, copulas.pseudo_observations(returns))
        )
    np.testing.assert_array_equal(result.fit.draws, draws)
    np.testing.assert_array_equal(result.fit.elbo, elbo)
    np.testing.assert_array_equal(result.sample.u, u)
    assert result.status == Status.CONVERGED
    assert (result.nobs, result.num_dropped, result.assets) == (300, 0, ASSETS)


def test_everything_is_numpy_in_double_precision(result):
    leaves = jax.tree.leaves(result.fit)
    assert leaves
    assert all(isinstance(leaf, np.ndarray | np.generic) for leaf in leaves)
    assert result.fit.draws.dtype == result.params.dtype == np.float64
    assert not jax.config.values["jax_enable_x64"]


def test_correlations_are_near_those_of_normal_scores(result):
    """The posterior mean of a Gaussian copula with one factor on three assets fits them freely."""
    from scipy.stats import norm

    scores = np.corrcoef(norm.ppf(result.sample.u).T)
    np.testing.assert_allclose(result.correlation, scores, atol=2 * result.bse.max())


def test_returns_polars_and_keys_give_the_same(result):
    prices = stock_prices()
    given = fit(frames.log_returns(prices), jax.random.key(4), values="returns")
    np.testing.assert_array_equal(given.fit.draws, result.fit.draws)
    assert (given.settings.seed, result.settings.seed) == (None, 4)
    assert dict(given.summary().header)["Fitted to"] == "returns as given"
    table = pl.from_pandas(prices.reset_index()).reverse()
    turned = fit(table, date="Date")
    np.testing.assert_array_equal(turned.fit.draws, result.fit.draws)
    assert turned.sample.index.equals(result.sample.index)
    assert not np.array_equal(fit(prices, 5).fit.draws, result.fit.draws)


def test_missing_returns_are_dropped_and_counted_or_refused():
    """Two rows more, of which a missing price takes two returns."""
    prices = stock_prices(303).copy()
    prices.iloc[40, 1] = np.nan
    dropped = fit(prices)
    assert (dropped.nobs, dropped.num_dropped) == (300, 2)
    assert dict(dropped.summary().header)["Dropped (missing)"] == "2"
    assert not {prices.index[40], prices.index[41]} & set(dropped.sample.index)
    with pytest.raises(ValueError, match="2 rows have a missing return, most of them in JPM"):
        fit(prices, missing="raise")


def test_a_killed_fit_goes_on_from_its_checkpoint(result, tmp_path):
    first = fit(stock_prices(), checkpoint=tmp_path)
    np.testing.assert_array_equal(first.fit.draws, result.fit.draws)
    again = fit(stock_prices(), checkpoint=tmp_path)
    np.testing.assert_array_equal(again.fit.draws, result.fit.draws)
    with pytest.raises(ValueError, match="holds another run"):
        fit(stock_prices(), 5, checkpoint=tmp_path)


def test_nearly_equal_assets_are_a_status_that_names_them():
    found = fit(with_near_copy(stock_prices()[["AAPL", "JPM"]]))
    assert found.sample.near_copies == [("AAPL", "COPY")]
    assert np.isfinite(found.params).all()
    if found.status == Status.NEARLY_SINGULAR:
        assert "They are: AAPL and COPY." in found.status_message
    assert "AAPL and COPY" in " ".join(found.summary().notes)


def test_too_few_steps_are_a_status():
    short = fit(stock_prices(), num_steps=4)
    assert short.status == Status.MAX_STEPS
    assert "num_steps was too small" in short.status_message


# --- choices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family", "kind"),
    [
        ("vi", "t", copulas.FactorGaussianVI),
        ("full-rank", "t", copulas.FullRankVI),
        ("hybrid", "skew-t", copulas.HybridVI),
        ("nuts", "gaussian", copulas.NUTS),
    ],
)
def test_algorithms_by_name(name, family, kind):
    assert isinstance(chosen_algorithm(name, family, None), kind)
    if name in ("vi", "hybrid"):
        assert chosen_algorithm(name, family, 3).rank == 3
        assert chosen_algorithm(name, family, None).rank == 5


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"family": "skewt"}, ValueError, "family is 'skewt'; needed is one of 'skew-t'"),
        ({"margins": "rank"}, ValueError, "margins is 'rank'; needed is one of 'empirical'"),
        ({"algorithm": "mcmc"}, ValueError, "algorithm is 'mcmc'; needed is one of 'vi'"),
        ({"values": "levels"}, ValueError, "values is 'levels'; needed is one of 'prices'"),
        ({"missing": "keep"}, ValueError, "missing is 'keep'"),
        ({"precision": "half"}, ValueError, "precision is 'half'"),
        ({"algorithm": "hybrid"}, ValueError, "'hybrid' is for family 'skew-t', got 'gaussian'"),
        ({"algorithm": "nuts", "rank": 2}, ValueError, "rank is for algorithm 'vi' and 'hybrid'"),
        ({"num_factors": 3}, ValueError, "num_factors must be below num_assets, got 3 factors"),
        ({"num_factors": 0}, ValueError, "num_factors must be at least 1"),
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1"),
        ({"rank": 0}, ValueError, "rank must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": "x"}, TypeError, "seed must be a Python int"),
    ],
    ids=str,
)
def test_choices_that_cannot_be(settings, error, message):
    with pytest.raises(error, match=message):
        fit(stock_prices(), **settings)


def test_data_that_cannot_be():
    prices = stock_prices()
    with pytest.raises(ValueError, match="AAPL and TWICE have the same copula data"):
        fit(prices.assign(TWICE=2 * prices["AAPL"]))
    with pytest.raises(ValueError, match="there are 2 complete rows of 3 assets; needed"):
        fit(frames.log_returns(prices).iloc[:2], values="returns")
    sparse = prices.copy()
    sparse.loc[sparse.index[2:], "XOM"] = np.nan
    with pytest.raises(ValueError, match=r"1 complete rows .* 299 rows being .* in XOM"):
        fit(sparse)
    with pytest.raises(ValueError, match="the price of JPM is 0 on 2021"):
        fit(prices.assign(JPM=0.0))
    still = frames.log_returns(prices).assign(JPM=0.0)
    with pytest.raises(ValueError, match="JPM has the same return 0 in all rows"):
        fit(still, values="returns")
    with pytest.raises(TypeError, match="table must be"):
        fit(prices.to_numpy())
