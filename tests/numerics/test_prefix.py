"""Prefix sums: against NumPy, over block borders, and where single precision would stick."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tolerances

from jaxpapers import numerics

pytestmark = pytest.mark.usefixtures("quick_compiles")

RANDOM = np.random.default_rng(0)


sums = jax.jit(numerics.prefix_sums)


@pytest.mark.parametrize("length", [0, 1, 32, 33, 1_024, 1_025, 33_000])
def test_sums_equal_those_of_numpy(x64, length):
    rows = RANDOM.normal(size=(2, length)).astype(np.float64 if x64 else np.float32)
    found = sums(jnp.asarray(rows))
    expected = np.concatenate(
        [np.zeros((2, 1)), np.cumsum(rows.astype(np.longdouble), axis=1)], axis=1
    )
    assert found.shape == (2, length + 1)
    assert found.dtype == rows.dtype
    found = np.asarray(found)
    bound = tolerances.DOUBLE_SUM if x64 else tolerances.SINGLE_SUM
    scale = np.concatenate([np.zeros((2, 1)), np.cumsum(np.abs(rows), axis=1)], axis=1)
    assert np.all(np.abs(found - expected) <= bound * scale)


def test_leading_axes_are_batches():
    rows = RANDOM.normal(size=(2, 3, 70)).astype(np.float32)
    found = sums(jnp.asarray(rows))
    for i in range(2):
        for j in range(3):
            alone = sums(jnp.asarray(rows[i, j]))
            np.testing.assert_allclose(found[i, j], alone, atol=1e-5)


def test_counts_are_summed_exactly_in_single_precision():
    counts = RANDOM.multinomial(100_000, np.full(100_000, 1e-5)).astype(np.float32)
    found = sums(jnp.asarray(counts))
    np.testing.assert_array_equal(found[1:], np.cumsum(counts.astype(np.int64)))


@pytest.mark.slow
def test_single_precision_does_not_stick_at_two_to_the_24():
    length = 2**24 + 64
    ones = np.ones(length, np.float32)
    assert np.cumsum(ones)[-1] == 2**24
    assert sums(jnp.asarray(ones))[-1] == length


@pytest.mark.slow
def test_single_precision_error_does_not_grow_with_the_length():
    values = RANDOM.uniform(size=2**24 + 64).astype(np.float32)
    found = np.asarray(sums(jnp.asarray(values)))[1:]
    exact = np.cumsum(values, dtype=np.float64)
    assert np.max(np.abs(found - exact) / exact) < tolerances.SINGLE_SUM
    sequential = np.cumsum(values)
    assert np.max(np.abs(sequential - exact) / exact) > 100 * tolerances.SINGLE_SUM


def test_derivatives():
    with jax.enable_x64(True):
        rows, cotangent = jnp.asarray(RANDOM.normal(size=70)), jnp.asarray(RANDOM.normal(size=71))
        (gradient,) = jax.vjp(sums, rows)[1](cotangent)
        _, tangent = jax.jvp(sums, (rows,), (cotangent[1:],))
        np.testing.assert_allclose(tangent, sums(cotangent[1:]), atol=1e-13)
        expected = np.cumsum(np.asarray(cotangent)[:0:-1])[::-1]
        np.testing.assert_allclose(gradient, expected, atol=1e-13)
