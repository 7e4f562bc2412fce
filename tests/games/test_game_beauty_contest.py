"""Rounds of the beauty contest by hand and against exact fractions; talk; who hears whom."""

import itertools
from fractions import Fraction

import guessing_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpapers import engine
from jaxpapers.engine import Status
from jaxpapers.games.beauty_contest import BeautyContest
from jaxpapers.games.feedback import FullFeedback, MeanFeedback, NoFeedback
from jaxpapers.games.rewards import Amplified, Exclusive, Independent, Split
from jaxpapers.games.topologies import Adjacency, Complete, Ring, Star, median_of

pytestmark = pytest.mark.usefixtures("quick_compiles")

KEY = jax.random.key(0)
RULES = (Independent, Amplified, Exclusive, Split)


@jax.jit
def played(game, actions):
    """One round from the start: state, payoffs, record."""
    return game.step(KEY, game.reset(KEY), actions)


# --- who wins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_round_by_hand(x64, rule):
    """Mean 28, target 56/3; three choose 20, which is closest."""
    game = BeautyContest(num_agents=4, reward=rule())
    state, payoffs, record = played(game, jnp.asarray([20, 52, 20, 20], jnp.int32))
    each = {"Independent": 100, "Amplified": 300, "Exclusive": 0, "Split": 100 / 3}[rule.__name__]
    np.testing.assert_allclose(payoffs, [each, 0, each, each], rtol=1e-6)
    assert float(record.mean) == 28
    assert float(record.variance) == (3 * 8**2 + 24**2) / 4
    np.testing.assert_allclose(record.target, 56 / 3, rtol=1e-6)
    assert int(record.num_winners) == 3
    assert int(record.status) == Status.OK
    np.testing.assert_array_equal(record.choices, [20, 52, 20, 20])
    assert int(state.round) == 1
    assert payoffs.dtype == record.mean.dtype == (jnp.float64 if x64 else jnp.float32)


def test_different_numbers_can_tie():
    """Half of the mean of 1, 3, 4, 8 is 2: gaps 1, 1, 2, 6."""
    game = BeautyContest(num_agents=4, numerator=1, denominator=2)
    _, payoffs, _ = played(game, jnp.asarray([1, 3, 4, 8], jnp.int32))
    np.testing.assert_array_equal(payoffs, [100, 100, 0, 0])


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.float32])
def test_winners_are_those_of_exact_fractions(dtype):
    """Also for whole numbers held as floats; shares general, many near ties."""
    rng = np.random.default_rng(1)
    shares = [(2, 3), (1, 2), (7, 10), (4, 3), (99, 100), (1, 1), (97, 89)]
    for num_agents in (2, 5, 24):
        profiles = rng.integers(0, rng.choice([3, 12, 101], 300)[:, None], (300, num_agents))
        cases = [(p, *shares[i % len(shares)]) for i, p in enumerate(profiles)]
        expected = [oracle.winners(p, Fraction(a, b)) for p, a, b in cases]

        def won(choices, numerator, denominator):
            game = BeautyContest(numerator, denominator, num_agents=choices.shape[0])
            return game.step(KEY, game.reset(KEY), choices)[0].is_winner

        columns = [np.array(column, np.int32) for column in zip(*cases, strict=True)]
        columns[0] = jnp.asarray(columns[0], dtype)
        np.testing.assert_array_equal(jax.jit(jax.vmap(won))(*columns), expected)


def test_the_largest_exact_game():
    """A thousand players, share 99/100: the sum of products is near 1e7."""
    choices = np.random.default_rng(2).integers(90, 101, 1000)
    game = BeautyContest(99, 100, num_agents=1000)
    state, _, record = played(game, jnp.asarray(choices, jnp.int32))
    np.testing.assert_array_equal(state.is_winner, oracle.winners(choices, Fraction(99, 100)))
    np.testing.assert_allclose(record.variance, choices.var(), rtol=1e-5)


def test_integers_are_exact_where_floats_are_not():
    """Products near 2e9, choices 1 apart: in single precision whole runs of them would tie."""
    choices = 4_999_900 + np.random.default_rng(4).integers(0, 100, (200, 4))
    game = BeautyContest(99, 100, 5_000_000, num_agents=4)
    step = jax.jit(jax.vmap(lambda x: game.step(KEY, game.reset(KEY), x)[0].is_winner))
    expected = np.array([oracle.winners(profile, Fraction(99, 100)) for profile in choices])
    np.testing.assert_array_equal(step(jnp.asarray(choices, jnp.int32)), expected)
    assert np.any(np.asarray(step(jnp.asarray(choices, jnp.float32))) != expected)


