"""Policies of guessing games: thinkers, talkers, quantal response, inequity aversion."""

import functools
from fractions import Fraction

import guessing_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from jaxpapers import engine
from jaxpapers.engine import Status
from jaxpapers.games.beauty_contest import BeautyContest
from jaxpapers.games.feedback import FullFeedback, MeanFeedback
from jaxpapers.games.policies.ewa import EWA
from jaxpapers.games.policies.hierarchy import CognitiveHierarchy, hierarchy_choices
from jaxpapers.games.policies.level_k import LevelK, draw_level
from jaxpapers.games.policies.median_talk import (
    MedianTalk,
    baseline_talk,
    cooperative_talk,
    uncooperative_talk,
)
from jaxpapers.games.policies.quantal import QuantalResponse, expected_payoffs, logit_equilibrium
from jaxpapers.games.policies.rounded import Rounded
from jaxpapers.games.policies.social import InequityAverse, fehr_schmidt
from jaxpapers.games.rewards import Amplified, Exclusive, Independent, Split
from jaxpapers.games.simulate import play, replicate
from jaxpapers.games.topologies import Ring

KEY = jax.random.key(0)
NUM_WORLDS = 4_096


@jax.jit
def first_view(game):
    """What player 0 knows before the first round."""
    return game.view(game.reset(KEY), jnp.asarray(0, jnp.int32))


@jax.jit
def view_after(game, actions):
    """What player 0 knows after one round."""
    state, _, _ = game.step(KEY, game.reset(KEY), actions)
    return game.view(state, jnp.asarray(0, jnp.int32))


# --- thinkers ------------------------------------------------------------------------------------


def test_level_k_by_hand(x64):
    game = BeautyContest(num_agents=3)
    policies = [LevelK(0), LevelK(1), LevelK(3, start=27.0)]
    actions = play(KEY, game, policies, num_rounds=2).actions
    expected = [50, 100 / 3, 8]
    np.testing.assert_allclose(actions, [expected] * 2, rtol=1e-13 if x64 else 1e-6)


def test_level_k_starts_from_the_mean_that_is_shown():
    game = BeautyContest(1, 2, num_agents=2, feedback=MeanFeedback())
    actions = play(KEY, game, [LevelK(0), LevelK(1)], num_rounds=3).actions
    np.testing.assert_allclose(actions, [[50, 25], [37.5, 18.75], [28.125, 14.0625]])


def test_level_k_says_what_it_chooses():
    game = BeautyContest(num_agents=2)
    seen = first_view(game)
    policy = LevelK(2)
    assert policy.speak(KEY, seen, ()) == policy.decide(KEY, seen, ())[0]


@pytest.mark.parametrize(
    ("share", "depth", "num_agents"), [(2 / 3, 1.5, 24), (0.5, 3.0, 2), (1.2, 0.0, 7)]
)
def test_hierarchy_against_its_definition(x64, share, depth, num_agents):
    expected = oracle.hierarchy(share, depth, 50.0, 7, num_agents)
    found = hierarchy_choices(share, depth, 50.0, num_levels=7, num_agents=num_agents)
    np.testing.assert_allclose(found, expected, rtol=1e-13 if x64 else 1e-5)


def test_hierarchy_of_many_players_is_that_of_the_literature():
    """Level 1 chooses 33.3, level 2 at tau = 1.5 best responds to levels 0 and 1 as 1 : 1.5."""
    found = hierarchy_choices(2 / 3, 1.5, 50.0, num_levels=3, num_agents=10**6)
    np.testing.assert_allclose(found, [50, 100 / 3, 2 / 3 * (50 + 1.5 * 100 / 3) / 2.5], rtol=1e-5)


def levels_p_value(levels, mean):
    """Chi-squared of counts of levels 0 to 5 and above against Poisson."""
    counts = np.bincount(np.minimum(levels, 6), minlength=7)
    masses = stats.poisson.pmf(np.arange(6), mean)
    return stats.chisquare(counts, counts.sum() * np.append(masses, 1 - masses.sum())).pvalue


@pytest.mark.parametrize("mean", [0.5, 1.5, 4.0])
def test_levels_are_poisson(mean):
    """False alarms 1e-4 each; levels of a mean 5 % higher fail."""
    draw = jax.jit(jax.vmap(lambda i, m: draw_level(jax.random.fold_in(engine.stream(KEY), i), m)))
    index = jnp.arange(60_000, dtype=jnp.uint32)
    means = jnp.full(60_000, mean, jnp.float32)
    assert levels_p_value(np.asarray(draw(index, means)), mean) > 1e-4
    assert levels_p_value(np.asarray(draw(index, 1.05 * means)), mean) < 1e-4


