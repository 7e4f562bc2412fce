"""Fits where something is missing, constant, tied or nearly so."""

import dataclasses

import jax
import mpmath
import numpy as np
import pytest
import rank_cases
import rank_definition
import tolerances
from rank_cases import NUM_OBS
from rank_definition import Setting

from jaxpapers import ranks
from jaxpapers.engine import Status


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def assert_equals_kept_part(fit, setting, case, kept):
    """The fit equals the definition on the kept columns; the others are missing."""
    kept = np.asarray(kept)
    reference = rank_definition.evaluate(setting, case, kept)
    np.testing.assert_array_equal(fit.kept, kept)
    np.testing.assert_allclose(fit.params[kept], reference.params, atol=tolerances.DEFINITION)
    np.testing.assert_allclose(
        fit.cov[kept][:, kept], reference.cov, atol=tolerances.DEFINITION * np.max(reference.cov)
    )
    np.testing.assert_allclose(
        fit.cov_robust[kept][:, kept], reference.cov_robust, atol=tolerances.DEFINITION
    )
    np.testing.assert_allclose(
        fit.cov_homoskedastic[kept][:, kept],
        reference.cov_homoskedastic,
        atol=tolerances.DEFINITION,
    )
    for missing in (fit.params, fit.bse, fit.interval()[:, 0], fit.pvalues(), fit.influence[0]):
        np.testing.assert_array_equal(np.isnan(missing), ~kept)
    np.testing.assert_array_equal(np.isnan(fit.cov), ~(kept[:, None] & kept[None]))


def with_covariates(seed, second):
    """A sample whose second covariate is made from the sample."""
    case = rank_cases.sample(seed=seed, ties=True, covariates=True)
    first = case.covariates[:, 0]
    covariates = np.stack([first, second(case, first)], axis=1)
    return dataclasses.replace(case, covariates=covariates)


NOISE = np.random.default_rng(3).normal(size=NUM_OBS)
DROPPED = {
    "copy": lambda case, first: first,
    "combination with the constant": lambda case, first: 2 * first - 1,
    "constant": lambda case, first: np.full(NUM_OBS, 7.0),
    "zero": lambda case, first: np.zeros(NUM_OBS),
    "ranks of the regressor": lambda case, first: rank_definition.ranks(case.regressor, 0.5),
    "below R's tolerance": lambda case, first: first + 3e-8 * NOISE,
}


@pytest.mark.parametrize("name", DROPPED)
def test_collinear_columns_are_dropped_from_the_right(name):
    setting = Setting(tie_weight=0.5)
    case = with_covariates(5, DROPPED[name])
    fit = rank_cases.fit(setting, case)
    assert fit.status == Status.COLLINEAR
    assert_equals_kept_part(fit, setting, case, [True, True, True, False])


def test_earlier_covariate_drops_when_it_is_the_constant():
    setting = Setting(tie_weight=0.5)
    case = with_covariates(5, lambda case, first: first)
    covariates = np.stack([np.full(NUM_OBS, -2.0), case.covariates[:, 0]], axis=1)
    case = dataclasses.replace(case, covariates=covariates)
    fit = rank_cases.fit(setting, case)
    assert_equals_kept_part(fit, setting, case, [True, True, False, True])


def test_above_the_tolerance_of_r_a_column_is_kept():
    case = with_covariates(5, lambda case, first: first + 1e-6 * NOISE)
    fit = rank_cases.fit(Setting(), case)
    assert fit.status == Status.OK
    assert np.all(fit.kept)


def test_without_intercept_a_constant_covariate_takes_its_place():
    case = rank_cases.sample(seed=5, ties=True, covariates=True)
    first = case.covariates[:, 0]
    constant = dataclasses.replace(
        case, covariates=np.stack([np.full(NUM_OBS, 2.0), first], axis=1)
    )
    setting = Setting(intercept=False, increasing=(True, False))
    fit = rank_cases.fit(setting, constant)
    duplicate = dataclasses.replace(case, covariates=np.stack([first, first], axis=1))
    turned = dataclasses.replace(duplicate, regressor=-case.regressor)
    other = rank_cases.fit(Setting(), turned)
    scale, place = np.array([1.0, 0.5, 1.0]), [1, 0, 2]
    np.testing.assert_allclose(
        fit.params, np.asarray(other.params)[place] * scale, rtol=tolerances.DEFINITION
    )
    cov = np.asarray(other.cov)[place][:, place] * np.outer(scale, scale)
    np.testing.assert_allclose(fit.cov, cov, atol=tolerances.DEFINITION)