@pytest.mark.parametrize(("num_agents", "number"), [(4, 0), (4, 1), (5, 1), (6, 0)])
def test_equilibria_under_split(num_agents, number):
    """No deviation pays from all-0, and from all-1 for four players or more; strictly from five."""
    game = BeautyContest(num_agents=num_agents, reward=Split())
    deviations = np.full((101, num_agents), number, np.int32)
    deviations[:, 0] = np.arange(101)
    payoffs = jax.jit(jax.vmap(lambda x: game.step(KEY, game.reset(KEY), x)[1]))(deviations)[:, 0]
    stay, others = float(payoffs[number]), np.delete(np.asarray(payoffs), number)
    np.testing.assert_allclose(stay, 100 / num_agents, rtol=1e-6)
    if (num_agents, number) == (4, 1):  # a deviation to 0 leaves a tie of all at a target of .5
        np.testing.assert_allclose(others.max(), stay, rtol=1e-6)
    else:
        assert others.max() < stay


def test_all_one_is_no_equilibrium_of_three():
    game = BeautyContest(num_agents=3, reward=Split())
    assert float(played(game, jnp.asarray([0, 1, 1], jnp.int32))[1][0]) == 100


def test_choices_that_are_none_are_left_out():
    game = BeautyContest(num_agents=4)
    state, payoffs, record = played(game, jnp.asarray([-1, 101, 30, 60], jnp.int32))
    np.testing.assert_array_equal(payoffs, [0, 0, 100, 0])
    assert (float(record.mean), float(record.variance)) == (45, 225)
    assert int(record.status) == Status.INVALID_ACTION
    np.testing.assert_array_equal(state.is_valid, [False, False, True, True])
    floats = played(game, jnp.asarray([jnp.nan, jnp.inf, 30.0, 60.0]))[2]
    assert (float(floats.mean), int(floats.status)) == (45, Status.INVALID_ACTION)
    nobody = played(game, jnp.full(4, jnp.nan))
    np.testing.assert_array_equal(nobody[1], 0)
    assert int(nobody[2].num_winners) == 0
    assert int(nobody[2].status) == Status.INVALID_ACTION


def test_floats_outside_are_choices_and_overflow_is_told():
    game = BeautyContest(num_agents=4)
    _, payoffs, record = played(game, jnp.asarray([-5.5, 120.25, 30.0, 60.0]))
    np.testing.assert_array_equal(payoffs, [0, 0, 100, 0])
    assert int(record.status) == Status.OK
    _, payoffs, record = played(game, jnp.asarray([3e38, 3e38, 3e38, 3e38], jnp.float32))
    np.testing.assert_array_equal(payoffs, 0)
    assert int(record.status) == Status.INVALID_ACTION


# --- talk ----------------------------------------------------------------------------------------


def test_talk_begins_in_the_second_round():
    game = BeautyContest(num_agents=5)
    state = game.reset(KEY)
    assert not game.turns(KEY, state).is_taken.any()
    state = played(game, jnp.arange(5, dtype=jnp.int32))[0]
    assert game.turns(KEY, state).is_taken.all()
    assert BeautyContest(num_agents=5, is_talking=False).turns(KEY, state).agents.shape == (0,)


@pytest.mark.parametrize("seed", [KEY, engine.stream(KEY)], ids=["threefry", "counter"])
def test_every_order_is_as_likely(seed):
    """Chi-squared over the 24 orders of four; false alarms 1e-4, a fixed order fails."""
    game = BeautyContest(num_agents=4)
    state = game.reset(KEY)
    draw = jax.jit(jax.vmap(lambda i: game.turns(jax.random.fold_in(seed, i), state).agents))
    orders = np.asarray(draw(jnp.arange(12_000, dtype=jnp.uint32)))
    kinds = {order: i for i, order in enumerate(itertools.permutations(range(4)))}

    def p_value(orders):
        counts = np.bincount([kinds[tuple(order)] for order in orders.tolist()], minlength=24)
        return stats.chisquare(counts).pvalue

    assert p_value(orders) > 1e-4
    biased = np.where(np.arange(12_000)[:, None] % 10 == 0, np.arange(4)[None], orders)
    assert p_value(biased) < 1e-4


