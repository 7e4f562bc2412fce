"""Large samples: the asymptotic variance, many chunks of groups, single precision."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
import rank_definition
import scipy.special
import tolerances
from rank_cases import CHUNKED, LARGE
from rank_definition import Setting

from jaxpapers import ranks
from jaxpapers.engine import Status
from jaxpapers.ranks.bootstrap import presort, refit


def hoeffding_variance(correlation, num_nodes=60):
    """9 Var((2U-1)(2V-1) + 4 psi_X(U) + 4 psi_Y(V)) of a Gaussian copula, by quadrature.

    psi(u) = E[1{u <= U} (V - 1/2)] with E[V | X = x] = Phi(r x / sqrt(2 - r²)).
    """
    grid = np.linspace(-9, 9, 20_001)
    conditional = scipy.special.ndtr(correlation * grid / np.sqrt(2 - correlation**2)) - 0.5
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    pieces = np.convolve(conditional * density, [0.5, 0.5], mode="valid") * (grid[1] - grid[0])
    tail = np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(num_nodes)
    weights = weights / weights.sum()
    x = nodes[:, None]
    y = correlation * x + np.sqrt(1 - correlation**2) * nodes[None]
    u, v = scipy.special.ndtr(x), scipy.special.ndtr(y)
    h = (2 * u - 1) * (2 * v - 1) + 4 * np.interp(x, grid, tail) + 4 * np.interp(y, grid, tail)
    joint = weights[:, None] * weights[None]
    return 9 * (np.sum(joint * h**2) - np.sum(joint * h) ** 2)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_variance_tends_to_that_of_hoeffding(correlation):
    limit = hoeffding_variance(correlation)
    if correlation == 0:
        np.testing.assert_allclose(limit, 1, rtol=1e-6)
    random = np.random.default_rng(0)
    scaled = []
    with jax.enable_x64(True):
        for _ in range(20):
            x, noise = random.normal(size=(2, LARGE))
            y = correlation * x + np.sqrt(1 - correlation**2) * noise
            fit = rank_cases.fit(Setting(), rank_definition.Sample(y, x))
            scaled.append(LARGE * float(fit.cov[1, 1]))
    assert abs(np.mean(scaled) / limit - 1) < tolerances.HOEFFDING
    robust = LARGE * float(fit.cov_robust[1, 1])
    if correlation == 0.9:
        assert robust / limit - 1 > 10 * tolerances.HOEFFDING


def single_and_double(name, num_obs):
    """One sample, rounded to float32, fitted in both precisions."""
    setting, parts = rank_cases.SETTINGS[name]
    setting = dataclasses.replace(setting, tie_weight=0.5)
    case = rank_cases.sample(seed=61, num_obs=num_obs, **parts)
    case = dataclasses.replace(
        case,
        outcome=case.outcome.astype(np.float32),
        regressor=case.regressor.astype(np.float32),
        covariates=None if case.covariates is None else case.covariates.astype(np.float32),
    )
    with jax.enable_x64(False):
        single = rank_cases.fit(setting, case)
        assert single.params.dtype == single.cov.dtype == jnp.float32
    with jax.enable_x64(True):
        double = rank_cases.fit(
            setting,
            dataclasses.replace(
                case,
                outcome=case.outcome.astype(np.float64),
                regressor=case.regressor.astype(np.float64),
                covariates=None if case.covariates is None else case.covariates.astype(np.float64),
            ),
        )
        assert double.params.dtype == np.float64
    return setting, case, single, double


def assert_single_is_close(single, double):
    cov, cov_single = (np.asarray(fit.cov, np.float64) for fit in (double, single))
    errors = np.sqrt(np.diag(cov))
    bound = tolerances.SINGLE_FIT
    np.testing.assert_allclose(np.sqrt(np.diag(cov_single)), errors, rtol=bound)
    assert np.abs((cov_single - cov) / np.outer(errors, errors)).max() < 2 * bound
    params, params_single = (np.asarray(fit.params, np.float64) for fit in (double, single))
    assert np.all(np.abs(params_single - params) < 1e-3 * errors)
    naive, naive_single = (np.asarray(fit.cov_robust, np.float64) for fit in (double, single))
    np.testing.assert_allclose(np.diag(naive_single), np.diag(naive), rtol=2 * bound)
    np.testing.assert_allclose(float(single.r_squared), float(double.r_squared), rtol=bound)
    assert int(single.status) == int(double.status) == Status.OK


def test_single_precision_of_a_large_sample():
    _, _, single, double = single_and_double("rank on rank", LARGE)
    assert_single_is_close(single, double)


def test_groups_over_many_chunks_equal_the_definition_in_both_precisions():
    setting, case, single, double = single_and_double("groups, covariates", LARGE)
    reference = rank_definition.evaluate(setting, case)
    errors = np.sqrt(np.diag(reference.cov))
    np.testing.assert_allclose(double.params, reference.params, rtol=tolerances.DEFINITION)
    off = np.abs(np.asarray(double.cov) - reference.cov) / np.outer(errors, errors)
    assert off.max() < tolerances.DEFINITION
    np.testing.assert_allclose(double.influence, reference.psi, atol=1e-9)
    assert_single_is_close(single, double)


def shapes(num_obs, *, num_covariates=1):
    """Shapes of a large sample in single precision, without data."""
    row = jax.ShapeDtypeStruct((num_obs,), jnp.float32)
    covariates = jax.ShapeDtypeStruct((num_obs, num_covariates), jnp.float32)
    return row, covariates, jax.ShapeDtypeStruct((num_obs,), jnp.int32)


@pytest.mark.parametrize("num_groups", [None, 2, 200])
@pytest.mark.parametrize("num_obs", [60_000, 100_000_000])
def test_squares_of_large_sample_sizes_do_not_overflow(num_groups, num_obs):
    model = ranks.RankRegression(tie_weight=np.float32(1))
    row, covariates, groups = shapes(num_obs)

    def everything(outcome, regressor, covariates, groups):
        by = {} if num_groups is None else {"groups": groups, "num_groups": num_groups}
        fit = ranks.fit(model, outcome, regressor, covariates=covariates, **by)
        groups = groups if by else None
        sample = presort(
            model, outcome, regressor, covariates, groups, None, num_groups=num_groups or 1
        )
        return fit.cov, refit(sample, jnp.ones_like(outcome), studentize=True)

    with jax.enable_x64(False):
        cov, (_, bse) = jax.eval_shape(everything, row, row, covariates, groups)
    size = 3 * (num_groups or 1)
    assert (cov.shape, bse.shape) == ((size, size), (size,))
    assert cov.dtype == bse.dtype == jnp.float32


def test_single_precision_knows_a_fit_without_variance():
    with jax.enable_x64(False):
        values = np.random.default_rng(0).normal(size=LARGE).astype(np.float32)
        fit = ranks.fit(ranks.RankRegression(tie_weight=np.float32(0.5)), values, values)
        assert fit.status == Status.DEGENERATE
        np.testing.assert_allclose(fit.params, [0, 1], atol=1e-5)


def test_single_precision_keeps_the_variance_of_a_level_far_from_zero():
    setting = Setting(outcome="level", tie_weight=0.5)
    case = rank_cases.sample(seed=63)
    outcome = (10_000 + case.outcome).astype(np.float32)
    case = dataclasses.replace(case, outcome=outcome, regressor=case.regressor.astype(np.float32))
    reference = rank_definition.evaluate(setting, case)
    with jax.enable_x64(False):
        fit = rank_cases.fit(setting, case)
        assert fit.status == Status.OK
        np.testing.assert_allclose(fit.bse, np.sqrt(np.diag(reference.cov)), rtol=1e-2)


def test_influence_that_would_not_fit_in_memory_is_left_out(monkeypatch):
    monkeypatch.setattr("jaxpapers.ranks.solve.MAX_INFLUENCE_SIZE", 1_000)
    setting, parts = rank_cases.SETTINGS["groups, covariates"]
    setting = dataclasses.replace(setting, tie_weight=0.3)
    case = rank_cases.sample(seed=62, ties=True, num_obs=CHUNKED, **parts)
    with jax.enable_x64(True):
        fit = rank_cases.fit(setting, case)
        assert fit.influence is None
        reference = rank_definition.evaluate(setting, case)
        errors = np.sqrt(np.diag(reference.cov))
        off = np.abs(np.asarray(fit.cov) - reference.cov) / np.outer(errors, errors)
        assert off.max() < tolerances.DEFINITION
        with pytest.raises(ValueError, match=r"fit\.influence is None"):
            ranks.multiplier_bootstrap(jax.random.key(0), fit)
        with pytest.raises(ValueError, match=r"fit\.influence is None"):
            ranks.predict(fit, case.regressor, case.regressor[:1])
