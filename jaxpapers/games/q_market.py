"""The market of Q-learning firms: demand, costs, numbers of the learning rule, grid of prices."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from .. import engine
from ..engine import Status
from .demand import Demand
from .logit_demand import LogitDemand
from .solve import cartel, equilibrium

LARGEST_INDEX = 2**31 - 1
"""What an int32 can number."""


def _as_numbers(value: Any) -> Any:
    """Gives numbers and NumPy arrays JAX's default float dtype, and leaves others as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple | np.ndarray):
        return value
    return jnp.asarray(value, jnp.result_type(float))


class PriceGrid(eqx.Module):
    """Prices that firms choose from, and what every combination of them pays.

    Attributes:
        prices: of each firm, equally spaced, ascending.
        payoffs: profits in each state. The state is the combination of price indices
            `(a_0, ..., a_{n-1})` played last, numbered `sum_i a_i m^(n-1-i)`.
        competitive: profits at the one-shot equilibrium.
        collusive: profits at the joint maximum.
        status: OK, or why one of the two was not found.
    """

    prices: Float[Array, "agent price"]
    payoffs: Float[Array, "agent state"]
    competitive: Float[Array, " agent"]
    collusive: Float[Array, " agent"]
    status: Int[Array, ""]

    @property
    def num_agents(self) -> int:
        """Number of firms."""
        return self.prices.shape[0]

    @property
    def num_prices(self) -> int:
        """Number of prices of each firm."""
        return self.prices.shape[1]

    @property
    def num_states(self) -> int:
        """Number of combinations of prices."""
        return self.num_prices**self.num_agents


class QLearningMarket(eqx.Module):
    """Firms that learn prices by Q-learning, each by what the prices of the last period were.

    Every period each firm plays, with probability `exp(-decay t)`, one of all its prices at random,
    else the best of its table; see `learn` for what it learns. Source: Calvano, Calzolari,
    Denicolo, Pastorello (2020), whose baseline the defaults are.

    `learning_rate`, `discount` and `decay` may be arrays with one number per session: a map over
    them is one call of `q_learning_sessions`, each cell of it a slice of sessions.

    Attributes:
        demand: of the products; it says how many firms there are.
        costs: of a unit, by firm.
        discount: factor per period, in [0, 1).
        learning_rate: alpha, in (0, 1].
        decay: beta, above 0, per period; exploration has died out after a few times `1 / beta`.
        margin: how far prices go beyond the competitive and the collusive one, as a share of their
            distance; at least 0.
        num_prices: of each firm, equally spaced, both ends included; static.

    Raises:
        TypeError: numbers of another kind.
        ValueError: numbers out of range, costs that do not fit the demand, or more states than
            int32 can number.

    Example:
        >>> import jax
        >>> from jaxpapers import games
        >>> market = games.QLearningMarket(decay=1e-3)
        >>> print(games.price_grid(market).prices[0, :3])
        [1.4277213 1.4664686 1.505216 ]
    """

    demand: Demand = eqx.field(default_factory=lambda: LogitDemand(quality=jnp.full(2, 2.0)))
    costs: Float[Array, " agent"] = eqx.field(
        converter=_as_numbers, default_factory=lambda: np.ones(2)
    )
    discount: Float[Array, "*session"] = eqx.field(converter=_as_numbers, default=0.95)
    learning_rate: Float[Array, "*session"] = eqx.field(converter=_as_numbers, default=0.15)
    decay: Float[Array, "*session"] = eqx.field(converter=_as_numbers, default=4e-6)
    margin: Float[Array, ""] = eqx.field(converter=_as_numbers, default=0.1)
    num_prices: int = eqx.field(static=True, default=15)

    def __check_init__(self):
        """Checks sizes and numbers."""
        if not isinstance(self.demand, Demand):
            raise TypeError(f"demand must be a Demand, got {type(self.demand).__name__}.")
        engine.check_count("num_prices", self.num_prices, 2)
        num_agents = self.demand.num_firms
        engine.check_array("costs", self.costs, (num_agents,))
        if self.num_prices**num_agents * (self.num_prices + 1) > LARGEST_INDEX:
            raise ValueError(
                f"{num_agents} firms of {self.num_prices} prices have more states than int32 can "
                "number; use fewer prices or firms."
            )
        engine.check_finite({"costs": self.costs})
        _check_range("discount", self.discount, "in [0, 1)", lambda x: (x >= 0) & (x < 1))
        _check_range("learning_rate", self.learning_rate, "in (0, 1]", lambda x: (x > 0) & (x <= 1))
        _check_range("decay", self.decay, "finite and above 0", lambda x: (x > 0) & (x < np.inf))
        engine.check_array("margin", self.margin, ())
        _check_range("margin", self.margin, "finite and at least 0", lambda x: (x >= 0) & (x < 1e9))


