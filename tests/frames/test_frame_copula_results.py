"""Results of copulas on tables: names, moments, dependence of pairs, simulated returns."""

import functools

import jax
import numpy as np
import pandas as pd
import pytest
from copula_cases import ASSETS, NUM_DRAWS, correlations, planted, skewness, stock_prices
from scipy import stats
from tolerances import EXACT_ARITHMETIC, QUADRANT_PROBABILITY

from jaxpapers import frames

pytestmark = pytest.mark.usefixtures("quick_compiles")
LEVEL = 0.1
QUANTITIES = ["LL", "UR", "LR", "UL", "asymmetry"]


@pytest.fixture(scope="module")
def result():
    return planted()


@pytest.fixture(scope="module")
def normal():
    return planted("gaussian")


@functools.cache
def dependence_of_all():
    return planted().quantile_dependence(LEVEL)


@pytest.fixture
def dependence():
    return dependence_of_all()


# --- parameters -----------------------------------------------------------------------------------


def test_names_are_those_of_the_assets(result, normal):
    pairs = ["correlation[AAPL, JPM]", "correlation[AAPL, XOM]", "correlation[JPM, XOM]"]
    slants = [f"{name}[{asset}]" for name in ("delta", "alpha") for asset in ASSETS]
    assert list(result.names) == ["nu", *slants, *pairs]
    assert list(normal.names) == pairs
    assert repr(result) == "<FactorCopulaResult skew-t, 3 assets, K = 1, 300 observations>"


def test_moments_are_those_of_the_draws(result):
    omega, (delta, alpha, nu) = correlations(result), skewness(result)
    upper = np.triu_indices(3, 1)
    values = np.concatenate([nu[:, None], delta, alpha, omega[:, *upper]], axis=1)
    close = {"rtol": EXACT_ARITHMETIC, "atol": EXACT_ARITHMETIC}
    np.testing.assert_allclose(result.params, values.mean(axis=0), **close)
    np.testing.assert_allclose(result.bse, values.std(axis=0, ddof=1), **close)
    np.testing.assert_allclose(
        result.conf_int(0.2), np.quantile(values, [0.1, 0.9], axis=0).T, **close
    )
    np.testing.assert_allclose(result.correlation, omega.mean(axis=0), **close)
    np.testing.assert_allclose(result.delta, delta.mean(axis=0), **close)
    np.testing.assert_allclose(result.alpha, alpha.mean(axis=0), **close)
    np.testing.assert_allclose(result.nu, nu.mean(), **close)
    assert list(result.correlation.index) == list(result.correlation.columns) == list(ASSETS)
    assert list(result.delta.index) == list(ASSETS)


def test_tidy_has_one_row_per_parameter(result):
    tidy = result.tidy(0.2)
    assert list(tidy.columns) == ["parameter", "asset", "asset_2", "mean", "sd", "lower", "upper"]
    assert tidy.iloc[0, :3].tolist() == ["nu", "", ""]
    assert tidy.iloc[2, :3].tolist() == ["delta", "JPM", ""]
    assert tidy.iloc[-1, :3].tolist() == ["correlation", "JPM", "XOM"]
    np.testing.assert_array_equal(tidy["mean"], result.params)
    np.testing.assert_array_equal(tidy[["lower", "upper"]], result.conf_int(0.2))


def test_families_without_skewness_or_tails(normal):
    assert normal.nu == np.inf
    assert (normal.delta == 0).all()
    assert normal.posterior.alpha is None


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_intervals_need_a_probability(result, alpha):
    for call in (result.conf_int, result.tidy):
        with pytest.raises(ValueError, match="alpha must lie strictly between 0 and 1"):
            call(alpha)


# --- dependence of pairs --------------------------------------------------------------------------


def wide(table, column="mean"):
    return table.pivot_table(column, ["asset", "asset_2"], "quantity", sort=False)[QUANTITIES]


def test_dependence_is_one_row_per_pair_and_quantity(dependence):
    assert list(dependence.columns) == [
        *("asset", "asset_2", "quantity", "mean", "sd", "lower", "upper", "empirical")
    ]
    pairs = [("AAPL", "JPM"), ("AAPL", "XOM"), ("JPM", "XOM")]
    expected = [(*pair, quantity) for pair in pairs for quantity in QUANTITIES]
    assert list(dependence.iloc[:, :3].itertuples(index=False, name=None)) == expected
    assert dependence.attrs == {"level": LEVEL, "num_draws": NUM_DRAWS}
    assert (dependence["lower"] <= dependence["upper"]).all()
    means = wide(dependence)
    np.testing.assert_allclose(means["asymmetry"], means["UR"] - means["LL"], atol=1e-12)


def test_dependence_is_a_mean_over_the_posterior(normal):
    """Against the bivariate normal distribution of scipy at every draw."""
    omega = correlations(normal)
    x = stats.norm.ppf(LEVEL)

    def low(rho):
        return stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([x, x]) / LEVEL

    got = wide(normal.quantile_dependence(LEVEL))
    for row, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        same = np.mean([low(rho) for rho in omega[:, i, j]])
        across = np.mean([low(-rho) for rho in omega[:, i, j]])
        expected = [same, same, across, across, 0.0]
        np.testing.assert_allclose(got.iloc[row], expected, atol=QUADRANT_PROBABILITY)
        plug_in = low(omega[:, i, j].mean())
        assert abs(plug_in - same) > 10 * QUADRANT_PROBABILITY


