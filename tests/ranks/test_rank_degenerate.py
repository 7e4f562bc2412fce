"""Singular covariances and the Wald test that has to live with them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
import scipy.stats
import statsmodels.api
import tolerances
from rank_cases import NUM_OBS
from rank_definition import Setting

from jaxpapers import ranks
from jaxpapers.engine import Status


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def eigenvalue_ratio(fit):
    values = np.linalg.eigvalsh(np.asarray(fit.cov))
    return values[0] / values[-1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_without_ties_the_intercept_is_a_function_of_the_slope(seed):
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=seed))
    factor = (NUM_OBS + 1) / (2 * NUM_OBS)
    intercept, slope = np.asarray(fit.params)
    np.testing.assert_allclose(intercept, (1 - slope) * factor, rtol=tolerances.EXACT_ARITHMETIC)
    np.testing.assert_allclose(fit.bse[0], fit.bse[1] * factor, rtol=tolerances.EXACT_ARITHMETIC)
    assert eigenvalue_ratio(fit) < tolerances.EXACT_ARITHMETIC


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("tie_weight", [0.0, 0.5, 0.9])
def test_below_full_tie_weight_the_covariance_is_nearly_singular(seed, tie_weight):
    fit = rank_cases.fit(Setting(tie_weight=tie_weight), rank_cases.sample(seed=seed))
    expected = 0.2 * (1 - tie_weight) ** 2 / NUM_OBS**2
    assert 0.3 * expected < eigenvalue_ratio(fit) < 3 * expected


@pytest.mark.parametrize("tie_weight", [0.0, 0.5, 1.0])
def test_wald_test_of_everything_has_fewer_degrees_of_freedom(tie_weight):
    fit = rank_cases.fit(Setting(tie_weight=tie_weight), rank_cases.sample(seed=3))
    value = np.array([0.3, 0.4])
    test = ranks.wald_test(fit, np.eye(2), value)
    assert test.status == Status.DEGENERATE
    assert test.degrees_of_freedom == 1
    errors = np.asarray(fit.bse)
    distance = (np.asarray(fit.params) - value) / errors
    correlation = np.asarray(fit.cov) / np.outer(errors, errors)
    inverse = np.linalg.pinv(correlation, rcond=1 / NUM_OBS**2, hermitian=True)
    statistic = distance @ inverse @ distance
    np.testing.assert_allclose(test.statistic, statistic, rtol=tolerances.DEFINITION)
    pvalue = scipy.stats.chi2.sf(statistic, 1)
    np.testing.assert_allclose(test.pvalue, pvalue, rtol=tolerances.DEFINITION)


def test_wald_test_of_a_regular_fit_is_that_of_statsmodels():
    case = rank_cases.sample(seed=4, ties=True, covariates=True)
    fit = rank_cases.fit(Setting(tie_weight=0.5), case)
    restrictions = np.array([[0.0, 1.0, 0.0, -1.0], [0.0, 0.0, 1.0, 2.0]])
    value = np.array([0.4, 0.1])
    test = ranks.wald_test(fit, restrictions, value)
    columns = np.column_stack([np.ones(NUM_OBS), case.regressor, case.covariates])
    with_our_params = statsmodels.api.OLS(columns @ np.asarray(fit.params), columns).fit()
    theirs = with_our_params.wald_test(
        (restrictions, value), cov_p=np.asarray(fit.cov), use_f=False
    )
    np.testing.assert_allclose(test.statistic, np.ravel(theirs.statistic)[0], rtol=1e-9)
    np.testing.assert_allclose(test.pvalue, theirs.pvalue, rtol=1e-9)
    assert (test.degrees_of_freedom, test.status) == (2, Status.OK)


def test_wald_test_of_one_restriction_is_the_squared_z_value():
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=4, covariates=True))
    test = ranks.wald_test(fit, np.eye(4)[2:3])
    np.testing.assert_allclose(
        test.statistic, fit.zvalues()[2] ** 2, rtol=tolerances.EXACT_ARITHMETIC
    )
    np.testing.assert_allclose(test.pvalue, fit.pvalues()[2], rtol=tolerances.DEFINITION)
    assert test.status == Status.OK


def test_what_has_sampling_variance_is_never_rejected_for_certain():
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=4, covariates=True))
    test = ranks.wald_test(fit, np.eye(4)[1:3], np.array([60.0, 80.0]))
    assert np.isfinite(test.statistic)
    assert test.statistic > 1e4
    assert test.status == Status.OK


def test_repeated_restriction_counts_once():
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=4, covariates=True))
    once = ranks.wald_test(fit, np.eye(4)[1:2])
    twice = ranks.wald_test(fit, np.eye(4)[[1, 1]])
    assert (twice.degrees_of_freedom, twice.status) == (1, Status.DEGENERATE)
    np.testing.assert_allclose(twice.statistic, once.statistic, rtol=tolerances.DEFINITION)


def test_wald_test_of_a_missing_parameter_says_so():
    case = rank_cases.sample(seed=4, covariates=True)
    covariates = np.stack([case.covariates[:, 0]] * 2, axis=1)
    positional, _ = rank_cases.arguments(case)
    fit = ranks.fit(ranks.RankRegression(), *positional, covariates=covariates)
    missing = ranks.wald_test(fit, np.eye(4)[2:])
    assert missing.status == Status.COLLINEAR
    assert np.isnan(missing.statistic)
    assert np.isnan(missing.pvalue)
    present = ranks.wald_test(fit, np.eye(4)[1:3])
    assert present.status == Status.OK
    cov = np.asarray(fit.cov)[1:3, 1:3]
    statistic = np.asarray(fit.params)[1:3] @ np.linalg.solve(cov, np.asarray(fit.params)[1:3])
    np.testing.assert_allclose(present.statistic, statistic, rtol=tolerances.DEFINITION)


def outcome_is_regressor(dtype=np.float64, *, covariates=False):
    """A fit with intercept 0, slope 1 and no variance."""
    case = rank_cases.sample(seed=8, covariates=covariates)
    x = case.regressor.astype(dtype)
    w = case.covariates.astype(dtype) if covariates else None
    return ranks.fit(ranks.RankRegression(), x, x, covariates=w)


def assert_rejected_for_certain(test):
    assert (test.statistic, test.pvalue) == (np.inf, 0)
    assert test.status == Status.DETERMINISTIC


def assert_holds_for_certain(test):
    assert (test.statistic, test.degrees_of_freedom, test.pvalue) == (0, 0, 1)
    assert test.status == Status.DEGENERATE


SLOPE = np.array([[0.0, 1.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_variance_a_restriction_holds_or_is_rejected_for_certain(dtype):
    fit = outcome_is_regressor(dtype)
    assert_rejected_for_certain(ranks.wald_test(fit, SLOPE))
    assert_rejected_for_certain(ranks.wald_test(fit, np.eye(2), np.array([0.0, 0.9])))
    assert_holds_for_certain(ranks.wald_test(fit, SLOPE, np.ones(1)))
    assert_holds_for_certain(ranks.wald_test(fit, np.eye(2), np.array([0.0, 1.0])))


def test_coefficients_that_are_rounding_are_zero_for_certain():
    fit = outcome_is_regressor(covariates=True)
    assert_holds_for_certain(ranks.wald_test(fit, np.eye(4)[2:]))


@pytest.mark.parametrize("intercept", [0.3, 0.5])
def test_what_the_intercept_is_without_ties_can_be_rejected_for_certain(intercept):
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=3))
    test = ranks.wald_test(fit, np.eye(2), np.array([intercept, 0.4]))
    if intercept == 0.3:  # (1 - slope) / 2: true of the population, off by 1 / obs in the sample
        assert test.status == Status.DEGENERATE
        assert np.isfinite(test.statistic)
    else:
        assert_rejected_for_certain(test)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_combination_without_variance_alone(seed):
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=seed))
    combination = np.array([[1.0, (NUM_OBS + 1) / (2 * NUM_OBS)]])
    assert_holds_for_certain(ranks.wald_test(fit, combination, np.array([0.5])))
    assert_rejected_for_certain(ranks.wald_test(fit, combination, np.array([0.7])))


@pytest.mark.parametrize(("num_errors", "is_rejected"), [(6, False), (15, True)])
def test_combination_that_varies_little_may_err_by_some_standard_errors(num_errors, is_rejected):
    case = rank_cases.sample(seed=4, covariates=True)
    year = dataclasses.replace(case, covariates=case.covariates + np.array([2e3, 0]))
    fit = rank_cases.fit(Setting(), year)
    errors, rows = np.asarray(fit.bse)[[0, 2]], np.eye(4)[[0, 2]]
    correlation = rows @ np.asarray(fit.cov) @ rows.T / np.outer(errors, errors)
    values, vectors = np.linalg.eigh(correlation)
    assert 1e-12 < values[0] / values[1] < 1 / NUM_OBS**2
    params = rows.T @ (num_errors * np.sqrt(values[0]) * vectors[:, 0] * errors)
    test = ranks.wald_test(dataclasses.replace(fit, params=jnp.asarray(params)), rows)
    assert test.status == (Status.DETERMINISTIC if is_rejected else Status.DEGENERATE)


def test_units_of_a_covariate_do_not_matter():
    case = rank_cases.sample(seed=4, covariates=True)
    tests = []
    for unit in (1.0, 1e7):
        scaled = dataclasses.replace(case, covariates=case.covariates * [unit, 1.0])
        tests.append(ranks.wald_test(rank_cases.fit(Setting(), scaled), np.eye(4)[1:]))
    assert tests[1].status == tests[0].status == Status.OK
    np.testing.assert_allclose(tests[1].statistic, tests[0].statistic, rtol=tolerances.GOLDEN)


@pytest.mark.parametrize("are_equal", [True, False])
def test_equality_of_slopes_without_variance(are_equal):
    case = rank_cases.sample(seed=5, covariates=True, groups=True)
    slopes = np.ones(3) if are_equal else np.array([1.0, 1.0, 2.0])
    case = dataclasses.replace(case, outcome=slopes[case.groups] * case.regressor)
    fit = rank_cases.fit(Setting(outcome="level", regressor="level"), case)
    assert fit.status == Status.DEGENERATE
    test = ranks.equality_test(fit)
    (assert_holds_for_certain if are_equal else assert_rejected_for_certain)(test)


def test_wald_test_of_what_is_not_finite_says_so():
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=3))
    test = ranks.wald_test(dataclasses.replace(fit, cov=np.nan * fit.cov), SLOPE)
    assert test.status == Status.NON_FINITE
    assert np.isnan(test.statistic)
    assert np.isnan(test.pvalue)


def test_equality_of_slopes_across_groups():
    case = rank_cases.sample(seed=5, covariates=True, groups=True)
    fit = rank_cases.fit(Setting(), case)
    differences = np.zeros((2, 12))
    differences[:, 3] = -1
    differences[[0, 1], [4, 5]] = 1
    by_hand = differences @ np.asarray(fit.params)
    cov = differences @ np.asarray(fit.cov) @ differences.T
    statistic = by_hand @ np.linalg.solve(cov, by_hand)
    test = ranks.equality_test(fit)
    np.testing.assert_allclose(test.statistic, statistic, rtol=tolerances.DEFINITION)
    np.testing.assert_allclose(
        test.pvalue, scipy.stats.chi2.sf(statistic, 2), rtol=tolerances.DEFINITION
    )
    assert (test.degrees_of_freedom, test.status) == (2, Status.OK)


def test_groups_are_not_independent():
    case = rank_cases.sample(seed=5, covariates=True, groups=True)
    cov = np.asarray(rank_cases.fit(Setting(), case).cov)
    across = np.abs(cov[3, 4]) / np.sqrt(cov[3, 3] * cov[4, 4])
    assert across > 1e-3
