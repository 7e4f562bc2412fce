"""Sessions of Q-learning firms against plain NumPy, by hand, and against published numbers."""

import functools
import itertools
import warnings

import game_learning_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpapers import engine
from jaxpapers.engine import Status
from jaxpapers.games.linear_demand import LinearDemand
from jaxpapers.games.logit_demand import LogitDemand
from jaxpapers.games.q_market import QLearningMarket, actions_of, price_grid, state_of
from jaxpapers.games.q_tables import (
    Learning,
    LearningRules,
    exploration,
    explore,
    initial_values,
    learn,
    start,
    values_of,
)
from jaxpapers.games.sessions import play_until_still, q_learning_sessions

KEY = jax.random.key(11)
NUM_PERIODS = 20_000
NUM_WORLDS = 3
DECAY = 1e-3
SEEDS = np.random.default_rng(7).integers(0, 2**32, (NUM_WORLDS, 2), dtype=np.uint32)
STATES = np.array([3, 224, 100], np.int32)


def market_of(num_firms, **settings):
    demand = LogitDemand(quality=np.full(num_firms, 2.0))
    return QLearningMarket(demand, np.ones(num_firms), **settings)


@functools.cache
def grid():
    return price_grid(QLearningMarket())


# --- prices and first values --------------------------------------------------------------------


def test_grid_has_the_published_numbers(x64):
    found = price_grid(QLearningMarket())
    tolerance = 6e-9 if x64 else 1e-5
    np.testing.assert_allclose(found.prices[:, 0], 1.42772123, atol=tolerance)
    np.testing.assert_allclose(found.prices[:, -1], 1.97018634, atol=tolerance)
    np.testing.assert_allclose(np.diff(found.prices), 0.03874751, atol=tolerance)
    np.testing.assert_allclose(found.competitive, 0.22292666, atol=tolerance)
    np.testing.assert_allclose(found.collusive, 0.33749046, atol=tolerance)
    assert found.status == Status.OK


@pytest.mark.parametrize(
    ("num_firms", "competitive", "collusive"),
    [(3, 1.37016273, 2.0), (4, 1.33146069, 2.05441118)],
)
def test_grids_of_more_firms(num_firms, competitive, collusive):
    found = price_grid(market_of(num_firms, num_prices=5))
    gap = 0.1 * (collusive - competitive)
    ends = [competitive - gap, collusive + gap]
    np.testing.assert_allclose(found.prices[0, jnp.array([0, -1])], ends, atol=1e-5)
    payoffs = oracle.payoff_table(np.asarray(found.prices, float), 1.0)
    np.testing.assert_allclose(found.payoffs, payoffs, atol=1e-6)
    assert found.num_states == 5**num_firms


def test_any_demand_has_a_grid():
    found = price_grid(QLearningMarket(LinearDemand(), np.full(2, 2.0), num_prices=3, margin=0.0))
    np.testing.assert_allclose(found.prices, [[6, 7, 8]] * 2, rtol=1e-6)
    np.testing.assert_allclose(found.payoffs[0].reshape(3, 3)[0, 0], 3200, rtol=1e-6)


@pytest.mark.parametrize("num_firms", [2, 3])
def test_first_values_are_means_over_random_rivals(num_firms):
    payoffs = np.random.default_rng(2).normal(size=(num_firms, 4**num_firms)).astype(np.float32)
    wanted = oracle.first_values(payoffs, 0.95, 4)
    found = initial_values(jnp.asarray(payoffs), jnp.float32(0.95), 4)
    np.testing.assert_allclose(found, wanted, rtol=2e-5)


def test_states_are_numbered_as_combinations():
    combinations = list(itertools.product(range(3), repeat=4))
    np.testing.assert_array_equal(actions_of(np.arange(81), 4, 3).T, combinations)
    numbers = [int(state_of(list(jnp.asarray(row)), 3)) for row in combinations[::17]]
    assert numbers == list(range(0, 81, 17))


# --- one period ---------------------------------------------------------------------------------


