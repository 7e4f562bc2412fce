"""Utilities and best responses against searches on the definitions."""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxpapers import auctions, engine
from jaxpapers.auctions.bidding import best_response, utility

pytestmark = pytest.mark.usefixtures("quick_compiles")
RNG = np.random.default_rng(31)
PROBS = RNG.dirichlet(np.full(6, 0.6), 3)
PLATFORM = RNG.dirichlet(np.full(6, 0.6))
BIDS = np.array([0.4, 0.25, 0.8])
VALUES = np.array([1.0, 1.5, 2.0])
LINEAR = auctions.LinearRule()
RULES = {
    "linear": (LINEAR, None, lambda b: oracle.linear(b, PROBS)),
    "log-linear": (
        auctions.LogLinearRule(0.3),
        np.log(PLATFORM),
        lambda b: oracle.log_linear(b, PROBS, PLATFORM, 0.3),
    ),
}
FLAT = 2e-7  # where utility is flat to rounding, a bid is right to the square root of it


@pytest.fixture(autouse=True)
def _double_precision():
    with engine.double_precision():
        yield


def vcg(reference, bids, agent):
    """Only for the linear rule without a platform."""
    others = np.where(np.arange(3) == agent, 0, bids)
    alone = oracle.without(reference, bids, agent)
    return others.sum() * oracle.divergence(alone, reference(bids))


PAYMENTS = {
    "second price": (auctions.SecondPrice(), oracle.myerson),
    "one draw": (auctions.OneDraw(), oracle.myerson),
    "first price": (auctions.FirstPrice(), lambda r, b, i: b[i] * oracle.influence(r, b, i)),
    "all-pay": (auctions.AllPay(), lambda r, b, i: b[i]),
    "vcg": (auctions.VCG(), vcg),
    "none": (auctions.NoPayment(), lambda r, b, i: 0.0),
}


@pytest.mark.parametrize("name", PAYMENTS)
def test_utility_is_value_of_influence_less_payment(name):
    payment, charge = PAYMENTS[name]
    _, platform, reference = RULES["linear"]
    found = utility(LINEAR, VALUES, BIDS, np.log(PROBS), platform, payment=payment)
    moved = [oracle.influence(reference, BIDS, i) for i in range(3)]
    paid = [charge(reference, BIDS, i) for i in range(3)]
    np.testing.assert_allclose(found.influence, moved, rtol=1e-12)
    np.testing.assert_allclose(found.payments, paid, rtol=1e-8)
    np.testing.assert_allclose(found.utilities, VALUES * moved - paid, rtol=1e-7)
    assert found.status == engine.Status.OK


def test_utility_says_what_is_wrong():
    def status(values=VALUES, bids=BIDS, probs=PROBS):
        found = utility(LINEAR, values, bids, np.log(probs), payment=auctions.AllPay())
        return found.status

    assert status(bids=-BIDS) == engine.Status.INVALID_BIDS
    assert status(probs=2 * PROBS) == engine.Status.NOT_A_DISTRIBUTION
    assert status(values=np.array([1.0, np.nan, 1.0])) == engine.Status.NON_FINITE


def searched(reference, charge, agent, largest):
    """Best bid by scipy, from the best of 400 bids."""

    def loss(bid):
        bids = np.where(np.arange(3) == agent, bid, BIDS)
        return charge(reference, bids, agent) - VALUES[agent] * oracle.influence(
            reference, bids, agent
        )

    grid = np.linspace(1e-9, largest, 400)
    place = int(np.argmin([loss(bid) for bid in grid]))
    bounds = grid[max(place - 1, 0)], grid[min(place + 1, 399)]
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-11})
    return (found.x, -found.fun) if found.fun < 0 else (0.0, 0.0)


@pytest.mark.parametrize("payment", ["first price", "all-pay"])
@pytest.mark.parametrize("name", RULES)
def test_best_response_is_what_a_search_finds(name, payment):
    rule, platform, reference = RULES[name]
    paid, charge = PAYMENTS[payment]
    found = best_response(rule, VALUES, BIDS, np.log(PROBS), platform, payment=paid)
    wanted = [searched(reference, charge, i, VALUES[i])[0] for i in range(3)]
    np.testing.assert_allclose(found.bids, wanted, rtol=FLAT, atol=FLAT)
    assert found.is_attained.all()


def test_vcg_with_values_of_influence_is_not_truthful():
    """VCG is truthful in the rule's welfare, in nats, not in influence."""
    grid = np.geomspace(0.01, 4, 41)
    found = best_response(
        LINEAR, 0.3 * VALUES, BIDS, np.log(PROBS), payment=auctions.VCG(), grid=grid
    )
    reference = RULES["linear"][2]
    for agent in range(3):

        def gain(bid, agent=agent):
            bids = np.where(np.arange(3) == agent, bid, BIDS)
            moved = oracle.influence(reference, bids, agent)
            return 0.3 * VALUES[agent] * moved - vcg(reference, bids, agent)

        best = max(gain(bid) for bid in np.linspace(0.01, 4, 2_000))
        assert gain(float(found.bids[agent])) >= best - 1e-12
    assert (np.abs(found.bids - 0.3 * VALUES) > 0.1).all()
    np.testing.assert_array_equal(found.is_attained, (found.bids > 0.01) & (found.bids < 4))


