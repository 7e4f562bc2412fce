"""Pledges, trust, and the paths of prices with talk, without, and after talk has ended."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.games.bertrand import Bertrand
from jaxpapers.games.policies.pledges import ConditionalCooperator, Persona
from jaxpapers.games.policies.triggers import FixedPrice
from jaxpapers.games.populations import population
from jaxpapers.games.simulate import begin, play, play_round, replicate

pytestmark = pytest.mark.usefixtures("quick_compiles")

KEY = jax.random.key(5)
ROUNDS = 40
STEADY = Persona(temperature=0.0)
READING = 0.03  # relative error of numbers read off the figure of the paper


@eqx.filter_jit
def follow(key, game, policies, num_rounds=ROUNDS):
    """Prices, and memories of the first kind before each round and after the last."""
    players = population(policies, 2)

    def one(carry, index):
        state, memories = carry
        after, learnt, (record, _, _) = play_round(
            jax.random.fold_in(key, index), game, players, state, memories
        )
        return (after, learnt), (record.prices, memories[0])

    begins = begin(jax.random.fold_in(key, num_rounds), game, players)
    (_, last), (path, memories) = jax.lax.scan(one, begins, jnp.arange(num_rounds))
    return path, jax.tree.map(lambda x, y: jnp.concatenate([x, y[None]]), memories, last[0])


def reply(price):
    """Best response of the default market with both firms selling."""
    return 4.5 + price / 4


def cooperator(**changes):
    return ConditionalCooperator(**{"start": 6.0, "cooperative": 8.0, "persona": STEADY} | changes)


def test_first_rounds_without_talk_by_hand():
    # The rival sets 6 for ever: 6 is not undercut in round 0, every price above is.
    policies = [cooperator(speed=0.5), FixedPrice(6.0)]
    path, memories = follow(KEY, Bertrand(talk_until=0), policies)
    wanted, plan = [], 6.0
    for kept, judged in ((1, 1), (1, 2), (1, 3), (1, 4), (1, 5)):
        trust = (1 + kept) / (judged + 2)
        plan += 0.5 * (6 + 0.96 * trust * 2 - plan)
        wanted.append(plan)
    np.testing.assert_allclose(path[:6, 0], [6.0, *wanted], rtol=1e-6)
    np.testing.assert_array_equal(memories.kept[:7, 0, 1], [0, 0, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(memories.num_judged[:7, 0], [0, 0, 1, 2, 3, 4, 5])


def test_trust_by_hand():
    policy = cooperator(persona=Persona(trust=0.5))
    game = Bertrand()
    memory = policy.init(KEY, game.view(game.reset(KEY), jnp.asarray(0, jnp.int32)))
    np.testing.assert_allclose(policy.trust(memory), [0.25, 0.25])
    memory = eqx.tree_at(
        lambda m: (m.kept, m.num_judged), memory, (jnp.asarray([0, 3]), jnp.asarray(4))
    )
    np.testing.assert_allclose(policy.trust(memory)[1], 3.5 / 6, rtol=1e-6)


@pytest.mark.parametrize(
    ("pledge", "price", "is_kept"),
    [
        (7.0, 7.0, True),
        (7.0, 6.75, True),  # within the tolerance of a quarter
        (7.0, 6.74, False),
        (7.0, 9.0, True),
        (None, 6.5, True),  # no pledge: held to the own price, without tolerance
        (None, 6.49, False),
    ],
)
def test_kept_and_broken(pledge, price, is_kept):
    policy = cooperator(start=6.5, tolerance=0.25)
    game = Bertrand(window=2)
    state = game.reset(KEY)
    agent = jnp.asarray(0, jnp.int32)
    memory = policy.init(KEY, game.view(state, agent))
    state = state if pledge is None else game.hear(state, 1, pledge)
    own, memory = policy.decide(KEY, game.view(state, agent), memory)
    assert memory.has_pledged.tolist() == [False, pledge is not None]
    state, _, _ = game.step(KEY, state, jnp.stack([own, jnp.asarray(price)]))
    judged = policy.judged(game.view(state, agent), memory)
    assert bool(judged.kept[1]) is is_kept
    assert int(judged.num_judged) == 1
    np.testing.assert_allclose(policy.trust(judged)[1], (1 + is_kept) / 3, rtol=1e-6)


def numpy_plans(path, plans, speed, tolerance, num_exchanges):
    """Plans of two honest firms, from the prices they set; their pledges are plans under way."""
    kept, judged = np.zeros(2), 0
    pledges, plan = None, np.array(plans)
    found = []
    for t in range(len(path)):
        heard = [None, None]
        if t:
            last = path[t - 1]
            for i in (0, 1):
                rival = 1 - i
                promised = last[i] if pledges[rival] is None else pledges[rival] - tolerance
                kept[i] += last[rival] >= promised
            judged += 1

        def next_plan(i, t=t, heard=heard, plan=plan, judged=judged):
            if not t:
                return plan[i]
            rival, trust = path[t - 1, 1 - i], (1 + kept[i]) / (judged + 2)
            if heard[1 - i] is not None:
                rival = trust * heard[1 - i] + (1 - trust) * rival
            best = reply(rival)
            return plan[i] + speed * (best + 0.96 * trust * max(8 - best, 0) - plan[i])

        for turn in range(2 * num_exchanges):
            heard[turn % 2] = next_plan(turn % 2)
        plan = np.array([next_plan(i) for i in (0, 1)])
        pledges = heard
        found.append(plan)
    return np.array(found), kept


@pytest.mark.parametrize("num_exchanges", [0, 3])
def test_plans_and_record_against_numpy(num_exchanges):
    with jax.enable_x64(True):
        policy = cooperator(persona=Persona(), speed=0.3, tolerance=0.2)
        game = Bertrand(num_exchanges=num_exchanges)
        path, memories = follow(KEY, game, policy)
        path = np.asarray(path)
    plans, kept = numpy_plans(path, [6.0, 6.0], 0.3, 0.2, num_exchanges)
    np.testing.assert_allclose(memories.plan[1:], plans, rtol=1e-12)
    np.testing.assert_array_equal(np.diagonal(memories.kept[-1][:, ::-1]), kept)
    assert 0 < kept.min() <= kept.max() < 39


def test_trembles_are_logistic():
    # Mean and variance of 2,400 trembles at 1e-6 each; half as large again must fail.
    persona = Persona(temperature=0.2)
    path, memories = follow(KEY, Bertrand(talk_until=0), cooperator(persona=persona), 1200)
    z = np.ravel(path - memories.plan[1:]) / 0.2
    variance, fourth = np.pi**2 / 3, 7 * np.pi**4 / 15
    error = np.sqrt((fourth - variance**2) / z.size)
    assert abs(z.mean()) < 4.9 * np.sqrt(variance / z.size)
    assert abs(z.var() - variance) < 4.9 * error
    assert abs(1.5**2 * z.var() - variance) > 4.9 * error


def test_honesty_is_the_share_of_true_pledges():
    game = Bertrand()
    view = game.view(game.reset(KEY), jnp.asarray(0, jnp.int32))
    keys = jax.random.split(KEY, 4000)

    @jax.jit
    def said(honesty):
        policy = cooperator(persona=Persona(honesty=honesty))
        return jax.vmap(lambda key: policy.speak(key, view, policy.init(key, view)))(keys)

    pledges = np.asarray(said(0.7))
    assert set(np.unique(pledges)) == {6.0, 8.0}
    # Binomial at 1e-6; .65 in place of .7 must fail.
    error = 4.9 * np.sqrt(0.21 / 4000)
    assert abs(np.mean(pledges == 6) - 0.7) < error
    assert abs(np.mean(np.asarray(said(0.6)) == 6) - 0.7) > error
    assert np.all(said(1.0) == 6)
    assert np.all(said(0.0) == 8)


def test_liars_are_not_trusted():
    liar = Persona(honesty=0.0, temperature=0.0)
    honest = follow(KEY, Bertrand(), cooperator())[1]
    lying = follow(KEY, Bertrand(), cooperator(persona=liar))[1]
    assert np.all(np.diagonal(honest.kept[-1][:, ::-1]) == 39)
    assert np.all(np.diagonal(lying.kept[-1][:, ::-1]) == 0)
    assert lying.plan[-1].max() < honest.plan[-1].min() - 0.5


def paths(policy, **changes):
    """Mean price of 100 worlds in each of 601 rounds, and its standard error."""
    cloud = replicate(KEY, Bertrand(**changes), policy, num_rounds=601, num_worlds=100)
    return np.asarray(cloud.mean["price"]), np.asarray(cloud.standard_error["price"])


def test_paths_come_near_those_of_the_paper():
    policy = ConditionalCooperator(6.0, 8.0)
    silent, error = paths(policy, talk_until=0)
    talking, _ = paths(policy)
    ended, _ = paths(policy, talk_until=400)
    assert error.max() < 0.02
    for found, published in (
        (silent[350], 7.1),
        (talking[20], 6.7),
        (talking[600], 7.8),
        (ended[600], 7.6),
    ):
        assert abs(found - published) < READING * published
    np.testing.assert_allclose(ended[:400], talking[:400], rtol=1e-6)
    assert talking[600] - silent[600] > 0.5
    # Without any tolerance trembles break half of all pledges, and talk is worth nothing.
    strict, _ = paths(eqx.tree_at(lambda p: p.tolerance, policy, jnp.asarray(0.0)))
    assert abs(strict[600] - 7.8) > READING * 7.8


def test_new_numbers_compile_nothing(count_compiles):
    play(KEY, Bertrand(), cooperator(), num_rounds=3)
    other = ConditionalCooperator(5.0, 9.0, Persona(0.5, 0.1, 0.2, 0.3), 0.4, 0.5)
    with count_compiles() as compiles:
        play(KEY, Bertrand(talk_from=1, talk_until=2), other, num_rounds=3)
    assert compiles.count("_play") == 0


def test_personas_can_be_mapped_over():
    honesty = jnp.asarray([0.0, 1.0])

    @jax.jit
    def last(honesty):
        persona = Persona(honesty=honesty, temperature=0.0)
        return follow(KEY, Bertrand(), cooperator(persona=persona))[0][-1]

    found = jax.vmap(last)(honesty)
    for cell in range(2):
        np.testing.assert_allclose(found[cell], last(honesty[cell]), rtol=1e-6)
    assert found[0, 0] < found[1, 0] - 0.5


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: Persona(honesty=1.5), ValueError, r"honesty must be finite and in \[0, 1\]"),
        (lambda: Persona(trust=2.5), ValueError, r"trust must be finite and in \[0, 2\], got 2.5"),
        (lambda: Persona(weight=-0.1), ValueError, r"weight must be finite and in \[0, 1\]"),
        (lambda: Persona(temperature=np.inf), ValueError, "temperature must be finite and at leas"),
        (lambda: Persona(honesty=np.ones(2)), ValueError, r"honesty must have shape \(\)"),
        (lambda: cooperator(start=-1.0), ValueError, "start must be finite and at least 0, got -1"),
        (lambda: cooperator(cooperative=np.nan), ValueError, "cooperative must be finite"),
        (lambda: cooperator(persona=0.5), TypeError, "persona must be a Persona, got float"),
        (lambda: cooperator(speed=2.0), ValueError, r"speed must be finite and in \[0, 1\], got 2"),
        (lambda: cooperator(tolerance=-1.0), ValueError, "tolerance must be finite and at least 0"),
    ],
)
def test_errors(build, kind, message):
    with pytest.raises(kind, match=message):
        build()
