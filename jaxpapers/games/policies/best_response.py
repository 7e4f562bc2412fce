"""The best response to what rivals did last."""

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from ..demand import as_number
from ..market_views import MarketObservation, first_or
from ..parameters import check_within
from .silent import Memoryless


class BestReply(Memoryless):
    """Sets the price that would have been best in the last round; says nothing.

    Source: Cournot (1838), best-reply dynamics. They lead to the equilibrium of one round wherever
    the slopes of best responses add up to less than 1, as with both demands here (1/4 with the
    default linear one).

    Attributes:
        start: price of the first round.

    Raises:
        TypeError: a `start` that is no real scalar.
        ValueError: it is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import BestReply
        >>> print(BestReply(8.0).start)
        8.0
    """

    start: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        check_within("start", self.start, 0)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: tuple[()]
    ) -> tuple[Float[Array, ""], tuple[()]]:
        """The best response."""
        del key
        best = observation.best_price(observation.last_prices)
        return first_or(observation, self.start, best), memory