def learning_of(values, state, period=0):
    """A session with given values (agent, state, price); bounds are exact."""
    values = np.asarray(values, np.float32)
    ordered = np.sort(values, axis=-1)
    rows = np.concatenate([values, ordered[..., -2:-1]], axis=-1)
    greedy = values.argmax(axis=-1).astype(np.uint8)
    return Learning(
        tuple(jnp.asarray(x.reshape(-1)) for x in rows),
        tuple(jnp.asarray(x) for x in greedy),
        jnp.int32(state),
        jnp.int32(period),
        jnp.int32(0),
    )


def rules_of(payoffs, rate=0.5, discount=0.5, decay=DECAY):
    numbers = (jnp.asarray(x, jnp.float32) for x in (rate, discount, decay))
    return LearningRules(jnp.asarray(payoffs, jnp.float32).reshape(-1), *numbers)


learn_two = jax.jit(functools.partial(learn, num_prices=2))


def test_one_period_by_hand():
    """Both learn from tables as they were: 4 -> .5 * 4 + .5 * (profit + .5 * best of row 2)."""
    values = np.zeros((2, 4, 2))
    values[0, 1], values[0, 2] = [1, 4], [6, 2]
    values[1, 1], values[1, 2] = [4, 3], [0, 10]
    payoffs = np.array([[0, 0, 8, 0], [0, 0, 2, 0]])
    after = learn_two(learning_of(values, 1), [jnp.int32(1), jnp.int32(0)], rules_of(payoffs))
    wanted = values.copy()
    wanted[0, 1, 1] = 0.5 * 4 + 0.5 * (8 + 0.5 * 6)
    wanted[1, 1, 0] = 0.5 * 4 + 0.5 * (2 + 0.5 * 10)
    np.testing.assert_array_equal(values_of(after, 2), wanted)
    assert (int(after.state), int(after.period), int(after.last_change)) == (2, 1, 0)


def test_a_fallen_price_gives_way_and_is_counted():
    values = np.zeros((2, 4, 2))
    values[0, 3] = [4, 3]
    after = learn_two(
        learning_of(values, 3, 6), [jnp.int32(0), jnp.int32(0)], rules_of([[0] * 4] * 2)
    )
    assert list(np.asarray(after.greedy[0])) == [0, 0, 0, 1]
    assert (int(after.period), int(after.last_change)) == (7, 7)


def test_ties_go_to_the_lowest_price():
    """A value that falls to a tie keeps a lower index; one that rises to a tie takes it back."""
    payoffs = [[0] * 4] * 2
    values = np.zeros((2, 4, 2))
    values[0, 3], values[1, 3] = [4, 2], [2, 4]
    after = learn_two(learning_of(values, 3), [jnp.int32(0), jnp.int32(1)], rules_of(payoffs))
    assert [int(g[3]) for g in after.greedy] == [0, 0]
    values[0, 3], values[1, 3] = [2, 4], [2, 4]
    payoffs = [[6, 0, 0, 0], [6, 0, 0, 0]]
    after = learn_two(learning_of(values, 3), [jnp.int32(0), jnp.int32(0)], rules_of(payoffs))
    assert [int(g[3]) for g in after.greedy] == [0, 0]


def test_no_active_period_changes_nothing():
    values = np.arange(16.0).reshape(2, 4, 2)
    before = learning_of(values, 1, 5)
    after = learn(
        before,
        [jnp.int32(1), jnp.int32(0)],
        rules_of(np.ones((2, 4))),
        num_prices=2,
        is_active=jnp.asarray(False),
    )
    jax.tree.map(np.testing.assert_array_equal, after, before)


