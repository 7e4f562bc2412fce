"""What winners are paid."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from .demand import as_number, common_dtype


class Reward(eqx.Module):
    """A rule that pays winners by how many there are; the others get nothing."""

    prize: eqx.AbstractVar[Float[Array, ""]]

    def __check_init__(self):
        """Checks the prize."""
        engine.check_array("prize", self.prize, ())
        engine.check_finite({"prize": self.prize})

    @abc.abstractmethod
    def each(self, num_winners: Int[Array, "..."]) -> Float[Array, "..."]:
        """What one winner gets.

        Args:
            num_winners: how many there are, itself included; at least 1.

        Returns:
            The payoff.
        """

    def payoffs(self, is_winner: Bool[Array, " agent"]) -> Float[Array, " agent"]:
        """What each agent gets.

        Args:
            is_winner: who wins.

        Returns:
            Payoffs, 0 for all where nobody wins.
        """
        num_winners = jnp.sum(is_winner, dtype=jnp.int32)
        each = self.each(jnp.maximum(num_winners, 1))
        return jnp.where(is_winner, each, 0)


class Independent(Reward):
    """Every winner gets the prize, whoever else wins.

    Every profile in which all choose the same is an equilibrium. Source: Wu et al. (2024).

    Attributes:
        prize: of one winner, finite.

    Raises:
        TypeError: a prize that is not a real scalar.
        ValueError: one that is not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> print(games.Independent().payoffs(jnp.asarray([True, True, False])))
        [100. 100.   0.]
    """

    prize: Float[Array, ""] = eqx.field(converter=as_number, default=100.0)

    def each(self, num_winners):
        """The prize."""
        return jnp.broadcast_to(_prize(self), jnp.shape(num_winners))


class Amplified(Reward):
    """Every winner gets the prize times the number of winners. Source: Wu et al. (2024).

    Attributes:
        prize: of a single winner, finite.

    Raises:
        TypeError: a prize that is not a real scalar.
        ValueError: one that is not finite.
    """

    prize: Float[Array, ""] = eqx.field(converter=as_number, default=100.0)

    def each(self, num_winners):
        """The prize times the number of winners."""
        prize = _prize(self)
        return prize * num_winners.astype(prize.dtype)


class Exclusive(Reward):
    """A single winner gets the prize; of several none gets anything. Source: Wu et al. (2024).

    Attributes:
        prize: of a single winner, finite.

    Raises:
        TypeError: a prize that is not a real scalar.
        ValueError: one that is not finite.
    """

    prize: Float[Array, ""] = eqx.field(converter=as_number, default=100.0)

    def each(self, num_winners):
        """The prize, or nothing where there are several."""
        return jnp.where(num_winners == 1, _prize(self), 0)


class Split(Reward):
    """Winners share the prize equally. Source: Nagel (1995).

    With whole numbers and two thirds of the mean as the target all-0 is an equilibrium, and from
    four agents on all-1 too, strictly from five on.

    Attributes:
        prize: to be shared, finite.

    Raises:
        TypeError: a prize that is not a real scalar.
        ValueError: one that is not finite.
    """

    prize: Float[Array, ""] = eqx.field(converter=as_number, default=100.0)

    def each(self, num_winners):
        """The prize divided by the number of winners."""
        prize = _prize(self)
        return prize / num_winners.astype(prize.dtype)


def _prize(reward):
    return jnp.asarray(reward.prize, common_dtype(reward.prize))
