"""Singh-Vives demand of two firms, with corners, and its equilibria in closed form."""

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from .. import engine
from ..engine import Status
from .demand import Demand, as_number, common_dtype
from .market import MarketOutcome, outcome

_NAMES = ("intercept", "own_slope", "cross_slope")


class LinearDemand(Demand):
    """Linear demand of two firms whose goods are substitutes or complements.

    Inverse demand is `p_i = a - beta q_i - d q_j`. Where the straight lines would give a negative
    quantity, the firm with the lower price sells alone, `max(0, (a - p_i) / beta)`: the maximiser
    over `q >= 0` of `a (q_1 + q_2) - beta (q_1^2 + q_2^2) / 2 - d q_1 q_2 - p q`. In a homogeneous
    market, `d = beta`, the lower price serves everybody and equal prices share by halves.

    Source: Singh and Vives (1984), with the numbers of Wu et al. (2024); corners derived here.

    Attributes:
        intercept: `a`, the price at which nobody buys from a single firm.
        own_slope: `beta`, fall of a firm's price with its own quantity; above 0.
        cross_slope: `d`, fall with the other's quantity; in (-beta, beta], above 0 for
            substitutes.

    Raises:
        TypeError: a parameter that is not a real scalar.
        ValueError: a parameter out of range. Parameters that are traced are not looked at; where
            they are out of range quantities mean nothing, and outcomes have status NON_FINITE.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> print(games.LinearDemand().quantities(jnp.asarray([14.0, 2.0])))
        [   0. 1800.]
    """

    intercept: Float[Array, ""] = eqx.field(converter=as_number, default=14.0)
    own_slope: Float[Array, ""] = eqx.field(converter=as_number, default=1 / 150)
    cross_slope: Float[Array, ""] = eqx.field(converter=as_number, default=1 / 300)

    def __check_init__(self):
        """Checks shapes, and values where they are known."""
        _check_scalars(self)
        engine.check_finite({name: getattr(self, name) for name in _NAMES})
        own, cross = self.own_slope, self.cross_slope
        if engine.is_concrete(own) and not float(own) > 0:
            raise ValueError(f"own_slope must be above 0, got {float(own)}")
        if engine.is_concrete(own, cross) and not -float(own) < float(cross) <= float(own):
            raise ValueError(
                f"cross_slope must be above -own_slope and at most own_slope, got {float(cross)} "
                f"with own_slope {float(own)}"
            )

    @property
    def num_firms(self) -> int:
        """Two."""
        return 2

    def quantities(self, prices: Float[ArrayLike, " agent"]) -> Float[Array, " agent"]:
        """What each firm sells: exact at corners, to a few roundings of its terms elsewhere."""
        engine.check_array("prices", prices, (2,))
        lines = _Lines.of(self, prices)
        prices = jnp.asarray(prices, lines.intercept.dtype)
        return lines.sold(prices, prices[::-1])

    def respond(
        self, costs: Float[Array, " agent"], prices: Float[Array, " agent"]
    ) -> Float[Array, " agent"]:
        """Best prices, exact to a few roundings, corners included; see `best_response`.

        With substitutes profit has one peak: alone, where both sell, or at the highest price that
        shuts the rival. With complements it has up to two, and the higher one is taken.
        """
        lines = _Lines.of(self, costs, prices)
        rival = prices[::-1]
        alone, shared = lines.alone(costs), 0.5 * (lines.choke(rival) + costs)
        limit = lines.limit(rival)
        is_alone = (rival >= lines.intercept) | (alone <= limit)
        substitutes = jnp.where(is_alone, alone, jnp.maximum(shared, limit))
        gain = lines.profit(alone, rival, costs) - lines.profit(shared, rival, costs)
        complements = jnp.where((gain > 0) & lines.is_shut(alone, rival), alone, shared)
        best = jnp.where(lines.cross > 0, substitutes, complements)
        return jnp.maximum(best, costs)

    def compete(self, costs: Float[Array, " agent"]) -> MarketOutcome:
        """Nash equilibrium in closed form, to a few roundings; see `equilibrium`.

        Both firms sell, or the one with the higher cost charges it and sells nothing. With
        complements a firm may prefer to drop a rival whose cost is above the intercept; there are
        costs for which no pair of prices is an equilibrium then, status NO_EQUILIBRIUM.
        """
        lines = _Lines.of(self, costs)
        margins = lines.margins(costs)
        shared = costs + margins
        alone, rival = lines.alone(costs), shared[::-1]
        gain = lines.profit(alone, rival, costs) - lines.profit(shared, rival, costs)
        is_left = (lines.cross < 0) & (gain > 0) & lines.is_shut(alone, rival)
        is_shared = jnp.all(margins >= 0) & ~jnp.any(is_left)
        is_dear = (costs > costs[::-1]) | ((costs == costs[::-1]) & jnp.asarray([False, True]))
        corner = jnp.where(is_dear, costs, self.respond(costs, costs))
        prices = jnp.where(is_shared, shared, corner)
        sold = lines.sold(prices, prices[::-1])
        # Substitutes shut the dear firm up to rounding, and at a tie of prices that the firm of
        # lower cost would undercut.
        served = jnp.where(is_dear, 0, lines.sold_alone(prices))
        quantities = jnp.where(is_shared | (lines.cross <= 0), sold, served)
        is_found = is_shared | ~jnp.any(is_dear & (quantities > 0))
        return outcome(prices, quantities, costs, lines.status(is_found))

    def collude(self, costs: Float[Array, " agent"]) -> MarketOutcome:
        """Joint maximum of profits, `(a + c_i) / 2`, exact to a few roundings; see `cartel`.

        In quantities the problem is the one that defines demand, with `a - c_i` halved: the
        prices are right at corners too.
        """
        lines = _Lines.of(self, costs)
        prices = lines.alone(costs)
        return outcome(prices, lines.sold(prices, prices[::-1]), costs, lines.status(True))


