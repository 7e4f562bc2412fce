"""Laws of tokens, counterfactuals and switch bids: exact tests with a fixed key.

Chi-square tests have a false-alarm rate of 1e-4 each, tests of means one of 7e-6 per number.
"""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from jaxpapers import auctions, engine

NUM_DRAWS = 20_000
LEAST = 1e-4
RNG = np.random.default_rng(3)
PROBS = RNG.dirichlet(np.full(7, 0.8), 3)
PROBS[0, 2] = 0
PROBS /= PROBS.sum(axis=1, keepdims=True)
PLATFORM = RNG.dirichlet(np.full(7, 0.8))
BIDS = np.array([1.0, 0.5, 2.0])
RULES = {
    "linear": (auctions.LinearRule(), lambda b: oracle.linear(b, PROBS)),
    "log-linear": (auctions.LogLinearRule(), lambda b: oracle.log_linear(b, PROBS)),
    "base": (auctions.BaseModelRule(2.0), lambda b: oracle.base_model(b, PROBS, PLATFORM, 2.0)),
}


def logs(probs):
    with np.errstate(divide="ignore"):
        return jnp.asarray(np.log(probs), jnp.float32)


def draws(rule, seed=0, sampler=None, payment=None):
    """Many clearings of one auction."""
    keys = jax.random.split(jax.random.key(seed), NUM_DRAWS)

    def one(key):
        sold = auctions.clear(
            key,
            rule,
            jnp.asarray(BIDS, jnp.float32),
            logs(PROBS),
            logs(PLATFORM) if isinstance(rule, auctions.BaseModelRule) else None,
            sampler=sampler,
            payment=auctions.NoPayment() if payment is None else payment,
        )
        return sold.token, sold.counterfactuals, sold.switch_bids, sold.payments, sold.status

    return [np.asarray(x) for x in jax.jit(jax.vmap(one))(keys)]


@pytest.fixture(scope="module")
def sold():
    return {name: draws(rule) for name, (rule, _) in RULES.items()}


def p_value(tokens, law):
    counts = np.bincount(tokens, minlength=len(law))
    is_possible = law > 0
    if counts[~is_possible].any():
        return 0.0
    return chisquare(counts[is_possible], len(tokens) * law[is_possible]).pvalue


@pytest.mark.parametrize("name", RULES)
def test_tokens_and_counterfactuals_have_their_laws(sold, name):
    _, reference = RULES[name]
    tokens, counterfactuals, *_, status = sold[name]
    assert (status == engine.Status.OK).all()
    assert p_value(tokens, reference(BIDS)) > LEAST
    for agent in range(3):
        law = oracle.without(reference, BIDS, agent)
        assert p_value(counterfactuals[:, agent], law) > LEAST
        assert p_value(tokens, law) < LEAST  # planted defect: the token is no counterfactual


@pytest.mark.parametrize("sampler", [auctions.Ancestral(), auctions.ExponentialRace()])
def test_other_samplers_have_the_same_law(sampler):
    tokens, counterfactuals, *_ = draws(auctions.LinearRule(), 1, sampler)
    assert p_value(tokens, oracle.linear(BIDS, PROBS)) > LEAST
    law = oracle.without(RULES["linear"][1], BIDS, 2)
    assert p_value(counterfactuals[:, 2], law) > LEAST


def test_token_is_replaced_at_a_lower_bid_where_its_switch_bid_is_higher(sold):
    tokens, counterfactuals, switch, *_ = sold["linear"]
    for agent, lower in ((0, 0.3), (2, 1.1)):
        bids = np.where(np.arange(3) == agent, lower, BIDS)
        found = np.where(switch[:, agent] > lower, counterfactuals[:, agent], tokens)
        assert p_value(found, oracle.linear(bids, PROBS)) > LEAST
        assert p_value(found, oracle.linear(BIDS, PROBS)) < LEAST


def test_switch_bids_average_to_the_expected_payment(sold):
    switch = sold["linear"][2]
    assert (switch >= 0).all()
    assert (switch <= BIDS).all()
    found, error = switch.mean(axis=0), switch.std(axis=0) / np.sqrt(NUM_DRAWS)
    wanted = auctions.expected_payments(auctions.LinearRule(), BIDS, logs(PROBS)).payments
    assert (np.abs(found - wanted) < 4.5 * error).all()
    own_bid = np.where(switch > 0, BIDS, 0).mean(axis=0)  # planted defect: the own bid is charged
    assert not (np.abs(own_bid - wanted) < 4.5 * error).all()


