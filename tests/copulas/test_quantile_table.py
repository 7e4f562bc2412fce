"""The shipped table of quantiles against quadrature, its generator, its symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tolerances
from scipy.special import ndtr

from jaxpapers.copulas import quantile_table
from jaxpapers.copulas.beyond import _solved
from jaxpapers.copulas.observed import observe, quantiles_of
from jaxpapers.numerics import skew_normal, skew_t

pytestmark = pytest.mark.usefixtures("quick_compiles")

NUM_OBS, NUM_ASSETS = 60, 6


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def scattered(reach):
    """Copula data up to a normal score, and skewness up to almost the table's end."""
    generator = np.random.default_rng(4)
    u = ndtr(generator.uniform(-reach, reach, (NUM_OBS, NUM_ASSETS)))
    return jnp.asarray(u), jnp.tanh(jnp.asarray(generator.uniform(-4.9, 4.9, NUM_ASSETS)))


@jax.jit
def exact(u, delta, nu):
    x = skew_t.ppf(u, delta[None], nu)
    return x, jnp.sum(skew_t.logpdf(x, delta[None], nu))


@pytest.mark.parametrize(
    ("reach", "tolerance"),
    [(3.4, tolerances.TABLE_BULK), (5.9, tolerances.TABLE_TAILS)],
)
def test_quantiles_are_those_of_quadrature(reach, tolerance):
    u, delta = scattered(reach)
    observed = observe(u)
    for nu in (2.05, 5.0, 40.0):
        x, total = jax.jit(quantiles_of)(observed, delta, jnp.asarray(nu))
        expected, expected_total = exact(u, delta, nu)
        np.testing.assert_allclose(np.arcsinh(x), np.arcsinh(expected), atol=tolerance)
        np.testing.assert_allclose(total, expected_total, atol=tolerance * u.size)


def test_the_end_of_the_table_is_the_skew_normal():
    u, delta = scattered(3.4)
    x, total = quantiles_of(observe(u), delta, None)
    expected = skew_normal.ppf(u, delta[None])
    np.testing.assert_allclose(x, expected, atol=10 * tolerances.TABLE_BULK)
    expected_total = jnp.sum(skew_normal.logpdf(expected, delta[None]))
    np.testing.assert_allclose(total, expected_total, atol=u.size * tolerances.TABLE_BULK)


def test_slopes_are_those_of_the_table():
    u, delta = scattered(3.4)
    observed = observe(u)

    @jax.jit
    def summed(slant, log_nu):
        x, total = quantiles_of(observed, jnp.tanh(slant), jnp.exp(log_nu))
        return jnp.sum(jnp.sin(x)) + total

    place = jnp.arctanh(delta), jnp.log(jnp.asarray(6.0))
    by_slant, by_nu = jax.jit(jax.grad(summed, (0, 1)))(*place)
    step = 1e-5
    for asset in range(NUM_ASSETS):
        move = jnp.zeros(NUM_ASSETS).at[asset].set(step)
        difference = summed(place[0] + move, place[1]) - summed(place[0] - move, place[1])
        np.testing.assert_allclose(by_slant[asset], difference / (2 * step), rtol=1e-6, atol=1e-5)
    difference = summed(place[0], place[1] + step) - summed(place[0], place[1] - step)
    np.testing.assert_allclose(by_nu, difference / (2 * step), rtol=1e-6, atol=1e-5)


def test_generator_makes_what_is_shipped(tmp_path, monkeypatch):
    """A small series of the same functions, through the file: values at points of its own grid."""
    sizes = (64, 40, 8)
    monkeypatch.setattr(quantile_table, "SIZES", sizes)
    monkeypatch.setattr(quantile_table, "FILE", tmp_path / "table.npz")
    quantile_table.save(quantile_table.FILE, quantile_table.build(sizes))
    small = quantile_table.knot_tables.__wrapped__()
    large = quantile_table.knot_tables()
    values = []
    for table, shape in ((small, sizes), (large, None)):
        terms = shape or (0, *table[0].shape[2:])
        slants = np.cos(np.arange(terms[1]) * np.arccos(0.2))
        tails = np.cos(np.arange(terms[2]) * np.arccos(-0.3))
        values.append(table[0][0] @ tails @ slants)
    middle = slice(60, 133)
    np.testing.assert_allclose(values[0][middle], values[1][middle], atol=3e-3)


def test_reflection():
    u, delta = scattered(3.4)
    x, total = quantiles_of(observe(u), delta, jnp.asarray(4.0))
    mirrored, mirrored_total = quantiles_of(observe(1 - u), -delta, jnp.asarray(4.0))
    np.testing.assert_allclose(x, -mirrored, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(total, mirrored_total, rtol=1e-11)


def test_beyond_the_table_quantiles_are_by_quadrature():
    """Normal scores beyond 6 and `atanh(delta)` beyond 5, with their slopes."""
    generator = np.random.default_rng(9)
    u = ndtr(generator.uniform(-3.4, 3.4, (20, 6)))
    u[0] = [1e-15, 1e-12, 1 - 1e-12, 1 - 1e-15, 1e-10, 1 - 1e-10]
    u, slant = jnp.asarray(u), jnp.asarray([-5.5, 6.2, -2.0, 3.0, 1.0, 5.1])
    weights, observed = jnp.asarray(generator.normal(size=u.shape)), observe(u)

    @jax.jit
    def ours(slant, nu):
        x, total = quantiles_of(observed, jnp.tanh(slant), nu)
        return jnp.sum(weights * jnp.arcsinh(x)) + total

    @jax.jit
    def reference(slant, nu):
        x, total = exact(u, jnp.tanh(slant), nu)
        return jnp.sum(weights * jnp.arcsinh(x)) + total

    gradient, step = jax.jit(jax.grad(ours, (0, 1))), 1e-5
    for nu in (jnp.asarray(2.5), jnp.asarray(30.0)):
        np.testing.assert_allclose(ours(slant, nu), reference(slant, nu), rtol=1e-6)
        by_slant, by_nu = gradient(slant, nu)
        for j in (0, 1, 5):
            move = step * (np.arange(6) == j)
            found = reference(slant + move, nu) - reference(slant - move, nu)
            np.testing.assert_allclose(by_slant[j], found / (2 * step), rtol=1e-5)
        found = reference(slant, nu + step) - reference(slant, nu - step)
        np.testing.assert_allclose(by_nu, found / (2 * step), rtol=1e-5)


def test_a_search_beyond_the_table_stays_where_it_has_arrived():
    """Also from a few roundings beside the quantile, on either side of the bracket."""
    u = jnp.asarray(ndtr(np.random.default_rng(3).uniform(-7, 7, 400)))
    slant, inverse = jnp.asarray(2.0), jnp.asarray(1.6)

    @jax.jit
    def search(x):
        return _solved(u, jnp.ones_like(u, bool), slant, x, inverse).x

    root = search(jnp.zeros_like(u))
    for off in (-3e-15, -4e-16, 0.0, 4e-16, 3e-15):
        np.testing.assert_allclose(search(root * (1 + off)), root, rtol=1e-11)
