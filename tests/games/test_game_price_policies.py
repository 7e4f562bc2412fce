"""Policies that set prices: by hand, to their limits, and Q-learning against its tables."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpapers.games.bertrand import Bertrand
from jaxpapers.games.linear_demand import LinearDemand
from jaxpapers.games.logit_demand import LogitDemand
from jaxpapers.games.market_views import SILENCE
from jaxpapers.games.policies.best_response import BestReply
from jaxpapers.games.policies.fictitious import FictitiousPlay
from jaxpapers.games.policies.imitation import Imitate
from jaxpapers.games.policies.q_learning import QLearning
from jaxpapers.games.policies.triggers import (
    FixedPrice,
    Forced,
    GrimTrigger,
    PriceMatching,
    TitForTat,
)
from jaxpapers.games.populations import population
from jaxpapers.games.q_market import QLearningMarket, price_grid
from jaxpapers.games.q_tables import LearningRules, learn, start, values_of
from jaxpapers.games.simulate import begin, play, play_round
from jaxpapers.games.solve import equilibrium

pytestmark = pytest.mark.usefixtures("quick_compiles")

KEY = jax.random.key(3)
ROUNDS, LONG = 8, 241
GAME = {"window": 2, "num_exchanges": 0}
ROUNDING = 2e-6  # float32, relative, of prices that are a few operations away


def prices(policies, num_rounds=ROUNDS, **changes):
    """Path of prices. One of two lengths is played, so that few programs are compiled."""
    game = Bertrand(**GAME | changes)
    played = play(KEY, game, policies, num_rounds=ROUNDS if num_rounds <= ROUNDS else LONG)
    return np.array(played.records.prices[:num_rounds])


def reply(price):
    """Best response of the default market with both firms selling."""
    return 4.5 + price / 4


# --- learning from prices -----------------------------------------------------------------------


def test_best_replies_close_in_on_the_equilibrium_by_a_factor_of_four():
    path = prices([BestReply(8.0), BestReply(2.0)])
    expected = [[8.0, 2.0]]
    for _ in range(1, ROUNDS):
        expected.append([reply(expected[-1][1]), reply(expected[-1][0])])
    np.testing.assert_allclose(path, expected, rtol=ROUNDING)
    np.testing.assert_allclose(path[-1], 6.0, atol=3e-4)


def test_fictitious_play_answers_the_mean():
    path = prices([FictitiousPlay(8.0), FictitiousPlay(2.0)], LONG)
    expected = np.array([[8.0, 2.0]])
    for _ in range(1, LONG):
        means = expected.mean(axis=0)
        expected = np.concatenate([expected, [[reply(means[1]), reply(means[0])]]])
    np.testing.assert_allclose(path, expected, rtol=1e-5)
    np.testing.assert_allclose(path[-1], 6.0, atol=0.02)


@pytest.mark.parametrize("kind", [BestReply, FictitiousPlay])
def test_three_logit_firms_find_the_equilibrium(kind):
    demand = LogitDemand(jnp.asarray([2.0, 2.2, 2.4]))
    path = prices(kind(2.0), LONG, demand=demand, costs=jnp.ones(3))
    expected = equilibrium(demand, jnp.ones(3)).prices
    np.testing.assert_allclose(path[-1], expected, rtol=1e-5 if kind is BestReply else 1e-2)


def test_imitation_by_hand():
    # 6.5 earns 4050 against 2700 at 8, and 2.5 less than 6.
    np.testing.assert_array_equal(
        prices([Imitate(8.0), Imitate(6.5)], 3), [[8.0, 6.5], [6.5, 6.5], [6.5, 6.5]]
    )
    np.testing.assert_array_equal(
        prices([Imitate(6.0), FixedPrice(2.5)], 3), [[6.0, 2.5], [6.0, 2.5], [6.0, 2.5]]
    )
    # Seen from a cost of 7 the dear price is the better one; the cheap firm sees it otherwise.
    mixed = prices([Imitate(8.0), Imitate(6.5)], 2, costs=[7.0, 2.0])
    np.testing.assert_array_equal(mixed, [[8.0, 6.5], [8.0, 6.5]])


def test_imitation_errs_by_its_noise():
    # Variance of 240 errors, chi-square at 1e-6; noise half as large again must fail.
    path = prices([Imitate(6.0, noise=0.1), FixedPrice(6.0)], LONG)
    slopes = 1 / 150, 1 / 300
    level = 14 * (slopes[0] - slopes[1]) - slopes[0] * path + slopes[1] * path[:, ::-1]
    profits = (path - 2) * level / (slopes[0] ** 2 - slopes[1] ** 2)
    copied = np.take_along_axis(path, np.argmax(profits, axis=1)[:, None], axis=1)
    errors = (path[1:, 0] - copied[:-1, 0]) / 0.1
    limits = stats.chi2.ppf([5e-7, 1 - 5e-7], LONG - 1)
    assert limits[0] < np.sum(errors**2) < limits[1]
    assert not limits[0] < np.sum((1.5 * errors) ** 2) < limits[1]


# --- triggers -----------------------------------------------------------------------------------


def test_price_matching_by_hand():
    rival = Forced(Forced(FixedPrice(7.0), round=2, price=5.0), round=4, price=1.0)
    path = prices([PriceMatching(8.0), rival], 7)
    np.testing.assert_array_equal(path[:, 1], [7, 7, 5, 7, 1, 7, 7])
    np.testing.assert_array_equal(path[:, 0], [8, 7, 7, 5, 7, 2, 7])


def test_price_matching_meets_the_lowest_of_several():
    demand = LogitDemand(jnp.full(3, 9.0))
    policies = [PriceMatching(8.0), FixedPrice(6.0), FixedPrice(5.0)]
    path = prices(policies, 2, demand=demand, costs=jnp.ones(3))
    np.testing.assert_array_equal(path, [[8, 6, 5], [5, 6, 5]])


def test_tit_for_tat_by_hand():
    rival = Forced(Forced(FixedPrice(8.5), round=1, price=7.9), round=4, price=8.0)
    path = prices([TitForTat(8.0, 6.0), rival], 7)
    np.testing.assert_array_equal(path[:, 0], [8, 8, 6, 8, 8, 8, 8])
    # Against each other, one cut echoes to and fro.
    path = prices([Forced(TitForTat(8.0, 6.0), round=1, price=7.0), TitForTat(8.0, 6.0)], 6)
    np.testing.assert_array_equal(path, [[8, 8], [7, 8], [8, 6], [6, 8], [8, 6], [6, 8]])


def test_grim_trigger_by_hand():
    for forced in (0, 1):
        policies = [GrimTrigger(8.0, 6.0)] * 2
        policies[forced] = Forced(policies[forced], round=3, price=6.5)
        path = prices(policies, 6)
        expected = np.full((6, 2), 8.0)
        expected[3, forced], expected[4:] = 6.5, 6.0
        np.testing.assert_array_equal(path, expected)
    higher = [GrimTrigger(8.0, 6.0), Forced(GrimTrigger(8.0, 6.0), round=1, price=9.0)]
    assert prices(higher, 6)[-1].tolist() == [8.0, 8.0]


def discounted(profits, discount):
    """Value of a path whose last round goes on for ever."""
    weights = discount ** np.arange(len(profits))
    weights[-1] /= 1 - discount
    return np.sum(weights * profits)


def test_grim_trigger_holds_from_its_threshold_on():
    with jax.enable_x64(True):
        game = Bertrand(**GAME)
        grim = GrimTrigger(8.0, 6.0)
        cuts = jnp.linspace(5.0, 8.0, 61)

        @jax.jit
        def rewards(cut):
            deviator = Forced(grim, round=0, price=cut)
            return play(KEY, game, [deviator, grim], num_rounds=5).rewards[:, 0]

        deviations = np.asarray(jax.vmap(rewards)(cuts))
        sticking = np.asarray(play(KEY, game, grim, num_rounds=5).rewards[:, 0])
    threshold = 9 / 17

    def gain(discount):
        values = [discounted(path, discount) for path in deviations]
        return np.array(values) - discounted(sticking, discount)

    best = int(np.argmax(gain(threshold)[:-1]))
    assert float(cuts[best]) == 6.5
    assert abs(gain(threshold)[best]) < 1e-9 * discounted(sticking, threshold)
    assert np.max(gain(threshold + 1e-3)[:-1]) < 0
    assert gain(threshold - 1e-3)[best] > 0
    assert round(threshold, 4) == 0.5294


def test_forced_policy_keeps_its_memory():
    # Fictitious play that is forced once learns of all prices of its rival as before.
    plain = prices([FictitiousPlay(7.0), FixedPrice(5.0)], 6)
    forced = prices([Forced(FictitiousPlay(7.0), round=3, price=9.0), FixedPrice(5.0)], 6)
    plain[3, 0] = 9.0
    np.testing.assert_array_equal(forced, plain)


@pytest.mark.parametrize(
    "policy",
    [
        BestReply(8.0),
        FictitiousPlay(8.0),
        Imitate(8.0),
        FixedPrice(8.0),
        PriceMatching(8.0),
        TitForTat(8.0, 6.0),
        GrimTrigger(8.0, 6.0),
        Forced(FixedPrice(8.0), 0, 1.0),
        QLearning(np.full((2, 2), [1.0, 2.0])),
    ],
)
def test_policies_without_talk_are_silent(policy):
    game = Bertrand(**GAME)
    state = game.reset(KEY)
    seen = game.view(state, jnp.asarray(0, jnp.int32))
    message = policy.speak(KEY, seen, policy.init(KEY, seen))
    assert float(message) == SILENCE
    assert message.dtype == state.prices.dtype
    assert not np.any(game.hear(state, 0, message).has_pledged)


# --- Q-learning ---------------------------------------------------------------------------------

NUM_PRICES = 3
MARKET = QLearningMarket(num_prices=NUM_PRICES, learning_rate=0.3, discount=0.9, decay=0.05)
CALVANO = Bertrand(MARKET.demand, MARKET.costs, **GAME)


@eqx.filter_jit
def q_rounds(game, policy, num_rounds=300):
    """A play of two Q-learning firms: prices, profits, and memories before each round."""
    players = population(policy, 2)

    def one(carry, index):
        state, memories = carry
        after, learnt, (record, _, _) = play_round(
            jax.random.fold_in(KEY, index), game, players, state, memories
        )
        return (after, learnt), (record.prices, record.profits, memories[0])

    begins = begin(jax.random.fold_in(KEY, num_rounds), game, players)
    return jax.lax.scan(one, begins, jnp.arange(num_rounds))[1]


def q_learning(**changes):
    """The grid of the market, and a policy that learns on it with the numbers of the market."""
    grid = price_grid(MARKET)
    numbers = {"learning_rate": 0.3, "discount": 0.9, "decay": 0.05} | changes
    return grid, QLearning(grid.prices, **numbers)


def actions_on(grid, path):
    return np.argmin(abs(np.asarray(grid)[None] - np.asarray(path)[..., None]), axis=2)


def test_first_values_and_first_state():
    grid = price_grid(MARKET)
    game = Bertrand(MARKET.demand, jnp.asarray([1.0, 1.2]), **GAME)
    policy = QLearning(grid.prices, discount=0.9)
    views = game.observe(game.reset(KEY))
    keys = jax.random.split(KEY, 450)
    memories = eqx.filter_jit(jax.vmap(lambda k: jax.vmap(lambda o: policy.init(k, o))(views)))(
        keys
    )
    table = np.asarray(grid.prices, float)
    for firm, cost in enumerate((1.0, 1.2)):
        expected = np.zeros(NUM_PRICES)
        for own in range(NUM_PRICES):
            for other in range(NUM_PRICES):
                pair = np.array([table[firm, own], table[1 - firm, other]])
                power = np.exp((2 - pair) / 0.25)
                sold = power[0] / (power.sum() + 1)
                expected[own] += (pair[0] - cost) * sold / (1 - 0.9) / NUM_PRICES
        found = memories.values[0, firm]
        np.testing.assert_allclose(found, np.tile(expected, (9, 1)), rtol=1e-5)
    counts = np.bincount(np.asarray(memories.state[:, 0]), minlength=9)
    assert stats.chisquare(counts).pvalue > 1e-5
    assert stats.chisquare(counts + np.arange(-40, 41, 10)).pvalue < 1e-5  # a slanted law fails


def test_one_update_by_hand():
    grid, policy = q_learning()
    path, profits, memories = q_rounds(CALVANO, policy)
    played = actions_on(grid.prices, path)[0]
    following = 3 * played[0] + played[1]
    for firm in range(2):
        # Memories before round 1 are those from before the first; round 0 is learnt in round 1.
        np.testing.assert_array_equal(memories.values[1, firm], memories.values[0, firm])
        expected = np.array(memories.values[1, firm], float)
        state = int(memories.state[1, firm])
        target = float(profits[0, firm]) + 0.9 * expected[following].max()
        old = expected[state, played[firm]]
        expected[state, played[firm]] = 0.7 * old + 0.3 * target
        np.testing.assert_allclose(memories.values[2, firm], expected, rtol=1e-6)
        assert int(memories.state[2, firm]) == following


def test_learning_equals_that_of_the_tables():
    grid, policy = q_learning()
    path, _, memories = q_rounds(CALVANO, policy)
    actions = actions_on(grid.prices, path)
    on_grid = np.take_along_axis(np.asarray(grid.prices), actions.T, axis=1).T
    np.testing.assert_array_equal(on_grid, path)
    rules = LearningRules(grid.payoffs.reshape(-1), *map(jnp.float32, (0.3, 0.9, 0.05)))

    @jax.jit
    def tables(state):
        learning = start(grid, jnp.float32(0.9), state)

        def one(learning, pair):
            return learn(learning, list(pair), rules, num_prices=NUM_PRICES), None

        # The last round that the memories hold is the one before the last.
        learning, _ = jax.lax.scan(one, learning, jnp.asarray(actions[:-2], jnp.int32))
        return values_of(learning, NUM_PRICES)

    for firm in range(2):  # each with its own random first state
        expected = tables(memories.state[0, firm])[firm]
        np.testing.assert_allclose(memories.values[-1, firm], expected, rtol=1e-5)


def test_greedy_play_takes_the_highest_value_and_the_lowest_price_on_ties():
    # Without exploration and without learning the first values decide from round 1 on.
    grid, policy = q_learning(decay=1e3, learning_rate=0.0)
    path, _, memories = q_rounds(CALVANO, policy)
    greedy = np.argmax(memories.values[0, :, 0], axis=1)
    expected = np.asarray(grid.prices)[np.arange(2), greedy]
    np.testing.assert_array_equal(path[1:], np.tile(expected, (len(path) - 1, 1)))
    tied = eqx.tree_at(
        lambda p: p.prices, policy, jnp.ones((2, NUM_PRICES)) + jnp.arange(3.0)[None]
    )
    free = eqx.tree_at(lambda g: g.demand.quality, CALVANO, jnp.full(2, -1e3))  # nobody buys
    np.testing.assert_array_equal(q_rounds(free, tied)[0][1:], 1.0)


def test_exploration_is_uniform_over_all_prices():
    # 600 draws of two firms that only explore, chi-square at 1e-5; never a third of them must fail.
    grid, policy = q_learning(decay=0.0)
    actions = actions_on(grid.prices, q_rounds(CALVANO, policy)[0])
    counts = np.bincount(actions.ravel(), minlength=NUM_PRICES)
    assert stats.chisquare(counts).pvalue > 1e-5
    assert stats.chisquare([0, 300, 300]).pvalue < 1e-5
    pairs = np.bincount(actions[:, 0] * NUM_PRICES + actions[:, 1], minlength=NUM_PRICES**2)
    assert stats.chisquare(pairs).pvalue > 1e-5  # firms draw on their own


def test_prices_off_the_grid_count_as_the_nearest():
    grid, policy = q_learning(decay=1e3)
    between = float(0.4 * grid.prices[1, 1] + 0.6 * grid.prices[1, 2])
    path = play(KEY, CALVANO, [policy, FixedPrice(between)], num_rounds=3)
    assert int(path.memories[0].state[0]) % NUM_PRICES == 2


# --- errors and promises ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: BestReply(-1.0), ValueError, "start must be finite and at least 0, got -1"),
        (lambda: FictitiousPlay(np.nan), ValueError, "start must be finite and at least 0, got n"),
        (lambda: Imitate("8"), TypeError, "start must be an array"),
        (lambda: Imitate(8.0, noise=-0.1), ValueError, "noise must be finite and at least 0"),
        (lambda: FixedPrice(np.inf), ValueError, "price must be finite and at least 0, got inf"),
        (lambda: PriceMatching(np.ones(2)), ValueError, r"start must have shape \(\)"),
        (lambda: TitForTat(-1.0, 6.0), ValueError, "cooperative must be finite"),
        (lambda: TitForTat(8.0, -6.0), ValueError, "competitive must be finite"),
        (lambda: GrimTrigger(np.nan, 6.0), ValueError, "cooperative must be finite"),
        (lambda: GrimTrigger(8.0, -6.0), ValueError, "punishment must be finite"),
        (lambda: Forced(8.0, 0, 1.0), TypeError, "policy must be a Policy, got float"),
        (lambda: Forced(FixedPrice(8.0), 0.5, 1.0), TypeError, "round must hold integers"),
        (lambda: Forced(FixedPrice(8.0), 0, -1.0), ValueError, "price must be finite"),
        (lambda: QLearning(np.ones(3)), ValueError, r"prices must have shape \(agent, price\)"),
        (lambda: QLearning(np.ones((2, 1))), ValueError, "at least 2 prices for each firm"),
        (lambda: QLearning(np.full((2, 2), np.nan)), ValueError, "prices holds 4 non-finite"),
        (lambda: QLearning(np.ones((8, 15))), ValueError, "more states than int32 can number"),
        (
            lambda: QLearning(np.ones((2, 2)), 1.5),
            ValueError,
            r"learning_rate must be finite and i",
        ),
        (lambda: QLearning(np.ones((2, 2)), discount=1.0), ValueError, "discount must be below 1"),
        (lambda: QLearning(np.ones((2, 2)), discount=-1.0), ValueError, r"discount .* in \[0, 1\]"),
        (lambda: QLearning(np.ones((2, 2)), decay=-1.0), ValueError, "decay must be finite and at"),
        (
            lambda: prices(QLearning(np.ones((3, 2)))),
            ValueError,
            "prices is a grid for 3 firms, but there are 2",
        ),
    ],
)
def test_errors(build, kind, message):
    with pytest.raises(kind, match=message):
        build()


def test_policies_in_double_precision_and_new_numbers(count_compiles):
    with jax.enable_x64(True):
        policies = [GrimTrigger(8.0, 6.0), Forced(BestReply(8.0), 3, 7.0)]
        path = prices(policies, 6)
        assert path.dtype == np.float64
        np.testing.assert_allclose(path[2:], [[6, 6.5], [6, 7], [6, 6], [6, 6]], rtol=1e-14)
        demand = LinearDemand(15.0, 0.006, 0.003)
        with count_compiles() as compiles:
            prices([GrimTrigger(9.0, 6.5), Forced(BestReply(7.0), 2, 6.0)], 6, demand=demand)
    assert compiles.count("_play") == 0
