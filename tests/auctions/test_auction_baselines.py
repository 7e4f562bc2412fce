"""Auctions of texts, segments and candidates against their definitions."""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp, softmax

from jaxpapers import engine
from jaxpapers.auctions.baselines import sell_candidate, sell_segment, sell_text

pytestmark = pytest.mark.usefixtures("quick_compiles")
KEY = jax.random.key(2)
NUM_DRAWS = 4_096
BIDS = np.array([1.0, 0.25, 2.0])
RELEVANCES = np.array([0.5, 3.0, 0.8])
REWARDS = np.random.default_rng(8).normal(size=(3, 5))
WEIGHTS = np.array([0.3, 0.1, 0.0, 0.4, 0.2])
TEMPERATURE = 0.7


@pytest.fixture(autouse=True)
def _double_precision():
    with engine.double_precision():
        yield


@pytest.mark.parametrize(
    ("bids", "reserve", "winner", "paid"),
    [
        ((1.0, 3.0, 2.0), 0.0, 1, 2.0),
        ((1.0, 3.0, 2.0), 2.5, 1, 2.5),
        ((1.0, 3.0, 2.0), 3.0, 1, 3.0),
        ((1.0, 3.0, 2.0), 3.5, -1, 0.0),
        ((2.0, 3.0, 3.0), 0.0, 1, 3.0),
        ((0.0, 0.0, 0.0), 0.0, -1, 0.0),
        ((0.0, 0.0, 1.0), 0.0, 2, 0.0),
    ],
)
def test_highest_bid_takes_the_text_at_the_second(bids, reserve, winner, paid):
    sold = sell_text(np.array(bids), reserve=reserve)
    is_winner = np.arange(3) == winner
    assert sold.winner == winner
    np.testing.assert_array_equal(sold.allocation, is_winner)
    np.testing.assert_array_equal(sold.payments, paid * is_winner)
    assert sold.status == engine.Status.OK


def test_telling_the_value_of_a_text_is_dominant():
    grid = np.linspace(0, 3, 13)
    own, others, value = np.meshgrid(grid, grid, grid, indexing="ij")

    def gain(own, other, value):
        sold = sell_text(jnp.stack([own, other]), reserve=0.6)
        return value * sold.allocation[0] - sold.payments[0]

    gain = jax.jit(jax.vmap(gain))
    lied = np.asarray(gain(own.ravel(), others.ravel(), value.ravel())).reshape(own.shape)
    told = np.asarray(gain(value.ravel(), others.ravel(), value.ravel())).reshape(own.shape)
    assert (told >= lied - 1e-15).all()


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_bids_sell_nothing(bad):
    bids = np.array([1.0, bad, 2.0])
    text = sell_text(bids)
    segment = sell_segment(KEY, bids, RELEVANCES)
    for sold in (text, segment, sell_segment(KEY, BIDS, np.array([1.0, bad, 1.0]))):
        assert sold.status == engine.Status.INVALID_BIDS
        assert sold.winner == -1
        np.testing.assert_array_equal(sold.payments, 0)


def test_segment_charges_the_myerson_payment():
    sold = sell_segment(KEY, BIDS, RELEVANCES)
    scores = BIDS * RELEVANCES
    np.testing.assert_allclose(sold.shares, scores / scores.sum(), rtol=1e-14)
    for agent in range(3):

        def share(bid, agent=agent):
            changed = np.where(np.arange(3) == agent, bid * RELEVANCES, scores)
            return changed[agent] / changed.sum()

        bid = BIDS[agent]
        paid = bid * share(bid) - quad(share, 0, bid, epsabs=1e-13)[0]
        assert sold.expected_payments[agent] == pytest.approx(paid, rel=1e-10)
        assert sold.prices[agent] == pytest.approx(paid / share(bid), rel=1e-10)
    assert (sold.prices < BIDS).all()


def test_price_of_a_click_does_not_hang_on_how_often_is_clicked():
    """With bids for a click, allocation is clicks: share times a rate; Myerson by quadrature."""
    rate = 0.13
    prices = sell_segment(KEY, BIDS, RELEVANCES).prices
    others = BIDS[1:] @ RELEVANCES[1:]

    def clicks(bid):
        return rate * bid * RELEVANCES[0] / (bid * RELEVANCES[0] + others)

    charged = BIDS[0] * clicks(BIDS[0]) - quad(clicks, 0, BIDS[0])[0]
    assert prices[0] == pytest.approx(charged / clicks(BIDS[0]), rel=1e-10)