MATRIX = np.array([[0, 0, 1, 0, 0], [1, 0, 1, 0, 1], [0] * 5, [1] * 5, [0, 1, 0, 1, 0]], bool)
GRAPHS = {
    "complete": (Complete(), np.ones((5, 5), bool)),
    "ring": (Ring(1), np.abs((np.subtract.outer(range(5), range(5)) + 2) % 5 - 2) <= 1),
    "star": (
        Star(2),
        (np.arange(5)[:, None] == 2) | (np.arange(5)[None] == 2) | np.eye(5, dtype=bool),
    ),
    "adjacency": (Adjacency(MATRIX), MATRIX | np.eye(5, dtype=bool)),
}


@jax.jit
def heard_in(game, numbers, num_speakers):
    """Observations after the first players have spoken in the order of their indices."""
    state, _, _ = game.step(KEY, game.reset(KEY), jnp.arange(game.num_agents, dtype=jnp.int32))

    def speak(agent, state):
        return game.hear(state, agent, numbers[agent])

    state = jax.lax.fori_loop(0, num_speakers, speak, state)
    agents = jnp.arange(game.num_agents, dtype=jnp.int32)
    return game.observe(state), jax.vmap(lambda i: game.view(state, i))(agents), state


@pytest.mark.parametrize("name", GRAPHS)
def test_who_hears_whom(name):
    topology, hears = GRAPHS[name]
    numbers = np.array([7.0, -3.0, 41.5, 12.0, 7.0])
    for num_speakers in (0, 3, 5):
        seen, viewed, _ = heard_in(
            BeautyContest(num_agents=5, topology=topology),
            jnp.asarray(numbers, jnp.float32),
            num_speakers,
        )
        is_heard = hears & (np.arange(5) < num_speakers)[None]
        np.testing.assert_array_equal(seen.is_heard, is_heard)
        np.testing.assert_array_equal(seen.heard, np.where(is_heard, numbers, 0))
        medians = [np.median(numbers[row]) if row.any() else 0 for row in is_heard]
        np.testing.assert_array_equal(seen.heard_median, medians)
        jax.tree.map(np.testing.assert_array_equal, seen, viewed)


def test_words_are_of_one_round_and_the_last_one_counts():
    game = BeautyContest(num_agents=3)
    _, _, state = heard_in(game, jnp.asarray([5.0, 6.0, jnp.nan]), 3)
    np.testing.assert_array_equal(state.has_spoken, [True, True, False])  # NaN is silence
    state = game.hear(state, jnp.asarray(0), jnp.asarray(9.0))
    np.testing.assert_array_equal(game.observe(state).heard[2], [9, 6, 0])
    state = game.step(KEY, state, jnp.asarray([1, 2, 3]))[0]
    assert not game.observe(state).is_heard.any()
    assert int(state.round) == 2


def test_median_is_that_of_numpy():
    rng = np.random.default_rng(3)
    values = rng.integers(0, 9, (400, 9)) + 0.5 * rng.integers(0, 2, (400, 9))
    is_in = rng.random((400, 9)) < rng.random((400, 1))
    medians = jax.jit(jax.vmap(median_of))(jnp.asarray(values, jnp.float32), is_in)
    expected = [np.median(v[m]) if m.any() else 0 for v, m in zip(values, is_in, strict=True)]
    np.testing.assert_array_equal(medians, expected)


# --- what is shown -------------------------------------------------------------------------------


def test_feedback():
    actions = jnp.asarray([10, 40, 101, 25], jnp.int32)
    for feedback in (NoFeedback(), MeanFeedback(), FullFeedback()):
        game = BeautyContest(num_agents=4, feedback=feedback)
        before = game.observe(game.reset(KEY))
        assert not before.is_shown.any()
        assert not before.has_outcome.any()
        seen = game.observe(played(game, actions)[0])
        np.testing.assert_array_equal(seen.own_choice, [10, 40, 0, 25])
        assert seen.is_shown.all() == feedback.shows_mean
        assert seen.has_outcome.all() == feedback.shows_choices
        np.testing.assert_array_equal(seen.shown_mean, 25 * feedback.shows_mean)
        row = seen.shown_choices[1], seen.shown_valid[1], seen.shown_winners[1]
        shown = np.array([[10, 40, 0, 25], [1, 1, 0, 1], [1, 0, 0, 0]]) * feedback.shows_choices
        if feedback.shows_choices:  # target 16.67: 10 is off by 6.67, 25 by 8.33
            np.testing.assert_array_equal(row, shown)
        else:
            assert not np.any(np.asarray(row))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_forgone_payoffs_are_those_of_the_round_played_otherwise(rule):
    game = BeautyContest(num_agents=4, feedback=FullFeedback(), reward=rule())
    actions = np.array([10, 40, 18, 25])
    seen = game.observe(played(game, jnp.asarray(actions, jnp.int32))[0])
    choices = jnp.arange(101, dtype=jnp.int32)
    forgone = jax.jit(jax.vmap(lambda seen: seen.payoffs_of(choices)))(seen)
    for agent, choice in itertools.product(range(4), range(0, 101, 5)):
        profile = np.where(np.arange(4) == agent, choice, actions)
        expected = oracle.payoffs(profile, Fraction(2, 3), rule.__name__)[agent]
        np.testing.assert_allclose(forgone[agent, choice], expected, rtol=1e-6)
    silent = BeautyContest(num_agents=4, reward=rule())
    unseen = silent.view(played(silent, jnp.asarray(actions, jnp.int32))[0], jnp.asarray(0))
    np.testing.assert_array_equal(unseen.payoffs_of(choices), 0)


