"""Imitation of the firm that earned most."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..demand import as_number
from ..market_views import MarketObservation, first_or
from ..parameters import check_within
from .silent import Memoryless


class Imitate(Memoryless):
    """Sets the price of the firm that earned most in the last round; says nothing.

    Source: imitate-the-best of Vega-Redondo (1997). What rivals paid for a unit is not seen:
    profits are reckoned at the imitator's own cost, right where costs are equal (derived here).
    On a tie the firm of lowest index is followed.

    Attributes:
        start: price of the first round.
        noise: standard deviation of a normal error of every price after the first, at least 0;
            prices are cut at 0.

    Raises:
        TypeError: parameters that are no real scalars.
        ValueError: one is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import Imitate
        >>> print(Imitate(8.0, noise=0.1).noise)
        0.1
    """

    start: Float[Array, ""] = eqx.field(converter=as_number)
    noise: Float[Array, ""] = eqx.field(converter=as_number, default=0.0)

    def __check_init__(self):
        check_within("start", self.start, 0)
        check_within("noise", self.noise, 0)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: tuple[()]
    ) -> tuple[Float[Array, ""], tuple[()]]:
        """The copied price."""
        prices = observation.last_prices
        profits = (prices - observation.cost) * observation.demand.quantities(prices)
        error = self.noise * jax.random.normal(key, (), prices.dtype)
        copied = jnp.maximum(prices[jnp.argmax(profits)] + error, 0)
        return first_or(observation, self.start, copied), memory
