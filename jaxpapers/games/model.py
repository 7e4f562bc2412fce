"""What a game and a policy are: the interface that every game, policy and driver here shares."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree


class Turns(eqx.Module):
    """Who speaks in this round, one after another.

    Attributes:
        agents: (turn,) int32, whose turn it is.
        is_taken: (turn,) whether the turn is taken; False where there is silence.
    """

    agents: Int[Array, " turn"]
    is_taken: Bool[Array, " turn"]


class Record(eqx.Module):
    """What a round left behind: small arrays. `play` stacks them along an axis of rounds."""

    @abc.abstractmethod
    def curves(self) -> dict[str, Array]:
        """The numbers that are averaged over worlds, by name; not those of single agents.

        Returns:
            Arrays, with a leading axis of rounds where the record has one.
        """


class Game(eqx.Module):
    """A repeated game between agents; a frozen module of its parameters.

    A round is: talk (`turns`, and for each of them `view`, a message, `hear`), then `observe`, the
    agents' decisions, `step`. Nothing but these functions touches a state, so that decisions may
    be made anywhere: by policies inside one compiled loop (`play`), or by a program of one's own
    on the host. Rewards, observations and actions have a leading axis of agents. A game does not
    start anew by itself; what is over stays as it is.
    """

    @property
    @abc.abstractmethod
    def num_agents(self) -> int:
        """Number of agents; static."""

    @abc.abstractmethod
    def reset(self, key: PRNGKeyArray) -> PyTree:
        """State before the first round.

        Args:
            key: a typed key.

        Returns:
            The state, arrays of fixed shapes and dtypes.
        """

    @abc.abstractmethod
    def view(self, state: PyTree, agent: Int[Array, ""]) -> PyTree:
        """What one agent knows when it speaks or decides.

        Args:
            state: of the game.
            agent: index of the agent.

        Returns:
            Its observation.
        """

    @abc.abstractmethod
    def observe(self, state: PyTree) -> PyTree:
        """What every agent knows: `view` of all.

        Args:
            state: of the game.

        Returns:
            Observations with a leading axis of agents.
        """

    @abc.abstractmethod
    def turns(self, key: PRNGKeyArray, state: PyTree) -> Turns:
        """Who speaks in this round.

        Args:
            key: a typed key.
            state: of the game.

        Returns:
            The turns; none where the game has no talk.
        """

    @abc.abstractmethod
    def hear(self, state: PyTree, agent: Int[Array, ""], message: Array) -> PyTree:
        """An agent has spoken.

        Args:
            state: of the game.
            agent: who.
            message: what; a number of the game's kind.

        Returns:
            The state in which others have heard it.
        """

    @abc.abstractmethod
    def step(
        self, key: PRNGKeyArray, state: PyTree, actions: Array
    ) -> tuple[PyTree, Float[Array, " agent"], PyTree]:
        """Plays a round.

        Args:
            key: a typed key.
            state: of the game.
            actions: (agent,).

        Returns:
            The state, rewards (agent,), and the record of the round: a module of small arrays.
        """


class Policy(eqx.Module):
    """How one agent speaks and decides: pure functions of key, observation and memory.

    Parameters are array leaves; agents of one kind may differ in them.
    """

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, observation: PyTree) -> PyTree:
        """Memory before the first round.

        Args:
            key: a typed key.
            observation: of one agent, before the first round.

        Returns:
            Arrays of fixed shapes and dtypes.
        """

    @abc.abstractmethod
    def speak(self, key: PRNGKeyArray, observation: PyTree, memory: PyTree) -> Array:
        """What the agent says when it is its turn. Talk is free.

        Args:
            key: a typed key.
            observation: of the agent.
            memory: of the agent.

        Returns:
            A message of the game's kind.
        """

    @abc.abstractmethod
    def decide(
        self, key: PRNGKeyArray, observation: PyTree, memory: PyTree
    ) -> tuple[Array, PyTree]:
        """The agent's action.

        Args:
            key: a typed key.
            observation: of the agent.
            memory: of the agent.

        Returns:
            The action, and the memory in the same layout.
        """


def no_turns() -> Turns:
    """The turns of a game without talk.

    Returns:
        No turns.
    """
    return Turns(jnp.zeros(0, jnp.int32), jnp.zeros(0, bool))


def check_kind(name: str, value: Any, kind: type) -> None:
    """Checks that an argument is a module of a kind.

    Args:
        name: what the caller calls it.
        value: the argument.
        kind: its class.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}.")