def test_levels_at_the_ends():
    assert draw_level(KEY, jnp.asarray(0.0)) == 0
    levels = jax.jit(jax.vmap(lambda k: draw_level(k, jnp.asarray(10.0))))(
        jax.random.split(KEY, 20_000)
    )
    assert abs(float(levels.mean()) - 10) < 5 * np.sqrt(10 / 20_000)  # false alarms 6e-7
    assert int(levels.max()) < 40


def test_players_of_a_hierarchy_choose_what_their_level_says():
    game = BeautyContest(num_agents=200)
    path = play(KEY, game, CognitiveHierarchy(depth=1.5, num_levels=3), num_rounds=2)
    (memory,) = path.memories
    expected = oracle.hierarchy(2 / 3, 1.5, 50.0, 3, 200)
    level, chosen = np.asarray(memory.level), np.asarray(path.actions[1])
    assert set(level) == {0, 1, 2}
    np.testing.assert_allclose(chosen[level > 0], expected[level[level > 0]], rtol=1e-5)
    assert stats.kstest(chosen[level == 0] / 100, "uniform").pvalue > 1e-4
    np.testing.assert_array_equal(path.actions[0], chosen)


# --- talk ----------------------------------------------------------------------------------------

PERSONAS = {
    "baseline": (baseline_talk, (1, 3, 0.65), (154, 54, 19, 7)),
    "cooperative": (cooperative_talk, (1, 3, 1.0), (153, 0, 0, 0)),
    "uncooperative": (uncooperative_talk, (2, 6, 0.25), (191, 142, 107, 80)),
}


@functools.cache
def reference(name):
    """Mean and standard error of variances by NumPy, 40,000 worlds."""
    depth, noise, weight = PERSONAS[name][1]
    rng = np.random.default_rng(5)
    worlds = oracle.talk_variances(rng, 40_000, depth=depth, noise=noise, weight=weight)
    return worlds.mean(axis=0), worlds.std(axis=0) / np.sqrt(len(worlds))


def largest_z(policy, name):
    """Largest distance of a round's mean variance from the reference, in standard errors."""
    cloud = replicate(KEY, BeautyContest(), policy, num_rounds=4, num_worlds=NUM_WORLDS)
    mean, error = reference(name)
    own, own_error = cloud.mean["variance"], cloud.standard_error["variance"]
    return np.max(np.abs(own - mean) / np.sqrt(error**2 + own_error**2 + 1e-12)), own


@pytest.mark.parametrize("name", PERSONAS)
def test_talk_is_that_of_the_model(name):
    """Four z-tests at 4.5: false alarms 3e-5; the numbers of the spec are met within 3 percent."""
    z, variances = largest_z(PERSONAS[name][0](), name)
    assert z < 4.5
    np.testing.assert_allclose(variances, PERSONAS[name][2], rtol=0.03, atol=0.8)