def test_winners_are_drawn_by_their_shares():
    """Counts and mean charges of 4,096 draws within 4.5 standard errors; false alarm 4e-5."""
    keys = jax.random.split(KEY, NUM_DRAWS)
    sold = jax.jit(jax.vmap(lambda key: sell_segment(key, BIDS, RELEVANCES)))(keys)
    shares, expected = np.asarray(sold.shares[0]), np.asarray(sold.expected_payments[0])
    counts = np.bincount(sold.winner, minlength=3) / NUM_DRAWS
    error = np.sqrt(shares * (1 - shares) / NUM_DRAWS)
    assert (np.abs(counts - shares) < 4.5 * error).all()
    assert not (np.abs(counts - BIDS / BIDS.sum()) < 4.5 * error).all()  # planted defect
    paid = np.asarray(sold.payments)
    assert (np.abs(paid.mean(axis=0) - expected) < 4.5 * paid.std(axis=0) / 64).all()
    assert (np.count_nonzero(paid, axis=1) == 1).all()


def test_segment_of_one_who_bids_alone_costs_nothing():
    sold = sell_segment(KEY, np.array([0.0, 2.0, 0.0]), RELEVANCES)
    assert sold.winner == 1
    np.testing.assert_array_equal(sold.shares, [0, 1, 0])
    np.testing.assert_array_equal(sold.payments, 0)
    nobody = sell_segment(KEY, np.zeros(3), RELEVANCES)
    assert (nobody.winner, nobody.status) == (-1, engine.Status.OK)
    np.testing.assert_array_equal(nobody.payments, 0)


def test_segment_prices_in_single_precision_at_any_ratio():
    with jax.enable_x64(False):
        for ratio in (1e-12, 1e-4, 9e-3, 1.0, 1e6):
            bids = np.array([ratio, 1.0, 0.0], np.float32)
            sold = sell_segment(KEY, bids, np.ones(3, np.float32))
            b = np.longdouble(bids[0])
            series = b**2 / 2 - 2 * b**3 / 3 + 3 * b**4 / 4
            wanted = series if ratio < 1e-3 else np.log1p(b) - b / (1 + b)
            assert float(sold.expected_payments[0]) == pytest.approx(float(wanted), rel=2e-5)
            assert float(sold.prices[0]) == pytest.approx(float(wanted * (1 + b) / b), rel=2e-5)


def candidate(rewards=REWARDS, weights=WEIGHTS, temperature=TEMPERATURE):
    with np.errstate(divide="ignore"):
        return sell_candidate(KEY, rewards, np.log(weights), temperature=temperature)


def by_definition(rewards=REWARDS):
    with np.errstate(divide="ignore"):
        return softmax(np.log(WEIGHTS) + rewards.sum(axis=0) / TEMPERATURE)


def test_candidate_charges_what_the_others_lose():
    sold = candidate()
    q = by_definition()
    np.testing.assert_allclose(sold.mixture, q, rtol=1e-13)
    np.testing.assert_allclose(sold.expected_rewards, REWARDS @ q, rtol=1e-12)
    for agent in range(3):
        others = np.where(np.arange(3)[:, None] == agent, 0, REWARDS)

        def welfare(q, others=others):
            held = TEMPERATURE * oracle.divergence(q, WEIGHTS)
            return others.sum(axis=0) @ q - held

        lost = welfare(by_definition(others)) - welfare(q)
        assert sold.payments[agent] == pytest.approx(lost, rel=1e-10)
        with np.errstate(divide="ignore"):
            logs = [logsumexp(np.log(WEIGHTS) + r.sum(axis=0) / 0.7) for r in (REWARDS, others)]
        left = sold.expected_rewards[agent] - sold.payments[agent]
        assert left == pytest.approx(TEMPERATURE * (logs[0] - logs[1]), rel=1e-10)


def test_telling_the_rewards_of_candidates_is_dominant():
    told = candidate()
    best = told.expected_rewards[0] - told.payments[0]
    lies = np.random.default_rng(1).normal(size=(200, 5)) * np.logspace(-3, 1, 200)[:, None]

    def gain(lie):
        said = jnp.asarray(REWARDS).at[0].add(lie)
        sold = sell_candidate(KEY, said, jnp.log(jnp.asarray(WEIGHTS)), temperature=TEMPERATURE)
        return REWARDS[0] @ sold.mixture - sold.payments[0]

    gains = np.asarray(jax.jit(jax.vmap(gain))(jnp.asarray(lies)))
    assert (gains < best).all()


