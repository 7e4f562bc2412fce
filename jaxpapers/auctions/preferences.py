"""The robust preference order of an agent over distributions."""

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import engine


class Preference(eqx.Module):
    """How two distributions stand to each other for an agent.

    Attributes:
        is_weakly_better: whether the first is weakly better than the second.
        is_weakly_worse: whether the second is weakly better than the first.
        shortfall: by how much the first misses being weakly better, in probability: 0 where it
            does not, else the largest over tokens.
        token: where, int32.
    """

    is_weakly_better: Bool[Array, ""]
    is_weakly_worse: Bool[Array, ""]
    shortfall: Float[Array, ""]
    token: Int[Array, ""]

    @property
    def is_strictly_better(self) -> Bool[Array, ""]:
        """Weakly better and not the other way round."""
        return self.is_weakly_better & ~self.is_weakly_worse

    @property
    def is_incomparable(self) -> Bool[Array, ""]:
        """Neither is weakly better."""
        return ~self.is_weakly_better & ~self.is_weakly_worse


def compare(
    target: Float[ArrayLike, " vocab"],
    first: Float[ArrayLike, " vocab"],
    second: Float[ArrayLike, " vocab"],
    *,
    tolerance: float | None = None,
) -> Preference:
    """Compares two distributions by the robust preference of an agent.

    The first is weakly better if it is at least as near to the target at every token, and on the
    same side of it: `|q_t - p_t| <= |q'_t - p_t|` and `(q_t - p_t)(q'_t - p_t) >= 0` for all t.

    Source: Duetting et al. (2024), robust preferences.

    Args:
        target: the agent's own probabilities.
        first: probabilities q.
        second: probabilities q'.
        tolerance: shortfalls up to it are taken for rounding, 32 roundings of 1 by default.

    Returns:
        Both directions, and what is missing to the first.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> target = jnp.asarray([0.5, 0.3, 0.2])
        >>> near, far = jnp.asarray([0.4, 0.35, 0.25]), jnp.asarray([0.2, 0.4, 0.4])
        >>> print(auctions.compare(target, near, far).is_strictly_better)
        True
    """
    shape = ("vocab",)
    engine.check_shapes(
        {"target": (target, shape), "first": (first, shape), "second": (second, shape)}, "real"
    )
    dtype = jnp.result_type(target, first, second, float)
    arrays = [jnp.asarray(x, dtype) for x in (target, first, second)]
    if tolerance is None:
        tolerance = rounding(dtype)
    gaps = shortfalls(*arrays)
    back = shortfalls(arrays[0], arrays[2], arrays[1])
    return Preference(
        jnp.max(gaps) <= tolerance,
        jnp.max(back) <= tolerance,
        jnp.maximum(jnp.max(gaps), 0),
        jnp.argmax(gaps).astype(jnp.int32),
    )


def shortfalls(
    target: Float[Array, "*case vocab"],
    first: Float[Array, "*case vocab"],
    second: Float[Array, "*case vocab"],
) -> Float[Array, "*case vocab"]:
    """By how much the first misses being weakly better than the second, token by token.

    Args:
        target: the agent's own probabilities.
        first: probabilities q.
        second: probabilities q'.

    Returns:
        What q is farther away, or how far it is on the other side; at most 0 where it is better.
    """
    new, old = first - target, second - target
    farther = jnp.abs(new) - jnp.abs(old)
    across = jnp.where(new * old < 0, jnp.minimum(jnp.abs(new), jnp.abs(old)), 0)
    return jnp.maximum(farther, across)


def rounding(dtype) -> float:
    """Differences of probabilities that are taken for rounding.

    Args:
        dtype: of the probabilities.

    Returns:
        32 roundings of 1.
    """
    return 32 * float(jnp.finfo(dtype).eps)