DEFECTS = {
    "weight": MedianTalk(weight=0.6),
    "noise": MedianTalk(noise=4.0),
    "depth": MedianTalk(depth=0.9),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_other_talk_is_found_out(name):
    assert largest_z(DEFECTS[name], "baseline")[0] > 4.5


def test_what_is_adopted_is_the_median_with_the_own_word():
    """Weight 1 on a complete graph: all choose the median of the numbers of the first round."""
    path = play(KEY, BeautyContest(num_agents=6), cooperative_talk(), num_rounds=3)
    median = np.median(np.asarray(path.actions[0]))
    np.testing.assert_allclose(path.actions[1:], np.full((2, 6), median), rtol=1e-6)


def test_without_talk_numbers_stay():
    game = BeautyContest(num_agents=6, is_talking=False)
    actions = play(KEY, game, cooperative_talk(), num_rounds=3).actions
    np.testing.assert_array_equal(actions, np.tile(actions[:1], (3, 1)))


def test_dishonest_players_say_other_numbers():
    game = BeautyContest(num_agents=2)
    seen = first_view(game)

    def say(honesty, i):
        key = jax.random.fold_in(KEY, i)
        return MedianTalk(honesty=honesty).speak(key, seen, jnp.asarray(17.0, jnp.float32))

    index = jnp.arange(4_000, dtype=jnp.uint32)
    said = jax.jit(jax.vmap(say))(jnp.full(4_000, 0.75, jnp.float32), index)
    share = float(np.mean(np.asarray(said) == 17))
    assert abs(share - 0.75) < 4.5 * np.sqrt(0.75 * 0.25 / 4_000)  # false alarms 7e-6
    lies = np.asarray(said)[np.asarray(said) != 17]
    mean = 50 * np.exp(-1 / 3)
    assert abs(lies.mean() - mean) < 4.5 * np.sqrt(160 / lies.size)


# --- whole numbers -------------------------------------------------------------------------------


def test_rounded_numbers_are_whole_and_inside():
    game = BeautyContest(num_agents=3)
    policies = [Rounded(LevelK(1)), Rounded(LevelK(0, start=-7.0)), Rounded(LevelK(0, start=160.0))]
    path = play(KEY, game, policies, num_rounds=2)
    assert path.actions.dtype == jnp.int32
    np.testing.assert_array_equal(path.actions, [[33, 0, 100]] * 2)
    seen = first_view(game)
    assert policies[2].speak(KEY, seen, ()) == 100
    broken = Rounded(MedianTalk()).decide(KEY, seen, jnp.asarray(jnp.nan, jnp.float32))
    assert broken[0] == -1


# --- quantal response ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule", [Independent, Amplified, Exclusive, Split], ids=lambda r: r.__name__
)
def test_expected_payoffs_by_brute_force(x64, rule):
    rng = np.random.default_rng(6)
    numbers, probabilities = np.array([0, 1, 2, 30]), rng.dirichlet(np.ones(4))
    game = BeautyContest(7, 10, num_agents=4, reward=rule())
    expected = oracle.expected_payoffs(numbers, probabilities, 4, Fraction(7, 10), rule.__name__)
    found = expected_payoffs(game, jnp.asarray(numbers, jnp.int32), jnp.asarray(probabilities))
    np.testing.assert_allclose(found, expected, rtol=1e-12 if x64 else 3e-6)


def test_expected_payoffs_of_many_players_sum_to_the_prize():
    """Under Split someone always wins, so that 24 players expect the prize together."""
    probabilities = np.array([0.1, 0.2, 0.0, 0.4, 0.3])
    game = BeautyContest(reward=Split(60.0))
    found = expected_payoffs(game, jnp.asarray([0, 10, 20, 30, 50]), jnp.asarray(probabilities))
    np.testing.assert_allclose(24 * probabilities @ np.asarray(found), 60, rtol=1e-5)


def equilibrium(game, numbers, precision, **options):
    start = jnp.full(len(numbers), 1 / len(numbers))
    choices = jnp.asarray(numbers, jnp.int32)
    payoffs = functools.partial(expected_payoffs, game, choices)
    return logit_equilibrium(payoffs, start, precision=precision, **options)


def test_logit_equilibrium_against_a_root_finder(x64):
    numbers, precision = np.array([0, 1, 2, 3, 5]), 0.06
    game = BeautyContest(num_agents=3, reward=Split())
    found = equilibrium(game, numbers, precision)

    def gap(probabilities):
        share = Fraction(2, 3)
        payoffs = oracle.expected_payoffs(numbers, probabilities, 3, share, "Split")
        odds = np.exp(precision * (payoffs - payoffs.max()))
        return odds / odds.sum() - probabilities

    root = optimize.root(gap, np.full(5, 0.2), tol=1e-13)
    assert root.success
    assert int(found.status) == Status.CONVERGED
    np.testing.assert_allclose(found.probabilities, root.x, atol=1e-11 if x64 else 1e-4)
    assert abs(root.x - 0.2).max() > 0.1  # far from uniform


def test_logit_equilibrium_says_how_it_ended():
    game = BeautyContest(num_agents=3)
    short = equilibrium(game, np.arange(4), 0.05, max_steps=2)
    assert (int(short.status), int(short.num_steps)) == (Status.MAX_STEPS, 2)
    uniform = equilibrium(game, np.arange(4), 0.0)
    assert (int(uniform.status), int(uniform.num_steps)) == (Status.CONVERGED, 0)
    broken = logit_equilibrium(lambda s: s * jnp.nan, jnp.full(2, 0.5), precision=1.0)
    assert int(broken.status) == Status.NON_FINITE


