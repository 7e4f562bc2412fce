"""Demand: what firms sell at given prices, and the prices that follow from it."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float

from .. import engine
from .market import MarketOutcome


class Demand(eqx.Module):
    """Demand of a market where firms set prices.

    All methods take one market; `jax.vmap` takes several, over prices, costs or parameters.
    `respond`, `compete` and `collude` are the kernels of `best_response`, `equilibrium` and
    `cartel`, which check their arguments first.
    """

    @property
    @abc.abstractmethod
    def num_firms(self) -> int:
        """Number of firms, static."""

    @abc.abstractmethod
    def quantities(self, prices: Float[ArrayLike, " agent"]) -> Float[Array, " agent"]:
        """What each firm sells.

        Args:
            prices: finite, one per firm.

        Returns:
            Quantities, at least 0.

        Raises:
            TypeError: prices that are no numbers.
            ValueError: not one price per firm.
        """

    @abc.abstractmethod
    def respond(
        self, costs: Float[Array, " agent"], prices: Float[Array, " agent"]
    ) -> Float[Array, " agent"]:
        """Each firm's best price, the prices of the others given.

        Args:
            costs: of a unit, in one dtype with `prices`.
            prices: of all firms.

        Returns:
            Best prices.
        """

    @abc.abstractmethod
    def compete(self, costs: Float[Array, " agent"]) -> MarketOutcome:
        """Prices that are best responses to each other.

        Args:
            costs: of a unit.

        Returns:
            The outcome.
        """

    @abc.abstractmethod
    def collude(self, costs: Float[Array, " agent"]) -> MarketOutcome:
        """Prices that maximise the sum of profits.

        Args:
            costs: of a unit.

        Returns:
            The outcome.
        """

    def profits(
        self, prices: Float[ArrayLike, " agent"], costs: Float[ArrayLike, " agent"]
    ) -> Float[Array, " agent"]:
        """What each firm earns, `(price - cost) * quantity`.

        Args:
            prices: finite, one per firm.
            costs: of a unit, one per firm.

        Returns:
            Profits; below 0 for a firm that sells below cost.

        Raises:
            TypeError: arrays of the wrong kind.
            ValueError: not one price and one cost per firm.
        """
        engine.check_array("costs", costs, (self.num_firms,))
        quantities = self.quantities(prices)
        dtype = jnp.result_type(quantities, costs)
        return (jnp.asarray(prices, dtype) - jnp.asarray(costs, dtype)) * quantities


def as_number(value: Any) -> Any:
    """Gives a Python number JAX's default float dtype, and leaves arrays as they are.

    Args:
        value: the number or array.

    Returns:
        The array, or whatever else was given.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return jnp.asarray(value, jnp.result_type(float))


def common_dtype(*trees: Any) -> DTypeLike:
    """The floating dtype in which a computation with several inputs runs.

    Args:
        *trees: pytrees of arrays.

    Returns:
        The dtype: the widest of the inputs, and at least JAX's default for integers.
    """
    return jnp.result_type(*jax.tree.leaves(trees), float)
