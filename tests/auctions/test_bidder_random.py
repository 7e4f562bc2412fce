"""Random Markov models: their laws, in log space."""

import functools

import bidder_cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxpapers.auctions import bidders

pytestmark = pytest.mark.usefixtures("quick_compiles")

KEY = jax.random.key(17)
VOCAB_SIZE = 8
NUM_MODELS = 250
# A Kolmogorov-Smirnov test of 2,000 independent rows; a false alarm of 1e-4 for each of the tests.
LEVEL = 1e-4


@functools.partial(jax.jit, static_argnames=("num_models", "vocab_size"))
def log_tables(concentration, num_models, vocab_size=VOCAB_SIZE):
    def table(number):
        key = jax.random.fold_in(KEY, number)
        model = bidders.dirichlet_markov(key, vocab_size=vocab_size, concentration=concentration)
        return model.log_transitions

    return jax.vmap(table)(jnp.arange(num_models, dtype=jnp.int32))


def first_entries(concentration):
    """Probabilities of the first token in independent rows."""
    tables = np.asarray(log_tables(concentration, NUM_MODELS), np.float64)
    return np.exp(tables).reshape(-1, VOCAB_SIZE)[:, 0]


@pytest.mark.parametrize("concentration", [0.3, 1.0, 6.0])
def test_entries_of_dirichlet_rows_are_beta(concentration):
    law = scipy.stats.beta(concentration, (VOCAB_SIZE - 1) * concentration)
    assert scipy.stats.kstest(first_entries(concentration), law.cdf).pvalue > LEVEL


def test_a_wrong_concentration_is_seen():
    law = scipy.stats.beta(1.3, (VOCAB_SIZE - 1) * 1.3)
    assert scipy.stats.kstest(first_entries(1.0), law.cdf).pvalue < LEVEL


@pytest.mark.parametrize("concentration", [0.3, 6.0])
def test_moments_of_dirichlet_rows(concentration):
    """Mean square and mean product of two entries, each within 4.5 standard errors: 7e-6."""
    alpha = np.full(VOCAB_SIZE, concentration)
    covariance = scipy.stats.dirichlet.cov(alpha)
    rows = np.exp(np.asarray(log_tables(concentration, NUM_MODELS), np.float64))
    rows = rows.reshape(-1, VOCAB_SIZE) - 1 / VOCAB_SIZE
    for products, expected in (
        (rows[:, 0] ** 2, covariance[0, 0]),
        (rows[:, 0] * rows[:, 1], covariance[0, 1]),
    ):
        error = products.std(ddof=1) / np.sqrt(products.size)
        assert abs(products.mean() - expected) < 4.5 * error


@pytest.mark.parametrize("concentration", [1e-4, 1e-2, 1e4])
def test_extreme_rows_are_finite_and_sum_to_one(x64, concentration):
    rows = log_tables(concentration, 2, 200)
    assert rows.dtype == (jnp.float64 if x64 else jnp.float32)
    assert np.isfinite(rows).all()
    sums = np.exp(np.asarray(rows, np.float64)).sum(axis=-1)
    tolerance = bidder_cases.SUM if x64 else bidder_cases.SUM_SINGLE
    np.testing.assert_allclose(sums, 1, rtol=0, atol=tolerance)


def zipf(exponent, common):
    model = bidders.zipf_markov(KEY, vocab_size=VOCAB_SIZE, exponent=exponent, common=common)
    return np.exp(np.asarray(model.log_transitions, np.float64))


def test_zipf_rows_have_the_law(x64):
    law = scipy.stats.zipfian(1.2, VOCAB_SIZE).pmf(np.arange(1, VOCAB_SIZE + 1))
    own, shared = zipf(1.2, 0.0), zipf(1.2, 1.0)
    tolerance = bidder_cases.rounding(x64)
    for rows in (own, shared):
        falling = -np.sort(-rows, axis=1)
        np.testing.assert_allclose(falling, np.tile(law, (VOCAB_SIZE, 1)), rtol=0, atol=tolerance)
    assert (shared == shared[0]).all()
    assert len({tuple(row) for row in own}) > VOCAB_SIZE / 2
    np.testing.assert_allclose(zipf(1.2, 0.3), 0.3 * shared + 0.7 * own, rtol=0, atol=tolerance)


def test_zipf_of_exponent_zero_is_uniform():
    np.testing.assert_allclose(
        zipf(0.0, 0.5), np.full((VOCAB_SIZE,) * 2, 1 / VOCAB_SIZE), rtol=1e-6
    )


def test_a_steep_zipf_law_stays_finite():
    model = bidders.zipf_markov(KEY, vocab_size=200, exponent=60.0)
    assert np.isfinite(model.log_transitions).all()


def test_another_key_gives_another_model():
    tables = np.asarray(log_tables(1.0, NUM_MODELS))
    assert (tables[0] != tables[1]).all()
    other = bidders.zipf_markov(jax.random.key(18), vocab_size=VOCAB_SIZE, exponent=1.2, common=0.3)
    assert (np.exp(np.asarray(other.log_transitions)) != zipf(1.2, 0.3)).any()


def test_draws_depend_on_key_and_size_only():
    two = log_tables(1.0, 2)
    np.testing.assert_allclose(
        log_tables(1.0, NUM_MODELS)[:2], two, rtol=bidder_cases.ROUNDING_SINGLE
    )
