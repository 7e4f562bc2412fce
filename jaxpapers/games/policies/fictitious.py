"""Fictitious play: the best response to what rivals did on average."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..demand import as_number
from ..market_views import MarketObservation, first_or
from ..parameters import check_within
from .silent import Silent


class FictitiousPlay(Silent):
    """Sets the best price against the mean of all past prices of each rival; says nothing.

    Source: Brown (1951). With linear demand and no firm driven out this is the best price against
    the frequencies of past prices, which is what fictitious play means; with other demands it is
    the best price against their mean only.

    Attributes:
        start: price of the first round.

    Raises:
        TypeError: a `start` that is no real scalar.
        ValueError: it is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import FictitiousPlay
        >>> print(FictitiousPlay(8.0).start)
        8.0
    """

    start: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        check_within("start", self.start, 0)

    def init(self, key: PRNGKeyArray, observation: MarketObservation) -> Float[Array, " agent"]:
        """Mean prices of no rounds, 0."""
        del key
        return jnp.zeros_like(observation.last_prices)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: Float[Array, " agent"]
    ) -> tuple[Float[Array, ""], Float[Array, " agent"]]:
        """The best response, and the mean prices with those of the last round."""
        del key
        count = jnp.maximum(observation.round, 1).astype(memory.dtype)
        means = memory + (observation.last_prices - memory) / count
        return first_or(observation, self.start, observation.best_price(means)), means