def test_kept_best_prices_are_those_of_a_search():
    """Random tables with many ties, 3 firms of 3 prices; bounds are never below the second best."""
    rng = np.random.default_rng(5)
    values = rng.integers(0, 4, (40, 3, 27, 3)).astype(np.float32)
    payoffs = rng.integers(-2, 3, (3, 27))
    states, actions = rng.integers(0, 27, 40), rng.integers(0, 3, (60, 40, 3)).astype(np.int32)
    many = jax.tree.map(
        lambda *x: jnp.stack(x),
        *(learning_of(v, s) for v, s in zip(values, states, strict=True)),
    )
    rules = rules_of(payoffs)
    step = jax.jit(jax.vmap(lambda play, a: learn(play, list(a), rules, num_prices=3)))
    for row in actions:
        many = step(many, jnp.asarray(row))
        tables = np.stack(many.rows, axis=1).reshape(40, 3, 27, 4)
        best = tables[..., :3].argmax(axis=-1)
        np.testing.assert_array_equal(np.stack(many.greedy, axis=1), best)
        others = np.where(np.arange(3) == best[..., None], -np.inf, tables[..., :3]).max(axis=-1)
        assert (tables[..., 3] >= others).all()


# --- exploration --------------------------------------------------------------------------------


def drawn(period, decay, words):
    rate = exploration(jnp.float32(decay), jnp.int32(period))
    return np.asarray(explore(jnp.asarray(words), jnp.asarray(99, jnp.uint8), rate, 15))


@pytest.mark.parametrize("period", [0, 100_000, 1_500_000])
def test_explored_prices_are_uniform(period):
    """Chi-square over pairs of prices of two firms, false alarm 1e-4 each; and how many explore.

    Words that pass one round of mixing less are no planted defect (they may pass); a rule that
    leaves out the greedy price is, and so is one that draws half a price too many.
    """
    words = oracle.random_words(SEEDS[0], 400_000, 2)
    found = drawn(period, 4e-6, words)
    rate = np.exp(-4e-6 * period)
    explores = found != 99
    total = stats.binomtest(int(explores.sum()), explores.size, min(rate, 1 - 6e-8))
    assert total.pvalue > 1e-4
    assert chi_square(found[explores]) > 1e-4
    both = found[explores.all(axis=1)]
    assert chi_square(both[:, 0] * 15 + both[:, 1], 225) > 1e-4 or len(both) < 2_000
    without = np.where(found[explores] == 7, 8, found[explores])
    assert chi_square(without) < 1e-4
    assert stats.binomtest(int(explores.sum()), explores.size, 0.9 * rate).pvalue < 1e-4


def test_exploration_dies_out():
    periods = np.array([0, 64, 1_000_000, 5_000_000, 2**31 - 64], np.int32)
    rates = jax.vmap(lambda t: exploration(jnp.float32(4e-6), t))(jnp.asarray(periods))
    wanted = np.exp(-4e-6 * periods)
    np.testing.assert_allclose(
        np.asarray(rates.threshold, float) / 2**32, wanted, rtol=2e-6, atol=1e-9
    )
    assert rates.threshold[-1] == 0
    assert (explore(jnp.uint32(0), jnp.uint8(3), jax.tree.map(lambda x: x[-1], rates), 15)) == 3


def chi_square(values, num_cells=15):
    return stats.chisquare(np.bincount(values, minlength=num_cells)).pvalue


# --- sessions -----------------------------------------------------------------------------------

FAST = {"decay": 2e-3, "patience": 300}  # until they stand still, in float64
SLOW = {"decay": 4e-6, "patience": NUM_PERIODS}  # the baseline, in float32


def in_lockstep(function, args):
    return jax.vmap(lambda *x: function(x))(*args)


@functools.cache
def in_jax(is_double, is_lockstep):
    """Sessions by `lax.map` or in lock-step, on the host."""
    settings = FAST if is_double else SLOW
    mapped = in_lockstep if is_lockstep else jax.lax.map
    with jax.enable_x64(is_double):
        grid = price_grid(QLearningMarket())
        numbers = (jnp.asarray(x, grid.payoffs.dtype) for x in (0.15, 0.95, settings["decay"]))
        rules = LearningRules(grid.payoffs.reshape(-1), *numbers)
        limits = jnp.int32(settings["patience"]), jnp.int32(NUM_PERIODS)

        def one(args):
            words, state = args
            begin = start(grid, rules.discount, state)
            return play_until_still(begin, rules, words, *limits, 15)

        options = {} if is_lockstep else engine.loop_options()
        run = jax.jit(lambda *args: mapped(one, args), compiler_options=options)
        found = run(jnp.asarray(SEEDS), jnp.asarray(STATES))
        return jax.device_get((found, grid))