# --- programs and errors -------------------------------------------------------------------------


def test_numbers_are_mapped_and_nothing_is_compiled_twice(count_compiles):
    def targets(numerator, prize):
        game = BeautyContest(numerator, reward=Independent(prize), num_agents=3)
        _, payoffs, record = game.step(KEY, game.reset(KEY), jnp.asarray([30, 60, 90]))
        return record.target, payoffs.sum()

    mapped = jax.jit(jax.vmap(targets))
    numerators, prizes = jnp.asarray([1, 2, 3], jnp.int32), jnp.asarray([1.0, 2.0, 3.0])
    target, paid = mapped(numerators, prizes)
    np.testing.assert_allclose(target, [20, 40, 60])
    np.testing.assert_allclose(paid, [1, 2, 3])
    actions = jnp.asarray([30, 60, 90])
    played(BeautyContest(num_agents=3, topology=Ring(1)), actions)
    with count_compiles() as compiles:
        mapped(numerators + 1, prizes)
        played(BeautyContest(1, 4, 90, Independent(5.0), topology=Ring(2), num_agents=3), actions)
    assert compiles.count("targets") == compiles.count("played") == 0


ERRORS = {
    "agents": (lambda: BeautyContest(num_agents=0), ValueError, "num_agents must be at least 1"),
    "float agents": (lambda: BeautyContest(num_agents=2.0), TypeError, "num_agents must be a Pyth"),
    "numerator": (lambda: BeautyContest(0), ValueError, "numerator must be at least 1, got 0"),
    "share": (lambda: BeautyContest(0.5), TypeError, "numerator must hold integers"),
    "denominator": (lambda: BeautyContest(1, -2), ValueError, "denominator must be at least 1"),
    "highest": (lambda: BeautyContest(highest=0), ValueError, "highest must be at least 1"),
    "reward": (
        lambda: BeautyContest(reward="split"),
        TypeError,
        "reward must be a Reward, got str",
    ),
    "feedback": (lambda: BeautyContest(feedback=None), TypeError, "feedback must be a Feedback"),
    "topology": (lambda: BeautyContest(topology=1), TypeError, "topology must be a Topology"),
    "talk": (lambda: BeautyContest(is_talking=1), TypeError, "is_talking must be a bool, got int"),
    "overflow": (lambda: BeautyContest(highest=10**8), ValueError, "must be below 2\\^31"),
    "graph": (
        lambda: BeautyContest(num_agents=4, topology=Adjacency(MATRIX)),
        ValueError,
        r"each of 4 agents, got shape \(5, 5\)",
    ),
    "center": (
        lambda: BeautyContest(num_agents=2, topology=Star(2)),
        ValueError,
        "one of 2 agents",
    ),
    "reach": (lambda: Ring(-1), ValueError, "reach must be at least 0, got -1"),
    "real reach": (lambda: Ring(1.5), TypeError, "reach must hold integers"),
    "no center": (lambda: Star(-1), ValueError, "center must be at least 0"),
    "numbers": (lambda: Adjacency(np.eye(3)), TypeError, "matrix must hold booleans, got float"),
    "not square": (lambda: Adjacency(MATRIX[:2]), ValueError, "matrix must have shape"),
    "prize": (lambda: Split(np.inf), ValueError, "prize holds 1 non-finite value"),
    "prizes": (lambda: Amplified(np.ones(2)), ValueError, "prize must have shape"),
    "prize word": (lambda: Exclusive("much"), TypeError, "prize must be an array"),
    "actions": (
        lambda: played(BeautyContest(), jnp.zeros(3)),
        ValueError,
        "actions must have shape",
    ),
    "flags": (
        lambda: played(BeautyContest(num_agents=3), jnp.zeros(3, bool)),
        TypeError,
        "actions must hold real numbers",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()