def test_candidates_that_are_alike_to_an_agent_cost_it_nothing():
    rewards = np.vstack([np.full(5, 7.0), REWARDS[1:]])
    sold = candidate(rewards)
    assert sold.payments[0] == pytest.approx(0, abs=1e-15)
    assert sold.payments[1] == pytest.approx(float(candidate(rewards - 7).payments[1]), rel=1e-10)


def test_candidate_payments_in_single_precision_of_small_rewards():
    small = 1e-3 * REWARDS[0]
    rewards = np.vstack([small, np.zeros((2, 5))]).astype(np.float32)
    with jax.enable_x64(False), np.errstate(divide="ignore"):
        logs = np.log(WEIGHTS.astype(np.float32))
        paid = sell_candidate(KEY, rewards, logs, temperature=TEMPERATURE).payments
    variance = WEIGHTS @ small**2 - (WEIGHTS @ small) ** 2  # leading term, relative error 1e-3
    assert float(paid[0]) == pytest.approx(variance / (2 * TEMPERATURE), rel=5e-3)


def test_candidates_are_drawn_from_the_mixture():
    """Counts of 4,096 draws within 4.5 standard errors; false alarm 4e-5 in all."""
    keys = jax.random.split(KEY, NUM_DRAWS)
    with np.errstate(divide="ignore"):
        logs = np.log(WEIGHTS)

    def draw(key):
        return sell_candidate(key, REWARDS, logs, temperature=TEMPERATURE).candidate

    counts = np.bincount(jax.jit(jax.vmap(draw))(keys), minlength=5) / NUM_DRAWS
    q = by_definition()
    error = np.sqrt(q * (1 - q) / NUM_DRAWS)
    assert (np.abs(counts - q) <= 4.5 * error).all()
    assert not (np.abs(counts - WEIGHTS) <= 4.5 * error).all()  # planted defect


def test_candidates_say_what_is_wrong():
    bad = candidate(np.where(np.eye(3, 5) > 0, np.nan, REWARDS))
    assert bad.status == engine.Status.INVALID_BIDS
    nothing = candidate(weights=np.zeros(5))
    assert nothing.status == engine.Status.NOT_A_DISTRIBUTION
    for sold in (bad, nothing):
        np.testing.assert_allclose(sold.payments, 0, atol=1e-15)
        np.testing.assert_allclose(sold.mixture, 0.2)


def test_payments_have_derivatives():
    def segment(bids):
        return jnp.sum(sell_segment(KEY, bids, RELEVANCES).expected_payments)

    def candidates(rewards):
        weights = jnp.log(jnp.asarray(WEIGHTS))
        return jnp.sum(sell_candidate(KEY, rewards, weights, temperature=TEMPERATURE).payments)

    for function, point in ((segment, BIDS), (candidates, REWARDS)):
        move = 1e-5 * np.random.default_rng(6).normal(size=point.shape)
        found = jnp.sum(jax.jit(jax.grad(function))(jnp.asarray(point)) * move)
        wanted = (function(point + move) - function(point - move)) / 2
        assert found == pytest.approx(float(wanted), rel=1e-6)


def test_mistakes():
    with pytest.raises(ValueError, match="reserve must be finite and at least 0, got -1"):
        sell_text(BIDS, reserve=-1)
    with pytest.raises(ValueError, match="bids must have shape"):
        sell_text(np.ones((2, 2)))
    with pytest.raises(TypeError, match="key must be a typed random key"):
        sell_segment(0, BIDS, RELEVANCES)
    with pytest.raises(ValueError, match="bids and relevances must agree in 'agent'"):
        sell_segment(KEY, BIDS, np.ones(2))
    with pytest.raises(TypeError, match="key must be a typed random key"):
        sell_candidate(0, REWARDS, np.zeros(5), temperature=1.0)
    with pytest.raises(ValueError, match="rewards and log_weights must agree in 'candidate'"):
        sell_candidate(KEY, REWARDS, np.zeros(4), temperature=1.0)
    with pytest.raises(ValueError, match=r"temperature must be finite and above 0, got 0\.0"):
        sell_candidate(KEY, REWARDS, np.zeros(5), temperature=0.0)
