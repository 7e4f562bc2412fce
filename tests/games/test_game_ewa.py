"""Experience-weighted attraction: its two ends exactly, and in the game."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxpapers.games.beauty_contest import BeautyContest
from jaxpapers.games.feedback import FullFeedback
from jaxpapers.games.policies.ewa import EWA, ewa_update
from jaxpapers.games.simulate import play, replicate

pytestmark = pytest.mark.usefixtures("quick_compiles")

KEY = jax.random.key(0)
NUM_ROUNDS = 12
RNG = np.random.default_rng(1)
PAYOFFS = RNG.normal(size=(NUM_ROUNDS, 5)) * 10
CHOSEN = RNG.integers(0, 5, NUM_ROUNDS)


@jax.jit
def learned(attractions, experience, phi, delta, rho, payoffs):
    """Attractions and experience after every round."""

    def step(state, data):
        state = ewa_update(*state, *data, phi=phi, delta=delta, rho=rho)
        return state, state

    return jax.lax.scan(step, (attractions, experience), (payoffs, CHOSEN.astype(np.int32)))[1]


def numbers(*values):
    return [jnp.asarray(value, jnp.result_type(float)) for value in values]


def tolerance(x64):
    """Rounding over twelve rounds of payoffs of size 10."""
    return 1e-12 if x64 else 2e-5


def test_cumulative_reinforcement(x64):
    """delta = 0, rho = 0, N(0) = 1: `A' = phi A + 1{chosen} pi`, and N stays 1."""
    start, phi = np.arange(5.0), 0.8
    attractions, experience = learned(*numbers(start, 1, phi, 0, 0, PAYOFFS))
    expected = start
    for time in range(NUM_ROUNDS):
        reinforcement = np.where(np.arange(5) == CHOSEN[time], PAYOFFS[time], 0)
        expected = phi * expected + reinforcement
        np.testing.assert_allclose(attractions[time], expected, atol=tolerance(x64))
    np.testing.assert_array_equal(experience, 1)


@pytest.mark.parametrize("phi", [1.0, 0.7])
def test_weighted_fictitious_play(x64, phi):
    """delta = 1, rho = phi, N(0) = 0: means of forgone payoffs with weights phi^age."""
    attractions, _ = learned(*numbers(np.zeros(5), 0, phi, 1, phi, PAYOFFS))
    for time in range(NUM_ROUNDS):
        weights = phi ** np.arange(time, -1, -1.0)
        means = np.average(PAYOFFS[: time + 1], axis=0, weights=weights)
        np.testing.assert_allclose(attractions[time], means, atol=tolerance(x64))


def test_start_attractions_count_as_earlier_observations(x64):
    """delta = 1, rho = phi, N(0) = 3: A(0) weighs 3 phi^t."""
    start, phi = np.array([5.0, -1, 0, 2, 7]), 0.9
    attractions, experience = learned(*numbers(start, 3, phi, 1, phi, PAYOFFS))
    weights = np.append(3 * phi**NUM_ROUNDS, phi ** np.arange(NUM_ROUNDS - 1, -1, -1.0))
    means = np.average(np.vstack([start, PAYOFFS]), axis=0, weights=weights)
    np.testing.assert_allclose(attractions[-1], means, atol=tolerance(x64))
    np.testing.assert_allclose(experience[-1], weights.sum(), rtol=1e-6)


def test_one_step_by_hand():
    """N = 2, phi .5, delta .25, rho .5: N' = 2; chosen (1 * 4 + 6) / 2, other (1 * 2 + 2) / 2."""
    attractions, experience = ewa_update(
        jnp.asarray([4.0, 2.0]),
        jnp.asarray(2.0),
        jnp.asarray([6.0, 8.0]),
        jnp.asarray(0, jnp.int32),
        phi=0.5,
        delta=0.25,
        rho=0.5,
    )
    assert float(experience) == 2
    np.testing.assert_array_equal(attractions, [5, 2])


@jax.jit
def first_view(game):
    """What player 0 knows before the first round."""
    return game.view(game.reset(KEY), jnp.asarray(0, jnp.int32))


def game_of(num_agents=3, feedback=True):
    return BeautyContest(
        num_agents=num_agents, **({"feedback": FullFeedback()} if feedback else {})
    )


