"""Logit demand of any number of firms with an outside good, and its equilibria."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .. import engine
from ..engine import Status
from ..numerics import find_root
from .demand import Demand, as_number, common_dtype
from .market import MarketOutcome, outcome

_NEGLIGIBLE = -37.0  # exp of it squared is below the rounding of its value in float64


class LogitDemand(Demand):
    """Logit demand: shares of a mass 1 of buyers, some of whom buy elsewhere.

    `q_i = e^((a_i - p_i) / mu) / (sum_j e^((a_j - p_j) / mu) + e^(a_0 / mu))`, without overflow.

    Source: Calvano, Calzolari, Denicolò and Pastorello (2020), whose baseline is `quality` 2 for
    two firms, `outside` 0 and `scale` 1/4, with costs 1.

    Attributes:
        quality: `a`, one per firm; in price units.
        outside: `a_0`, quality of what is bought elsewhere.
        scale: `mu`, how different the goods are, above 0; small for close substitutes.

    Raises:
        TypeError: parameters that are not real numbers.
        ValueError: of another shape, not finite, or a `scale` that is not above 0. Parameters
            that are traced are not looked at; outcomes then have status NON_FINITE.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> demand = games.LogitDemand(jnp.asarray([2.0, 2.0]))
        >>> print(games.equilibrium(demand, jnp.ones(2)).prices.round(5))
        [1.47293 1.47293]
    """

    quality: Float[Array, " agent"]
    outside: Float[Array, ""] = eqx.field(converter=as_number, default=0.0)
    scale: Float[Array, ""] = eqx.field(converter=as_number, default=0.25)

    def __check_init__(self):
        """Checks shapes, and values where they are known."""
        self._check_shapes()
        names = ("quality", "outside", "scale")
        engine.check_finite({name: getattr(self, name) for name in names})
        if engine.is_concrete(self.scale) and not float(self.scale) > 0:
            raise ValueError(f"scale must be above 0, got {float(self.scale)}")

    @property
    def num_firms(self) -> int:
        """Number of qualities."""
        return jnp.shape(self.quality)[-1]

    def quantities(self, prices: Float[ArrayLike, " agent"]) -> Float[Array, " agent"]:
        """Shares of the firms, exact to a few roundings of the exponents."""
        self._check_shapes()
        engine.check_array("prices", prices, (self.num_firms,))
        dtype = common_dtype(self, prices)
        values, outside = self._values(jnp.asarray(prices, dtype), dtype)
        return jax.nn.softmax(jnp.append(values, outside))[:-1]

    def respond(
        self, costs: Float[Array, " agent"], prices: Float[Array, " agent"]
    ) -> Float[Array, " agent"]:
        """Best prices in closed form, to a few roundings; see `best_response`.

        Source: derived here. With `B` the sum of the exponentials of all others, the first-order
        condition `p - c = mu / (1 - q)` reads `x e^x = e^((a - c) / mu - 1) / B` in
        `x = (p - c) / mu - 1`: Lambert's function of the right side, taken by its logarithm.
        """
        dtype = common_dtype(self, costs, prices)
        values, _ = self._values(costs, dtype)
        offers = jnp.append(*self._values(prices, dtype))
        is_own = jnp.eye(self.num_firms, self.num_firms + 1, dtype=bool)
        others = logsumexp(jnp.where(is_own, -jnp.inf, offers[None]), axis=1)
        return costs + jnp.asarray(self.scale, dtype) * (1 + _wright_omega(values - 1 - others))

    def compete(self, costs: Float[Array, " agent"]) -> MarketOutcome:
        """Nash equilibrium, by a root of one variable; see `equilibrium`.

        Source: derived here. Prices enter a firm's problem only by `s`, the logarithm of the sum
        of all exponentials: its share solves `log q + 1 / (1 - q) = (a - c) / mu - s`, falls in
        `s`, and shares have to sum to one. So there is exactly one equilibrium.
        """
        dtype = common_dtype(self, costs)
        values, outside = self._values(costs, dtype)
        highest = jnp.maximum(jnp.max(values), outside)
        values, outside = values - highest, outside - highest
        # q <= e^(v - s - 1) bounds s from above; 1 more, for rounding.
        upper = logsumexp(jnp.append(values - 1, outside)) + 1
        root = find_root(_excess_share, outside, upper, (values, outside))
        scale = jnp.asarray(self.scale, dtype)
        prices = costs + scale * (1 + _odds(values - root.value - 1))
        return outcome(prices, self.quantities(prices), costs, self._status(root.status))

    def collude(self, costs: Float[Array, " agent"]) -> MarketOutcome:
        """Joint maximum of profits in closed form, to a few roundings; see `cartel`.

        Source: derived here. All firms have one markup, that of a single firm whose exponential
        is the sum of theirs.
        """
        dtype = common_dtype(self, costs)
        values, outside = self._values(costs, dtype)
        markup = 1 + _wright_omega(logsumexp(values) - outside - 1)
        prices = costs + jnp.asarray(self.scale, dtype) * markup
        return outcome(prices, self.quantities(prices), costs, self._status(int(Status.OK)))

    def _check_shapes(self):
        engine.check_array("quality", self.quality, ("agent",))
        if not self.num_firms:
            raise ValueError("quality must hold at least one firm, got shape (0,)")
        engine.check_array("outside", self.outside, ())
        engine.check_array("scale", self.scale, ())

    def _values(self, prices, dtype):
        """Exponents of the firms at given prices, and of the outside good."""
        quality, outside, scale = (
            jnp.asarray(x, dtype) for x in (self.quality, self.outside, self.scale)
        )
        return (quality - prices) / scale, outside / scale

    def _status(self, status):
        return jnp.where(self.scale > 0, status, int(Status.NON_FINITE))


def _excess_share(log_sum, offers):
    """Sum of all shares less one, where firms best respond to `log_sum`."""
    values, outside = offers
    odds = _odds(values - log_sum - 1)
    return jnp.sum(odds / (1 + odds)) + jnp.expm1(outside - log_sum)


@jax.custom_jvp
def _odds(x: Float[Array, " agent"]) -> Float[Array, " agent"]:
    """The solution `t > 0` of `t + log(t / (1 + t)) = x`, to a few roundings.

    Newton's method on a concave increasing function from the left of its root, so that it rises
    to it: `log(t / (1 + t)) < 0`, and `t - log(1 + t) <= t^2 / 2`.
    """
    inner = jnp.maximum(x, _NEGLIGIBLE)
    below = jnp.minimum(inner, 0)
    start = jnp.exp(below - 0.5 * jnp.exp(2 * below))
    odds = jnp.where(inner > 0, jnp.maximum(inner, start), start)
    for _ in range(6):
        residual = odds + jnp.log(odds) - jnp.log1p(odds) - inner
        odds = odds - residual / (1 + 1 / (odds * (1 + odds)))
    return jnp.where(x < _NEGLIGIBLE, jnp.exp(x), odds)


@_odds.defjvp
def _odds_derivative(primals, tangents):
    odds = _odds(*primals)
    product = odds * (1 + odds)
    return odds, product / (1 + product) * tangents[0]


@jax.custom_jvp
def _wright_omega(x: Float[Array, " *shape"]) -> Float[Array, " *shape"]:
    """The solution `w > 0` of `w + log w = x`, Lambert's W of `e^x`, to a few roundings.

    Source: the iteration of fourth order of Fritsch, Shafer and Crowley (1973).
    """
    inner = jnp.maximum(x, _NEGLIGIBLE)
    power = jnp.exp(jnp.minimum(inner, 1))
    large = jnp.maximum(inner, 1)
    omega = jnp.where(inner > 1, large - jnp.log(large), power / (1 + power))
    for _ in range(3):
        residual = inner - omega - jnp.log(omega)
        slope = 1 + omega
        product = slope * (slope + 2 / 3 * residual)
        change = residual / slope * (product - 0.5 * residual) / (product - residual)
        omega = omega * (1 + change)
    return jnp.where(x < _NEGLIGIBLE, jnp.exp(x), omega)


@_wright_omega.defjvp
def _wright_omega_derivative(primals, tangents):
    omega = _wright_omega(*primals)
    return omega, omega / (1 + omega) * tangents[0]
