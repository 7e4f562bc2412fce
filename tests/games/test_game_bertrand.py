"""The repeated price game: rounds by hand, windows, talk, prices that are none, parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
import market_reference as reference
import numpy as np
import pytest

from jaxpapers.engine import Status
from jaxpapers.games.bertrand import Bertrand
from jaxpapers.games.collusion import (
    block_means,
    first_collusion,
    mean_collusion_index,
    price_spread,
    time_to_collusion,
)
from jaxpapers.games.linear_demand import LinearDemand
from jaxpapers.games.logit_demand import LogitDemand
from jaxpapers.games.market_views import silence
from jaxpapers.games.model import Policy
from jaxpapers.games.policies.best_response import BestReply
from jaxpapers.games.policies.triggers import FixedPrice
from jaxpapers.games.simulate import play
from jaxpapers.games.solve import best_response, cartel, equilibrium

KEY = jax.random.key(0)
ROUNDING = 2e-5  # float32, of a handful of operations on numbers of one scale
WINDOW, ROUNDS = 3, 8
PATH = np.random.default_rng(1).uniform(4.0, 10.0, (ROUNDS, 2)).astype(np.float32)


def market(**changes):
    return Bertrand(**{"window": WINDOW} | changes)


def steps(game, prices):
    """States before each round, with the last one behind them; rewards and records."""
    rows = jnp.asarray(prices)
    repeated = rows[jnp.minimum(jnp.arange(ROUNDS), len(rows) - 1)]
    states, *others = _steps(game, repeated)
    others = jax.tree.map(lambda x: x[: len(rows)], others)
    return jax.tree.map(lambda x: x[: len(rows) + 1], states), *others


@eqx.filter_jit
def _steps(game, prices):
    def one(state, row):
        after, profits, record = game.step(KEY, state, row)
        return after, (state, profits, record)

    last, (states, profits, records) = jax.lax.scan(one, game.reset(KEY), prices)
    states = jax.tree.map(lambda x, y: jnp.concatenate([x, y[None]]), states, last)
    return states, profits, records


def row(tree, index):
    return jax.tree.map(lambda x: x[index], tree)


def test_rounds_by_hand(x64):
    prices = jnp.asarray([[6.0, 6.0], [8.0, 8.0], [6.5, 8.0], [14.0, 2.0]])
    _, profits, records = steps(market(), prices)
    assert records.prices.dtype == (jnp.float64 if x64 else jnp.float32)
    expected = [[3200, 3200], [3600, 3600], [4050, 2700], [0, 0]]
    np.testing.assert_allclose(profits, expected, rtol=1e-6)
    np.testing.assert_array_equal(profits, records.profits)
    sold = [[800, 800], [600, 600], [900, 450], [0, 1800]]
    np.testing.assert_allclose(records.quantities, sold, rtol=1e-6)
    index = [0, 1, 0.4375, -8]
    np.testing.assert_allclose(records.collusion_index, index, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(records.price_spread, [0, 0, 1.5, 12])
    np.testing.assert_array_equal(records.status, np.full(4, Status.OK))


def test_histories_and_block_means_against_numpy():
    game = market()
    states, profits, records = steps(game, PATH)
    rows = [PATH, np.asarray(records.quantities), np.asarray(profits)]
    padded = [np.concatenate([np.zeros((WINDOW, 2), np.float32), x]) for x in rows]
    seen = jax.jit(jax.vmap(lambda s: game.observe(s)))(states)
    for t in range(ROUNDS + 1):
        views = row(seen, t)
        window = [x[t : t + WINDOW] for x in padded]
        for name, expected in zip(("prices", "quantities", "profits"), window, strict=True):
            np.testing.assert_array_equal(getattr(views, f"own_{name}"), expected.T)
        np.testing.assert_array_equal(views.prices, np.stack([window[0]] * 2))
        np.testing.assert_array_equal(views.last_prices, np.stack([window[0][-1]] * 2))
        np.testing.assert_array_equal(views.last_profit, window[2][-1])
        one = row(views, 1)
        np.testing.assert_array_equal(one.last_price, window[0][-1, 1])
        assert [int(one.round), int(one.agent)] == [t, 1]
        assert int(one.num_seen) == min(t, WINDOW)
        assert bool(one.has_outcome) == (t > 0)
        assert bool(one.is_block_start) == (t in (3, 6))
        ended = t // WINDOW * WINDOW
        blocks = [x[ended - WINDOW : ended].mean(axis=0) if ended else np.zeros(2) for x in rows]
        np.testing.assert_allclose(views.block_means, np.stack(blocks, axis=1), rtol=ROUNDING)


def test_view_is_a_row_of_observe():
    game = market(costs=[1.0, 2.5])
    states, _, _ = steps(game, PATH)
    state = row(states, 5)
    everybody = eqx.filter_jit(game.observe)(state)
    assert np.asarray(everybody.cost).tolist() == [1.0, 2.5]
    for agent in range(2):
        alone = eqx.filter_jit(game.view)(state, jnp.asarray(agent, jnp.int32))
        jax.tree.map(np.testing.assert_array_equal, alone, row(everybody, agent))


def test_forgone_profits_against_the_market_itself():
    game = market(costs=[1.0, 2.5])
    states, _, _ = steps(game, PATH)
    choices = np.linspace(1.0, 15.0, 29)

    @jax.jit
    def forgone(state):
        return jax.vmap(lambda o: o.payoffs_of(jnp.asarray(choices)))(game.observe(state))

    for t in (1, 4):
        found = forgone(row(states, t))
        for firm, cost in enumerate((1.0, 2.5)):
            table = np.repeat(PATH[t - 1][None].astype(float), len(choices), axis=0)
            table[:, firm] = choices
            quantities = reference.linear_quantities(table, 14.0, 1 / 150, 1 / 300)[:, firm]
            expected = (choices - cost) * quantities
            np.testing.assert_allclose(found[firm], expected, rtol=1e-4, atol=0.05)
    np.testing.assert_array_equal(forgone(row(states, 0)), 0)


def test_best_price_is_the_best_response():
    costs = jnp.asarray([1.0, 2.5, 3.0])
    demand = LogitDemand(jnp.asarray([4.0, 5.0, 4.5]), scale=0.5)
    game = market(demand=demand, costs=costs)
    prices = jnp.asarray([2.0, 4.0, 3.5])
    state = row(steps(game, prices[None])[0], 1)
    found = jax.vmap(lambda o: o.best_price(prices))(game.observe(state))
    np.testing.assert_allclose(found, best_response(demand, costs, prices), rtol=1e-6)


# --- talk ---------------------------------------------------------------------------------------


class PledgesHeard(Policy):
    """Pledges its own number, and sets 1 plus the sum of all pledges heard."""

    def init(self, key, observation):
        return ()

    def speak(self, key, observation, memory):
        return observation.agent + jnp.asarray(1, observation.prices.dtype)

    def decide(self, key, observation, memory):
        return 1 + jnp.sum(jnp.where(observation.has_pledged, observation.pledges, 0)), memory


@pytest.mark.parametrize(
    ("span", "talking"),
    [((0, 0), []), ((0, 5), range(5)), ((2, 4), (2, 3)), ((0, 2**31 - 1), range(8))],
)
def test_talk_is_on_in_its_rounds_only(span, talking):
    game = Bertrand(talk_from=span[0], talk_until=span[1])
    records = play(KEY, game, PledgesHeard(), num_rounds=8).records
    expected = np.isin(np.arange(8), list(talking))
    np.testing.assert_array_equal(records.is_talking, expected)
    np.testing.assert_array_equal(records.prices, np.where(expected, 4.0, 1.0)[:, None] * [1, 1])


def test_firms_speak_in_turn():
    game = Bertrand()
    turns = game.turns(KEY, game.reset(KEY))
    assert turns.agents.tolist() == [0, 1, 0, 1, 0, 1]
    assert turns.is_taken.tolist() == [True] * 6
    three = market(demand=LogitDemand(jnp.full(3, 2.0)), costs=jnp.ones(3), num_exchanges=2)
    assert three.turns(KEY, game.reset(KEY)).agents.tolist() == [0, 1, 2, 0, 1, 2]
    none = Bertrand(num_exchanges=0)
    assert none.turns(KEY, none.reset(KEY)).agents.shape == (0,)
    records = play(KEY, none, PledgesHeard(), num_rounds=2).records
    assert not np.any(records.is_talking)
    np.testing.assert_array_equal(records.prices, 1)


def test_last_pledge_counts_and_holds_for_one_round():
    game = Bertrand(highest_price=9.0)
    hear = eqx.filter_jit(game.hear)
    state = hear(hear(game.reset(KEY), 1, 7.0), 1, 7.5)
    assert state.pledges.tolist() == [0.0, 7.5]
    assert state.has_pledged.tolist() == [False, True]
    for message in (-1.0, -0.1, np.nan, np.inf, -np.inf, silence(game.view(state, 0))):
        unheard = hear(hear(state, 0, message), 1, message)
        assert unheard.pledges.tolist() == [0.0, 7.5]
        assert unheard.has_pledged.tolist() == [False, True]
    assert hear(state, 0, 100.0).pledges.tolist() == [9.0, 7.5]
    assert hear(state, 0, 0.0).has_pledged.tolist() == [True, True]
    after, _, _ = game.step(KEY, state, jnp.asarray([6.0, 6.0]))
    assert after.has_pledged.tolist() == [False, False]
    assert after.pledges.tolist() == [0.0, 0.0]


# --- prices that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("price", [np.nan, np.inf, -np.inf, -0.5])
def test_price_that_is_none_sells_nothing_and_says_so(price):
    quality = jnp.asarray([2.0, 2.0, 2.2])
    logit = reference.logit_quantities(np.array([1.5, 1e3, 1.6]), np.asarray(quality), 0.0, 0.25)
    for game, actions, sold in (
        (market(), [6.0, price], [1200.0, 0.0]),
        (market(demand=LinearDemand(cross_slope=-1 / 300)), [6.0, price], [1200.0, 0.0]),
        (market(demand=LinearDemand(cross_slope=1 / 150)), [6.0, price], [1200.0, 0.0]),
        (market(demand=LogitDemand(quality), costs=jnp.ones(3)), [1.5, price, 1.6], logit),
    ):
        states, profits, records = steps(game, [actions])
        state, profits, record = row(states, 1), row(profits, 0), row(records, 0)
        assert int(record.status) == Status.INVALID_ACTION
        np.testing.assert_allclose(record.quantities, sold, rtol=1e-5)
        assert float(record.prices[1]) == float(game.costs[1])
        assert float(profits[1]) == 0.0
        jax.tree.map(lambda x: np.testing.assert_array_equal(np.isfinite(x), True), (state, record))


def test_highest_finite_prices_are_prices():
    _, _, records = steps(market(), jnp.asarray([[3e38, 3e38], [6.0, 3e38], [0.0, 6.0]]))
    np.testing.assert_array_equal(records.status, np.full(3, Status.OK))
    np.testing.assert_allclose(records.quantities[:2], [[0, 0], [1200, 0]], rtol=1e-6)


def test_market_without_a_benchmark_says_so():
    broken = eqx.tree_at(lambda g: g.demand.own_slope, market(), jnp.asarray(-1.0))
    _, _, records = steps(broken, [[6.0, 6.0]])
    assert records.status.tolist() == [Status.NON_FINITE]
    assert np.isfinite(records.collusion_index)


# --- other markets, parameters ------------------------------------------------------------------


def test_logit_market_of_three():
    demand, costs = LogitDemand(jnp.asarray([2.0, 2.0, 2.2])), jnp.ones(3)
    benchmarks = [np.asarray(f(demand, costs).prices) for f in (equilibrium, cartel)]
    _, _, records = steps(market(demand=demand, costs=costs), np.stack(benchmarks))
    np.testing.assert_allclose(records.collusion_index, [0.0, 1.0], atol=2e-5)
    np.testing.assert_array_equal(records.status, np.full(2, Status.OK))
    np.testing.assert_array_equal(records.price_spread, np.ptp(records.prices, axis=1))


def test_parameters_can_be_mapped_over():
    intercepts, costs = jnp.asarray([14.0, 20.0]), jnp.asarray([[2.0, 2.0], [1.5, 3.0]])

    def run(intercept, costs):
        game = market(demand=LinearDemand(intercept=intercept), costs=costs)
        return steps(game, PATH)[2]

    found = jax.vmap(run)(intercepts, costs)
    assert found.collusion_index.shape == (2, ROUNDS)
    for cell in range(2):
        alone = run(intercepts[cell], costs[cell])
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=ROUNDING, atol=1e-4),
            row(found, cell),
            alone,
        )
    assert np.ptp(found.collusion_index[:, 0]) > 0.1


def test_new_numbers_compile_nothing(count_compiles):
    policies = [BestReply(7.0), FixedPrice(8.0)]
    play(KEY, Bertrand(), policies, num_rounds=4)
    game = Bertrand(LinearDemand(20.0, 0.005, 0.002), [1.0, 3.0], 1, 3, 50.0)
    with count_compiles() as compiles:
        play(KEY, game, [BestReply(9.0), FixedPrice(4.0)], num_rounds=4)
    assert compiles.count("_play") == 0


def test_curves_are_means_over_firms():
    _, _, records = steps(market(), PATH)
    curves = records.curves()
    np.testing.assert_allclose(curves["price"], PATH.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(curves["profit"], np.mean(records.profits, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(curves["price_spread"], np.ptp(PATH, axis=1))
    assert curves["collusion_index"].shape == (ROUNDS,)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"demand": 3.0}, TypeError, "demand must be a Demand, got float"),
        ({"costs": [1.0]}, ValueError, r"costs must have shape \(2,\), got \(1,\)"),
        ({"costs": [1.0, -1.0]}, ValueError, "costs must be at least 0, got -1.0"),
        ({"costs": [1.0, np.nan]}, ValueError, "costs holds 1 non-finite value"),
        ({"window": 0}, ValueError, "window must be at least 1, got 0"),
        ({"window": 2.0}, TypeError, "window must be a Python int"),
        ({"num_exchanges": -1}, ValueError, "num_exchanges must be at least 0, got -1"),
        ({"talk_from": 0.5}, TypeError, "talk_from must hold integers"),
        ({"talk_until": True}, TypeError, "talk_until must hold integers"),
        ({"highest_price": -1.0}, ValueError, "highest_price must be at least 0, got -1.0"),
        ({"highest_price": np.nan}, ValueError, "highest_price must be at least 0, got nan"),
    ],
)
def test_errors(arguments, kind, message):
    with pytest.raises(kind, match=message):
        Bertrand(**arguments)


# --- measures of paths --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("means", "stays", "hits"),
    [
        ([6, 7.7, 7, 7.8, 8], 3, 1),
        ([8, 8], 0, 0),
        ([6, 8, 6], 3, 1),
        ([6, 6], 2, 2),
        ([7.59, 7.61, 8.39, 8.41], 4, 1),
        ([7.59, 7.61, 8.39], 1, 1),
    ],
)
def test_time_to_collusion_by_hand(means, stays, hits):
    path = np.asarray(means)[:, None] + [-0.25, 0.25]
    cartel_prices = np.array([7.5, 8.5])
    assert int(time_to_collusion(path, cartel_prices)) == stays
    assert int(first_collusion(path, cartel_prices)) == hits
    assert int(time_to_collusion(path, cartel_prices, share=1.0)) == 0


def test_measures_against_numpy():
    profits = np.random.default_rng(2).uniform(3000, 3700, (7, 2))
    index = (profits.mean(axis=1) - 3200) / 400
    nash, joint = np.full(2, 3200.0), np.full(2, 3600.0)
    for num_last, expected in ((None, index.mean()), (3, index[-3:].mean())):
        found = mean_collusion_index(profits, nash, joint, num_last=num_last)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(price_spread(profits), np.ptp(profits, axis=1), rtol=1e-4)
    expected = [profits[:3].mean(axis=0), profits[3:6].mean(axis=0)]
    np.testing.assert_allclose(block_means(profits, size=3), expected, rtol=1e-6)
    assert block_means(profits, size=8).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: time_to_collusion(PATH[0], PATH[0]), ValueError, "prices must have shape"),
        (lambda: time_to_collusion(PATH, np.ones(3)), ValueError, "must agree in 'agent'"),
        (lambda: first_collusion(PATH, PATH[0], share=PATH[0]), ValueError, "share must have"),
        (lambda: block_means(PATH, size=0), ValueError, "size must be at least 1, got 0"),
        (
            lambda: mean_collusion_index(PATH, PATH[0], PATH[1], num_last=0),
            ValueError,
            "num_last must be at least 1, got 0",
        ),
        (
            lambda: mean_collusion_index(PATH, PATH[0], PATH[1], num_last=9),
            ValueError,
            "num_last must be at most 8, the rounds there are: 9",
        ),
    ],
)
def test_errors_of_measures(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
