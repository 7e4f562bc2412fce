"""Products, sums by group, and QR by group with R's rank rule."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import tolerances
from jax.test_util import check_grads

from jaxpapers import numerics

pytestmark = pytest.mark.usefixtures("quick_compiles")

RANDOM = np.random.default_rng(0)
SIZE = 40
GROUPS = np.array([0] * 17 + [2] * 20 + [3] * 3)[RANDOM.permutation(SIZE)]
NUM_GROUPS = 5  # groups 1 and 4 are empty
factorise = jax.jit(numerics.qr_by_group, static_argnums=2)
solve = jax.jit(lambda factors, target, groups: factors.solve(target, groups))


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def test_products_keep_the_precision_of_their_dtype():
    left, right = RANDOM.normal(size=(2, 3, 50, 50)).astype(np.float32)
    exact = left.astype(np.float64) @ right.astype(np.float64)
    found = numerics.matmul(jnp.asarray(left), jnp.asarray(right))
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 1e-5


@pytest.mark.parametrize("shape", [(SIZE,), (2, SIZE), (2, 3, SIZE)])
def test_sums_by_group(shape):
    rows = RANDOM.normal(size=shape)
    expected = np.stack([rows[..., g == GROUPS].sum(axis=-1) for g in range(NUM_GROUPS)])
    found = numerics.group_sums(jnp.asarray(rows), jnp.asarray(GROUPS), NUM_GROUPS)
    np.testing.assert_allclose(found, expected, atol=tolerances.EXACT_ARITHMETIC)
    together = numerics.group_sums(jnp.asarray(rows), None, 1)
    np.testing.assert_allclose(together, rows.sum(axis=-1)[None], atol=tolerances.EXACT_ARITHMETIC)


def test_sums_by_group_keep_their_digits_in_single_precision():
    rows = RANDOM.uniform(size=2**21).astype(np.float32)
    groups = (np.arange(len(rows)) % 2).astype(np.int32)
    exact = np.bincount(groups, weights=rows)
    found = np.asarray(numerics.group_sums(jnp.asarray(rows), jnp.asarray(groups), 2), np.float64)
    np.testing.assert_allclose(found, exact, rtol=tolerances.SINGLE_SUM)


@pytest.mark.parametrize("num_rows", [1, 3, 9, 20])
def test_products_over_observations(num_rows):
    left, right = RANDOM.normal(size=(num_rows, 70)), RANDOM.normal(size=(2, 70))
    found = numerics.products(jnp.asarray(left), jnp.asarray(right))
    np.testing.assert_allclose(found, left @ right.T, atol=tolerances.EXACT_ARITHMETIC * 70)


@pytest.mark.parametrize("num_rows", [1, 9])
def test_products_over_observations_keep_their_digits_in_single_precision(num_rows):
    row = RANDOM.uniform(size=2**21).astype(np.float32)
    left = np.tile(row, (num_rows, 1))
    exact = np.sum(row.astype(np.float64) ** 2)
    found = np.asarray(numerics.products(jnp.asarray(left), jnp.asarray(row[None])), np.float64)
    np.testing.assert_allclose(found, exact, rtol=tolerances.SINGLE_SUM)


def remainder(column, earlier):
    """Norm of what earlier columns leave of a column, relative to its own norm."""
    norm = np.linalg.norm(column)
    if norm == 0:
        return 0.0
    fitted = 0.0
    if len(earlier):
        rows = np.stack(earlier, axis=1)
        fitted = rows @ np.linalg.lstsq(rows, column, rcond=None)[0]
    return np.linalg.norm(column - fitted) / norm


def kept_by_r(columns):
    """R's rule: a column goes if the kept ones before it leave less than 1e-7 of its norm."""
    kept, mask = [], []
    for column in columns:
        stays = remainder(column, kept) > 1e-7
        mask.append(stays)
        if stays:
            kept.append(column / np.linalg.norm(column))
    return np.array(mask)


def designs():
    """Designs with exact, near and no collinearity."""
    one = np.ones(SIZE)
    a, b, c = RANDOM.normal(size=(3, SIZE))
    noise = RANDOM.normal(size=SIZE)
    return {
        "regular": [one, a, b, c],
        "copy": [one, a, a, b],
        "combination": [one, a, b, 3 - 2 * a + b],
        "zero": [one, np.zeros(SIZE), a, b],
        "constants": [one, 5 * one, a, b],
        "far below the rule": [one, a, a + 1e-9 * noise, b],
        "just below the rule": [one, a, a + 5e-8 * noise, b],
        "just above the rule": [one, a, a + 3e-7 * noise, b],
        "large mean": [one, 1e6 + a, b, c],
        "scales": [1e-8 * one, 1e8 * a, 1e3 * b, 1e-5 * (a + c)],
        "dropped, then needed": [one, a, a, a + 1e-3 * b],
    }


@pytest.mark.parametrize("name", designs())
def test_factors(name):
    columns = np.stack(designs()[name])
    factors = factorise(jnp.asarray(columns))
    kept = kept_by_r(columns)
    np.testing.assert_array_equal(factors.kept[0], kept)
    assert_factors(
        columns, np.asarray(factors.orthonormal(None)), np.asarray(factors.triangle[0]), kept
    )
    inverse = np.asarray(factors.inverse()[0])
    np.testing.assert_array_equal(inverse[~kept], 0)
    np.testing.assert_array_equal(inverse[:, ~kept], 0)


