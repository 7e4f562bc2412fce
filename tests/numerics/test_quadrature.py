"""Quadrature rules against exact moments, scipy's nodes and mpmath's integrals."""

import math
import re

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special

from jaxpapers import numerics

pytestmark = pytest.mark.usefixtures("quick_compiles")

RULES = {
    "gauss_legendre": (numerics.gauss_legendre, scipy.special.roots_legendre),
    "gauss_hermite": (numerics.gauss_hermite, scipy.special.roots_hermitenorm),
    "gauss_laguerre": (numerics.gauss_laguerre, scipy.special.roots_laguerre),
}
# Ours and scipy's errors together, relative to the largest node; scipy's Legendre weights are off
# by 1e-14 where ours are right to 1e-16 (see the test against mpmath). A float32 rule is the
# float64 rule rounded once.
TOLERANCE = {"gauss_legendre": 1e-15, "gauss_hermite": 4e-15, "gauss_laguerre": 3e-13}


def legendre_moment(degree):
    return (1 - (-1) ** (degree + 1)) / (degree + 1)


def normal_moment(degree):
    return 0.0 if degree % 2 else float(math.prod(range(1, degree, 2)))


def exponential_moment(degree):
    return float(math.factorial(degree))


MOMENTS = {
    "gauss_legendre": legendre_moment,
    "gauss_hermite": normal_moment,
    "gauss_laguerre": exponential_moment,
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("num_nodes", [1, 2, 7, 64, 150])
def test_nodes_and_weights_are_those_of_scipy(name, num_nodes, x64):
    rule, reference = RULES[name]
    nodes, weights = rule(num_nodes)
    expected_nodes, expected_weights = reference(num_nodes)
    expected_weights = expected_weights / expected_weights.sum() * float(MOMENTS[name](0))
    tolerance = TOLERANCE[name] if x64 else 6e-8
    assert nodes.dtype == weights.dtype == (jnp.float64 if x64 else jnp.float32)
    scale = max(1.0, np.abs(expected_nodes).max())
    np.testing.assert_allclose(nodes, expected_nodes, rtol=tolerance, atol=tolerance * scale)
    np.testing.assert_allclose(weights, expected_weights, rtol=0, atol=max(4 * tolerance, 2e-14))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("num_nodes", [1, 2, 5, 8])
def test_exact_up_to_its_degree_and_not_beyond(name, num_nodes):
    with jax.enable_x64(True):
        nodes, weights = map(np.asarray, RULES[name][0](num_nodes))
    for degree in range(2 * num_nodes):
        size = np.sum(weights * np.abs(nodes) ** degree)
        error = np.sum(weights * nodes**degree) - MOMENTS[name](degree)
        assert abs(error) <= 2e-14 * size
    beyond = np.sum(weights * nodes ** (2 * num_nodes))
    assert abs(beyond / MOMENTS[name](2 * num_nodes) - 1) > 1e-6


def test_nodes_are_roots_of_the_legendre_polynomial():
    with jax.enable_x64(True):
        nodes, weights = numerics.gauss_legendre(24)
    with mpmath.workdps(40):
        for node, weight in zip(np.asarray(nodes), np.asarray(weights), strict=True):
            root = mpmath.findroot(lambda x: mpmath.legendre(24, x), mpmath.mpf(float(node)))
            slope = mpmath.diff(lambda x: mpmath.legendre(24, x), root)
            exact = 2 / ((1 - root**2) * slope**2)
            assert abs(root - float(node)) < 2.3e-16
            assert abs(exact / float(weight) - 1) < 1e-13


def test_integral_over_an_interval_is_that_of_mpmath():
    with jax.enable_x64(True):
        nodes, weights = numerics.gauss_legendre(40, 0.3, 5.0)
        found = float(jnp.sum(weights * jnp.sin(nodes**1.5) / nodes))
    with mpmath.workdps(30):
        exact = mpmath.quad(lambda x: mpmath.sin(x**1.5) / x, [0.3, 1, 2, 3, 4, 5])
    assert abs(found - float(exact)) < 1e-13


def test_integral_of_a_normal_expectation_is_that_of_mpmath():
    with jax.enable_x64(True):
        nodes, weights = numerics.gauss_hermite(60)
        found = float(jnp.sum(weights * jnp.cos(2 * nodes)))
    assert abs(found - math.exp(-2.0)) < 1e-15


def test_limits_can_be_traced_batched_and_differentiated(count_compiles):
    def integral(lower, upper):
        nodes, weights = numerics.gauss_legendre(32, lower, upper)
        return jnp.sum(weights * jnp.exp(-(nodes**2)))

    with jax.enable_x64(True):
        limits = jnp.asarray([0.2, 1.4])
        slopes = jax.grad(integral, argnums=(0, 1))(*limits)
        np.testing.assert_allclose(slopes[0], -np.exp(-(0.2**2)), rtol=1e-14)
        np.testing.assert_allclose(slopes[1], np.exp(-(1.4**2)), rtol=1e-14)
        uppers = jnp.asarray([0.5, 1.0, 2.0])
        batch = jax.vmap(integral, (None, 0))(0.0, uppers)
        exact = 0.5 * np.sqrt(np.pi) * scipy.special.erf(uppers)
        np.testing.assert_allclose(batch, exact, rtol=1e-14)
        program = jax.jit(integral)
        with count_compiles() as compiles:
            for upper in (0.5, 1.0, 2.0):
                program(0.0, upper)
        assert compiles.count("integral") == 1


def test_swapped_limits_change_the_sign():
    with jax.enable_x64(True):
        forward = numerics.gauss_legendre(9, 0.0, 3.0)
        backward = numerics.gauss_legendre(9, 3.0, 0.0)
    np.testing.assert_allclose(backward.nodes, forward.nodes[::-1], rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(backward.weights, -forward.weights[::-1], rtol=1e-14)


def test_dtype_follows_the_limits_unless_given(x64):
    single = jnp.asarray(2.0, jnp.float32)
    default = jnp.float64 if x64 else jnp.float32
    assert numerics.gauss_legendre(3, 0.0, single).nodes.dtype == jnp.float32
    assert numerics.gauss_legendre(3, 0, 1).nodes.dtype == default
    assert numerics.gauss_legendre(3, dtype=jnp.float16).weights.dtype == jnp.float16
    assert numerics.gauss_hermite(3, dtype=jnp.float32).nodes.dtype == jnp.float32


@pytest.mark.parametrize("name", RULES)
def test_the_largest_rule_is_finite_and_one_more_is_refused(name):
    most = numerics.quadrature.MOST_NODES[name]
    rule = RULES[name][0]
    with jax.enable_x64(True):
        nodes, weights = map(np.asarray, rule(most))
    assert np.isfinite(nodes).all()
    assert (np.diff(nodes) > 0).all()
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(), MOMENTS[name](0), rtol=1e-12)
    with pytest.raises(ValueError, match=rf"num_nodes must be in 1 .. {most} .*got {most + 1}"):
        rule(most + 1)


@pytest.mark.parametrize("name", RULES)
def test_bad_arguments_are_named(name):
    rule = RULES[name][0]
    with pytest.raises(TypeError, match="num_nodes must be an int, got float"):
        rule(4.0)
    with pytest.raises(TypeError, match="num_nodes must be an int, got bool"):
        rule(True)
    with pytest.raises(ValueError, match="got 0"):
        rule(0)
    with pytest.raises(TypeError, match="dtype must be a float, got int32"):
        rule(4, dtype=jnp.int32)


def test_limits_must_be_scalars():
    message = re.escape("upper must be a scalar, got shape (2,); use jax.vmap")
    with pytest.raises(ValueError, match=message):
        numerics.gauss_legendre(3, 0.0, jnp.ones(2))
