"""The multiplier bootstrap: covariance, bands, and what they must not be misled by."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
import tolerances
from rank_definition import Setting

from jaxpapers import ranks

KEY = jax.random.key(7)
NUM_DRAWS = 4_000
# Errors of covariances are sqrt((1 + r²) / R) of standard errors; 4.5 of them for 16 entries.
COVARIANCE_ERROR = 4.5 * np.sqrt(2 / NUM_DRAWS)
# The .95 quantile of the maximum has a standard error of sqrt(.95 × .05 / R) / density, .03.
CRITICAL_ERROR = 0.12
MULTIPLIERS = {
    "gaussian": ranks.GaussianMultiplier(),
    "signs": ranks.RademacherMultiplier(),
}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@functools.cache
def fitted():
    case = rank_cases.sample(seed=31, ties=True, covariates=True)
    return rank_cases.fit(Setting(tie_weight=0.5), case)


def draw(fit, name="gaussian"):
    return ranks.multiplier_bootstrap(
        KEY, fit, num_replicates=NUM_DRAWS, batch_size=500, multiplier=MULTIPLIERS[name]
    )


@pytest.mark.parametrize("name", MULTIPLIERS)
def test_covariance_is_that_of_the_fit(name):
    draws = draw(fitted(), name)
    scale = np.outer(fitted().bse, fitted().bse)
    error = np.abs(np.asarray(draws.cov) - np.asarray(fitted().cov)) / scale
    assert error.max() < COVARIANCE_ERROR
    errors = np.asarray(draws.errors)
    assert np.abs(errors.mean(axis=0) / fitted().bse).max() < 4.5 / np.sqrt(NUM_DRAWS)
    np.testing.assert_allclose(draws.bse, np.sqrt(np.mean(errors**2, axis=0)), rtol=1e-9)


def test_covariance_rejects_the_robust_one():
    draws = draw(fitted())
    scale = np.outer(fitted().bse, fitted().bse)
    error = np.abs(np.asarray(draws.cov) - np.asarray(fitted().cov_robust)) / scale
    assert error.max() > COVARIANCE_ERROR


def test_a_draw_perturbs_the_influence_functions_with_its_own_key():
    draws = draw(fitted())
    influence = np.asarray(fitted().influence)
    for replicate in (0, 1_234):
        key = jax.random.fold_in(KEY, replicate)
        multipliers = np.asarray(jax.random.normal(key, (len(influence),), jnp.float64))
        expected = multipliers @ influence / len(influence)
        np.testing.assert_allclose(draws.errors[replicate], expected, rtol=1e-9)


def test_signs_are_signs():
    signs = ranks.RademacherMultiplier().sample(KEY, 1_000, jnp.dtype("float64"))
    np.testing.assert_array_equal(np.unique(signs), [-1, 1])
    assert abs(signs.mean()) < 4.5 / np.sqrt(1_000)


CONTRASTS = {
    "parameters": np.eye(4),
    "combinations": np.array([[1.0, 0.25, 0, 0], [1, 0.75, 0, 0], [0, 0, 1, -1]]),
}


@pytest.mark.parametrize("name", MULTIPLIERS)
@pytest.mark.parametrize("rows", CONTRASTS)
def test_band_has_the_critical_value_of_the_maximal_normal(name, rows):
    contrasts = CONTRASTS[rows]
    cov = contrasts @ np.asarray(fitted().cov) @ contrasts.T
    errors = np.sqrt(np.diag(cov))
    normal = np.random.default_rng(0).multivariate_normal(
        np.zeros(len(cov)), cov / np.outer(errors, errors), 200_000
    )
    critical = np.quantile(np.abs(normal).max(axis=1), 0.95)
    band = np.asarray(draw(fitted(), name).simultaneous_interval(0.95, jnp.asarray(contrasts)))
    value = contrasts @ np.asarray(fitted().params)
    np.testing.assert_allclose(band.mean(axis=1), value, atol=tolerances.EXACT_ARITHMETIC)
    ratios = (band[:, 1] - band[:, 0]) / 2 / errors
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
    assert abs(ratios[0] - critical) < CRITICAL_ERROR
    assert abs(ratios[0] - 1.96) > CRITICAL_ERROR


def test_band_of_the_parameters_is_the_default():
    draws = draw(fitted())
    np.testing.assert_array_equal(
        draws.simultaneous_interval(0.9), draws.simultaneous_interval(0.9, jnp.eye(4))
    )
    maxima = np.abs(np.asarray(draws.errors) / np.asarray(fitted().bse)).max(axis=1)
    half = np.quantile(maxima, 0.9) * np.asarray(fitted().bse)
    band = np.stack([fitted().params - half, fitted().params + half], axis=1)
    np.testing.assert_allclose(draws.simultaneous_interval(0.9), band, rtol=1e-9)


def test_missing_parameter_does_not_widen_the_band():
    case = rank_cases.sample(seed=31, ties=True, covariates=True)
    first = case.covariates[:, 0]
    double = dataclasses.replace(case, covariates=np.stack([first, first], axis=1))
    fit = rank_cases.fit(Setting(tie_weight=0.5), double)
    draws = draw(fit)
    band = np.asarray(draws.simultaneous_interval(0.95))
    np.testing.assert_array_equal(np.isnan(band[:, 0]), [False, False, False, True])
    kept = np.asarray(draws.errors)[:, :3] / np.asarray(fit.bse)[:3]
    critical = np.quantile(np.abs(kept).max(axis=1), 0.95)
    np.testing.assert_allclose(
        (band[:3, 1] - band[:3, 0]) / 2 / np.asarray(fit.bse)[:3], critical, rtol=1e-9
    )
    uses_it = np.asarray(draws.simultaneous_interval(0.95, jnp.asarray([[0, 1.0, 0, 0.5]])))
    assert np.all(np.isnan(uses_it))


def test_fit_without_influence_functions_is_refused():
    without = dataclasses.replace(fitted(), working_influence=None)
    with pytest.raises(ValueError, match=r"fit\.influence is None \(obs x param exceeds"):
        ranks.multiplier_bootstrap(KEY, without)