def assert_factors(columns, basis, triangle, kept):
    """Orthonormal kept rows, zero dropped ones, and their product is the design."""
    gram = basis @ basis.T
    np.testing.assert_allclose(gram, np.diag(kept.astype(float)), atol=1e-13)
    np.testing.assert_array_equal(triangle, np.triu(triangle))
    np.testing.assert_array_equal(np.diag(triangle)[~kept], 1)
    product = triangle.T @ basis
    scale = np.linalg.norm(columns, axis=1)[:, None]
    error = np.abs(product - columns)[kept] / scale[kept]
    assert error.max(initial=0) < 1e-14


@pytest.mark.parametrize("name", designs())
def test_each_group_has_its_own_factors(name):
    columns = np.stack(designs()[name])
    factors = factorise(jnp.asarray(columns), jnp.asarray(GROUPS), NUM_GROUPS)
    for group in range(NUM_GROUPS):
        own = columns[:, group == GROUPS]
        kept = np.asarray(factors.kept[group])
        np.testing.assert_array_equal(kept, kept_by_r(own))
        basis = np.asarray(factors.orthonormal(jnp.asarray(GROUPS)))[:, group == GROUPS]
        assert_factors(own, basis, np.asarray(factors.triangle[group]), kept)
    assert not np.any(factors.kept[1])
    assert np.asarray(factors.kept[3]).sum() <= 3


@pytest.mark.parametrize("name", ["regular", "combination", "scales"])
def test_solutions_are_least_squares(name):
    columns, target = np.stack(designs()[name]), RANDOM.normal(size=SIZE)
    groups = jnp.asarray(GROUPS)
    factors = factorise(jnp.asarray(columns), groups, NUM_GROUPS)
    found = np.asarray(solve(factors, jnp.asarray(target), groups))
    for group in range(NUM_GROUPS):
        kept = np.asarray(factors.kept[group])
        np.testing.assert_array_equal(found[group][~kept], 0)
        if group in (0, 2):
            rows = columns[kept][:, group == GROUPS].T
            scale = np.linalg.norm(rows, axis=0)
            expected = np.linalg.lstsq(rows / scale, target[group == GROUPS], rcond=None)[0]
            np.testing.assert_allclose(found[group][kept] * scale, expected, atol=1e-9)


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6])
def test_near_collinear_solutions_keep_their_digits(distance):
    a, noise, target = RANDOM.normal(size=(3, SIZE))
    columns = np.stack([np.ones(SIZE), a, a + distance * noise])
    with mpmath.workdps(40):
        exact, _ = mpmath.qr_solve(
            mpmath.matrix(columns.T.tolist()), mpmath.matrix(target.tolist())
        )
        exact = np.array([float(number) for number in exact])
    factors = factorise(jnp.asarray(columns))
    found = np.asarray(solve(factors, jnp.asarray(target), None)[0])
    assert np.abs(found / exact - 1).max() < tolerances.DOUBLE_SUM * 10 / distance


def test_single_precision_has_a_tolerance_of_its_own():
    a, noise = RANDOM.normal(size=(2, SIZE))
    for distance, stays in ((1e-6, False), (1e-3, True)):
        columns = np.stack([np.ones(SIZE), a, a + distance * noise]).astype(np.float32)
        factors = factorise(jnp.asarray(columns))
        np.testing.assert_array_equal(factors.kept[0], [True, True, stays])
        assert factors.scale.dtype == np.float32


def test_one_group_is_no_group():
    columns = np.stack(designs()["combination"])
    alone = factorise(jnp.asarray(columns))
    grouped = factorise(jnp.asarray(columns), jnp.zeros(SIZE, jnp.int32), 1)
    np.testing.assert_allclose(alone.basis, grouped.basis, atol=1e-13)
    np.testing.assert_allclose(alone.triangle, grouped.triangle, atol=1e-12)


def test_order_of_the_groups_does_not_matter():
    columns = np.stack(designs()["regular"])
    place = np.array([3, 1, 0, 4, 2])
    straight = factorise(jnp.asarray(columns), jnp.asarray(GROUPS), NUM_GROUPS)
    renamed = factorise(jnp.asarray(columns), jnp.asarray(place[GROUPS]), NUM_GROUPS)
    np.testing.assert_array_equal(renamed.basis, straight.basis)
    np.testing.assert_array_equal(np.asarray(renamed.triangle)[place], straight.triangle)


def test_derivatives():
    left, right = (jnp.asarray(RANDOM.normal(size=shape)) for shape in ((2, 5), (5, 3)))
    check_grads(jax.jit(numerics.matmul), (left, right), order=1, modes=["rev"])
    rows = jnp.asarray(RANDOM.normal(size=(2, SIZE)))
    sums = jax.jit(lambda r: numerics.group_sums(r, jnp.asarray(GROUPS), NUM_GROUPS))
    check_grads(sums, (rows,), order=1, modes=["rev"])
