"""The counter generator: laws of its bits, and that no two draws are one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpapers import engine

KEY = jax.random.key(5)
FALSE_ALARM = 1e-4
NUM_WORDS = 1 << 16


@jax.jit
def words_of_steps(key):
    """One word from each of many keys in a row, as a loop draws them."""
    steps = jnp.arange(NUM_WORDS, dtype=jnp.uint32)
    return jax.vmap(lambda t: jax.random.bits(jax.random.fold_in(key, t), (), jnp.uint32))(steps)


def counter_alone(key):
    """A planted defect: the counter of the step plus the key, without a finaliser."""
    return jax.random.key_data(key)[0] + jnp.arange(NUM_WORDS, dtype=jnp.uint32)


def p_values(words):
    """Chi-square of bytes at every place, of pairs of neighbours, and of single bits."""
    words = np.asarray(words)
    data = words.view(np.uint8).reshape(-1, 4)
    places = [stats.chisquare(np.bincount(data[:, k], minlength=256)).pvalue for k in range(4)]
    pairs = (words[:-1] >> 28) * 16 + (words[1:] >> 28)
    low_pairs = (words[:-1] & 15) * 16 + (words[1:] & 15)
    tables = [np.bincount(x, minlength=256) for x in (pairs, low_pairs)]
    ones = ((words[:, None] >> np.arange(32, dtype=np.uint32)[None]) & 1).sum(axis=0)
    normal = (ones - len(words) / 2) / np.sqrt(len(words) / 4)
    return [
        *places,
        *(stats.chisquare(t).pvalue for t in tables),
        *(2 * stats.norm.sf(abs(normal))),
    ]


def test_words_of_neighbouring_keys_are_uniform_and_independent():
    found = p_values(words_of_steps(engine.stream(KEY)))
    assert min(found) > FALSE_ALARM / len(found)


def test_words_of_one_key_are_uniform_and_independent():
    found = p_values(jax.random.bits(engine.stream(KEY), (NUM_WORDS,), jnp.uint32))
    assert min(found) > FALSE_ALARM / len(found)


def test_a_counter_without_a_finaliser_is_found_out():
    found = p_values(counter_alone(engine.stream(KEY)))
    assert min(found) < FALSE_ALARM / len(found)


def test_streams_of_neighbouring_seeds_have_nothing_in_common():
    first, second = (words_of_steps(engine.stream(jax.random.key(seed))) for seed in (0, 1))
    assert len(np.intersect1d(first, second)) < 10  # expected by chance: one
    agreeing = np.unpackbits(np.asarray(first ^ second).view(np.uint8)).sum()
    assert abs(agreeing - NUM_WORDS * 16) < 4 * np.sqrt(NUM_WORDS * 8)


def test_words_do_not_depend_on_how_many_are_drawn_or_on_vmap():
    key = engine.stream(KEY)
    few, many = (jax.random.bits(key, (size,), jnp.uint32) for size in (3, 9))
    assert few.tolist() == many[:3].tolist()
    mapped = jax.vmap(lambda i: jax.random.uniform(jax.random.fold_in(key, i)))(jnp.arange(4))
    alone = [float(jax.random.uniform(jax.random.fold_in(key, i))) for i in range(4)]
    assert mapped.tolist() == alone


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_words_of_every_width_use_all_their_bits(dtype):
    with jax.enable_x64(True):
        drawn = np.asarray(jax.random.bits(engine.stream(KEY), (4096,), dtype))
    assert drawn.dtype == dtype
    width = drawn.dtype.itemsize * 8
    ones = ((drawn[:, None] >> np.arange(width).astype(dtype)[None]) & np.array(1, dtype)).sum(
        axis=0
    )
    assert np.all(abs(ones.astype(float) - 2048) < 5 * 32)


def test_splits_differ_from_folds_and_from_each_other():
    key = engine.stream(KEY)
    split = np.asarray(jax.random.key_data(jax.random.split(key, (4, 2)))).reshape(-1, 2)
    folded = np.stack([jax.random.key_data(jax.random.fold_in(key, i)) for i in range(8)])
    assert len(np.unique(np.concatenate([split, folded]), axis=0)) == 16


def test_seeds_make_keys_of_the_generator_too():
    kind = jax.random.key_impl(engine.stream(KEY))
    keys = [jax.random.key(seed, impl=kind) for seed in (0, 1)]
    assert keys[0].dtype == engine.stream(KEY).dtype
    assert jax.random.bits(keys[0]) != jax.random.bits(keys[1])


def test_mix_is_a_bijection_that_spreads_each_bit():
    words = jnp.arange(1 << 16, dtype=jnp.uint32)
    assert len(np.unique(engine.mix(words))) == 1 << 16
    for bit in range(32):
        flipped = engine.mix(words ^ jnp.asarray(1 << bit, jnp.uint32)) ^ engine.mix(words)
        share = np.unpackbits(np.asarray(flipped).view(np.uint8)).mean()
        assert abs(share - 0.5) < 0.01
