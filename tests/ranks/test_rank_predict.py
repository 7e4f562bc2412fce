"""Predictions at levels of the regressor, with both standard errors by the influence function."""

import dataclasses

import jax
import numpy as np
import pytest
import rank_cases
import rank_definition
import scipy.special
import tolerances
from rank_cases import NUM_OBS
from rank_definition import Setting

from jaxpapers import ranks


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def rank_of(setting, training, level):
    """Rank of a new level: the formula of the sample with X_k = x, not clipped."""
    sign = 1 if setting.increasing[1] else -1
    w = setting.tie_weight
    total = sum(rank_definition.indicator(w, sign * value, sign * level) for value in training)
    return (total + 1 - w) / len(training)


def by_hand(setting, case, level, covariates=(), group=0):
    """Value, rank and both standard errors, one training observation at a time."""
    reference = rank_definition.evaluate(setting, case)
    sign = 1 if setting.increasing[1] else -1
    rank = rank_of(setting, case.regressor, level)
    row = np.array([*([1.0] if setting.intercept else []), rank, *covariates])
    weights = np.zeros((len(row), case.num_groups))
    weights[:, group] = row
    weights = weights.reshape(-1)
    slope = reference.params[int(setting.intercept) * case.num_groups + group]
    at_rank, at_level = 0.0, 0.0
    for i, psi in enumerate(reference.psi):
        moved = rank_definition.indicator(
            setting.tie_weight, sign * case.regressor[i], sign * level
        )
        at_rank += (weights @ psi) ** 2
        at_level += (weights @ psi + slope * (moved - rank)) ** 2
    n = len(case.outcome)
    return weights @ reference.params, rank, np.sqrt(at_rank) / n, np.sqrt(at_level) / n


LEVELS = np.array([-3.0, -1.0, 0.0, 0.37, 1.0, 40.0, -40.0])


@pytest.mark.parametrize("name", ["rank on rank", "no intercept"])
@pytest.mark.parametrize("tie_weight", [0.0, 0.3, 1.0])
def test_prediction_equals_the_sum_over_observations(name, tie_weight):
    setting, parts = rank_cases.SETTINGS[name]
    setting = dataclasses.replace(setting, tie_weight=tie_weight)
    case = rank_cases.sample(seed=51, ties=True, **parts)
    covariates = None if case.covariates is None else np.tile([[0.5, -1.0]], (len(LEVELS), 1))
    found = ranks.predict(
        rank_cases.fit(setting, case), case.regressor, LEVELS, covariates=covariates
    )
    row = () if covariates is None else covariates[0]
    expected = np.array([by_hand(setting, case, level, row) for level in LEVELS])
    np.testing.assert_allclose(found.value, expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found.rank, expected[:, 1], rtol=tolerances.DEFINITION)
    np.testing.assert_allclose(found.bse_at_rank, expected[:, 2], rtol=1e-9)
    np.testing.assert_allclose(found.bse_at_level, expected[:, 3], rtol=1e-9)
    assert np.abs(expected[:, 2] / expected[:, 3] - 1).max() > 1e-2


def test_prediction_in_groups():
    setting, parts = rank_cases.SETTINGS["groups, covariates"]
    setting = dataclasses.replace(setting, tie_weight=0.3)
    case = rank_cases.sample(seed=52, ties=True, **parts)
    groups = np.array([2, 0, 1, 2, 1, 0, 2])
    covariates = np.random.default_rng(0).normal(size=(len(LEVELS), 2))
    found = ranks.predict(
        rank_cases.fit(setting, case),
        case.regressor,
        LEVELS,
        covariates=covariates,
        groups=groups,
    )
    expected = np.array(
        [by_hand(setting, case, *new) for new in zip(LEVELS, covariates, groups, strict=True)]
    )
    np.testing.assert_allclose(found.value, expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found.bse_at_rank, expected[:, 2], rtol=1e-9)
    np.testing.assert_allclose(found.bse_at_level, expected[:, 3], rtol=1e-9)


@pytest.mark.parametrize("tie_weight", [0.0, 0.3, 1.0])
def test_rank_of_a_level_beyond_the_sample_is_not_clipped(tie_weight):
    case = rank_cases.sample(seed=53)
    fit = rank_cases.fit(Setting(tie_weight=tie_weight), case)
    found = ranks.predict(fit, case.regressor, np.array([-99.0, 99.0]))
    expected = [(1 - tie_weight) / NUM_OBS, (NUM_OBS + 1 - tie_weight) / NUM_OBS]
    np.testing.assert_allclose(found.rank, expected, rtol=tolerances.EXACT_ARITHMETIC)


def test_at_training_levels_the_ranks_are_those_of_the_sample():
    setting = Setting(tie_weight=0.3, increasing=(True, False), intercept=False)
    case = rank_cases.sample(seed=54, ties=True, covariates=True)
    fit = rank_cases.fit(setting, case)
    found = ranks.predict(fit, case.regressor, case.regressor, covariates=case.covariates)
    expected = rank_definition.ranks(-case.regressor, 0.3)
    np.testing.assert_allclose(found.rank, expected, rtol=tolerances.EXACT_ARITHMETIC)
    outcome = rank_definition.ranks(case.outcome, 0.3)
    np.testing.assert_allclose(found.value, outcome - fit.residuals, atol=tolerances.DEFINITION)