def test_quantal_response_draws_by_logit():
    """Chi-squared at 1e-4: first by expected payoffs, then by those of the last round."""
    choices = jnp.asarray([0, 10, 20, 30], jnp.int32)
    expected = np.array([3.0, 0.0, 1.0, 2.0])
    policy = QuantalResponse(choices, precision=0.7, expected=jnp.asarray(expected, jnp.float32))
    game = BeautyContest(num_agents=3, feedback=FullFeedback(), reward=Independent(2.0))
    first, second = first_view(game), view_after(game, jnp.asarray([30, 30, 10]))
    draw = jax.jit(
        jax.vmap(lambda i, s: policy.decide(jax.random.fold_in(KEY, i), s, ())[0], (0, None))
    )
    # Against 30 and 10: 0 (target 8.9) loses to 10; 10 (11.1) wins; 20 and 30 lose to 10.
    for seen, payoffs in ((first, expected), (second, np.array([0.0, 2.0, 0.0, 0.0]))):
        drawn = np.asarray(draw(jnp.arange(8_000, dtype=jnp.uint32), seen))
        odds = np.exp(0.7 * payoffs)
        counts = np.bincount(drawn // 10, minlength=4)
        assert drawn.dtype == np.int32
        assert stats.chisquare(counts, 8_000 * odds / odds.sum()).pvalue > 1e-4
        wrong = np.exp(0.6 * payoffs)
        assert stats.chisquare(counts, 8_000 * wrong / wrong.sum()).pvalue < 1e-4
    assert policy.speak(KEY, first, ()).dtype == jnp.result_type(float)


# --- inequity aversion ---------------------------------------------------------------------------


def test_fehr_schmidt_by_hand(x64):
    """Payoffs 10, 4, 0: player 1 is 6 behind one and 4 ahead of the other."""
    utilities = fehr_schmidt(jnp.asarray([10.0, 4.0, 0.0]), 0.8, 0.5)
    expected = [10 - 0.25 * (6 + 10), 4 - 0.4 * 6 - 0.25 * 4, 0 - 0.4 * (10 + 4)]
    np.testing.assert_allclose(utilities, expected, rtol=1e-13 if x64 else 1e-6)
    each = fehr_schmidt(jnp.asarray([10.0, 4.0, 0.0]), jnp.asarray([0.0, 2.0, 0.0]), jnp.zeros(3))
    np.testing.assert_allclose(each, [10, 4 - 6, 0])
    np.testing.assert_array_equal(fehr_schmidt(jnp.asarray([3.0]), 1.0, 1.0), [3])
    np.testing.assert_array_equal(fehr_schmidt(jnp.full(4, 7.0), 1.0, 1.0), np.full(4, 7))


def test_inequity_averse_players_feel_what_others_get():
    """Against 20 and 20: below them it wins alone, with them all win, above them they do."""
    game = BeautyContest(num_agents=3, feedback=FullFeedback())
    seen = view_after(game, jnp.asarray([30, 20, 20]))
    choices = jnp.asarray([0, 10, 20, 30], jnp.int32)
    payoffs = np.array([[100, 0, 0], [100, 0, 0], [100, 100, 100], [0, 100, 100]])
    np.testing.assert_array_equal(seen.outcomes_of(choices), payoffs)
    policy = InequityAverse(QuantalResponse(choices, 1.0), envy=0.9, guilt=0.6)
    felt = policy._felt(seen).payoffs_of(choices)
    np.testing.assert_allclose(felt, [100 - 60, 100 - 60, 100, -90], rtol=1e-6)
    learner = InequityAverse(EWA(choices, precision=1.0), envy=0.9, guilt=0.6)
    path = play(KEY, game, learner, num_rounds=20)
    assert np.all(np.asarray(path.records.status) == Status.OK)


# --- programs and errors -------------------------------------------------------------------------


def test_parameters_are_mapped_and_nothing_is_compiled_twice(count_compiles):
    game = BeautyContest(num_agents=3)

    def paths(weight, level):
        policies = [MedianTalk(weight=weight), LevelK(level), MedianTalk(noise=weight)]
        return play(KEY, game, policies, num_rounds=3).actions

    mapped = jax.jit(jax.vmap(paths))
    weights, levels = jnp.asarray([0.2, 0.9], jnp.float32), jnp.asarray([1.0, 2.0], jnp.float32)
    together = mapped(weights, levels)
    np.testing.assert_allclose(together[:, :, 1], [[100 / 3] * 3, [200 / 9] * 3], rtol=1e-6)
    with count_compiles() as compiles:
        mapped(weights / 2, levels + 1)
    assert compiles.count("paths") == 0


def mixed():
    """A game on a ring and policies of five kinds."""
    game = BeautyContest(num_agents=5, feedback=FullFeedback(), topology=Ring(1))
    response = QuantalResponse(np.arange(3.0), 1.0)
    policies = [MedianTalk(), EWA(np.arange(0, 101, 10)), CognitiveHierarchy(), Rounded(LevelK(2))]
    return game, [*policies, InequityAverse(response, 1.0, 0.5)]


def test_single_and_double_precision_play_together():
    """Modules made in one precision are used in the other: words of all kinds have one dtype."""
    game, policies = mixed()
    with jax.enable_x64(True):
        double_game, double_policies = mixed()
        for a, b in ((game, double_policies), (double_game, policies)):
            play_out = functools.partial(play, KEY, a, b, num_rounds=3)
            assert jax.eval_shape(play_out).records.mean.dtype == a.reward.prize.dtype


CHOICES = np.arange(3)
ERRORS = {
    "level": (lambda: LevelK(-1), ValueError, "level must be finite and at least 0, got -1"),
    "start": (lambda: LevelK(1, start=np.nan), ValueError, "start holds 1 non-finite value"),
    "word": (lambda: LevelK("two"), TypeError, "level must be an array"),
    "depth": (lambda: CognitiveHierarchy(10.5), ValueError, r"depth must be .*in \[0, 10\]"),
    "levels": (lambda: CognitiveHierarchy(num_levels=0), ValueError, "num_levels must be at least"),
    "float levels": (
        lambda: hierarchy_choices(0.5, 1.0, 50.0, num_levels=2.0, num_agents=3),
        TypeError,
        "num_levels must be a Python int",
    ),
    "agents": (
        lambda: hierarchy_choices(0.5, 1.0, 50.0, num_levels=2, num_agents=0),
        ValueError,
        "num_agents must be at least 1",
    ),
    "talk depth": (lambda: MedianTalk(depth=-1), ValueError, "depth must be"),
    "noise": (lambda: MedianTalk(noise=-1), ValueError, "noise must be finite and at least 0"),
    "weight": (
        lambda: MedianTalk(weight=1.1),
        ValueError,
        r"weight must be .*in \[0, 1\], got 1.1",
    ),
    "honesty": (lambda: MedianTalk(honesty=-0.1), ValueError, "honesty must be"),
    "talk start": (lambda: MedianTalk(start=np.inf), ValueError, "start holds"),
    "rounded": (lambda: Rounded(3), TypeError, "policy must be a Policy, got int"),
    "averse": (lambda: InequityAverse(None, 1, 1), TypeError, "policy must be a Policy"),
    "envy": (lambda: InequityAverse(LevelK(1), -1, 0), ValueError, "envy must be"),
    "guilt": (lambda: InequityAverse(LevelK(1), 1, -1), ValueError, "guilt must be"),
    "payoffs": (lambda: fehr_schmidt(np.ones((2, 2)), 1, 1), ValueError, "payoffs must have shape"),
    "payoff words": (lambda: fehr_schmidt("much", 1, 1), TypeError, "payoffs must be an array"),
    "envies": (lambda: fehr_schmidt(np.ones(2), np.ones(3), 1), ValueError, "envy must have shape"),
    "guilts": (lambda: fehr_schmidt(np.ones(2), 1, np.ones(1)), ValueError, "guilt must have"),
    "one choice": (lambda: QuantalResponse([1.0], 1), TypeError, "choices must be an array"),
    "few choices": (
        lambda: QuantalResponse(CHOICES[:1], 1),
        ValueError,
        "choices must hold at least two numbers, got 1",
    ),
    "precision": (lambda: QuantalResponse(CHOICES, -1), ValueError, "precision must be"),
    "expected": (
        lambda: QuantalResponse(CHOICES, 1, np.ones(2)),
        ValueError,
        r"expected must have shape \(3,\)",
    ),
    "expected NaN": (lambda: QuantalResponse(CHOICES, 1, np.nan), ValueError, "expected holds"),
    "damping": (
        lambda: logit_equilibrium(lambda s: s, np.ones(2) / 2, precision=1, damping=2),
        ValueError,
        "damping must be",
    ),
    "responses": (
        lambda: logit_equilibrium(lambda s: s, np.ones(2) / 2, precision=-1),
        ValueError,
        "precision must be",
    ),
    "probability": (
        lambda: logit_equilibrium(lambda s: s, 0.5, precision=1),
        ValueError,
        "start must have shape",
    ),
    "steps": (
        lambda: logit_equilibrium(lambda s: s, np.ones(2) / 2, precision=1, max_steps=0),
        ValueError,
        "max_steps must be at least 1",
    ),
    "game": (lambda: expected_payoffs(None, CHOICES, CHOICES), TypeError, "game must be a Beauty"),
    "probabilities": (
        lambda: expected_payoffs(BeautyContest(), CHOICES, np.ones(2)),
        ValueError,
        "probabilities must have shape",
    ),
    "ways": (
        lambda: expected_payoffs(BeautyContest(), np.arange(101), np.ones(101)),
        ValueError,
        "23 other players can be spread over 101 choices",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()
