"""Who hears whom, and the median of what is heard."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from .parameters import as_integer, check_integer


class Topology(eqx.Module):
    """Who hears whom. Everybody knows what it said itself."""

    @abc.abstractmethod
    def heard_by(self, num_agents: int) -> Bool[Array, "listener speaker"]:
        """Whom each agent hears.

        Args:
            num_agents: number of agents.

        Returns:
            True where the listener hears the speaker; True on the diagonal.

        Raises:
            ValueError: a topology of another number of agents.
        """

    @abc.abstractmethod
    def medians(
        self, values: Float[Array, " agent"], has_spoken: Bool[Array, " agent"]
    ) -> Float[Array, " agent"]:
        """Median of what each agent hears, its own word included.

        Args:
            values: what was said.
            has_spoken: whether anything was.

        Returns:
            Medians, as `median_of` gives.
        """


class Complete(Topology):
    """Everybody hears everybody. Source: Wu et al. (2024).

    Example:
        >>> from jaxpapers import games
        >>> print(games.Complete().heard_by(2))
        [[ True  True]
         [ True  True]]
    """

    def heard_by(self, num_agents):
        """True everywhere."""
        return jnp.ones((num_agents, num_agents), bool)

    def medians(self, values, has_spoken):
        """One median, found once."""
        return jnp.broadcast_to(median_of(values, has_spoken), values.shape)


class Ring(Topology):
    """Agents sit in a ring and hear those within reach, on both sides.

    Attributes:
        reach: number of places, at least 0.

    Raises:
        TypeError: a reach that is not an integer.
        ValueError: one below 0.

    Example:
        >>> from jaxpapers import games
        >>> print(games.Ring(reach=1).heard_by(5)[0].astype(int))
        [1 1 0 0 1]
    """

    reach: Int[Array, ""] = eqx.field(converter=as_integer, default=1)

    def __check_init__(self):
        """Checks the reach."""
        check_integer("reach", self.reach, 0)

    def heard_by(self, num_agents):
        """True within reach."""
        place = np.arange(num_agents, dtype=np.int32)
        apart = np.abs(place[:, None] - place[None])
        return np.minimum(apart, num_agents - apart) <= jnp.asarray(self.reach)

    def medians(self, values, has_spoken):
        """A median for each listener."""
        return _listened(self, values, has_spoken)


class Star(Topology):
    """One agent hears all and is heard by all; the others hear only that one.

    Attributes:
        center: which agent.

    Raises:
        TypeError: a center that is not an integer.
        ValueError: one below 0, or not among the agents.

    Example:
        >>> from jaxpapers import games
        >>> print(games.Star().heard_by(3).astype(int))
        [[1 1 1]
         [1 1 0]
         [1 0 1]]
    """

    center: Int[Array, ""] = eqx.field(converter=as_integer, default=0)

    def __check_init__(self):
        """Checks the center."""
        check_integer("center", self.center, 0)

    def heard_by(self, num_agents):
        """True to and from the center.

        Args:
            num_agents: number of agents.

        Returns:
            True where the listener or the speaker is the center, and on the diagonal.

        Raises:
            ValueError: a center that is not among the agents.
        """
        if engine.is_concrete(self.center) and int(self.center) >= num_agents:
            raise ValueError(f"center must be one of {num_agents} agents, got {int(self.center)}.")
        is_center = jnp.arange(num_agents, dtype=jnp.int32) == self.center
        return is_center[:, None] | is_center[None] | jnp.eye(num_agents, dtype=bool)

    def medians(self, values, has_spoken):
        """A median for each listener."""
        return _listened(self, values, has_spoken)


class Adjacency(Topology):
    """Any graph.

    Attributes:
        matrix: (listener, speaker) booleans, True where the listener hears the speaker. What
            stands on the diagonal does not matter.

    Raises:
        TypeError: a matrix that does not hold booleans.
        ValueError: one that is not square, or of another size than the game.
    """

    matrix: Bool[Array, "listener speaker"]

    def __check_init__(self):
        """Checks shape and dtype."""
        engine.check_array("matrix", self.matrix, ("agent", "agent"), "any")
        if not jnp.issubdtype(jnp.result_type(self.matrix), jnp.bool_):
            raise TypeError(f"matrix must hold booleans, got {jnp.result_type(self.matrix)}.")

    def heard_by(self, num_agents):
        """The matrix.

        Args:
            num_agents: number of agents.

        Returns:
            The matrix with True on the diagonal.

        Raises:
            ValueError: a matrix of another size.
        """
        if np.shape(self.matrix)[0] != num_agents:
            raise ValueError(
                f"matrix must have one row and column for each of {num_agents} agents, got shape "
                f"{np.shape(self.matrix)}."
            )
        return jnp.asarray(self.matrix) | jnp.eye(num_agents, dtype=bool)

    def medians(self, values, has_spoken):
        """A median for each listener."""
        return _listened(self, values, has_spoken)


def median_of(values: Float[Array, " agent"], is_in: Bool[Array, " agent"]) -> Float[Array, ""]:
    """Median of some of the values, by counting instead of sorting.

    The k-th smallest value has at most k below it and more than k not above it. For up to a
    thousand values this is cheaper inside a compiled loop than a sort.

    Args:
        values: finite.
        is_in: which of them count.

    Returns:
        The median, the mean of the two middle values where their number is even; 0 where none
        counts.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.games.topologies import median_of
        >>> print(median_of(jnp.asarray([7.0, 1.0, 4.0, 9.0]), jnp.ones(4, bool)))
        5.5
    """
    count = jnp.sum(is_in, dtype=jnp.int32)
    is_below = (values[None] < values[:, None]) & is_in[None]
    is_not_above = (values[None] <= values[:, None]) & is_in[None]
    num_below = jnp.sum(is_below, axis=1, dtype=jnp.int32)
    num_not_above = jnp.sum(is_not_above, axis=1, dtype=jnp.int32)

    def ordered(place):
        is_here = is_in & (num_below <= place) & (place < num_not_above)
        return jnp.max(jnp.where(is_here, values, -jnp.inf))

    median = 0.5 * (ordered((count - 1) // 2) + ordered(count // 2))
    return jnp.where(count > 0, median, 0)


def _listened(topology, values, has_spoken):
    heard = topology.heard_by(values.shape[0]) & has_spoken[None]
    return jax.vmap(median_of, in_axes=(None, 0))(values, heard)
