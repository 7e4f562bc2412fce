"""Drivers: one world, many, pairs of settings, grids; and mixed populations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import engine, games

KEY = jax.random.key(9)
NUM_ROUNDS = 4


class Sum(games.Record):
    """A record of two numbers."""

    total: jax.Array
    heard: jax.Array

    def curves(self):
        return {"total": self.total}


class Tally(games.Game):
    """Agents name numbers; the state is the sum so far, talk is the last message heard."""

    num_agents: int = 3
    step_size: jax.Array = dataclasses.field(default_factory=lambda: jnp.asarray(1.0))

    def reset(self, key):
        return jax.random.uniform(key), jnp.asarray(-1.0)

    def view(self, state, agent):
        return {"sum": state[0], "heard": state[1], "agent": agent}

    def observe(self, state):
        return jax.vmap(lambda i: self.view(state, i))(jnp.arange(self.num_agents))

    def turns(self, key, state):
        order = jnp.asarray([2, 0, 1], jnp.int32)
        return games.Turns(order, jnp.asarray([True, True, False]))

    def hear(self, state, agent, message):
        return state[0], state[1] + message + 100 * agent

    def step(self, key, state, actions):
        total = state[0] + self.step_size * jnp.sum(actions)
        return (total, jnp.asarray(-1.0)), actions * 2, Sum(total, state[1])


class Say(games.Policy):
    """Adds a number; counts its decisions."""

    number: jax.Array
    noise: jax.Array = dataclasses.field(default_factory=lambda: jnp.asarray(0.0))

    def init(self, key, observation):
        return jnp.asarray(0, jnp.int32)

    def speak(self, key, observation, memory):
        return self.number + observation["heard"]

    def decide(self, key, observation, memory):
        return self.number + self.noise * jax.random.normal(key), memory + 1


class Repeat(games.Policy):
    """Another kind: says what it heard."""

    def init(self, key, observation):
        return ()

    def speak(self, key, observation, memory):
        return observation["heard"]

    def decide(self, key, observation, memory):
        return observation["agent"].astype(float), memory


def say(number, noise=0.0):
    return Say(jnp.asarray(number), jnp.asarray(noise))


def noisy(**settings):
    return {"num_rounds": NUM_ROUNDS, "num_worlds": 40, **settings}


def test_a_play_is_rounds_of_talk_decisions_and_a_step():
    path = games.play(KEY, Tally(), [say(1.0), say(2.0), Repeat()], num_rounds=NUM_ROUNDS)
    assert path.actions.tolist() == [[1.0, 2.0, 2.0]] * NUM_ROUNDS
    assert path.rewards.tolist() == [[2.0, 4.0, 4.0]] * NUM_ROUNDS
    np.testing.assert_allclose(np.diff(path.records.total), 5.0, rtol=1e-5)
    # Agent 2 repeats -1, so -2 + 200; agent 0 says 1 + 198: 397; agent 1 has no turn.
    assert path.records.heard.tolist() == [397.0] * NUM_ROUNDS
    assert path.memories[0].tolist() == [NUM_ROUNDS, NUM_ROUNDS]
    assert path.curves().keys() == {"total"}


def test_a_longer_play_begins_with_the_shorter():
    short, long = (
        games.play(KEY, Tally(), say(1.0, 1.0), num_rounds=count) for count in (2, NUM_ROUNDS)
    )
    assert long.actions[:2].tolist() == short.actions.tolist()
    assert len(np.unique(long.actions)) == long.actions.size


def test_moments_are_those_of_the_worlds_that_are_collected():
    policies = say(1.0, 1.0)
    kept = games.collect(KEY, Tally(), policies, report=lambda p: p.curves(), **noisy())
    cloud = games.replicate(KEY, Tally(), policies, **noisy(batch_size=16))
    assert kept["total"].shape == (40, NUM_ROUNDS)
    np.testing.assert_allclose(cloud.mean["total"], kept["total"].mean(axis=0), rtol=1e-5)
    error = np.asarray(kept["total"]).std(axis=0, ddof=1) / np.sqrt(40)
    np.testing.assert_allclose(cloud.standard_error["total"], error, rtol=1e-4)
    alone = games.play(jax.random.fold_in(KEY, 7), Tally(), policies, num_rounds=NUM_ROUNDS)
    np.testing.assert_allclose(kept["total"][7], alone.records.total, rtol=1e-6)


def test_contrasts_share_their_draws():
    game = Tally()
    gap = games.contrast(KEY, (game, say(1.0, 1.0)), (game, say(3.0, 1.0)), **noisy())
    np.testing.assert_allclose(gap.mean["total"], 6.0 * np.arange(1, 5), rtol=1e-4)
    assert (gap.standard_error["total"] < 1e-4).all()
    other = games.contrast(KEY, (game, say(1.0, 0.0)), (game, say(1.0, 2.0)), **noisy())
    assert (other.standard_error["total"] > 0.1).all()


def build(number, step_size):
    return Tally(step_size=jnp.asarray(step_size)), say(number, 1.0)


def test_a_sweep_is_many_worlds_at_every_point():
    axes = {"number": [1.0, 2.0, 4.0], "step_size": [1.0, 0.5]}
    grid = games.sweep(KEY, build, axes, **noisy())
    assert grid.axes == {"number": (1.0, 2.0, 4.0), "step_size": (1.0, 0.5)}
    assert grid.mean["total"].shape == (3, 2, NUM_ROUNDS)
    one = games.replicate(KEY, *build(4.0, 0.5), **noisy())
    assert grid.mean["total"][2, 1].tolist() == one.mean["total"].tolist()
    assert grid.standard_error["total"][2, 1].tolist() == pytest.approx(
        one.standard_error["total"].tolist()
    )


def test_points_of_a_sweep_share_one_program(count_compiles):
    axes = {"number": [1.0, 2.0], "step_size": [0.25]}
    with count_compiles() as compiles:
        games.sweep(KEY, build, axes, num_rounds=3, num_worlds=7)
    assert compiles.count("_run_chunk") == 1


def test_a_sweep_goes_on_where_it_was_saved(tmp_path):
    axes = {"number": [1.0, 2.0], "step_size": [1.0]}
    save = engine.Checkpoint(tmp_path / "sweep", every_steps=1)
    found = [games.sweep(KEY, build, axes, **noisy(checkpoint=save)) for _ in range(2)]
    assert found[0].mean["total"].tolist() == found[1].mean["total"].tolist()
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir()) == [
        "point-0000",
        "point-0001",
    ]


def test_agents_of_one_structure_are_one_kind():
    mixed = games.population([say(1.0), Repeat(), say(2.0)], 3)
    assert [kind.agents for kind in mixed.kinds] == [(0, 2), (1,)]
    assert mixed.kinds[0].policy.number.tolist() == [1.0, 2.0]
    assert games.population(say(1.0), 3).kinds[0].policy.number.tolist() == [1.0] * 3
    assert games.population(mixed, 3) is mixed


def test_an_agent_decides_alike_whoever_else_is_of_its_kind():
    alone = games.play(KEY, Tally(), [Repeat(), Repeat(), say(1.0, 1.0)], num_rounds=2)
    among = games.play(KEY, Tally(), say(1.0, 1.0), num_rounds=2)
    assert alone.actions[:, 2].tolist() == among.actions[:, 2].tolist()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: games.play(0, Tally(), say(1.0), num_rounds=1), TypeError, "typed random key"),
        (lambda: games.play(KEY, "tally", say(1.0), num_rounds=1), TypeError, "game must be a"),
        (lambda: games.play(KEY, Tally(), "say", num_rounds=1), TypeError, "policies"),
        (lambda: games.play(KEY, Tally(), [say(1.0)] * 2, num_rounds=1), ValueError, "2 policies"),
        (lambda: games.play(KEY, Tally(), say(1.0), num_rounds=0), ValueError, "num_rounds"),
        (lambda: games.replicate(KEY, Tally(), say(1.0), num_rounds=1, num_worlds=0), ValueError,
         "num_worlds"),
        (lambda: games.sweep(KEY, build, {}, **noisy()), ValueError, "axes must hold"),
        (lambda: games.sweep(KEY, build, {"number": []}, **noisy()), ValueError, "axes must hold"),
        (lambda: games.sweep(KEY, lambda a: a, {"a": [1]}, **noisy()), TypeError, "build must"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
