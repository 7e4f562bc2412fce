"""Fits against the definition, evaluated pair by pair."""

import dataclasses

import jax
import numpy as np
import pytest
import rank_cases
import rank_definition
import tolerances

from jaxpapers.engine import Status


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def assert_equals_definition(fit, reference):
    scale = np.sqrt(np.diag(reference.cov))
    assert np.all(scale > 0)
    np.testing.assert_allclose(
        fit.params, reference.params, rtol=tolerances.DEFINITION, atol=tolerances.DEFINITION
    )
    error = np.abs(np.asarray(fit.cov) - reference.cov) / np.outer(scale, scale)
    assert error.max() < tolerances.DEFINITION
    np.testing.assert_allclose(fit.bse, scale, rtol=tolerances.DEFINITION)
    np.testing.assert_allclose(
        fit.influence, reference.psi, atol=tolerances.DEFINITION * np.abs(reference.psi).max()
    )
    np.testing.assert_allclose(fit.residuals, reference.residuals, atol=tolerances.DEFINITION)
    for ours, theirs in (
        (fit.cov_homoskedastic, reference.cov_homoskedastic),
        (fit.cov_robust, reference.cov_robust),
    ):
        naive = np.sqrt(np.diag(theirs))
        error = np.abs(np.asarray(ours) - theirs) / np.outer(naive, naive)
        assert error.max() < tolerances.DEFINITION
    np.testing.assert_allclose(fit.r_squared, reference.r_squared, atol=tolerances.DEFINITION)
    assert np.all(fit.kept)


@pytest.mark.parametrize("name", rank_cases.SETTINGS)
@pytest.mark.parametrize("tie_weight", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_fit_equals_the_definition(name, tie_weight, ties):
    setting, parts = rank_cases.SETTINGS[name]
    setting = dataclasses.replace(setting, tie_weight=tie_weight)
    case = rank_cases.sample(seed=7, ties=ties, **parts)
    fit, reference = rank_cases.fit(setting, case), rank_definition.evaluate(setting, case)
    if np.abs(reference.psi).max() < tolerances.DEFINITION:
        assert (name, tie_weight, ties) == ("constant only", 1.0, False)
        assert fit.status == Status.DEGENERATE
        np.testing.assert_allclose(fit.params, [(len(case.outcome) + 1) / 2 / len(case.outcome)])
        assert np.abs(fit.influence).max() < tolerances.DEFINITION
    else:
        assert fit.status == Status.OK
        assert_equals_definition(fit, reference)
