"""What comes back from a market, and where it lies between competition and cartel."""

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from .. import engine
from ..engine import Status


class MarketOutcome(eqx.Module):
    """Prices that solve a market, and what each firm sells and earns at them.

    Where the status is a failure the numbers are no solution; those that cannot be given are 0.

    Attributes:
        prices: one per firm, in price units.
        quantities: what each firm sells. At a tie of prices they may differ from those of the
            demand: in a homogeneous market the firm of lower cost serves all of it.
        profits: `(price - cost) * quantity`.
        status: int32. OK for a closed form; CONVERGED, or a failure of `numerics.find_root`, for
            an iterated one; NO_EQUILIBRIUM where there is no equilibrium in pure strategies;
            NON_FINITE where the demand is not valid or a cost is not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import engine, games
        >>> found = games.equilibrium(games.LinearDemand(), jnp.asarray([2.0, 2.0]))
        >>> print(found.prices, found.profits, engine.Status(int(found.status)).name)
        [6. 6.] [3200. 3200.] OK
    """

    prices: Float[Array, " agent"]
    quantities: Float[Array, " agent"]
    profits: Float[Array, " agent"]
    status: Int[Array, ""]


def outcome(
    prices: Float[Array, " agent"],
    quantities: Float[Array, " agent"],
    costs: Float[Array, " agent"],
    status: ArrayLike,
) -> MarketOutcome:
    """Adds profits, and marks numbers that are not finite.

    Args:
        prices: one per firm.
        quantities: what each firm sells.
        costs: of a unit, one per firm.
        status: a `Status` of how the prices were found.

    Returns:
        The outcome; numbers that are not finite are 0 and its status is NON_FINITE, unless the
        status given is a failure already.
    """
    profits = (prices - costs) * quantities
    is_finite = jnp.all(jnp.isfinite(jnp.stack([costs, prices, quantities, profits])))
    status = jnp.asarray(status, jnp.int32)
    is_fine = (status == Status.OK) | (status == Status.CONVERGED)
    status = jnp.where(is_fine & ~is_finite, jnp.asarray(Status.NON_FINITE, jnp.int32), status)
    prices, quantities, profits = (
        jnp.where(jnp.isfinite(x), x, 0) for x in (prices, quantities, profits)
    )
    return MarketOutcome(prices, quantities, profits, status)


def collusion_index(
    profits: Float[ArrayLike, "*batch agent"],
    competitive: Float[ArrayLike, " agent"],
    collusive: Float[ArrayLike, " agent"],
) -> Float[Array, "*batch"]:
    """Average profit gain, 0 at the competitive profits and 1 at those of the cartel.

    Source: Calvano, Calzolari, Denicolò and Pastorello (2020), the profit gain
    `Delta = (mean profit - mean competitive) / (mean collusive - mean competitive)`; with unequal
    firms all three are means over firms.

    Args:
        profits: of the firms; leading axes are free.
        competitive: profits of `equilibrium`.
        collusive: profits of `cartel`.

    Returns:
        The index, below 0 or above 1 where profits lie outside; 0 where the two benchmarks are
        equal, so that there is nothing to gain. Accurate to a few roundings of the means, divided
        by their difference.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> nash, cartel = jnp.asarray([3200.0, 3200.0]), jnp.asarray([3600.0, 3600.0])
        >>> print(games.collusion_index(jnp.asarray([3600.0, 3400.0]), nash, cartel))
        0.75
    """
    return _index("profits", profits, competitive, collusive)


def price_index(
    prices: Float[ArrayLike, "*batch agent"],
    competitive: Float[ArrayLike, " agent"],
    collusive: Float[ArrayLike, " agent"],
) -> Float[Array, "*batch"]:
    """Average price on the scale where the competitive prices are 0 and those of the cartel 1.

    Source: derived here, as `collusion_index` with prices for profits.

    Args:
        prices: of the firms; leading axes are free.
        competitive: prices of `equilibrium`.
        collusive: prices of `cartel`.

    Returns:
        The index, as in `collusion_index`.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> nash, cartel = jnp.asarray([6.0, 6.0]), jnp.asarray([8.0, 8.0])
        >>> print(games.price_index(jnp.asarray([7.0, 6.5]), nash, cartel))
        0.375
    """
    return _index("prices", prices, competitive, collusive)


def _index(name, values, competitive, collusive):
    engine.check_shapes(
        {
            name: (values, (*[None] * (jnp.ndim(values) - 1), "agent")),
            "competitive": (competitive, ("agent",)),
            "collusive": (collusive, ("agent",)),
        },
        "real",
    )
    dtype = jnp.result_type(values, competitive, collusive, float)
    means = [jnp.mean(jnp.asarray(x, dtype), axis=-1) for x in (values, competitive, collusive)]
    gap = means[2] - means[1]
    has_gap = gap != 0
    return jnp.where(has_gap, (means[0] - means[1]) / jnp.where(has_gap, gap, 1), 0)