def test_observed_shares_are_counted(result, dependence):
    u = result.sample.u
    counted = wide(dependence, "empirical")
    for (first, second), row in counted.iterrows():
        a, b = u[:, ASSETS.index(first)], u[:, ASSETS.index(second)]
        low_a, low_b, high_a, high_b = a <= LEVEL, b <= LEVEL, a > 1 - LEVEL, b > 1 - LEVEL
        corners = [low_a & low_b, high_a & high_b, high_a & low_b, low_a & high_b]
        shares = [corner.mean() / LEVEL for corner in corners]
        np.testing.assert_allclose(row, [*shares, shares[1] - shares[0]], atol=1e-12)


def test_some_assets_have_the_dependence_they_have_among_all(result, dependence):
    """Skew-t copulas are closed under margins; the other order exchanges LR and UL."""
    turned = result.quantile_dependence(LEVEL, assets=["XOM", "JPM"])
    exchanged = {"LR": "UL", "UL": "LR"}
    among = dependence[(dependence["asset"] == "JPM") & (dependence["asset_2"] == "XOM")]
    for column in ("mean", "sd", "lower", "upper", "empirical"):
        got = dict(zip(turned["quantity"], turned[column], strict=True))
        expected = dict(zip(among["quantity"], among[column], strict=True))
        for quantity in QUANTITIES:
            np.testing.assert_allclose(
                got[quantity],
                expected[exchanged.get(quantity, quantity)],
                atol=QUADRANT_PROBABILITY,
            )


def test_the_most_asymmetric_pair_is_found(result):
    row = result.most_asymmetric
    assert row["quantity"] == "asymmetry"
    means = wide(result.quantile_dependence())["asymmetry"].abs()
    assert (row["asset"], row["asset_2"]) == means.idxmax()


def test_fewer_draws_are_evenly_spaced(normal):
    few = normal.quantile_dependence(LEVEL, num_draws=7)
    assert few.attrs["num_draws"] == 7
    all_of_them = normal.quantile_dependence(LEVEL, num_draws=10 * NUM_DRAWS)
    assert all_of_them.attrs["num_draws"] == NUM_DRAWS


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"level": 0.6}, ValueError, r"level must lie in \(0, 1/2\]"),
        ({"level": "low"}, TypeError, "level must be an array"),
        ({"assets": ["AAPL", "JPN"]}, ValueError, "no asset 'JPN'; did you mean 'JPM'"),
        ({"assets": ["AAPL"]}, ValueError, "assets must be two or more, got AAPL"),
        ({"num_draws": 0}, ValueError, "num_draws must be at least 1"),
        ({"alpha": 2.0}, ValueError, "alpha must lie strictly between"),
    ],
)
def test_dependence_that_cannot_be(normal, settings, error, message):
    with pytest.raises(error, match=message):
        normal.quantile_dependence(**settings)


# --- simulated returns ----------------------------------------------------------------------------


def test_simulated_returns_are_a_table_by_name(result):
    draws = result.simulate(3, 50)
    assert isinstance(draws, pd.DataFrame)
    assert list(draws.columns) == list(ASSETS)
    assert draws.shape == (50, 3)
    returns = frames.log_returns(stock_prices())
    assert (draws.max() <= returns.max()).all()
    assert (draws.min() >= returns.min()).all()
    pd.testing.assert_frame_equal(draws, result.simulate(jax.random.key(3), 50))
    assert not np.allclose(draws, result.simulate(4, 50))


def test_margins_turn_copula_data_back_into_returns():
    returns = frames.log_returns(stock_prices())
    for margins in ("empirical", "kernel"):
        sample = planted("gaussian", margins=margins).sample
        np.testing.assert_allclose(sample.returns_of(sample.u), returns, rtol=1e-9, atol=1e-12)


def test_kernel_margins_go_beyond_the_data():
    sample = planted("gaussian", margins="kernel").sample
    edges = sample.returns_of(np.array([[1e-5] * 3, [1 - 1e-5] * 3]))
    assert (edges[0] < sample.returns.min(axis=0)).all()
    assert (edges[1] > sample.returns.max(axis=0)).all()
    spread = sample.returns.std(axis=0, ddof=1)
    width = np.minimum(spread, stats.iqr(sample.returns, axis=0) / 1.34) * 0.9 * 300**-0.2
    distances = (sample.returns[:, None] - sample.returns[None]) / width
    np.testing.assert_allclose(sample.u, stats.norm.cdf(distances).mean(axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 0), ValueError, "num_draws must be at least 1"),
        ((-1, 5), ValueError, "seed must be at least 0"),
        (("zero", 5), TypeError, "seed must be a Python int"),
    ],
)
def test_simulations_that_cannot_be(result, arguments, error, message):
    with pytest.raises(error, match=message):
        result.simulate(*arguments)
