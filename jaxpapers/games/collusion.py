"""Measures of paths of prices and profits: how far, how fast and how evenly firms collude."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from .market import collusion_index


def price_spread(prices: Float[ArrayLike, "*batch agent"]) -> Float[Array, "*batch"]:
    """Highest price less the lowest; for two firms `|p_1 - p_2|`.

    Args:
        prices: of the firms; leading axes are free.

    Returns:
        The spread, at least 0; exact to one rounding.
    """
    prices = jnp.asarray(prices)
    return jnp.max(prices, axis=-1) - jnp.min(prices, axis=-1)


def time_to_collusion(
    prices: Float[ArrayLike, "round agent"],
    cartel_prices: Float[ArrayLike, " agent"],
    *,
    share: Float[ArrayLike, ""] = 0.05,
) -> Int[Array, ""]:
    """First round from which the mean price stays near the mean cartel price to the end.

    Args:
        prices: path of the firms' prices.
        cartel_prices: of `cartel`.
        share: what counts as near, relative to the mean cartel price; at least 0.

    Returns:
        The round, int32, from 0; the number of rounds where the last one is not near.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> path = jnp.asarray([[6.0, 6.0], [8.0, 7.8], [6.0, 8.0], [7.7, 7.7], [8.0, 8.0]])
        >>> print(games.time_to_collusion(path, jnp.full(2, 8.0)))
        3
    """
    is_near = _is_near(prices, cartel_prices, share)
    rounds = jnp.arange(1, is_near.shape[0] + 1, dtype=jnp.int32)
    return jnp.max(jnp.where(is_near, 0, rounds), initial=0)


def first_collusion(
    prices: Float[ArrayLike, "round agent"],
    cartel_prices: Float[ArrayLike, " agent"],
    *,
    share: Float[ArrayLike, ""] = 0.05,
) -> Int[Array, ""]:
    """First round whose mean price is near the mean cartel price, whatever comes after it.

    Args:
        prices: path of the firms' prices.
        cartel_prices: of `cartel`.
        share: what counts as near, relative to the mean cartel price; at least 0.

    Returns:
        The round, int32, from 0; the number of rounds where none is near.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit.
    """
    is_near = _is_near(prices, cartel_prices, share)
    num_rounds = is_near.shape[0]
    rounds = jnp.arange(num_rounds, dtype=jnp.int32)
    return jnp.min(jnp.where(is_near, rounds, num_rounds), initial=num_rounds)


def mean_collusion_index(
    profits: Float[ArrayLike, "round agent"],
    competitive: Float[ArrayLike, " agent"],
    collusive: Float[ArrayLike, " agent"],
    *,
    num_last: int | None = None,
) -> Float[Array, ""]:
    """Mean of `collusion_index` over the last rounds of a path.

    Args:
        profits: path of the firms' profits.
        competitive: profits of `equilibrium`.
        collusive: profits of `cartel`.
        num_last: how many rounds, at most all; None means all.

    Returns:
        The mean.

    Raises:
        TypeError: arguments of the wrong kind.
        ValueError: shapes that do not fit, no rounds, or more than there are.
    """
    profits = jnp.asarray(profits)
    num_rounds = jnp.shape(profits)[0]
    num_last = num_rounds if num_last is None else num_last
    engine.check_count("num_last", num_last)
    if num_last > num_rounds:
        raise ValueError(f"num_last must be at most {num_rounds}, the rounds there are: {num_last}")
    return jnp.mean(collusion_index(profits[num_rounds - num_last :], competitive, collusive))


def block_means(
    path: Float[ArrayLike, "round *rest"], *, size: int = 20
) -> Float[Array, "block *rest"]:
    """Means over blocks of rounds; rounds after the last full block are left out.

    Args:
        path: of prices, profits or anything else.
        size: rounds in a block.

    Returns:
        One row per block.

    Raises:
        TypeError: a size that is no int.
        ValueError: a size below 1.
    """
    engine.check_count("size", size)
    path = jnp.asarray(path)
    num_blocks = path.shape[0] // size
    return jnp.mean(path[: num_blocks * size].reshape(num_blocks, size, *path.shape[1:]), axis=1)


def _is_near(prices, cartel_prices, share) -> Bool[Array, " round"]:
    engine.check_shapes(
        {"prices": (prices, ("round", "agent")), "cartel_prices": (cartel_prices, ("agent",))},
        "real",
    )
    engine.check_array("share", share, ())
    dtype = jnp.result_type(prices, cartel_prices, float)
    target = jnp.mean(jnp.asarray(cartel_prices, dtype))
    distance = jnp.abs(jnp.mean(jnp.asarray(prices, dtype), axis=1) - target)
    return distance <= jnp.asarray(share, dtype) * jnp.abs(target)
