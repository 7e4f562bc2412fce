"""Orders of samples, checked, to be passed to `fit` and `bootstrap`."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Real

from .. import engine, numerics
from ..numerics import RankOrder
from .checks import check_values


def rank_order(values: Real[ArrayLike, " obs"]) -> RankOrder:
    """Sorts a sample once and finds its blocks of ties.

    Everything else about ranks (any tie weight, either direction, any resampling) follows from
    the result. Sorted by XLA, which on a CPU is several times slower than NumPy:
    `jaxpapers.frames.rank_order` builds the same result there, in double precision in any case.

    Args:
        values: finite; `-0.0` and `0.0` are tied.

    Returns:
        The order and tie blocks. Exact for the values as JAX holds them: NumPy float64 values are
        rounded to float32 while x64 is off, which can make ties and is warned of.

    Raises:
        ValueError: not one axis, no values, NaN or infinite ones, integers beyond those of JAX.
        TypeError: not an array of real numbers.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import ranks
        >>> child, parent = jnp.array([[2.0, 1, 4, 3, 5, 6], [1.0, 2, 3, 4, 5, 6]])
        >>> order = (ranks.rank_order(child), ranks.rank_order(parent))
        >>> fit = ranks.fit(ranks.RankRegression(), child, parent, order=order)
        >>> print(fit.slope)
        [0.88571423]
    """
    sizes = engine.check_array("values", values, ("obs",))
    if not sizes["obs"]:
        raise ValueError("values is empty; needed is at least one")
    check_values({"values": values})
    return numerics.rank_order(jnp.asarray(values))