def exploration_rates(decay):
    """Of each block of 64 periods; what they are is tested for itself."""
    blocks = jnp.arange(0, NUM_PERIODS, 64, dtype=jnp.int32)
    rates = jax.vmap(lambda t: exploration(jnp.float32(decay), t))(blocks)
    return [np.asarray(x) for x in rates]


@functools.cache
def in_numpy(is_double):
    """Values, last state, periods and last change of each session."""
    settings = FAST if is_double else SLOW
    dtype = np.float64 if is_double else np.float32
    numbers = {"rate": dtype(0.15), "discount": dtype(0.95), "patience": settings["patience"]}
    rates = exploration_rates(settings["decay"])
    payoffs = in_jax(is_double, False)[1].payoffs
    first = oracle.first_values(payoffs.astype(float), 0.95, 15).astype(dtype)
    found = []
    for seed, state in zip(SEEDS, STATES, strict=True):
        values = np.repeat(first[:, None], 225, axis=1)
        words = oracle.random_words(seed, NUM_PERIODS, 2)
        end = oracle.session(values, payoffs, int(state), words, rates, **numbers)
        found.append((values, *end))
    return found


@pytest.mark.parametrize("is_lockstep", [False, True])
@pytest.mark.parametrize("is_double", [False, True])
def test_sessions_are_those_of_numpy(is_double, is_lockstep):
    """The same random words: every greedy price equal, values up to rounding.

    One after another with the compiler's option, which must not change a result. In float32 only
    while firms still explore: at the end, prices are as good up to rounding.
    """
    found, _ = in_jax(is_double, is_lockstep)
    for world, (values, state, periods, last_change) in enumerate(in_numpy(is_double)):
        own = jax.tree.map(lambda x, w=world: x[w], found)
        tables = np.stack(own.rows).reshape(2, 225, 16)[..., :15]
        np.testing.assert_allclose(tables, values, atol=1e-12 if is_double else 4e-6)
        np.testing.assert_array_equal(np.stack(own.greedy), values.argmax(axis=-1))
        assert (own.state, own.period, own.last_change) == (state, periods, last_change)


def test_sessions_end_after_a_while_without_change():
    found, _ = in_jax(True, False)
    assert (found.period < NUM_PERIODS).all()
    assert len(set(found.period.tolist())) == NUM_WORLDS
    np.testing.assert_array_equal(found.period - found.last_change, FAST["patience"])
    assert (in_jax(False, False)[0].period == NUM_PERIODS).all()


@pytest.mark.parametrize("is_double", [False, True])
def test_lockstep_is_one_after_another(is_double):
    one, other = (in_jax(is_double, is_lockstep)[0] for is_lockstep in (False, True))
    jax.tree.map(np.testing.assert_array_equal, one._replace(rows=()), other._replace(rows=()))
    np.testing.assert_allclose(np.stack(one.rows), np.stack(other.rows), atol=2e-6)


def test_tables_are_not_copied():
    """The option is internal to XLA: what it does is looked at, results do not hang on it."""
    rules = rules_of(grid().payoffs, 0.15, 0.95, DECAY)
    begin = start(grid(), rules.discount, jnp.int32(0))

    def run(begin, words):
        return play_until_still(begin, rules, words, jnp.int32(9), jnp.int32(10), 15)

    options = engine.loop_options()
    compiled = jax.jit(run, compiler_options=options).lower(begin, jnp.asarray(SEEDS[0])).compile()
    text = compiled.as_text()
    body = text[: text.index("ENTRY")]
    copies = body.count("f32[3600]{0} copy(") + body.count("u8[225]{0} copy(")
    if copies:
        warnings.warn(f"XLA copies tables {copies} times in every period", stacklevel=1)


