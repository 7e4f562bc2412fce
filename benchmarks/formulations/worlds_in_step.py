"""Worlds in lock-step: every operation is done for all worlds before the next one.

The package's form on GPUs, timed on a CPU. There the package runs one world after another, each a
scalar loop that XLA makes one kernel of; here a round or a period is some hundred operations on
arrays of worlds, whose single entries are gathered and scattered, and agents are sorted by XLA.
"""

from functools import partial
from unittest import mock

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxpapers import games
from jaxpapers.games import moves


def keys_of(key, num_worlds):
    """Return the keys that the package gives to worlds."""
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(num_worlds, dtype=jnp.int32))


@eqx.filter_jit
def escaped(key, game, policy, *, num_rounds, num_worlds):
    """Return how many have left by world and round, those of `games.replicate`.

    Agents are put in order by XLA's sort, as on a GPU, for an insertion sort would wait in each
    step for the slowest world.

    Args:
        key: A typed key.
        game: The evacuation.
        policy: Of all agents.
        num_rounds: How many rounds.
        num_worlds: How many worlds.
    """

    def one(key):
        return games.play(key, game, policy, num_rounds=num_rounds).records.curves()["escaped"]

    with mock.patch.object(moves, "order_by_insertion", moves.order_by_sorting):
        return jax.vmap(one)(keys_of(key, num_worlds))


@eqx.filter_jit
def sessions(key, market, *, num_sessions, num_periods):
    """Return greedy prices and last states of Q-learning firms after a number of periods.

    Args:
        key: A typed key.
        market: The market.
        num_sessions: How many sessions; each is seeded by a key of its own.
        num_periods: How many periods.
    """

    def one(key):
        found = games.q_learning_sessions(
            key, market, num_sessions=1, max_periods=num_periods, patience=num_periods + 1
        )
        return jnp.asarray(found.strategies)[0], found.state[0]

    return jax.vmap(one)(keys_of(key, num_sessions))