def test_level_regressor_has_one_standard_error():
    setting, parts = rank_cases.SETTINGS["rank on level"]
    case = rank_cases.sample(seed=55, **parts)
    fit = rank_cases.fit(setting, case)
    covariates = np.ones((len(LEVELS), 2))
    found = ranks.predict(fit, case.regressor, LEVELS, covariates=covariates)
    rows = np.column_stack([np.ones(len(LEVELS)), LEVELS, covariates])
    errors = np.sqrt(np.einsum("ri,ij,rj->r", rows, fit.cov, rows))
    np.testing.assert_allclose(found.value, rows @ fit.params, rtol=tolerances.DEFINITION)
    np.testing.assert_allclose(found.bse_at_rank, errors, rtol=tolerances.DEFINITION)
    np.testing.assert_array_equal(found.bse_at_level, found.bse_at_rank)
    np.testing.assert_array_equal(found.rank, LEVELS)


def test_intervals():
    case = rank_cases.sample(seed=53)
    found = ranks.predict(rank_cases.fit(Setting(), case), case.regressor, LEVELS)
    quantile = scipy.special.ndtri(0.95)
    for ends, errors in (
        (found.interval_at_rank(0.9), found.bse_at_rank),
        (found.interval_at_level(0.9), found.bse_at_level),
    ):
        np.testing.assert_allclose(ends[:, 0], found.value - quantile * errors, rtol=1e-9)
        np.testing.assert_allclose(ends[:, 1], found.value + quantile * errors, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_decreasing_ranks_of_integers(dtype):
    setting = Setting(tie_weight=0.3, increasing=(True, False), intercept=False)
    case = rank_cases.sample(seed=56, covariates=True)
    regressor = np.random.default_rng(1).integers(0, 9, NUM_OBS)
    case = dataclasses.replace(case, regressor=regressor.astype(float))
    fit = rank_cases.fit(setting, case)
    rows = case.covariates[:3]
    levels = np.array([0, 4, 8])
    expected = ranks.predict(fit, case.regressor, levels.astype(float), covariates=rows)
    found = ranks.predict(fit, regressor.astype(dtype), levels.astype(dtype), covariates=rows)
    np.testing.assert_allclose(found.rank, expected.rank, rtol=tolerances.EXACT_ARITHMETIC)
    np.testing.assert_allclose(found.bse_at_level, expected.bse_at_level, rtol=1e-9)


ROWS, MEMBERS = np.ones((len(LEVELS), 2)), np.zeros(len(LEVELS), int)
SPOILED = np.where(np.arange(2 * len(LEVELS)).reshape(-1, 2) == 6, np.nan, ROWS)
FIRST = (np.arange(len(LEVELS)) == 0).astype(int)
REFUSED = {
    "no covariates": ({"groups": MEMBERS}, "covariates is None; the model has 2"),
    "no groups": ({"covariates": ROWS}, "groups is None; the model has 3"),
    "few covariates": (
        {"covariates": ROWS[:, :1], "groups": MEMBERS},
        r"covariates must have shape \(7, 2\)",
    ),
    "few groups": (
        {"covariates": ROWS, "groups": MEMBERS[:3]},
        r"groups must have shape \(7,\)",
    ),
    "spoiled covariates": (
        {"covariates": SPOILED, "groups": MEMBERS},
        "covariates holds 1 non-finite",
    ),
    "high group": (
        {"covariates": ROWS, "groups": 3 * FIRST},
        "groups has values from 0 to 3; needed are 0 to 2",
    ),
    "negative group": (
        {"covariates": ROWS, "groups": -FIRST},
        "groups has values from -1 to 0; needed are 0 to 2",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_new_data_that_do_not_fit_are_refused(name):
    keywords, message = REFUSED[name]
    case = rank_cases.sample(seed=52, ties=True, covariates=True, groups=True)
    fit = rank_cases.fit(Setting(), case)
    with pytest.raises(ValueError, match=message):
        ranks.predict(fit, case.regressor, LEVELS, **keywords)


def test_what_a_plain_fit_does_not_know_is_refused():
    case = rank_cases.sample(seed=53)
    fit = rank_cases.fit(Setting(), case)
    with pytest.raises(ValueError, match="covariates is given; the model has 0"):
        ranks.predict(fit, case.regressor, LEVELS, covariates=ROWS)
    with pytest.raises(ValueError, match="groups is given; the model has 1"):
        ranks.predict(fit, case.regressor, LEVELS, groups=MEMBERS)
    with pytest.raises(ValueError, match=rf"training must have shape \({NUM_OBS},\)"):
        ranks.predict(fit, case.regressor[1:], LEVELS)
    with pytest.raises(ValueError, match="regressor holds 1 non-finite"):
        ranks.predict(fit, case.regressor, np.array([np.nan, 1.0]))
    without = dataclasses.replace(fit, working_influence=None)
    with pytest.raises(ValueError, match=r"fit\.influence is None .* predict needs it"):
        ranks.predict(without, case.regressor, LEVELS)


def test_prediction_of_a_fit_without_regressor_is_refused():
    case = rank_cases.sample(seed=52, covariates=True, regressor=False)
    fit = rank_cases.fit(Setting(), case)
    with pytest.raises(ValueError, match="no regressor"):
        ranks.predict(fit, case.outcome, LEVELS, covariates=np.ones((7, 1)))