def test_learning_in_the_game_is_the_rule_applied_to_what_was_chosen():
    """Attractions after the play, from the recorded actions and brute-force forgone payoffs."""
    choices = np.array([0, 5, 10, 40])
    policy = EWA(jnp.asarray(choices, jnp.int32), phi=0.9, delta=0.3, rho=0.5, precision=0.02)
    path = play(KEY, game_of(), policy, num_rounds=6)
    actions = np.asarray(path.actions)
    assert actions.dtype == np.int32
    (memory,) = path.memories
    for agent in range(3):
        attractions, experience = np.zeros(4), 1.0
        for row in actions[:-1]:
            payoffs = []
            for choice in choices:
                profile = np.where(np.arange(3) == agent, choice, row)
                gaps = np.abs(9 * profile - 2 * profile.sum())
                payoffs.append(100 * (gaps[agent] == gaps.min()))
            after = 0.5 * experience + 1
            weights = np.where(choices == row[agent], 1, 0.3)
            attractions = (0.9 * experience * attractions + weights * payoffs) / after
            experience = after
        np.testing.assert_allclose(memory.attractions[agent], attractions, rtol=1e-5)
        np.testing.assert_allclose(memory.experience[agent], experience, rtol=1e-6)
        assert choices[int(memory.chosen[agent])] == actions[-1, agent]


def test_without_feedback_nothing_is_learned():
    start = np.array([0.0, 1.0, 2.0])
    policy = EWA(np.arange(3), attractions=jnp.asarray(start, jnp.float32), experience=2.0)
    (memory,) = play(KEY, game_of(feedback=False), policy, num_rounds=5).memories
    np.testing.assert_array_equal(memory.attractions, np.tile(start, (3, 1)))
    np.testing.assert_array_equal(memory.experience, 2)


def test_choices_are_logit_draws():
    """Chi-squared at 1e-4; a precision of .5 instead of .6 fails."""
    start = np.array([0.0, 2.0, 1.0, 3.0])
    policy = EWA(np.arange(4), precision=0.6, attractions=jnp.asarray(start, jnp.float32))
    game = game_of(feedback=False)
    seen = first_view(game)
    memory = policy.init(KEY, seen)
    draw = jax.jit(jax.vmap(lambda key: policy.decide(key, seen, memory)[0]))
    counts = np.bincount(np.asarray(draw(jax.random.split(KEY, 6_000))), minlength=4)
    assert stats.chisquare(counts, 6_000 * special.softmax(0.6 * start)).pvalue > 1e-4
    assert stats.chisquare(counts, 6_000 * special.softmax(0.5 * start)).pvalue < 1e-4


def test_players_learn_towards_zero():
    """Belief learners begin uniform, mean 50 with standard deviation 30.3 / sqrt(24) by world.

    False alarms 7e-6; learners of nothing, whose last mean is 50 too, fail.
    """
    policy = EWA(np.arange(0, 101, 5), phi=0.9, delta=1.0, rho=0.9, precision=0.2)
    means = replicate(KEY, game_of(24), policy, num_rounds=30, num_worlds=100).mean["mean"]
    assert abs(float(means[0]) - 50) < 4.5 * 30.3 / np.sqrt(24 * 100)
    assert float(means[-1]) < 10


def test_words_are_choices():
    policy = EWA(np.array([3, 7]))
    game = game_of()
    seen = first_view(game)
    memory = policy.init(KEY, seen)
    said = jax.jit(jax.vmap(lambda key: policy.speak(key, seen, memory)))
    assert set(said(jax.random.split(KEY, 20)).tolist()) == {3.0, 7.0}


ERRORS = {
    "phi": ({"phi": 1.5}, ValueError, r"phi must be .*in \[0, 1\], got 1.5"),
    "delta": ({"delta": -0.5}, ValueError, "delta must be"),
    "rho": ({"rho": np.nan}, ValueError, "rho must be"),
    "precision": ({"precision": -1}, ValueError, "precision must be finite and at least 0"),
    "experience": ({"experience": -1}, ValueError, "experience must be"),
    "attractions": ({"attractions": np.ones(2)}, ValueError, r"must have shape \(3,\), got \(2,\)"),
    "attraction": ({"attractions": np.inf}, ValueError, "attractions holds 1 non-finite"),
    "words": ({"attractions": "none"}, TypeError, "attractions must be an array"),
    "choices": ({"choices": np.ones((2, 2))}, ValueError, "choices must have shape"),
    "NaN": ({"choices": np.array([1, np.nan])}, ValueError, "choices holds 1 non-finite value"),
    "one": ({"choices": np.ones(1)}, ValueError, "at least two numbers, got 1"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    arguments, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        EWA(**{"choices": np.arange(3), **arguments})