def test_an_agent_moves_the_token_as_often_as_its_influence(sold):
    moved = (sold["linear"][2] > 0).mean(axis=0)
    wanted = auctions.influence(auctions.LinearRule(), BIDS, logs(PROBS)).influence
    error = np.sqrt(wanted * (1 - wanted) / NUM_DRAWS)
    assert (np.abs(moved - wanted) < 4.5 * error).all()


def test_log_linear_switch_bids_are_where_the_probability_passes_the_height():
    """The height is drawn from the second key of a clearing, as `solve` says."""
    with engine.double_precision():
        found = 0
        for seed in range(120):
            key = jax.random.key(seed)
            sold = auctions.clear(key, auctions.LogLinearRule(), BIDS, logs(PROBS))
            height = float(sold.probability) * float(
                jax.random.uniform(jax.random.fold_in(key, 1), (), sold.probability.dtype)
            )
            token = int(sold.token)
            for agent in np.flatnonzero(np.asarray(sold.switch_bids) > 0):
                bids = np.where(np.arange(3) == agent, float(sold.switch_bids[agent]), BIDS)
                probability = oracle.log_linear(bids, PROBS)[token]
                if sold.switch_bids[agent] < 1e-9:  # the first agent's veto moves all at once
                    assert probability > height
                    continue
                assert probability == pytest.approx(height, rel=1e-5)
                found += 1
        assert found > 10


def test_flagged_tokens_are_those_of_the_exact_criterion():
    """Middle token of the counter-example: nobody's bid alone brought it."""
    probs = np.array([[0.9, 0.09, 0.01], [0.01, 0.09, 0.9]])
    keys = jax.random.split(jax.random.key(2), 64)

    def one(key):
        return auctions.clear(key, auctions.LogLinearRule(), np.ones(2), np.log(probs))

    sold = jax.vmap(one)(keys)
    is_middle = np.asarray(sold.token) == 1
    is_moved = np.asarray(sold.switch_status) == engine.Status.NOT_MONOTONE
    assert is_moved[is_middle].any()
    assert not is_moved[~is_middle].any()
    np.testing.assert_array_equal(np.isnan(sold.switch_bids), is_moved)
    assert np.isfinite(sold.payments).all()


def test_large_vocabularies_are_drawn_by_blocks():
    """9,001 tokens: whole chunks, a rest, and a last block that is not full."""
    vocab_size = 9_001
    probs = RNG.dirichlet(np.full(vocab_size, 0.02), 2)
    bids = np.array([1.0, 3.0])
    with np.errstate(divide="ignore"):
        log_probs = jnp.asarray(np.log(probs), jnp.float32)
    keys = jax.random.split(jax.random.key(4), 4_000)

    def one(key):
        sold = auctions.clear(key, auctions.LinearRule(), bids, log_probs)
        return sold.token, sold.counterfactuals, sold.influence, sold.mixture

    tokens, counterfactuals, moved, mixture = (
        np.asarray(x) for x in jax.lax.map(one, keys, batch_size=200)
    )
    reference = oracle.linear(bids, probs)
    np.testing.assert_allclose(mixture[0], reference, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(moved[0], oracle.distance(*probs) * bids / 4, rtol=1e-5)
    groups = np.arange(vocab_size) * 40 // vocab_size
    assert p_value(groups[tokens], np.bincount(groups, reference)) > LEAST
    assert p_value(groups[counterfactuals[:, 0]], np.bincount(groups, probs[1])) > LEAST
    assert (reference[tokens] > 0).all()


def test_common_random_numbers_of_the_race_change_few_tokens():
    keys = jax.random.split(jax.random.key(5), 2_000)

    def changes(sampler):
        def one(key, bid):
            bids = jnp.asarray(BIDS, jnp.float32).at[0].set(bid)
            return auctions.clear(
                key, auctions.LinearRule(), bids, logs(PROBS), sampler=sampler
            ).token

        both = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(keys, jnp.asarray([1.0, 1.1]))
        return float(jnp.mean(both[:, 0] != both[:, 1]))

    law = [oracle.linear(np.array([b, 0.5, 2.0]), PROBS) for b in (1.0, 1.1)]
    least = oracle.distance(*law)
    assert least < changes(auctions.ExponentialRace()) < 4 * least + 0.01
