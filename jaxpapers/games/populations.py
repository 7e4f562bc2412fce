"""Who plays: one policy for all, or one for each agent."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from .model import Policy

Policies = Policy | Sequence[Policy]


class Kind(eqx.Module):
    """Agents whose policies have one structure, side by side.

    Attributes:
        policy: their policies, stacked along a leading axis of members.
        agents: static, which agents they are.
    """

    policy: Policy
    agents: tuple[int, ...] = eqx.field(static=True)

    @property
    def index(self) -> Int[np.ndarray, " member"]:
        """The agents as an array of indices."""
        return np.asarray(self.agents, np.int32)


class Population(eqx.Module):
    """The policies of all agents, grouped by kind.

    Attributes:
        kinds: agents of one structure each.
    """

    kinds: tuple[Kind, ...]

    @property
    def num_agents(self) -> int:
        """Number of agents; static."""
        return sum(len(kind.agents) for kind in self.kinds)

    def init(self, key: PRNGKeyArray, observations: PyTree) -> PyTree:
        """Memories of all agents before the first round.

        Args:
            key: a typed key.
            observations: with a leading axis of agents.

        Returns:
            A tuple with one tree per kind.
        """
        return tuple(
            jax.vmap(lambda p, i, o: p.init(jax.random.fold_in(key, i), o))(
                kind.policy, kind.index, _of(kind, observations, self.num_agents)
            )
            for kind in self.kinds
        )

    def decide(
        self, key: PRNGKeyArray, observations: PyTree, memories: PyTree
    ) -> tuple[Array, PyTree]:
        """Actions of all agents.

        Args:
            key: a typed key; agent i draws from `fold_in(key, i)`.
            observations: with a leading axis of agents.
            memories: as `init` gives.

        Returns:
            Actions (agent,) and the memories after.
        """
        decided = [
            jax.vmap(lambda p, i, o, m: p.decide(jax.random.fold_in(key, i), o, m))(
                kind.policy, kind.index, _of(kind, observations, self.num_agents), memory
            )
            for kind, memory in zip(self.kinds, memories, strict=True)
        ]
        actions, memories = zip(*decided, strict=True)
        return self._in_order(actions), memories

    def speak(
        self, key: PRNGKeyArray, agent: Int[Array, ""], observation: PyTree, memories: PyTree
    ) -> Array:
        """What one agent says.

        Args:
            key: a typed key; agent i draws from `fold_in(key, i)`.
            agent: who.
            observation: of that agent.
            memories: of all agents.

        Returns:
            The message.
        """
        key = jax.random.fold_in(key, agent)
        kind_of, place_of = self._places()
        place = jnp.asarray(place_of)[agent]

        def speaker(kind, memory):
            def speak():
                policy, own = jax.tree.map(lambda x: x[place], (kind.policy, memory))
                return policy.speak(key, observation, own)

            return speak

        speakers = [speaker(*pair) for pair in zip(self.kinds, memories, strict=True)]
        if len(speakers) == 1:
            return speakers[0]()
        return jax.lax.switch(jnp.asarray(kind_of)[agent], speakers)

    def _places(self):
        """Of each agent, its kind and its place among the members of that kind."""
        kind_of, place_of = np.zeros((2, self.num_agents), np.int32)
        for index, kind in enumerate(self.kinds):
            kind_of[kind.index] = index
            place_of[kind.index] = np.arange(len(kind.agents), dtype=np.int32)
        return kind_of, place_of

    def _in_order(self, actions):
        if len(actions) == 1:
            return actions[0]
        order = np.argsort(np.concatenate([kind.index for kind in self.kinds]))
        return jnp.concatenate(actions)[order]


def population(policies: Policies, num_agents: int) -> Population:
    """Groups policies by structure, so that those of one kind are computed side by side.

    Args:
        policies: one for all agents, or a sequence with one per agent. A policy for all whose
            numbers are meant to differ is given as a sequence.
        num_agents: number of agents.

    Returns:
        The population.

    Raises:
        TypeError: a policy that is none.
        ValueError: not one policy per agent.

    Example:
        >>> from jaxpapers import games
        >>> mixed = games.population([games.LevelK(level=k % 3) for k in range(6)], 6)
        >>> print(len(mixed.kinds), mixed.kinds[0].policy.level)
        1 [0. 1. 2. 0. 1. 2.]
    """
    if isinstance(policies, Population):
        one_each = policies.num_agents
    elif isinstance(policies, Policy):
        one_each, policies = num_agents, [policies] * num_agents
    else:
        policies = list(policies)
        one_each = len(policies)
    if one_each != num_agents:
        raise ValueError(
            f"policies holds {one_each} policies for {num_agents} agents; give one for all or one "
            "per agent."
        )
    return policies if isinstance(policies, Population) else Population(_grouped(policies))


def _grouped(policies):
    members: dict = {}
    for agent, policy in enumerate(policies):
        if not isinstance(policy, Policy):
            raise TypeError(
                f"policies[{agent}] must be a games.Policy, got {type(policy).__name__}."
            )
        leaves, structure = jax.tree.flatten(policy)
        shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        members.setdefault((structure, shapes), []).append(agent)
    kinds = []
    for agents in members.values():
        stacked = jax.tree.map(lambda *x: jnp.stack(x), *[policies[i] for i in agents])
        kinds.append(Kind(stacked, tuple(agents)))
    return tuple(kinds)


def _of(kind, tree, num_agents):
    """Rows of the members of a kind; all of them where there is one kind."""
    if len(kind.agents) == num_agents:
        return tree
    return jax.tree.map(lambda x: x[kind.index], tree)
