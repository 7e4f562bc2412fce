"""Fits of a small skew-t factor copula: against long chains, their evaluation, their errors."""

import dataclasses
import functools
from typing import Any

import copula_data
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tolerances

from jaxpapers import copulas
from jaxpapers.copulas import NUTS, FactorGaussianVI, FullRankVI
from jaxpapers.engine import Status
from jaxpapers.experiments.copulas_accuracy import stored_posterior

KEY = jax.random.key(11)
GOLDEN = stored_posterior()
SETTINGS: Any = {"num_starts": 2, "num_draws": 2_000}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@functools.cache
def fitted(name):
    algorithm, num_steps = {
        "factor": (FactorGaussianVI(rank=2), 1_000),
        "full": (FullRankVI(), 600),
        "nuts": (NUTS(num_warmup=150, num_chains=2), 400),
    }[name]
    u = copula_data.sample()
    return copulas.fit(KEY, copula_data.model(), u, algorithm, num_steps=num_steps, **SETTINGS)


def parts(moments):
    below = np.tril_indices(copula_data.NUM_ASSETS, -1)
    return {
        "correlation": np.asarray(moments.correlation)[below],
        "delta": np.asarray(moments.delta),
        "nu": np.asarray(moments.nu),
    }


def distances(fit):
    """Means off the long chains, in their standard deviations, and ratios of deviations."""
    mean, sd = parts(fit.mean), parts(fit.sd)
    off = [
        np.abs(mean[k] - GOLDEN["mean"][k]) / np.asarray(GOLDEN["sd"][k]) for k in GOLDEN["mean"]
    ]
    ratio = [sd[k] / np.asarray(GOLDEN["sd"][k]) for k in GOLDEN["sd"]]
    return np.max([np.max(part) for part in off]), np.concatenate([np.ravel(r) for r in ratio])


def test_long_chains_have_converged():
    assert GOLDEN["r_hat"] < 1.01


@pytest.mark.parametrize("name", ["factor", pytest.param("full", marks=pytest.mark.acceptance)])
def test_variational_posterior_is_that_of_long_chains(name):
    off, ratio = distances(fitted(name))
    assert off <= tolerances.VI_MEANS
    assert ratio.min() >= 0.75
    assert ratio.max() <= 1.25


def test_chains_are_those_of_long_chains():
    fit = fitted("nuts")
    off, ratio = distances(fit)
    assert off <= tolerances.CHAIN_MEANS
    assert 0.75 < ratio.min() < ratio.max() < 1.3
    assert float(fit.r_hat) < 1.05
    assert fit.draws.shape == (800, copula_data.model().num_params)


def test_a_planted_defect_is_found():
    fit = fitted("factor")
    wrong = dataclasses.replace(fit, draws=fit.draws.at[:, -2].add(1.0))
    off, _ = distances(wrong)
    assert off > 2 * tolerances.VI_MEANS


@pytest.mark.parametrize("name", ["factor", pytest.param("full", marks=pytest.mark.acceptance)])
def test_evaluation_is_honest(name):
    """ELBO below the evidence, of which two families say the same; k-hat is sane."""
    fit = fitted(name)
    assert fit.elbo < fit.log_evidence < fit.elbo + 1
    assert 0 < float(fit.elbo_se) < 0.1
    assert float(fit.pareto_k) < 0.7
    assert int(fit.num_rejected) == 0
    assert int(fit.status) == Status.CONVERGED
    assert abs(float(fit.log_evidence - fitted("factor").log_evidence)) < 0.3


def test_chains_have_no_elbo():
    assert np.isnan(fitted("nuts").elbo)


def test_modes_of_all_starts_are_reported():
    modes = fitted("factor").modes
    assert modes.params.shape == (2, copula_data.model().num_params)
    # Two modes: the search from a small slant ends 7 nats below the other one.
    assert abs(float(jnp.ptp(modes.log_posterior))) > 1
    np.testing.assert_allclose(fitted("factor").log_posterior, jnp.max(modes.log_posterior), 1e-12)
    assert (np.asarray(modes.status) == Status.CONVERGED).all()
    value = copula_data.model().log_prob(modes.best, jnp.asarray(copula_data.sample()))
    np.testing.assert_allclose(value, fitted("factor").log_posterior, rtol=1e-9)


