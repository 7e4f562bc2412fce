"""Limit cycles against brute force, and price cuts that were followed by hand."""

import game_learning_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.engine import Status
from jaxpapers.games.cycles import impulse_response, limit_cycle
from jaxpapers.games.q_market import PriceGrid
from jaxpapers.games.sessions import Sessions, mean_impulse_response

pytestmark = pytest.mark.usefixtures("quick_compiles")
LOW, HIGH = 0, 2
PRICES = np.array([[1.0, 2.0, 3.0], [1.5, 2.5, 3.5]], np.float32)


def grid_of(num_prices=3, num_agents=2, prices=None, payoffs=None):
    rng = np.random.default_rng(3)
    num_states = num_prices**num_agents
    if prices is None:
        prices = np.sort(rng.uniform(1, 2, (num_agents, num_prices)), axis=1)
    if payoffs is None:
        payoffs = rng.normal(size=(num_agents, num_states))
    zeros = jnp.zeros(num_agents)
    arrays = (jnp.asarray(x, jnp.float32) for x in (prices, payoffs))
    return PriceGrid(*arrays, zeros, zeros + 1, jnp.int32(Status.OK))


def test_cycles_are_those_of_brute_force():
    """300 random strategies of three firms; and one cycle through all states."""
    rng = np.random.default_rng(4)
    grid = grid_of(4, 3)
    strategies = rng.integers(0, 4, (300, 3, 64)).astype(np.uint8)
    ring = (np.arange(64) + 1) % 64
    strategies[0] = [ring // 16, ring // 4 % 4, ring % 4]
    states = rng.integers(0, 64, 300).astype(np.int32)
    found = jax.jit(jax.vmap(lambda g, s: limit_cycle(g, s, grid)))(strategies, states)
    payoffs, prices = np.asarray(grid.payoffs), np.asarray(grid.prices)
    lengths = set()
    for i in range(300):
        cycle, num_before = oracle.cycle(strategies[i], int(states[i]), 4)
        assert (found.length[i], found.num_before[i], found.state[i]) == (
            len(cycle),
            num_before,
            cycle[0],
        )
        np.testing.assert_allclose(found.profits[i], payoffs[:, cycle].mean(axis=1), atol=2e-6)
        played = [[prices[0, s // 16], prices[1, s // 4 % 4], prices[2, s % 4]] for s in cycle]
        np.testing.assert_allclose(found.prices[i], np.mean(played, axis=0), atol=2e-6)
        lengths.add(len(cycle))
    assert {1, 2, 3, 64} <= lengths


def strategies_of(rule):
    """Table (agent, state) of a rule (own last price, rival's last price) -> price."""
    pairs = [(a, b) for a in range(3) for b in range(3)]
    return jnp.asarray([[rule(a, b) for a, b in pairs], [rule(b, a) for a, b in pairs]], jnp.uint8)


def grim(own, rival):
    return HIGH if own == rival == HIGH else LOW


def tit_for_tat(own, rival):
    del own
    return rival


def respond(strategies, state=8, **settings):
    grid = grid_of(prices=PRICES)
    return impulse_response(strategies, state, grid, num_periods=5, **settings)


def test_grim_firms_punish_for_ever():
    found = respond(strategies_of(grim), price=2.1)
    np.testing.assert_array_equal(found.before, [3, 3.5])
    np.testing.assert_array_equal(found.undisturbed, [[3, 3.5]] * 5)
    np.testing.assert_array_equal(found.prices, [[2, 3.5]] + [[1, 1.5]] * 4)
    payoffs = np.asarray(grid_of(prices=PRICES).payoffs)
    np.testing.assert_array_equal(found.profits, payoffs[:, [5, 0, 0, 0, 0]].T)
    np.testing.assert_array_equal(found.undisturbed_profits, payoffs[:, [8] * 5].T)


def test_tit_for_tat_takes_turns():
    found = respond(strategies_of(tit_for_tat), price=1.4, firm=1)
    wanted = [[3, 1.5], [1, 3.5], [3, 1.5], [1, 3.5], [3, 1.5]]
    np.testing.assert_array_equal(found.prices, wanted)


@pytest.mark.parametrize(("firm", "wanted"), [(0, [2, 3.5]), (1, [3, 1.5])])
def test_the_forced_price_is_the_best_response(firm, wanted):
    """Against the rival's last price, wherever the payoffs have their maximum."""
    payoffs = np.zeros((2, 9))
    payoffs[0, [2, 5, 8, 4]] = [1, 5, 2, 9]
    payoffs[1, [6, 7, 8, 1]] = [4, 3, 2, 9]
    grid = grid_of(prices=PRICES, payoffs=payoffs)
    found = impulse_response(strategies_of(grim), 8, grid, firm=firm, num_periods=2)
    np.testing.assert_array_equal(found.prices[0], wanted)


def test_responses_are_averaged_over_sessions():
    both = jnp.stack([strategies_of(grim), strategies_of(tit_for_tat)])
    one = jnp.ones(2, jnp.int32)
    rows = jnp.ones((2, 2))
    sessions = Sessions(one, one, rows, rows, 8 * one, both, grid_of(prices=PRICES), one)
    found = mean_impulse_response(sessions, price=1.0, num_periods=4)
    np.testing.assert_allclose(found.mean.prices[:, 0], [1, (1 + 3) / 2, 1, (1 + 3) / 2])
    np.testing.assert_allclose(found.mean.prices[:, 1], [3.5, 1.5, (1.5 + 3.5) / 2, 1.5])
    gaps = np.array([0, 2, 0, 2])  # of two sessions; s.e. of their mean is half
    np.testing.assert_allclose(found.standard_error.prices[:, 0], gaps / 2, atol=1e-6)
    without = Sessions(one, one, rows, rows, one, None, grid_of(), one)
    with pytest.raises(ValueError, match="keeps_strategies=True"):
        mean_impulse_response(without)


def test_mistakes():
    strategies = strategies_of(grim)
    with pytest.raises(ValueError, match="firm must be below 2, the number of firms, got 2"):
        respond(strategies, firm=2)
    with pytest.raises(ValueError, match="firm must be at least 0"):
        respond(strategies, firm=-1)
    with pytest.raises(ValueError, match="num_periods must be at least 1"):
        impulse_response(strategies, 8, grid_of(), num_periods=0)
    with pytest.raises(ValueError, match=r"price must have shape \(\)"):
        respond(strategies, price=np.ones(2))
    with pytest.raises(TypeError, match="state must hold integers"):
        limit_cycle(strategies, 1.0, grid_of())
    with pytest.raises(ValueError, match=r"strategies must have shape \(2, 9\)"):
        limit_cycle(strategies[:, 1:], 1, grid_of())
