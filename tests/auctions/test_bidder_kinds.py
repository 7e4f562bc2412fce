"""Tilted, mixed, tempered and cut models against their formulas, and their derivatives."""

import itertools

import bidder_cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bidder_cases import OTHER, PROBABILITIES, REWARD, VOCAB_SIZE, rows_of

from jaxpapers import engine
from jaxpapers.auctions import bidders

TOKENS = np.arange(VOCAB_SIZE)


def assert_rows(bidder, expected, x64):
    found = rows_of(bidder)
    tolerance = bidder_cases.rounding(x64)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(found == 0, expected == 0)


def normalised(weights):
    return weights / weights.sum(axis=-1, keepdims=True)


# --- formulas ------------------------------------------------------------------------------------


def test_markov_gives_its_rows(x64):
    assert_rows(bidder_cases.markov(), PROBABILITIES, x64)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_tilted_is_reweighted_by_rewards(x64, temperature):
    bidder = bidders.TiltedBidder(bidder_cases.markov(), REWARD, temperature)
    assert_rows(bidder, normalised(PROBABILITIES * np.exp(REWARD / temperature)), x64)


def test_tilt_without_rewards_is_the_base_model(x64):
    bidder = bidders.TiltedBidder(bidder_cases.markov(), np.full(VOCAB_SIZE, 7.0), 1e-30)
    assert_rows(bidder, PROBABILITIES, x64)


def test_a_vanishing_temperature_leaves_the_best_possible_token():
    """Rewards over a temperature of 1e-37 overflow float32; the result does not."""
    for rewards in (REWARD, REWARD - 1e3, 1e3 * REWARD):
        found = rows_of(bidders.TiltedBidder(bidder_cases.markov(), rewards, 1e-37))
        best = np.where(PROBABILITIES > 0, REWARD, -np.inf).argmax(axis=1)
        np.testing.assert_array_equal(found, np.eye(VOCAB_SIZE)[best])


@pytest.mark.parametrize("weights", [[0.25, 0.75], [1.0, 0.0], [0.0, 1.0]])
def test_mixture_is_the_sum(x64, weights):
    bidder = bidders.MixtureBidder((bidder_cases.markov(), bidder_cases.other()), weights)
    assert_rows(bidder, weights[0] * PROBABILITIES + weights[1] * OTHER, x64)


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_tempered_is_a_power(x64, temperature):
    bidder = bidders.Tempered(bidder_cases.markov(), temperature)
    assert_rows(bidder, normalised(PROBABILITIES ** (1 / temperature)), x64)


def test_a_vanishing_temperature_leaves_the_most_likely_tokens():
    found = rows_of(bidders.Tempered(bidder_cases.markov(), 1e-37))
    is_likeliest = PROBABILITIES.max(axis=1, keepdims=True) == PROBABILITIES
    np.testing.assert_allclose(found, normalised(is_likeliest.astype(float)), rtol=1e-6)


def nucleus(row, mass):
    """The smallest set that reaches the mass, by trying all; the likeliest, then the lowest."""
    slack = 1e-9
    for size in range(1, VOCAB_SIZE + 1):
        sets = [list(s) for s in itertools.combinations(TOKENS, size) if (row[list(s)] > 0).all()]
        reaching = [s for s in sets if row[s].sum() >= mass - slack]
        if reaching:
            return max(reaching, key=lambda s: (round(row[s].sum(), 9), [-token for token in s]))
    raise AssertionError("no set reaches the mass")


def cut(rows, mass):
    kept = np.zeros(rows.shape)
    for place, row in enumerate(rows):
        inside = nucleus(row, mass)
        kept[place, inside] = row[inside]
    return normalised(kept)


@pytest.mark.parametrize("mass", [1e-6, 0.15, 0.3, 0.62, 0.93, 1.0])
def test_top_p_is_the_smallest_set(x64, mass):
    assert_rows(bidders.TopP(bidder_cases.markov(), mass), cut(PROBABILITIES, mass), x64)


def test_ties_at_the_edge_keep_the_lower_tokens(x64):
    found = rows_of(bidders.TopP(bidder_cases.markov(), 0.3))
    for row in (found[0], found[4]):
        np.testing.assert_allclose(row, [0.5, 0.5, 0, 0, 0], rtol=bidder_cases.rounding(x64))


def test_full_mass_keeps_what_rounding_would_cut():
    """In float32 the first token alone sums to one."""
    row = np.array([1 - 3e-8, 1e-8, 1e-8, 1e-8, 0.0])
    bidder = bidders.TopP(bidder_cases.markov(np.tile(row, (VOCAB_SIZE, 1))), 1.0)
    np.testing.assert_allclose(rows_of(bidder)[0], row, rtol=1e-6)


# --- derivatives ---------------------------------------------------------------------------------

NUMBERS = {
    "reward": (lambda x: bidders.TiltedBidder(bidder_cases.markov(), x, 0.7), REWARD),
    "tilt": (lambda x: bidders.TiltedBidder(bidder_cases.markov(), REWARD, x), np.array(0.7)),
    "weights": (
        lambda x: bidders.MixtureBidder((bidder_cases.markov(), bidder_cases.other()), x),
        np.array([0.3, 0.7]),
    ),
    "temperature": (lambda x: bidders.Tempered(bidder_cases.markov(), x), np.array(0.6)),
    "cut": (
        lambda x: bidders.TopP(bidders.Tempered(bidder_cases.markov(), x), 0.62),
        np.array(0.9),
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_derivatives_are_central_differences(name):
    build, number = NUMBERS[name]
    step = 1e-5
    with engine.double_precision():

        @jax.jit
        def value(x):
            rows = bidder_cases.answers(build(x), bidder_cases.every_prompt(1))
            likely = jnp.where(rows > -jnp.inf, rows, 0)
            return jnp.sum(likely @ jnp.cos(jnp.arange(VOCAB_SIZE, dtype=rows.dtype)))

        found = np.asarray(jax.jit(jax.grad(value))(jnp.asarray(number))).reshape(-1)
        moves = step * np.eye(number.size).reshape(number.size, *number.shape)
        expected = [(value(number + d) - value(number - d)) / (2 * step) for d in moves]
    scale = 1 + np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=bidder_cases.SLOPE * scale)


def test_derivatives_are_finite_at_a_weight_of_zero():
    def value(weights):
        members = (bidder_cases.other(), bidder_cases.other(), bidder_cases.markov())
        rows = bidder_cases.answers(
            bidders.MixtureBidder(members, weights), bidder_cases.every_prompt(1)
        )
        return jnp.sum(jnp.where(rows > -jnp.inf, rows, 0))

    slope = jax.jit(jax.grad(value))(jnp.array([0.5, 0.5, 0.0]))
    assert np.isfinite(slope).all()


def test_a_new_number_does_not_recompile(count_compiles):
    prompts = bidder_cases.every_prompt(1)
    base = bidder_cases.markov()
    makers = (
        lambda x: bidders.TiltedBidder(base, x * REWARD, x),
        lambda x: bidders.Tempered(base, x),
        lambda x: bidders.TopP(base, x),
        lambda x: bidders.MixtureBidder((base, base), [x, 1 - x]),
    )
    for make in makers:
        bidder_cases.answers(make(0.5), prompts)
    with count_compiles() as compiles:
        for make in makers:
            bidder_cases.answers(make(0.8), prompts)
    assert compiles.count("answers") == 0
