"""Orders, blocks of ties and what follows from them, against counting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tolerances
from jax.test_util import check_grads

from jaxpapers import numerics

pytestmark = pytest.mark.usefixtures("quick_compiles")

SIZE = 40
rank_order = jax.jit(numerics.rank_order)
sample_ranks = jax.jit(numerics.sample_ranks)
indicator_shares = jax.jit(numerics.indicator_shares)
indicator_means = jax.jit(numerics.indicator_means)


def counted(values):
    """Numbers of observations smaller, and smaller or equal."""
    smaller = [sum(v < u for v in values) for u in values]
    level = [sum(v <= u for v in values) for u in values]
    return np.array(smaller), np.array(level)


def assert_is_order_of(order, values):
    """The order sorts the values, stably, and its blocks are the ties."""
    values = np.asarray(values)
    permutation = np.asarray(order.order)
    np.testing.assert_array_equal(permutation, np.argsort(values, kind="stable"))
    smaller, level = counted(values)
    np.testing.assert_array_equal(order.starts, smaller[permutation])
    np.testing.assert_array_equal(order.ends, level[permutation])
    np.testing.assert_array_equal(np.asarray(order.position)[permutation], np.arange(len(values)))
    assert order.num_tied == np.sum(level - smaller > 1)
    assert {leaf.dtype for leaf in jax.tree.leaves(order)} == {np.dtype("int32")}


RANDOM = np.random.default_rng(0)
SAMPLES = {
    "distinct": RANDOM.normal(size=SIZE),
    "ties": RANDOM.integers(0, 6, SIZE).astype(float),
    "all tied": np.full(SIZE, 2.5),
    "two blocks": np.repeat([3.0, -1.0], SIZE // 2),
    "only the minimum": np.maximum(RANDOM.normal(size=SIZE), 0),
    "only the maximum": np.minimum(RANDOM.normal(size=SIZE), 0),
    "signed zeros": np.where(RANDOM.uniform(size=SIZE) < 0.5, -0.0, RANDOM.integers(0, 2, SIZE)),
    "infinite": np.where(RANDOM.uniform(size=SIZE) < 0.3, np.inf, -np.inf),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_order_and_blocks(x64, name):
    values = SAMPLES[name].astype(np.float64 if x64 else np.float32)
    assert_is_order_of(rank_order(jnp.asarray(values)), values)


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.float16, bool])
def test_order_in_other_dtypes(dtype):
    values = RANDOM.integers(0, 200, SIZE).astype(dtype)
    assert_is_order_of(rank_order(jnp.asarray(values)), values)


@pytest.mark.parametrize("size", [1, 2])
def test_order_of_small_samples(size):
    values = np.array([3.0, 3.0], np.float32)[:size]
    assert_is_order_of(rank_order(jnp.asarray(values)), values)


def test_long_integers_in_double_precision():
    values = np.arange(SIZE)[::-1] * 2**40
    with jax.enable_x64(True):
        assert_is_order_of(rank_order(values), values)


def test_numpy_sample_is_rounded_before_it_is_sorted_and_compared():
    values = 1e9 + np.arange(SIZE)[::-1] * 0.5
    with jax.enable_x64(False):
        rounded = numerics.rank_order(jnp.asarray(values))
        given = numerics.rank_order(values)
    assert rounded.num_tied == SIZE
    for ours, theirs in zip(jax.tree.leaves(given), jax.tree.leaves(rounded), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_inverse_permutation():
    permutation = RANDOM.permutation(SIZE).astype(np.int32)
    inverse = numerics.inverse_permutation(jnp.asarray(permutation))
    np.testing.assert_array_equal(permutation[np.asarray(inverse)], np.arange(SIZE))
    assert inverse.dtype == np.int32


def blocks_in(values, working, *, increasing):
    """Blocks of a sample, held in the order of another one (None for its own)."""
    order = rank_order(jnp.asarray(values))
    working = order if working is None else rank_order(jnp.asarray(working))
    return numerics.tie_blocks(order, working, increasing=increasing), np.asarray(working.order)


WORKING = {"its own": None, "another": RANDOM.integers(0, 9, SIZE).astype(float)}
WEIGHTS = [0.0, 0.3, 1.0]


def indicators(values, tie_weight, *, increasing):
    """I_w(X_i, X_k) with rows i."""
    values = values if increasing else -values
    rows, columns = values[:, None], values[None, :]
    return tie_weight * (rows <= columns) + (1 - tie_weight) * (rows < columns)


@pytest.mark.parametrize("name", ["distinct", "ties", "all tied", "signed zeros"])
@pytest.mark.parametrize("working", WORKING)
@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize("tie_weight", WEIGHTS)
def test_ranks_and_sums_equal_the_definition(name, working, increasing, tie_weight):
    values = SAMPLES[name]
    with jax.enable_x64(True):
        blocks, held = blocks_in(values, WORKING[working], increasing=increasing)
        weight = jnp.asarray(tie_weight, jnp.float64)
        matrix = indicators(values, tie_weight, increasing=increasing)
        ranks = (matrix.sum(axis=0) + 1 - tie_weight) / SIZE
        exact = tolerances.EXACT_ARITHMETIC
        found = sample_ranks(blocks, weight)
        np.testing.assert_allclose(found, ranks[held], rtol=exact)

        counts = RANDOM.multinomial(SIZE, np.full(SIZE, 1 / SIZE)).astype(float)
        drawn = (counts @ matrix + 1 - tie_weight) / SIZE
        found = sample_ranks(blocks, weight, jnp.asarray(counts[held]))
        np.testing.assert_allclose(found, drawn[held], rtol=exact)

        moments = RANDOM.normal(size=(3, SIZE))
        with_one = np.concatenate([np.ones((1, SIZE)), moments])
        rows = jnp.asarray(moments[:, held])
        for times in (None, counts):
            drawn = None if times is None else jnp.asarray(times[held])
            weighted = with_one if times is None else with_one * times
            expected = (weighted @ matrix.T)[:, held] / SIZE
            found = indicator_shares(blocks, weight, drawn)
            np.testing.assert_allclose(found, expected[0], atol=exact)
            found = indicator_means(blocks, weight, rows, drawn)
            np.testing.assert_allclose(found, expected[1:], atol=exact)


def test_ranks_of_counts_are_ranks_of_the_drawn_sample():
    values, counts = SAMPLES["ties"], RANDOM.multinomial(SIZE, np.full(SIZE, 1 / SIZE))
    drawn = np.repeat(values, counts)
    matrix = indicators(drawn, 0.3, increasing=True)
    expected = np.full(SIZE, np.nan)
    for value, rank in zip(drawn, (matrix.sum(axis=0) + 0.7) / SIZE, strict=True):
        expected[values == value] = rank
    with jax.enable_x64(True):
        blocks, held = blocks_in(values, None, increasing=True)
        weight = jnp.asarray(0.3, jnp.float64)
        found = np.asarray(sample_ranks(blocks, weight, jnp.asarray(counts[held], float)))
    chosen = counts[held] > 0
    np.testing.assert_allclose(
        found[chosen], expected[held][chosen], rtol=tolerances.EXACT_ARITHMETIC
    )


def test_own_order_needs_no_gather():
    blocks, _ = blocks_in(SAMPLES["ties"].astype(np.float32), None, increasing=True)
    assert blocks.order is None


def test_derivatives():
    with jax.enable_x64(True):
        blocks, held = blocks_in(SAMPLES["ties"], WORKING["another"], increasing=False)
        weight = jnp.asarray(0.4, jnp.float64)
        counts = jnp.asarray(RANDOM.uniform(0.5, 2, SIZE)[held])
        rows = jnp.asarray(RANDOM.normal(size=(2, SIZE)))
        check_grads(
            lambda w, c: sample_ranks(blocks, w, c), (weight, counts), order=1, modes=["rev"]
        )
        check_grads(
            lambda w, m: indicator_means(blocks, w, m), (weight, rows), order=1, modes=["rev"]
        )
        check_grads(
            lambda w, c: indicator_shares(blocks, w, c), (weight, counts), order=1, modes=["rev"]
        )


def test_single_precision_ranks_have_one_rounding():
    values = RANDOM.permutation(100_003).astype(np.float32)
    blocks, held = blocks_in(values, None, increasing=True)
    found = sample_ranks(blocks, jnp.asarray(1.0, jnp.float32))
    exact = (values[held].astype(np.float64) + 1) / len(values)
    np.testing.assert_allclose(found, exact, rtol=tolerances.SINGLE_SUM)
    assert found.dtype == np.float32
