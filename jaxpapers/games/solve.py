"""Benchmarks of a market: best responses, competition, cartel."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .. import engine
from .demand import Demand, common_dtype
from .market import MarketOutcome
from .model import check_kind


def best_response(
    demand: Demand, costs: Float[ArrayLike, " agent"], prices: Float[ArrayLike, " agent"]
) -> Float[Array, " agent"]:
    """Each firm's best price, the prices of the others given.

    A firm that cannot sell above its cost charges its cost. In a homogeneous market the best
    answer to a price between a firm's cost and its monopoly price is to be just below, which has
    no best value: that price itself is returned, the limit of undercutting.

    Source: derived here, in closed form for each demand; see `respond` of the demand.

    Args:
        demand: of the market.
        costs: of a unit, finite and at least 0.
        prices: finite; a firm's own price does not matter.

    Returns:
        Best prices. Accurate to about 1e-15 of the scale of prices in float64 and 5e-7 in
        float32; a price that just shuts out a rival to that divided by `cross_slope / own_slope`.
        Differentiable in everything, one-sided where a firm is about to leave the market.

    Raises:
        TypeError: not a demand, or arrays of the wrong kind.
        ValueError: not one price and cost per firm, or numbers out of range.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> costs, prices = jnp.asarray([2.0, 2.0]), jnp.asarray([6.0, 10.0])
        >>> print(games.best_response(games.LinearDemand(), costs, prices))
        [7. 6.]
    """
    costs = _checked_costs(demand, costs)
    engine.check_array("prices", prices, (demand.num_firms,))
    engine.check_finite({"prices": prices})
    dtype = common_dtype(demand, costs, prices)
    return _respond(demand, jnp.asarray(costs, dtype), jnp.asarray(prices, dtype))


def equilibrium(demand: Demand, costs: Float[ArrayLike, " agent"]) -> MarketOutcome:
    """Nash equilibrium of one round of price competition.

    In a homogeneous market with unequal costs it is the limit of undercutting: the firm of lower
    cost serves everybody at the other's cost, or at its monopoly price where that is lower.

    Source: derived here. Linear demand in closed form with corners, logit demand by a root of one
    variable; either has at most one equilibrium (up to prices of firms that do not sell).

    Args:
        demand: of the market.
        costs: of a unit, finite and at least 0.

    Returns:
        Prices, quantities, profits, status. Prices are accurate to about 1e-15 of their scale in
        float64 and 5e-7 in float32, one that just shuts out a rival to that divided by
        `cross_slope / own_slope`; quantities of linear demand to that of `intercept / own_slope`,
        divided by `1 - abs(cross_slope) / own_slope`. Differentiable in the demand and the costs,
        any number of times; one-sided where a firm is about to leave the market.

    Raises:
        TypeError: not a demand, or costs of the wrong kind.
        ValueError: not one cost per firm, or a cost below 0 or not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> demand = games.LinearDemand(intercept=10.0, own_slope=0.01, cross_slope=0.009)
        >>> found = games.equilibrium(demand, jnp.asarray([1.0, 9.5]))
        >>> print(found.prices, found.quantities.round(2))
        [5.5 9.5] [450.   0.]
    """
    return _compete(demand, _checked_costs(demand, costs))


def cartel(demand: Demand, costs: Float[ArrayLike, " agent"]) -> MarketOutcome:
    """Prices that maximise the sum of the firms' profits.

    Source: derived here, in closed form for each demand; see `collude` of the demand.

    Args:
        demand: of the market.
        costs: of a unit, finite and at least 0.

    Returns:
        Prices, quantities, profits, status; as accurate and differentiable as `equilibrium`.

    Raises:
        TypeError: not a demand, or costs of the wrong kind.
        ValueError: not one cost per firm, or a cost below 0 or not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> demand = games.LogitDemand(jnp.full(2, 2.0), outside=0.0, scale=0.25)
        >>> print(games.cartel(demand, jnp.ones(2)).prices.round(3))
        [1.925 1.925]
    """
    return _collude(demand, _checked_costs(demand, costs))


@jax.jit
def _respond(demand, costs, prices):
    return demand.respond(costs, prices)


@jax.jit
def _compete(demand, costs):
    return demand.compete(costs)


@jax.jit
def _collude(demand, costs):
    return demand.collude(costs)


def _checked_costs(demand: Any, costs: Any) -> Float[Array, " agent"]:
    check_kind("demand", demand, Demand)
    engine.check_array("costs", costs, (demand.num_firms,))
    engine.check_finite({"costs": costs})
    if engine.is_concrete(costs) and np.min(np.asarray(costs)) < 0:
        raise ValueError(f"costs must be at least 0, got {float(np.min(np.asarray(costs)))}")
    return jnp.asarray(costs, common_dtype(demand, costs))