def test_fresh_draws_have_the_law_of_the_kept_ones():
    fit = fitted("factor")
    draws = fit.sample(jax.random.key(1), 4_000)
    z = (draws.mean(0) - fit.draws.mean(0)) / (fit.draws.std(0) * np.sqrt(1 / 4_000 + 1 / 2_000))
    assert np.abs(z).max() < 4.5  # false alarms: 9 normal tails, 6e-5
    again = fitted("nuts").sample(jax.random.key(1), 5)
    assert (again[:, None] == fitted("nuts").draws[None]).all(-1).any(1).all()


def test_mean_copula_has_the_mean_parameters():
    fit = fitted("factor")
    copula, mean = fit.mean_copula(), fit.mean
    assert isinstance(copula, copulas.SkewTCopula)
    np.testing.assert_allclose(copula.correlation.matrix(), mean.correlation, atol=1e-12)
    np.testing.assert_allclose(copula.skewness, np.asarray(mean.delta), atol=1e-12)
    assert copula.nu == mean.nu


def test_going_on_is_going_on():
    """Steps of `resume` draw what a longer fit draws at the same numbers of steps."""
    fit = fitted("factor")
    longer = copulas.resume(
        KEY, fit, copula_data.sample(), FactorGaussianVI(rank=2), num_steps=200, num_draws=500
    )
    assert int(longer.num_steps) == 1_200
    assert longer.trace.shape == (1_200,)
    np.testing.assert_array_equal(longer.trace[:1_000], fit.trace)
    assert abs(float(longer.elbo - fit.elbo)) < 0.2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda u: u[:, :3], ValueError, "u has 3 columns, the model 4 assets"),
        (lambda u: u[:3], ValueError, "u has 3 observations of 4 assets"),
        (lambda u: np.where(u == u[5, 2], 1.0, u), ValueError, "strictly between 0 and 1"),
        (lambda u: np.where(u == u[5, 2], np.nan, u), ValueError, "u holds 1 non-finite value"),
        (lambda u: u[:, [0, 1, 1, 3]], ValueError, "u has equal columns"),
        (lambda u: u[:, 0], ValueError, "u must have shape"),
        (lambda u: "prices.csv", TypeError, "u must be an array"),
    ],
)
def test_data_that_cannot_be_fitted(change, error, message):
    with pytest.raises(error, match=message):
        copulas.fit(KEY, copula_data.model(), change(copula_data.sample()), num_steps=10)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"key": 0}, TypeError, "key must be a typed random key"),
        ({"model": "skew-t"}, TypeError, "model must be a FactorModel, got str"),
        ({"algorithm": "vi"}, TypeError, "algorithm must be FactorGaussianVI, FullRankVI"),
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1"),
        ({"num_starts": 0}, ValueError, "num_starts must be at least 1"),
        ({"num_draws": 10}, ValueError, "num_draws must be at least 100"),
    ],
)
def test_settings_that_cannot_be(settings, error, message):
    given = {"key": KEY, "model": copula_data.model(), "algorithm": None, "num_steps": 10}
    given |= settings
    with pytest.raises(error, match=message):
        copulas.fit(
            given.pop("key"),
            given.pop("model"),
            copula_data.sample(),
            given.pop("algorithm"),
            **given,
        )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FactorGaussianVI(rank=0), ValueError, "rank must be at least 1"),
        (lambda: FactorGaussianVI(learning_rate=2.0), ValueError, "learning_rate must lie"),
        (lambda: FullRankVI(num_draws=0), ValueError, "num_draws must be at least 1"),
        (lambda: NUTS(num_warmup=5), ValueError, "num_warmup must be at least 10"),
        (lambda: NUTS(target_acceptance=1.0), ValueError, "target_acceptance must lie"),
    ],
)
def test_algorithms_that_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "cls",
    [
        copulas.GaussianFactorModel,
        pytest.param(copulas.TFactorModel, marks=pytest.mark.acceptance),
        pytest.param(copulas.SkewNormalFactorModel, marks=pytest.mark.acceptance),
    ],
)
def test_other_families_are_fitted_without_dead_parameters(cls):
    model = cls(copula_data.NUM_ASSETS, copula_data.NUM_FACTORS)
    fit = copulas.fit(KEY, model, copula_data.sample(), num_steps=200, num_starts=1, num_draws=500)
    assert fit.draws.shape[1] == model.num_params
    truth = copula_data.model().pack(copula_data.truth())
    assert fit.elbo < copula_data.model().log_prob(truth, copula_data.sample())
    copula = fit.mean_copula()
    assert type(copula).__name__ == cls.__name__.replace("FactorModel", "Copula")