@pytest.mark.parametrize("name", RULES)
def test_second_price_is_truthful(name):
    """No bid of a grid, and none next to the value, brings more in utilities by definition."""
    rule, platform, reference = RULES[name]
    payment = auctions.SecondPrice()
    found = best_response(rule, VALUES, BIDS, np.log(PROBS), platform, payment=payment)
    np.testing.assert_array_equal(found.bids, VALUES)

    def gain(bid):
        bids = np.array([bid, *BIDS[1:]])
        paid = oracle.myerson(reference, bids, 0)
        return VALUES[0] * oracle.influence(reference, bids, 0) - paid

    told = gain(VALUES[0])
    assert all(gain(bid) < told for bid in (0.0, 0.3, 0.9, 0.99, 1.01, 1.1, 3.0))


def test_first_price_of_many_sizes_does_not_cancel():
    with jax.enable_x64(False):
        for value in (1e-9, 1e-3, 1.0, 1e6):
            values, bids = np.array([value, 1.0], np.float32), np.ones(2, np.float32)
            logs = np.log(PROBS[:2].astype(np.float32))
            found = best_response(LINEAR, values, bids, logs, payment=auctions.FirstPrice())
            wanted = np.float64(values[0]) / (np.sqrt(1 + np.float64(values[0])) + 1)
            assert float(found.bids[0]) == pytest.approx(wanted, rel=1e-6)


def test_search_in_single_precision():
    rule, platform, reference = RULES["log-linear"]
    with jax.enable_x64(False):
        arrays = (np.float32(x) for x in (VALUES, BIDS, np.log(PROBS), platform))
        found = best_response(rule, *arrays, payment=auctions.FirstPrice()).bids
    wanted = searched(reference, PAYMENTS["first price"][1], 2, 2.0)[0]
    assert float(found[2]) == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize("payment", [auctions.FirstPrice(), auctions.AllPay()])
def test_without_rivals_the_smallest_bid_of_the_grid(payment):
    grid, alone = np.array([0.05, 0.5, 1.0]), np.array([0.3, 0.0, 0.0])
    found = best_response(LINEAR, VALUES, alone, np.log(PROBS), payment=payment, grid=grid)
    np.testing.assert_array_equal(found.is_attained, [False, True, True])
    assert found.bids[0] == 0.05
    poor = best_response(LINEAR, 0.01 * VALUES, alone, np.log(PROBS), payment=payment, grid=grid)
    assert poor.bids[0] == 0


def test_who_cannot_gain_bids_nothing():
    rule, platform, _ = RULES["log-linear"]
    dear = np.full(3, 50.0)
    found = best_response(
        rule, 0.1 * VALUES, dear, np.log(PROBS), platform, payment=auctions.AllPay()
    )
    np.testing.assert_array_equal(found.bids, 0)
    assert found.is_attained.all()
    unwilling = best_response(LINEAR, -VALUES, BIDS, np.log(PROBS), payment=auctions.SecondPrice())
    np.testing.assert_array_equal(unwilling.bids, 0)


def test_free_influence_has_no_largest_bid():
    found = best_response(LINEAR, VALUES, BIDS, np.log(PROBS), payment=auctions.NoPayment())
    np.testing.assert_array_equal(found.bids, VALUES.max())
    assert not found.is_attained.any()


def test_new_numbers_do_not_compile(count_compiles):
    def ask(scale):
        return best_response(
            LINEAR, scale * VALUES, BIDS, np.log(PROBS), payment=auctions.FirstPrice()
        )

    ask(1.0)
    with count_compiles() as compiles:
        ask(1.5)
    assert compiles.total == 0


def test_utility_has_derivatives():
    def total(bids):
        values = jnp.asarray(VALUES)
        return jnp.sum(
            utility(LINEAR, values, bids, np.log(PROBS), payment=auctions.VCG()).utilities
        )

    move = 1e-5 * np.array([0.3, -0.5, 1.0])
    found = jax.jit(jax.grad(total))(jnp.asarray(BIDS)) @ move
    assert found == pytest.approx(float(total(BIDS + move) - total(BIDS - move)) / 2, rel=1e-7)


def test_mistakes():
    logs, payment = np.log(PROBS), auctions.FirstPrice()
    with pytest.raises(TypeError, match="rule must be a Rule"):
        utility("linear", VALUES, BIDS, logs, payment=payment)
    with pytest.raises(TypeError, match="payment must be a Payment"):
        best_response(LINEAR, VALUES, BIDS, logs, payment="first")
    with pytest.raises(ValueError, match=r"values must have shape \(3,\), got \(2,\)"):
        utility(LINEAR, np.ones(2), BIDS, logs, payment=payment)
    with pytest.raises(ValueError, match="grid must hold at least two bids, got 1"):
        best_response(LINEAR, VALUES, BIDS, logs, payment=payment, grid=np.ones(1))
    for bad in ([1.0, 1.0], [-1.0, 1.0], [0.0, np.inf]):
        with pytest.raises(ValueError, match="finite bids that ascend from at least 0"):
            best_response(LINEAR, VALUES, BIDS, logs, payment=payment, grid=np.array(bad))
    with pytest.raises(TypeError, match="grid must be an array"):
        best_response(LINEAR, VALUES, BIDS, logs, payment=payment, grid="fine")
