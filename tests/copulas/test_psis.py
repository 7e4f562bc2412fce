"""Pareto-smoothed importance sampling against ArviZ."""

import arviz
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.copulas import psis


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9, 1.5])
def test_shape_and_weights_are_those_of_arviz(shape):
    uniform = np.random.default_rng(round(10 * shape)).uniform(size=4_000)
    log_weights = np.log((uniform**-shape - 1) / shape + 1)
    expected, expected_shape = arviz.psislw(log_weights)
    np.testing.assert_allclose(psis.pareto_k(jnp.asarray(log_weights)), expected_shape, atol=2e-3)
    found = np.log(psis.smoothed(jnp.asarray(log_weights)))
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_impossible_draws_weigh_nothing():
    log_weights = jnp.asarray(np.random.default_rng(0).normal(size=500)).at[3].set(-jnp.inf)
    weights = psis.smoothed(log_weights)
    assert weights[3] == 0
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-12)
    without = jnp.concatenate([log_weights[:3], log_weights[4:]])
    np.testing.assert_allclose(psis.pareto_k(log_weights), psis.pareto_k(without), atol=2e-2)


def test_evidence_is_that_of_two_normals():
    """`N(0, 1)` under `N(0, 1.3^2)`: normalised, so the evidence is 1; standard error .005."""
    x = 1.3 * jax.random.normal(jax.random.key(0), (20_000,))
    log_weights = -0.5 * x**2 + 0.5 * (x / 1.3) ** 2 + jnp.log(1.3)
    assert abs(psis.log_evidence(log_weights)) < 0.02
    assert psis.pareto_k(log_weights) < 0.5
    mean = jnp.sum(psis.smoothed(log_weights) * x**2)
    np.testing.assert_allclose(mean, 1, atol=0.04)
