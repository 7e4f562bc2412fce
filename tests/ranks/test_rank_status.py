"""Every result says how it went: no NaN without a status."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
import tolerances
from rank_cases import NUM_OBS
from rank_definition import Setting

from jaxpapers import ranks
from jaxpapers.engine import RunError, Status, require_ok


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@functools.cache
def whole():
    return rank_cases.fit(Setting(), rank_cases.sample(seed=90, covariates=True))


@functools.cache
def collinear():
    """The last of four parameters is missing."""
    case = rank_cases.sample(seed=90, covariates=True)
    first = case.covariates[:, 0]
    twice = dataclasses.replace(case, covariates=np.stack([first, first], axis=1))
    return rank_cases.fit(Setting(), twice)


@functools.cache
def with_small_group():
    """Group 1 has one observation for four columns."""
    case = rank_cases.sample(seed=90, covariates=True, groups=True)
    groups = np.where(np.arange(NUM_OBS) < 1, 1, 2 * (np.arange(NUM_OBS) % 2))
    return rank_cases.fit(Setting(), dataclasses.replace(case, groups=groups))


def spoiled(fit):
    """A fit with a covariance that is not finite."""
    return dataclasses.replace(fit, cov=fit.cov.at[1, 1].set(jnp.nan))


def assert_status(result, status, *arrays):
    """The status is as expected, an int32, and there is NaN just where it says so."""
    assert result.status == status
    assert result.status.dtype == np.int32
    has_nan = any(np.isnan(array).any() for array in arrays)
    assert has_nan == (status not in (Status.OK, Status.DEGENERATE))


# --- estimates and tests -------------------------------------------------------------------------

ESTIMATES = {
    "fine": (whole, np.eye(4), Status.OK),
    "nothing": (whole, np.zeros((1, 4)), Status.DEGENERATE),
    "missing": (collinear, np.eye(4)[2:], Status.COLLINEAR),
    "not missing": (collinear, np.eye(4)[:3], Status.OK),
    "small group": (with_small_group, np.eye(12)[[0, 10]], Status.FEW_OBSERVATIONS),
    "large groups": (with_small_group, np.eye(12)[[0, 2]], Status.OK),
    "not finite": (lambda: spoiled(whole()), np.eye(4)[:2], Status.NON_FINITE),
    "not finite, missing": (lambda: spoiled(collinear()), np.eye(4), Status.NON_FINITE),
}


@pytest.mark.parametrize("name", ESTIMATES)
def test_estimates(name):
    fit, weights, status = ESTIMATES[name]
    estimate = ranks.contrast(fit(), weights)
    assert_status(estimate, status, estimate.value, estimate.bse)


@pytest.mark.parametrize("name", ["missing", "not missing", "small group", "large groups"])
def test_tests(name):
    fit, weights, status = ESTIMATES[name]
    test = ranks.wald_test(fit(), weights)
    assert_status(test, status, test.statistic, test.pvalue)


def test_mobility():
    assert_status(ranks.relative_mobility(whole()), Status.OK)
    for verb in (ranks.relative_mobility, ranks.absolute_mobility):
        estimate = verb(with_small_group())
        assert_status(estimate, Status.FEW_OBSERVATIONS, estimate.value)
        np.testing.assert_array_equal(np.isnan(estimate.value), [False, True, False])


# --- predictions ---------------------------------------------------------------------------------

NEW = {"covariates": np.array([[0.0, 0.0], [0.5, 1.0]])}
PREDICTIONS = {
    "fine": (whole, NEW, Status.OK),
    "missing": (collinear, NEW, Status.COLLINEAR),
    "small group": (with_small_group, NEW | {"groups": np.array([0, 1])}, Status.FEW_OBSERVATIONS),
    "large groups": (with_small_group, NEW | {"groups": np.array([0, 2])}, Status.OK),
    "not finite": (lambda: spoiled(whole()), NEW, Status.NON_FINITE),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions(name):
    fit, new, status = PREDICTIONS[name]
    training = rank_cases.sample(seed=90, covariates=True).regressor
    found = ranks.predict(fit(), training, np.array([0.0, 0.5]), **new)
    assert_status(found, status, found.value, found.bse_at_rank, found.bse_at_level)


def test_prediction_from_influence_functions_that_are_not_finite():
    fit = whole()
    fit = dataclasses.replace(fit, working_influence=fit.working_influence.at[1, 3].set(jnp.nan))
    training = rank_cases.sample(seed=90, covariates=True).regressor
    found = ranks.predict(fit, training, np.array([0.0, 0.5]), **NEW)
    assert_status(found, Status.NON_FINITE, found.bse_at_level)


def test_prediction_at_levels_of_a_regressor_not_ranked():
    case = rank_cases.sample(seed=90)
    fit = rank_cases.fit(Setting(regressor="level"), case)
    assert_status(ranks.predict(fit, case.regressor, np.zeros(2)), Status.OK)
    found = ranks.predict(spoiled(fit), case.regressor, np.ones(2))
    assert_status(found, Status.NON_FINITE, found.bse_at_rank)


# --- draws ---------------------------------------------------------------------------------------

ERRORS = jnp.ones((20, 4), jnp.float32)


def test_multiplier_draws_have_the_status_of_their_fit():
    assert ranks.MultiplierDraws(whole(), ERRORS).status == Status.OK
    missing = ERRORS.at[:, 3].set(jnp.nan)
    assert ranks.MultiplierDraws(collinear(), missing).status == Status.COLLINEAR
    assert ranks.MultiplierDraws(whole(), missing).status == Status.NON_FINITE


def draws_with(num_failed, fit):
    params = ERRORS.at[:num_failed, 1].set(jnp.nan)
    return ranks.BootstrapDraws(fit, params, None)


def test_bootstrap_draws_say_that_some_failed():
    expected = {0: Status.OK, 1: Status.INCOMPLETE, 2: Status.INCOMPLETE, 3: Status.SINGULAR}
    for num_failed, status in expected.items():
        draws = draws_with(num_failed, whole())
        assert (draws.num_failed, draws.status) == (num_failed, status)
    assert draws_with(1, collinear()).status == Status.COLLINEAR
    assert draws_with(3, collinear()).status == Status.SINGULAR


def test_statuses_of_a_batch_have_its_shape():
    fits = jax.tree.map(lambda *leaves: jnp.stack(leaves), whole(), whole(), whole())
    number = jnp.stack([ERRORS, ERRORS.at[:2, 0].set(jnp.nan), ERRORS.at[:9, 0].set(jnp.nan)])
    draws = ranks.BootstrapDraws(fits, number, None)
    assert draws.num_failed.tolist() == [0, 2, 9]
    assert draws.status.tolist() == [Status.OK, Status.INCOMPLETE, Status.SINGULAR]
    errors = ranks.MultiplierDraws(fits, number)
    assert errors.status.tolist() == [Status.OK, Status.NON_FINITE, Status.NON_FINITE]
    many = coverage_draws(number[..., 0])
    assert many.num_failed.tolist() == [0, 2, 9]
    assert many.status.tolist() == [Status.OK, Status.INCOMPLETE, Status.SINGULAR]
    assert many.coverage()["robust"].shape == many.standard_error_ratio().shape == (3,)
    estimates = jax.vmap(ranks.relative_mobility)(fits)
    assert estimates.status.tolist() == [Status.OK] * 3


def coverage_draws(slope):
    errors = (jnp.full_like(slope, bse) for bse in (0.6, 0.4, 1.2))
    truth = jnp.ones(slope.shape[:-1], slope.dtype)
    return ranks.CoverageDraws(slope, *errors, truth)


def test_samples_that_fail_do_not_count_as_not_covered():
    slope = jnp.asarray([0.0, 1, 2, 3] * 5 + [jnp.nan] * 2, jnp.float64)
    draws = coverage_draws(slope)
    assert (draws.num_failed, draws.status) == (2, Status.INCOMPLETE)
    shares = {name: float(share) for name, share in draws.coverage(0.95).items()}
    assert shares == {"homoskedastic": 0.25, "robust": 1.0, "consistent": 0.75}
    ratio = 0.6 / np.std(slope[:20])
    np.testing.assert_allclose(draws.standard_error_ratio(), ratio, rtol=tolerances.DEFINITION)


@pytest.mark.parametrize("name", ["bse", "bse_homoskedastic", "bse_robust"])
def test_samples_without_standard_errors_fail(name):
    draws = coverage_draws(jnp.ones(4))
    draws = dataclasses.replace(draws, **{name: jnp.asarray([0.5, jnp.nan, jnp.inf, 0.5])})
    assert (draws.num_failed, draws.status) == (2, Status.SINGULAR)
    assert draws.coverage()["consistent"] == 1


def test_when_no_sample_succeeds_there_is_no_coverage():
    draws = coverage_draws(jnp.full(4, jnp.nan))
    assert (draws.num_failed, draws.status) == (4, Status.SINGULAR)
    assert np.isnan(draws.coverage()["consistent"])
    assert np.isnan(draws.standard_error_ratio())
    with pytest.raises(RunError, match="SINGULAR in 1 of 1"):
        require_ok(draws)


def test_small_samples_of_few_cells_fail_where_the_regressor_is_all_tied():
    population = ranks.DiscretisedGaussian(0.5, (0.5, 0.5), (0.8, 0.2))
    key, num_replicates = jax.random.key(6), 40
    draws = ranks.coverage(
        key, ranks.RankRegression(), population, num_obs=8, num_replicates=num_replicates
    )
    keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(num_replicates))
    regressors = jax.vmap(lambda key: population.sample(key, 8)[1])(keys)
    failed = np.ptp(np.asarray(regressors), axis=1) == 0
    assert 0 < failed.sum() < num_replicates
    np.testing.assert_array_equal(np.isnan(draws.slope), failed)
    assert draws.num_failed == failed.sum()