# --- the verb -----------------------------------------------------------------------------------


def sessions_of(market=None, key=KEY, num_sessions=4, patience=500, **settings):
    market = QLearningMarket(decay=DECAY) if market is None else market
    return q_learning_sessions(
        key, market, num_sessions=num_sessions, patience=patience, **settings
    )


def test_sessions_report_their_cycles():
    found = sessions_of()
    payoffs, prices = np.asarray(grid().payoffs), np.asarray(grid().prices)
    assert (found.status == Status.CONVERGED).all()
    assert found.share_converged == 1
    assert found.strategies.dtype == jnp.uint8
    for s in range(4):
        states, before = oracle.cycle(np.asarray(found.strategies[s]), int(found.state[s]), 15)
        assert (found.cycle_length[s], before) == (len(states), 0)
        np.testing.assert_allclose(found.profits[s], payoffs[:, states].mean(axis=1), rtol=1e-5)
        played = [[prices[0, k // 15], prices[1, k % 15]] for k in states]
        np.testing.assert_allclose(found.prices[s], np.mean(played, axis=0), rtol=1e-5)
    index = (np.asarray(found.profits).mean(axis=1) - 0.22292666) / (0.33749046 - 0.22292666)
    np.testing.assert_allclose(found.collusion_index, index, atol=1e-4)
    np.testing.assert_allclose(found.mean_collusion_index, index.mean(), atol=1e-4)
    np.testing.assert_allclose(found.standard_error, stats.sem(index), atol=1e-4)


@pytest.mark.parametrize(("num_firms", "num_prices"), [(2, 15), (3, 4)])
def test_the_verb_plays_the_sessions_of_numpy(num_firms, num_prices):
    """From the keys on: the whole program as it is compiled for users."""
    num_states = num_prices**num_firms
    with engine.double_precision():
        market = market_of(num_firms, num_prices=num_prices, decay=2e-3)
        limits = {"patience": 300, "max_periods": NUM_PERIODS}
        found = jax.device_get(sessions_of(market, num_sessions=2, **limits))
        grid = jax.device_get(price_grid(market))
    for s in range(2):
        key = jax.random.fold_in(KEY, s)
        seed = np.asarray(jax.random.bits(jax.random.fold_in(key, 0), (2,), jnp.uint32))
        draw = jax.random.fold_in(key, 1)
        state = int(jax.random.randint(draw, (), 0, num_states, dtype=jnp.int32))
        first = oracle.first_values(grid.payoffs, 0.95, num_prices)
        values = np.repeat(first[:, None], num_states, axis=1)
        words = oracle.random_words(seed, NUM_PERIODS, num_firms)
        numbers = {"rate": 0.15, "discount": 0.95, "patience": 300}
        last, periods, _ = oracle.session(
            values, grid.payoffs, state, words, exploration_rates(2e-3), **numbers
        )
        strategies = values.argmax(axis=-1)
        np.testing.assert_array_equal(found.strategies[s], strategies)
        cycle, _ = oracle.cycle(strategies, last, num_prices)
        assert (found.num_periods[s], found.cycle_length[s]) == (periods, len(cycle))
        assert found.state[s] == cycle[0]
    assert found.profits.dtype == np.float64
    assert found.num_periods.dtype == np.int32


@pytest.mark.parametrize("num_firms", [2, 3])
def test_the_option_of_the_compiler_changes_nothing(num_firms, monkeypatch):
    """Whole programs in float32: XLA has been seen to overwrite what is read again under it."""
    market = market_of(num_firms)
    settings = {"num_sessions": 1, "max_periods": 20_000, "patience": NUM_PERIODS}
    with_option = jax.device_get(sessions_of(market, **settings))
    monkeypatch.setattr(engine, "loop_options", dict)
    without = jax.device_get(sessions_of(market, **settings))
    jax.tree.map(np.testing.assert_array_equal, with_option, without)


def test_time_may_be_up_before():
    found = sessions_of(max_periods=600)
    assert (found.num_periods == 600).all()
    assert (found.status == Status.MAX_STEPS).all()
    assert found.share_converged == 0


def test_numbers_may_differ_from_session_to_session():
    """Cells of a map in one program: each session is what it is alone, under its own key."""
    rates, decays = jnp.array([0.15, 0.15, 0.4, 0.4]), jnp.array([1e-3, 4e-3, 1e-3, 4e-3])
    together = sessions_of(QLearningMarket(learning_rate=rates, decay=decays))
    for cell in range(4):
        alone = sessions_of(QLearningMarket(learning_rate=rates[cell], decay=decays[cell]))
        for name in ("num_periods", "cycle_length", "state", "strategies"):
            one, other = getattr(together, name)[cell], getattr(alone, name)[cell]
            np.testing.assert_array_equal(one, other)
    assert together.num_periods[1] < together.num_periods[0]


def test_new_numbers_compile_nothing(count_compiles):
    sessions_of(keeps_strategies=False)
    demand = LogitDemand(quality=jnp.full(2, 1.9), scale=0.3)
    with count_compiles() as compiles:
        market = QLearningMarket(demand, np.full(2, 1.1), 0.9, 0.2, 2e-3, 0.2)
        found = sessions_of(market, patience=400, max_periods=5_000, keeps_strategies=False)
    assert found.strategies is None
    assert compiles.total == 0


def test_a_longer_run_starts_with_the_same_sessions():
    many, few = sessions_of(num_sessions=4), sessions_of(num_sessions=2, batch_size=1)
    np.testing.assert_array_equal(many.num_periods[:2], few.num_periods)
    np.testing.assert_array_equal(many.strategies[:2], few.strategies)


def test_a_grid_that_fails_says_so():
    demand = jax.jit(lambda scale: LogitDemand(np.full(2, 2.0), scale=scale))(-1.0)
    found = sessions_of(QLearningMarket(demand, decay=DECAY), max_periods=600)
    assert (found.status == Status.NON_FINITE).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, r"learning_rate must be in \(0, 1\], got 0"),
        ({"learning_rate": 1.5}, r"learning_rate must be in \(0, 1\], got 1.5"),
        ({"discount": 1.0}, r"discount must be in \[0, 1\), got 1"),
        ({"discount": -0.1}, r"discount must be in \[0, 1\)"),
        ({"decay": 0.0}, "decay must be finite and above 0, got 0"),
        ({"decay": np.inf}, "decay must be finite and above 0, got inf"),
        ({"decay": np.ones((2, 2))}, "decay must be one number or one per session"),
        ({"margin": -1.0}, "margin must be finite and at least 0, got -1"),
        ({"num_prices": 1}, "num_prices must be at least 2"),
        ({"num_prices": 1_300}, "more states than int32 can number"),
        ({"costs": np.ones(3)}, r"costs must have shape \(2,\)"),
        ({"costs": np.array([1.0, np.nan])}, "costs holds 1 non-finite value"),
    ],
)
def test_wrong_numbers_of_a_market(settings, message):
    with pytest.raises(ValueError, match=message):
        QLearningMarket(**settings)


def test_mistakes():
    with pytest.raises(TypeError, match="demand must be a Demand, got str"):
        QLearningMarket("logit")
    with pytest.raises(TypeError, match="key must be a typed random key"):
        sessions_of(key=0)
    with pytest.raises(TypeError, match="market must be a QLearningMarket, got str"):
        sessions_of("baseline")
    for name in ("num_sessions", "patience", "max_periods", "batch_size"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            sessions_of(**{name: 0})
    with pytest.raises(ValueError, match=r"patience must be at most 2\^31 - 1"):
        sessions_of(patience=2**31)
    with pytest.raises(ValueError, match=r"decay must be one number or one per session.*\(3,\)"):
        sessions_of(QLearningMarket(decay=np.full(3, DECAY)))
