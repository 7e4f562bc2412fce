"""What a firm sees of a market, and what it can work out from that."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .demand import Demand

SILENCE = -1.0
"""A message that pledges nothing."""


class MarketObservation(eqx.Module):
    """What one firm knows when it speaks or sets its price.

    A firm sees prices of all firms, its own sales, and its own cost. Demand is known to all; what
    rivals sell follows from it, what they pay for a unit nobody sees.

    Attributes:
        round: number of the round, from 0.
        agent: which firm this is.
        demand: of the market.
        cost: own, of a unit.
        last_prices: of all firms in the last round; 0 before the first.
        last_profit: own, of the last round; 0 before the first.
        prices: of all firms in the last rounds, oldest first; 0 before the first round.
        own_prices: the firm's own column of `prices`.
        own_quantities: sold in these rounds.
        own_profits: made in these rounds.
        block_means: own price, quantity and profit, means over the last full block of as many
            rounds as are seen; 0 before the first has ended.
        pledges: last price that each firm has pledged in this round, 0 without one.
        has_pledged: whether there is one.
        is_talking: whether firms talk in this round.
    """

    round: Int[Array, ""]
    agent: Int[Array, ""]
    demand: Demand
    cost: Float[Array, ""]
    last_prices: Float[Array, " agent"]
    last_profit: Float[Array, ""]
    prices: Float[Array, "window agent"]
    own_prices: Float[Array, " window"]
    own_quantities: Float[Array, " window"]
    own_profits: Float[Array, " window"]
    block_means: Float[Array, " 3"]
    pledges: Float[Array, " agent"]
    has_pledged: Bool[Array, " agent"]
    is_talking: Bool[Array, ""]

    @property
    def has_outcome(self) -> Bool[Array, ""]:
        """Whether a round has been played."""
        return self.round > 0

    @property
    def num_seen(self) -> Int[Array, ""]:
        """How many of the last rounds have been played, int32."""
        return jnp.minimum(self.round, jnp.asarray(self.prices.shape[0], jnp.int32))

    @property
    def is_block_start(self) -> Bool[Array, ""]:
        """Whether the means of a block are new: it has ended with the last round."""
        return self.has_outcome & (self.round % self.prices.shape[0] == 0)

    @property
    def last_price(self) -> Float[Array, ""]:
        """Own price of the last round; 0 before the first."""
        return self._own(self.last_prices)

    @property
    def is_rival(self) -> Bool[Array, " agent"]:
        """True for all firms but this one."""
        return jnp.arange(self.prices.shape[-1], dtype=jnp.int32) != self.agent

    def lowest_rival(self) -> Float[Array, ""]:
        """Lowest price of a rival in the last round; infinite without rivals."""
        return jnp.min(jnp.where(self.is_rival, self.last_prices, jnp.inf))

    def best_price(self, prices: Float[Array, " agent"]) -> Float[Array, ""]:
        """Own best response. See `best_response`.

        Args:
            prices: of all firms; the own one does not matter.

        Returns:
            The price, at least the own cost.
        """
        costs = jnp.broadcast_to(self.cost, prices.shape)
        return self._own(self.demand.respond(costs, prices))

    def payoffs_of(self, choices: Float[ArrayLike, " choice"]) -> Float[Array, " choice"]:
        """Profits that prices would have made in the last round, those of the rivals given.

        Args:
            choices: own prices.

        Returns:
            One profit each; 0 before the first round.
        """

        def profit(price):
            prices = jnp.where(self.is_rival, self.last_prices, price)
            return (price - self.cost) * self._own(self.demand.quantities(prices))

        profits = jax.vmap(profit)(jnp.asarray(choices, self.prices.dtype))
        return jnp.where(self.has_outcome, profits, 0)

    def _own(self, values):
        return jnp.sum(jnp.where(self.is_rival, 0, values))


def silence(observation: MarketObservation) -> Float[Array, ""]:
    """The message of a firm that pledges nothing.

    Args:
        observation: of the firm.

    Returns:
        A number that is no price.
    """
    return jnp.asarray(SILENCE, observation.prices.dtype)


def first_or(
    observation: MarketObservation, start: Float[Array, ""], price: Float[Array, ""]
) -> Float[Array, ""]:
    """A price for the first round, and another one for all later rounds.

    Args:
        observation: of the firm.
        start: for the first round.
        price: for later ones.

    Returns:
        The price, in the dtype of the market.
    """
    dtype = observation.prices.dtype
    return jnp.where(observation.has_outcome, price, jnp.asarray(start, dtype)).astype(dtype)