def test_near_collinear_design_keeps_its_digits():
    case = with_covariates(5, lambda case, first: first + 1e-6 * NOISE)
    y, x = (rank_definition.ranks(v, 1.0) for v in (case.outcome, case.regressor))
    rows = np.column_stack([np.ones(NUM_OBS), x, case.covariates])
    with mpmath.workdps(40):
        exact, _ = mpmath.qr_solve(mpmath.matrix(rows.tolist()), mpmath.matrix(y.tolist()))
        exact = np.array([float(number) for number in exact])
    fit = rank_cases.fit(Setting(), case)
    error = np.abs(np.asarray(fit.params) / exact - 1)
    assert error.max() < tolerances.NEAR_COLLINEAR
    normal_equations = np.linalg.solve(rows.T @ rows, rows.T @ y)
    assert np.abs(normal_equations / exact - 1).max() > 100 * tolerances.NEAR_COLLINEAR


@pytest.mark.parametrize("tie_weight", [0.0, 0.5, 1.0])
def test_constant_regressor_is_missing(tie_weight):
    setting = Setting(tie_weight=tie_weight)
    case = rank_cases.sample(seed=6)
    case = dataclasses.replace(case, regressor=np.full(NUM_OBS, 3.0))
    fit = rank_cases.fit(setting, case)
    assert fit.status == Status.COLLINEAR
    np.testing.assert_array_equal(fit.kept, [True, False])
    np.testing.assert_array_equal(fit.tie_shares, [0, 1])
    alone = rank_cases.fit(setting, dataclasses.replace(case, regressor=None))
    np.testing.assert_allclose(fit.params[0], alone.params[0], rtol=tolerances.EXACT_ARITHMETIC)
    np.testing.assert_allclose(fit.cov[0, 0], alone.cov[0, 0], atol=tolerances.EXACT_ARITHMETIC)


@pytest.mark.parametrize("tie_weight", [0.0, 0.5, 1.0])
def test_outcome_all_tied_is_said_to_be_degenerate(tie_weight):
    case = rank_cases.sample(seed=6)
    case = dataclasses.replace(case, outcome=np.full(NUM_OBS, 3.0))
    fit = rank_cases.fit(Setting(tie_weight=tie_weight), case)
    level = tie_weight + (1 - tie_weight) / NUM_OBS
    np.testing.assert_allclose(fit.params, [level, 0], atol=tolerances.EXACT_ARITHMETIC)
    np.testing.assert_allclose(fit.bse[1], 0, atol=tolerances.EXACT_ARITHMETIC)
    np.testing.assert_array_equal(fit.tie_shares, [1, 0])
    assert fit.r_squared <= 1
    assert fit.status == Status.DEGENERATE


