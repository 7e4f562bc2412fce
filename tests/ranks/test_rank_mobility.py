"""Mobility measures and contrasts by hand."""

import jax
import numpy as np
import pytest
import rank_cases
import scipy.special
import tolerances
from rank_definition import Setting

from jaxpapers import ranks

WITHOUT_INTERCEPT = Setting(intercept=False, increasing=(True, False))


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def grouped():
    return rank_cases.fit(
        Setting(tie_weight=0.5),
        rank_cases.sample(seed=41, ties=True, covariates=True, groups=True),
    )


def by_hand(fit, weights):
    params, cov = np.asarray(fit.params), np.asarray(fit.cov)
    return weights @ params, np.sqrt(np.einsum("ri,ij,rj->r", weights, cov, weights))


def assert_estimate(estimate, fit, weights):
    value, bse = by_hand(fit, weights)
    np.testing.assert_allclose(estimate.value, value, rtol=tolerances.DEFINITION)
    np.testing.assert_allclose(estimate.bse, bse, rtol=tolerances.DEFINITION)


@pytest.mark.parametrize("rank", [0.25, 0.0, 1.0])
def test_absolute_mobility_of_each_group(rank):
    weights = np.zeros((3, 12))
    weights[[0, 1, 2], [0, 1, 2]] = 1
    weights[[0, 1, 2], [3, 4, 5]] = rank
    assert_estimate(ranks.absolute_mobility(grouped(), rank), grouped(), weights)


def test_absolute_mobility_at_covariates():
    weights = np.zeros((3, 12))
    for group in range(3):
        weights[group, [group, 3 + group, 6 + group, 9 + group]] = [1, 0.25, 2.0, -0.5]
    estimate = ranks.absolute_mobility(grouped(), covariates=np.array([2.0, -0.5]))
    assert_estimate(estimate, grouped(), weights)


def test_absolute_mobility_is_the_mean_rank_predicted_there():
    case = rank_cases.sample(seed=42)
    fit = rank_cases.fit(Setting(), case)
    upward = ranks.absolute_mobility(fit)
    alpha, rho = np.asarray(fit.params)
    np.testing.assert_allclose(upward.value, [alpha + 0.25 * rho], rtol=tolerances.DEFINITION)
    half = scipy.special.ndtri(0.95) * upward.bse[0]
    ends = [[upward.value[0] - half, upward.value[0] + half]]
    np.testing.assert_allclose(upward.interval(0.9), ends, rtol=tolerances.DEFINITION)


def test_relative_mobility_is_the_slope_of_each_group():
    fit = grouped()
    relative = ranks.relative_mobility(fit)
    np.testing.assert_allclose(relative.value, fit.params[3:6], rtol=tolerances.DEFINITION)
    np.testing.assert_allclose(relative.value, fit.slope, rtol=tolerances.DEFINITION)
    np.testing.assert_allclose(relative.bse, fit.bse[3:6], rtol=tolerances.DEFINITION)


def test_coefficients_by_group():
    fit = grouped()
    for group in range(3):
        expected = np.asarray(fit.params)[group::3]
        np.testing.assert_array_equal(fit.by_group()[group], expected)


def test_relative_mobility_without_intercept():
    case = rank_cases.sample(seed=41, ties=True, covariates=True)
    fit = rank_cases.fit(WITHOUT_INTERCEPT, case)
    np.testing.assert_allclose(ranks.relative_mobility(fit).value, fit.params[:1])


def test_difference_between_groups_takes_their_covariance():
    fit = grouped()
    weights = np.zeros((1, 12))
    weights[0, [4, 3]] = [1, -1]
    difference = ranks.contrast(fit, weights)
    assert_estimate(difference, fit, weights)
    as_if_independent = np.hypot(fit.bse[4], fit.bse[3])
    assert abs(difference.bse[0] / as_if_independent - 1) > 1e-3


def test_contrast_of_a_missing_parameter_is_missing():
    case = rank_cases.sample(seed=43, covariates=True)
    first = case.covariates[:, 0]
    fit = ranks.fit(
        ranks.RankRegression(),
        case.outcome,
        case.regressor,
        covariates=np.stack([first, first], axis=1),
    )
    weights = np.array([[0.0, 1, 0, 1], [0, 1, 1, 0]])
    estimate = ranks.contrast(fit, weights)
    np.testing.assert_array_equal(np.isnan(estimate.value), [True, False])
    np.testing.assert_array_equal(np.isnan(estimate.bse), [True, False])


def test_mobility_needs_an_intercept():
    case = rank_cases.sample(seed=41, ties=True, covariates=True)
    fit = rank_cases.fit(WITHOUT_INTERCEPT, case)
    with pytest.raises(ValueError, match="fit has no intercept; absolute mobility needs"):
        ranks.absolute_mobility(fit)


@pytest.mark.parametrize("covariates", [False, True])
def test_mobility_needs_a_regressor(covariates):
    case = rank_cases.sample(seed=41, covariates=covariates, regressor=False)
    fit = rank_cases.fit(Setting(), case)
    for verb in (ranks.relative_mobility, ranks.absolute_mobility):
        with pytest.raises(ValueError, match="no regressor"):
            verb(fit)


@pytest.mark.parametrize("rank", [25, -0.1])
def test_parents_rank_is_a_share(rank):
    with pytest.raises(ValueError, match=r"rank .*\[0, 1\]"):
        ranks.absolute_mobility(grouped(), rank)


def test_equality_needs_groups():
    fit = rank_cases.fit(Setting(), rank_cases.sample(seed=42))
    with pytest.raises(ValueError, match="fit has 1 group; needed are at least 2"):
        ranks.equality_test(fit)


def test_covariates_must_fit():
    with pytest.raises(ValueError, match=r"covariates must have shape \(2,\), got \(3,\)"):
        ranks.absolute_mobility(grouped(), covariates=np.ones(3))
