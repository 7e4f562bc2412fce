"""Forecasts and their scores: definitions by brute force, the exact copula, planted defects."""

import copula_data
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import tolerances

from jaxpapers import copulas

KEY = jax.random.key(5)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def sample(num_draws=400, num_assets=3):
    generator = np.random.default_rng(2)
    return generator.standard_t(4, (num_draws, num_assets)) + np.arange(num_assets)


def brute_crps(draws, y):
    return np.abs(draws - y).mean() - 0.5 * np.abs(draws[:, None] - draws[None]).mean()


@pytest.mark.parametrize("y", [-3.0, 0.2, 8.0])
def test_crps_is_its_definition(y):
    draws = sample()[:, 0]
    np.testing.assert_allclose(copulas.crps(draws, y), brute_crps(draws, y), rtol=1e-12)


def test_crps_of_a_normal_forecast_is_the_closed_form():
    """Monte Carlo: false alarm 1e-4."""
    draws, y = jax.random.normal(KEY, (200_000,)), 0.7
    law = scipy.stats.norm
    expected = y * (2 * law.cdf(y) - 1) + 2 * law.pdf(y) - 1 / np.sqrt(np.pi)
    error = 4 * np.std(np.abs(draws - y)) / np.sqrt(draws.size)
    assert abs(copulas.crps(draws, y) - expected) < error
    assert abs(copulas.crps(1.05 * draws + 0.05, y) - expected) > error  # planted defect


@pytest.mark.parametrize("y", [-3.0, -0.4, 4.0])
def test_lower_tail_crps_is_its_integral(y):
    """Of the empirical distribution function, a step function, between its steps."""
    draws, threshold = sample()[:, 0], -0.5
    places = np.unique(np.concatenate([draws, [y, threshold]]))
    places = places[places <= threshold]
    below = np.searchsorted(np.sort(draws), places[:-1], side="right") / draws.size
    integral = np.sum((below - (y <= places[:-1])) ** 2 * np.diff(places))
    if y < draws.min():
        integral += draws.min() - y if places[0] > y else 0
    np.testing.assert_allclose(copulas.lower_tail_crps(draws, y, threshold), integral, rtol=1e-10)


def test_energy_score_is_its_definition():
    draws, y = sample(), np.array([0.5, -1.0, 2.0])
    distance = np.linalg.norm(draws - y, axis=1).mean()
    between = np.linalg.norm(draws[:, None] - draws[None], axis=2).mean()
    np.testing.assert_allclose(copulas.energy_score(draws, y), distance - between / 2, rtol=1e-12)
    one = copulas.energy_score(draws[:, :1], y[:1])
    np.testing.assert_allclose(one, copulas.crps(draws[:, 0], y[0]), rtol=1e-10)


def test_log_score_is_the_log_of_the_mean_density():
    fit, u = copula_data.posterior(3), copula_data.sample()[:20]

    @jax.jit
    def exact(params):
        return jax.vmap(fit.model.copula(params).log_prob)(jnp.asarray(u))

    densities = np.exp([exact(params) for params in fit.draws])
    score = copulas.log_score(fit, u)
    expected = np.log(densities.mean(0))
    np.testing.assert_allclose(score, expected, atol=tolerances.LOG_SCORE)
    turned = copulas.log_score(fit, np.where(np.arange(4) == 0, 1 - u, u))  # planted defect
    assert turned.sum() < score.sum() - 5


def test_predictive_draws_have_the_copula_of_the_posterior():
    """Uniform margins, and Spearman's rho of the copula at the centre; false alarm 4e-4."""
    fit = copula_data.posterior(50, spread=1e-3)
    u = np.asarray(copulas.predictive_draws(KEY, fit, 2_000))
    assert u.shape == (2_000, copula_data.NUM_ASSETS)
    assert all(scipy.stats.kstest(column, "uniform").pvalue > 1e-4 for column in u.T)
    copula = copula_data.model().copula_of(copula_data.truth())
    expected = copulas.rank_correlation(copula).spearman[0, 1]
    found = scipy.stats.spearmanr(u[:, 0], u[:, 1]).statistic
    assert abs(found - expected) < 4 / np.sqrt(len(u))
    first = copulas.predictive_draws(KEY, fit, 100)
    np.testing.assert_array_equal(first, u[:100])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda fit, u: copulas.log_score(u, u), TypeError, "fit must be a CopulaFit"),
        (lambda fit, u: copulas.log_score(fit, u[:, :2]), ValueError, "u has 2 columns, the model"),
        (lambda fit, u: copulas.log_score(fit, u + 1), ValueError, "strictly between 0 and 1"),
        (lambda fit, u: copulas.predictive_draws(0, fit, 5), TypeError, "key must be a typed"),
        (lambda fit, u: copulas.predictive_draws(KEY, u, 5), TypeError, "fit must be a CopulaFit"),
        (lambda fit, u: copulas.predictive_draws(KEY, fit, 0), ValueError, "num_draws must be at"),
    ],
)
def test_what_cannot_be_asked(call, error, message):
    with pytest.raises(error, match=message):
        call(copula_data.posterior(2), copula_data.sample())