@pytest.mark.parametrize("tie_weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("ties", [False, True])
def test_outcome_equal_to_regressor_has_no_variance(tie_weight, ties):
    case = rank_cases.sample(seed=8, ties=ties)
    case = dataclasses.replace(case, outcome=case.regressor)
    fit = rank_cases.fit(Setting(tie_weight=tie_weight), case)
    np.testing.assert_allclose(fit.params, [0, 1], atol=tolerances.EXACT_ARITHMETIC)
    np.testing.assert_allclose(fit.bse, 0, atol=tolerances.EXACT_ARITHMETIC)
    np.testing.assert_allclose(fit.r_squared, 1, rtol=tolerances.EXACT_ARITHMETIC)
    assert fit.status == Status.DEGENERATE
    test = ranks.wald_test(fit, np.array([[0.0, 1.0]]), np.array([1.0]))
    assert test.status == Status.DEGENERATE


def test_as_many_observations_as_parameters():
    case = rank_cases.sample(seed=9, covariates=True).take(np.arange(4))
    fit = rank_cases.fit(Setting(tie_weight=0.3), case)
    assert_equals_kept_part(fit, Setting(tie_weight=0.3), case, [True] * 4)
    np.testing.assert_allclose(fit.residuals, 0, atol=tolerances.DEFINITION)


def test_one_observation():
    fit = ranks.fit(ranks.RankRegression(), np.array([2.5]))
    np.testing.assert_array_equal(fit.params, [1.0])
    np.testing.assert_array_equal(fit.bse, [0.0])
    assert fit.status == Status.DEGENERATE


def test_empty_and_small_groups_lose_their_coefficients_only():
    setting = Setting(tie_weight=0.3)
    case = rank_cases.sample(seed=10, ties=True, covariates=True, groups=True)
    groups = np.zeros(NUM_OBS, int)
    groups[:2] = 2
    case = dataclasses.replace(case, groups=groups)
    fit = rank_cases.fit(setting, case)
    assert fit.status == Status.FEW_OBSERVATIONS
    by_group = np.array([[True] * 4, [False] * 4, [True, True, False, False]])
    assert_equals_kept_part(fit, setting, case, by_group.T.reshape(-1))


@pytest.mark.parametrize(
    ("size", "status"), [(0, "FEW"), (1, "FEW"), (3, "FEW"), (4, "OK"), (4, "COLLINEAR"), (5, "OK")]
)
def test_small_groups_are_told_from_collinear_ones(size, status):
    case = rank_cases.sample(seed=10, covariates=True, groups=True)
    groups = np.where(np.arange(NUM_OBS) < size, 1, 2 * (np.arange(NUM_OBS) % 2))
    if status == "COLLINEAR":
        case.covariates[groups == 1, 1] = 3.0
    fit = rank_cases.fit(Setting(), dataclasses.replace(case, groups=groups))
    expected = {"FEW": Status.FEW_OBSERVATIONS, "OK": Status.OK, "COLLINEAR": Status.COLLINEAR}
    assert fit.status == expected[status]
    np.testing.assert_array_equal(fit.kept.reshape(4, 3)[:, [0, 2]], True)
    assert fit.kept.reshape(4, 3)[:, 1].sum() == min(size, 4 - (status == "COLLINEAR"))


def test_observations_of_a_small_group_still_count_in_the_ranks():
    case = rank_cases.sample(seed=10, covariates=True, groups=True)
    groups = np.zeros(NUM_OBS, int)
    groups[:4] = 1
    case = dataclasses.replace(case, groups=groups)
    fit = rank_cases.fit(Setting(), case)
    assert np.abs(fit.influence[:4, 0]).max() > 0.1
    assert np.abs(fit.influence[4:, 1][:, None]).max() > 0.1


@pytest.mark.parametrize("name", ["rank on rank", "no intercept"])
def test_minus_zero_is_tied_with_zero(name):
    setting, parts = rank_cases.SETTINGS[name]
    setting = dataclasses.replace(setting, tie_weight=0.3)
    case = rank_cases.sample(seed=12, ties=True, **parts)
    signs = np.where(np.arange(NUM_OBS) % 2, -1.0, 1.0)
    zeros = {
        "outcome": np.where(case.outcome == 0, signs * 0.0, case.outcome),
        "regressor": np.where(case.regressor == 0, signs * 0.0, case.regressor),
    }
    assert np.sum(np.signbit(zeros["outcome"]) & (zeros["outcome"] == 0)) > 2
    plain = dataclasses.replace(case, outcome=case.outcome + 0.0, regressor=case.regressor + 0.0)
    mixed = rank_cases.fit(setting, dataclasses.replace(case, **zeros))
    straight = rank_cases.fit(setting, plain)
    np.testing.assert_array_equal(mixed.params, straight.params)
    np.testing.assert_array_equal(mixed.cov, straight.cov)


@pytest.mark.parametrize("tie_weight", [0.0, 0.4])
def test_only_the_minimum_is_tied(tie_weight):
    setting = Setting(tie_weight=tie_weight)
    case = rank_cases.sample(seed=13)
    case = dataclasses.replace(
        case, outcome=np.maximum(case.outcome, 0), regressor=np.maximum(case.regressor, 0)
    )
    fit = rank_cases.fit(setting, case)
    assert_equals_kept_part(fit, setting, case, [True, True])
    shares = [np.mean(case.outcome == 0), np.mean(case.regressor == 0)]
    np.testing.assert_allclose(fit.tie_shares, shares, rtol=tolerances.EXACT_ARITHMETIC)


def test_integers_give_what_floats_give():
    case = rank_cases.sample(seed=14, ties=True)
    integers = case.outcome.astype(np.int32), case.regressor.astype(np.int32)
    fit = ranks.fit(ranks.RankRegression(tie_weight=0.3), *integers)
    straight = rank_cases.fit(Setting(tie_weight=0.3), case)
    assert fit.params.dtype == np.float64
    np.testing.assert_array_equal(fit.params, straight.params)
    np.testing.assert_array_equal(fit.cov, straight.cov)


def test_orders_made_beforehand_change_nothing():
    setting = Setting(tie_weight=0.3)
    case = rank_cases.sample(seed=15, ties=True)
    positional, _ = rank_cases.arguments(case)
    straight = rank_cases.fit(setting, case)
    order = tuple(ranks.rank_order(values) for values in positional)
    given = ranks.fit(rank_cases.model(setting), *positional, order=order)
    np.testing.assert_allclose(given.params, straight.params, rtol=tolerances.SAME_PROGRAM)
    np.testing.assert_allclose(
        given.cov, straight.cov, atol=tolerances.SAME_PROGRAM * np.max(straight.cov)
    )