def price_grid(market: QLearningMarket) -> PriceGrid:
    """Prices that firms choose from, and the profits that every combination of them pays.

    `m` prices from `p^N - xi (p^M - p^N)` to `p^M + xi (p^M - p^N)`, with the competitive price p^N
    and the collusive one p^M of each firm. Source: Calvano et al. (2020), section II.A.

    Args:
        market: demand, costs, and number of prices.

    Returns:
        The grid, with a status. In float32 prices and profits are right to about 1e-6.
    """
    return _price_grid(market.demand, market.costs, market.margin, market.num_prices)


@eqx.filter_jit
def _price_grid(demand, costs, margin, num_prices):
    competitive, collusive = equilibrium(demand, costs), cartel(demand, costs)
    low, high = competitive.prices, collusive.prices
    extra = margin.astype(low.dtype) * (high - low)
    prices = jnp.linspace(low - extra, high + extra, num_prices, axis=-1)
    num_agents = prices.shape[0]
    states = jnp.arange(num_prices**num_agents, dtype=jnp.int32)
    actions = actions_of(states, num_agents, num_prices)
    played = jnp.stack([prices[i, actions[i]] for i in range(num_agents)], axis=-1)
    payoffs = jax.vmap(lambda row: demand.profits(row, costs))(played).T
    failed = jnp.where(_is_fine(competitive.status), collusive.status, competitive.status)
    status = jnp.where(_is_fine(failed), Status.OK, failed).astype(jnp.int32)
    return PriceGrid(prices, payoffs, competitive.profits, collusive.profits, status)


def actions_of(
    states: Int[ArrayLike, "..."], num_agents: int, num_prices: int
) -> Int[Array, "agent ..."]:
    """Price index of every firm in given states.

    Args:
        states: their numbers.
        num_agents: number of firms.
        num_prices: number of prices of each.

    Returns:
        int32, one row per firm.
    """
    states = jnp.asarray(states, jnp.int32)
    weights = [num_prices ** (num_agents - 1 - i) for i in range(num_agents)]
    return jnp.stack([(states // weight) % num_prices for weight in weights])


def state_of(actions: Sequence[Array], num_prices: int) -> Int[Array, ""]:
    """Number of the state in which firms have played given prices.

    Args:
        actions: price index of each firm.
        num_prices: number of prices of each firm.

    Returns:
        `sum_i a_i m^(n-1-i)`, int32.
    """
    state = jnp.zeros((), jnp.int32)
    for action in actions:
        state = state * num_prices + action.astype(jnp.int32)
    return state


def _is_fine(status):
    return (status == Status.OK) | (status == Status.CONVERGED)


def _check_range(name, value, description, is_allowed):
    """Checks a number, or one per session; traced ones pass."""
    if np.ndim(value) > 1:
        raise ValueError(f"{name} must be one number or one per session, got {np.shape(value)}.")
    engine.check_array(name, value, (None,) * np.ndim(value))
    if engine.is_concrete(value) and not np.all(is_allowed(np.asarray(value))):
        raise ValueError(f"{name} must be {description}, got {np.asarray(value)}.")
