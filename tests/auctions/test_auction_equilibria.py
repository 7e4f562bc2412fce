"""Equilibria against closed forms, and against deviations in utilities by definition."""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import auctions, engine
from jaxpapers.auctions.bidding import Market
from jaxpapers.auctions.equilibria import BestResponsePlay, equilibrium

pytestmark = pytest.mark.usefixtures("quick_compiles")
PROBS = np.random.default_rng(41).dirichlet(np.full(6, 0.6), 2)
LINEAR = auctions.LinearRule()


@pytest.fixture(autouse=True)
def _double_precision():
    with engine.double_precision():
        yield


def found(values, payment, probs=PROBS, tolerance=1e-11, **settings):
    with np.errstate(divide="ignore"):
        logs = np.log(probs)
    return equilibrium(LINEAR, values, logs, payment=payment, tolerance=tolerance, **settings)


def test_symmetric_first_price():
    got = found(np.full(2, 1.8), auctions.FirstPrice())
    np.testing.assert_allclose(got.bids, 0.6, rtol=1e-9)
    np.testing.assert_allclose(got.payments, got.bids * got.influence, rtol=1e-12)
    assert got.status == engine.Status.CONVERGED
    assert got.gap <= 1e-11
    assert got.is_attained.all()


def test_all_pay_of_two():
    values = np.array([1.0, 2.5])
    worth = values * oracle.distance(*PROBS)
    got = found(values, auctions.AllPay())
    np.testing.assert_allclose(got.bids, worth**2 * worth[::-1] / worth.sum() ** 2, rtol=1e-9)


def test_all_pay_of_five_equal_agents_needs_damping():
    """`(n - 1) V / n^2`; undamped steps cycle from n = 4 on, and say so."""
    probs, values = np.eye(5, 6), np.ones(5)
    got = found(values, auctions.AllPay(), probs)
    np.testing.assert_allclose(got.bids, 4 / 25, rtol=1e-9)
    wild = found(values, auctions.AllPay(), probs, damping=1.0)
    assert wild.status == engine.Status.MAX_STEPS
    assert wild.gap > 0.01
    assert wild.num_steps == 200


def test_second_price_is_truthful():
    values = np.array([1.0, 2.5])
    got = found(values, auctions.SecondPrice())
    np.testing.assert_allclose(got.bids, values, rtol=1e-10)
    paid = auctions.expected_payments(LINEAR, got.bids, np.log(PROBS)).payments
    np.testing.assert_allclose(got.payments, paid, rtol=1e-12)
    assert (got.utilities > 0).all()


def test_nobody_gains_by_another_bid_under_the_log_linear_rule():
    values = np.array([1.0, 2.5])
    got = equilibrium(
        auctions.LogLinearRule(), values, np.log(PROBS), payment=auctions.FirstPrice()
    )
    assert got.status == engine.Status.CONVERGED
    bids = np.asarray(got.bids)

    def gain(agent, bid):
        changed = np.where(np.arange(2) == agent, bid, bids)
        moved = oracle.influence(lambda b: oracle.log_linear(b, PROBS), changed, agent)
        return (values[agent] - bid) * moved

    for agent in range(2):
        at_rest = gain(agent, bids[agent])
        others = np.append(np.linspace(1e-3, values[agent], 500), bids[agent] * np.r_[0.99, 1.01])
        assert max(gain(agent, bid) for bid in others) <= at_rest + 1e-12
        assert at_rest == pytest.approx(float(got.utilities[agent]), rel=1e-10)


def test_first_price_in_single_precision():
    with jax.enable_x64(False):
        values, logs = np.full(2, 1.8, np.float32), np.log(PROBS).astype(np.float32)
        got = equilibrium(LINEAR, values, logs, payment=auctions.FirstPrice(), tolerance=1e-6)
    assert got.bids.dtype == jnp.float32
    np.testing.assert_allclose(got.bids, 0.6, rtol=5e-6)


def test_says_what_is_wrong():
    off = found(np.ones(2), auctions.FirstPrice(), 2 * PROBS)
    assert off.status == engine.Status.NOT_A_DISTRIBUTION
    nan = found(np.array([1.0, np.nan]), auctions.FirstPrice())
    assert nan.status == engine.Status.NON_FINITE
    free = found(np.ones(2), auctions.NoPayment())
    assert free.status == engine.Status.CONVERGED
    assert not free.is_attained.any()


def test_play_is_an_algorithm_of_the_engine():
    values, key = jnp.asarray([1.0, 2.5]), jax.random.key(0)
    numbers = jnp.asarray([0.1, 1.0]), jnp.asarray(0.5), jnp.asarray(1e-11)
    play = BestResponsePlay(auctions.FirstPrice(), *numbers)
    market = Market(values, jnp.log(jnp.asarray(PROBS)), None)
    run = engine.run(key, play, LINEAR, market, num_steps=200)
    unrolled = engine.unroll(key, play, LINEAR, market, num_steps=200)
    np.testing.assert_array_equal(run.state.bids, unrolled.state.bids)
    assert run.status == engine.Status.CONVERGED
    np.testing.assert_allclose(
        run.state.bids, found(np.array([1.0, 2.5]), auctions.FirstPrice()).bids, rtol=1e-9
    )


def test_new_numbers_do_not_compile(count_compiles):
    def ask(number):
        settings = {"tolerance": number, "damping": number, "grid": np.array([number, 1.0])}
        return found(number * np.ones(2), auctions.FirstPrice(), **settings)

    ask(0.25)
    with count_compiles() as compiles:
        ask(0.5)
    assert compiles.total == 0


def test_mistakes():
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        found(np.ones(2), auctions.FirstPrice(), num_steps=0)
    with pytest.raises(ValueError, match="damping must be finite and above 0"):
        found(np.ones(2), auctions.FirstPrice(), damping=0.0)
    with pytest.raises(ValueError, match="tolerance must be finite and above 0"):
        found(np.ones(2), auctions.FirstPrice(), tolerance=-1.0)
    with pytest.raises(TypeError, match="payment must be a Payment"):
        found(np.ones(2), "first")
    with pytest.raises(ValueError, match=r"values must have shape \(2,\), got \(3,\)"):
        found(np.ones(3), auctions.FirstPrice())
    with pytest.raises(ValueError, match="give an agent and a token"):
        found(np.ones(0), auctions.FirstPrice(), np.ones((0, 6)))
