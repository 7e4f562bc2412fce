"""Influence functions are the derivatives of the estimator by observation weight."""

import dataclasses

import jax
import numpy as np
import pytest
import rank_cases
import rank_definition
import tolerances


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


CASES = [(0.0, True), (0.3, True), (1.0, True), (0.3, False), (1.0, False)]


@pytest.mark.parametrize("name", rank_cases.SETTINGS)
@pytest.mark.parametrize(("tie_weight", "ties"), CASES)
def test_influence_is_the_derivative_by_weight(name, tie_weight, ties):
    setting, parts = rank_cases.SETTINGS[name]
    setting = dataclasses.replace(setting, tie_weight=tie_weight)
    case = rank_cases.sample(seed=11, ties=ties, **parts)
    influence = np.asarray(rank_cases.fit(setting, case).influence)
    derivatives = rank_definition.weight_derivatives(setting, case)
    scale = np.maximum(np.abs(influence).max(axis=0), 0.1)
    error = np.abs(influence - len(case.outcome) * derivatives) / scale
    assert error.max() < tolerances.DERIVATIVE


def expected_mean(setting, case, fit):
    """Mean influence: the constant (1 - w) / n of the ranks acts on the intercepts alone."""
    part = (1 - setting.tie_weight) / len(case.outcome)
    through_outcome = -part if setting.outcome == "rank" else 0.0
    ranked = setting.regressor == "rank" and case.regressor is not None
    slopes = np.asarray(fit.slope) if ranked else np.zeros(case.num_groups)
    mean = np.zeros(fit.params.shape[0])
    mean[: case.num_groups] = through_outcome + part * slopes
    return mean


@pytest.mark.parametrize(
    "name", [name for name, (setting, _) in rank_cases.SETTINGS.items() if setting.intercept]
)
@pytest.mark.parametrize("tie_weight", [0.0, 0.3, 1.0])
def test_influence_is_not_demeaned(name, tie_weight):
    setting, parts = rank_cases.SETTINGS[name]
    setting = dataclasses.replace(setting, tie_weight=tie_weight)
    case = rank_cases.sample(seed=11, ties=True, **parts)
    fit = rank_cases.fit(setting, case)
    mean = np.asarray(fit.influence).mean(axis=0)
    np.testing.assert_allclose(
        mean, expected_mean(setting, case, fit), atol=tolerances.EXACT_ARITHMETIC
    )


@pytest.mark.parametrize("name", ["no intercept", "groups, no intercept"])
def test_influence_sums_to_zero_without_intercept_too_at_full_tie_weight(name):
    setting, parts = rank_cases.SETTINGS[name]
    case = rank_cases.sample(seed=11, ties=True, **parts)
    influence = np.asarray(rank_cases.fit(setting, case).influence)
    np.testing.assert_allclose(influence.mean(axis=0), 0, atol=tolerances.EXACT_ARITHMETIC)
    below = dataclasses.replace(setting, tie_weight=0.3)
    influence = np.asarray(rank_cases.fit(below, case).influence)
    assert np.abs(influence.mean(axis=0)).max() > 1e-3