class _Lines(eqx.Module):
    """The demand system in one dtype; `own` and `rival` are prices, element by element."""

    intercept: Float[Array, ""]
    own: Float[Array, ""]
    cross: Float[Array, ""]

    @staticmethod
    def of(demand, *prices):
        _check_scalars(demand)
        numbers = demand.intercept, demand.own_slope, demand.cross_slope
        dtype = common_dtype(numbers, prices)
        return _Lines(*(jnp.asarray(number, dtype) for number in numbers))

    def status(self, is_found):
        numbers = jnp.stack([self.intercept, self.own, self.cross])
        is_valid = jnp.all(jnp.isfinite(numbers)) & (self.own > 0)
        is_valid &= (self.cross <= self.own) & (self.cross > -self.own)
        found = jnp.where(is_found, int(Status.OK), int(Status.NO_EQUILIBRIUM))
        return jnp.where(is_valid, found, int(Status.NON_FINITE))

    def is_homogeneous(self):
        return self.cross == self.own

    def alone(self, costs):
        """Price of a monopolist."""
        return 0.5 * (self.intercept + costs)

    def choke(self, rival):
        """Price from which a firm sells nothing while its rival sells."""
        return self.intercept - self.cross / self.own * (self.intercept - rival)

    def limit(self, rival):
        """Price at which the rival begins to sell (substitutes) or no longer does (complements)."""
        cross = jnp.where(self.cross == 0, 1, self.cross)
        return self.intercept - self.own / cross * (self.intercept - rival)

    def margins(self, costs):
        """Prices less costs where both first-order conditions hold on the straight lines.

        Written in differences that do not cancel: equal firms of a homogeneous market get 0.
        """
        ratio = self.cross / self.own
        distance = (self.own - self.cross) / self.own
        level = distance * (2 + ratio) * (self.intercept - costs)
        return (level + ratio * (costs[::-1] - costs)) / (4 - ratio**2)

    def both(self, own, rival):
        """Quantity on the straight lines."""
        gap = jnp.where(self.is_homogeneous(), 1, self.own - self.cross)
        relative = self.cross * (rival - own) / gap
        return ((self.intercept - own) + relative) / (self.own + self.cross)

    def sold_alone(self, own):
        return jnp.maximum(self.intercept - own, 0) / self.own

    def is_shut(self, own, rival) -> Bool[Array, "..."]:
        """True where the rival sells nothing."""
        return self.sold(rival, own) <= 0

    def sold(self, own, rival):
        both, other = self.both(own, rival), self.both(rival, own)
        alone = self.sold_alone(own)
        corner = jnp.where(own < rival, alone, 0)
        tied = jnp.where(own == rival, 0.5 * alone, corner)
        split = jnp.where((both >= 0) & (other >= 0), both, corner)
        return jnp.where(self.is_homogeneous(), tied, split)

    def profit(self, own, rival, costs):
        return (own - costs) * self.sold(own, rival)


def _check_scalars(demand):
    for name in _NAMES:
        engine.check_array(name, getattr(demand, name), ())
