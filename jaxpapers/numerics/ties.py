"""Order and tie blocks of a sample, and the fractional ranks that follow from them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Real

from .prefix import prefix_sums


class RankOrder(eqx.Module):
    """A sample in increasing order, with the block of ties around each sorted position.

    The block of sorted position `i` is the half-open range `[starts[i], ends[i])`: `starts[i]`
    observations are smaller and `ends[i]` are smaller or equal. Blocks are taken from the data,
    never from floating-point ranks.

    Attributes:
        order: observation at each sorted position, int32.
        starts: number of observations smaller than the one at each sorted position, int32.
        ends: number of observations smaller or equal, int32.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import numerics
        >>> order = numerics.rank_order(jnp.array([2.0, 1.0, 2.0]))
        >>> print(order.order, order.starts, order.ends, order.position, order.num_tied)
        [1 0 2] [0 1 1] [1 3 3] [1 0 2] 2
    """

    order: Int[Array, " obs"]
    starts: Int[Array, " obs"]
    ends: Int[Array, " obs"]

    @property
    def position(self) -> Int[Array, " obs"]:
        """Sorted position of each observation: the inverse permutation of `order`."""
        return jnp.vectorize(inverse_permutation, signature="(obs)->(obs)")(self.order)

    @property
    def num_tied(self) -> Int[Array, ""]:
        """Number of observations that share their value with another one."""
        return jnp.sum((self.ends - self.starts) > 1, axis=-1, dtype=jnp.int32)


def rank_order(values: Real[Array, " obs"]) -> RankOrder:
    """Sorts a sample once and finds its blocks of ties.

    Everything else about ranks (any tie weight, either direction, any resampling) follows from
    the result by prefix sums. Pure; sorts by XLA, which on a CPU is several times slower than
    NumPy: `jaxpapers.frames.rank_order` builds the same result there.

    Args:
        values: the sample; must hold no NaN. `-0.0` and `0.0` are tied.

    Returns:
        The order and tie blocks. Exact in every dtype.
    """
    values = jnp.asarray(values)
    num_obs = values.shape[0]
    order = jnp.argsort(values, stable=True).astype(jnp.int32)
    return blocks_of_sorted(order, values[order], num_obs)


def blocks_of_sorted(
    order: Int[Array, " obs"], ordered: Real[Array, " obs"], num_obs: int
) -> RankOrder:
    """Tie blocks of an already sorted sample.

    Args:
        order: the sorting permutation.
        ordered: the values in increasing order.
        num_obs: sample size.

    Returns:
        The order with its blocks.
    """
    index = jnp.arange(num_obs, dtype=jnp.int32)
    opens = jnp.concatenate([jnp.ones(1, bool), ordered[1:] != ordered[:-1]])
    closes = jnp.concatenate([opens[1:], jnp.ones(1, bool)])
    starts = jax.lax.cummax(jnp.where(opens, index, 0))
    ends = jax.lax.cummin(jnp.where(closes, index + 1, num_obs), reverse=True)
    return RankOrder(order.astype(jnp.int32), starts, ends)


def inverse_permutation(permutation: Int[Array, " obs"]) -> Int[Array, " obs"]:
    """Inverse of a permutation of `0 .. obs - 1` by one scatter.

    Args:
        permutation: int32 permutation.

    Returns:
        The permutation that undoes it. Exact.
    """
    index = jnp.arange(permutation.shape[0], dtype=permutation.dtype)
    return (
        jnp.zeros_like(permutation)
        .at[permutation]
        .set(index, unique_indices=True, mode="promise_in_bounds", wrap_negative_indices=False)
    )


class TieBlocks(eqx.Module):
    """One ranked variable as seen from observations held in some working order.

    Attributes:
        order: working index at each sorted position; None where the working order is this
            variable's own sorted order (then nothing needs to be gathered).
        starts: number of observations smaller than each one, by working index.
        ends: number of observations smaller or equal, by working index.
        increasing: whether the smallest value has the lowest rank; static.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import numerics
        >>> order = numerics.rank_order(jnp.array([2.0, 1.0, 2.0]))
        >>> blocks = numerics.tie_blocks(order, order, increasing=True)
        >>> print(numerics.sample_ranks(blocks, jnp.array(0.5)))  # in sorted order
        [0.33333334 0.8333334  0.8333334 ]
    """

    order: Int[Array, " obs"] | None
    starts: Int[Array, " obs"]
    ends: Int[Array, " obs"]
    increasing: bool = eqx.field(static=True)

    def to_sorted(self, rows: Array) -> Array:
        """Takes the last axis from working order to this variable's sorted order."""
        if self.order is None:
            return rows
        return _permuted(rows, self.order)


def tie_blocks(order: RankOrder, working: RankOrder, *, increasing: bool) -> TieBlocks:
    """Expresses a variable's order in the working order of another one.

    Args:
        order: the variable's own order.
        working: the order in which the observations are held.
        increasing: direction of the ranks.

    Returns:
        The blocks; free of gathers where the two orders are the same object. Exact.
    """
    if order is working:
        return TieBlocks(None, order.starts, order.ends, increasing)
    relabelled = _permuted(working.position, order.order)
    position = inverse_permutation(relabelled)
    starts, ends = _permuted(order.starts, position), _permuted(order.ends, position)
    return TieBlocks(relabelled, starts, ends, increasing)


def sample_ranks(
    blocks: TieBlocks,
    tie_weight: Float[Array, ""],
    counts: Float[Array, " obs"] | None = None,
) -> Float[Array, " obs"]:
    """Fractional ranks with a tie weight, in working order.

    `R_k = [w #{X_j <= X_k} + (1 - w) #{X_j < X_k} + 1 - w] / n`: w = 1 is the empirical
    distribution function, 1/2 the mid-rank, 0 the minimum rank. With counts, `#` counts draws.

    Source: Chetverikov and Wilhelm (2023), sample rank with tie weight omega.

    Args:
        blocks: the ranked variable.
        tie_weight: w in [0, 1]; its dtype is the dtype of the ranks.
        counts: how often each observation was drawn, in working order and summing to the number
            of observations; None for once each.

    Returns:
        Ranks in (0, 1], accurate to one rounding up to 2^24 observations in float32.
    """
    num_obs = blocks.starts.shape[-1]
    below, level = tie_bounds(blocks, counts, tie_weight.dtype)
    return (tie_weight * level + (1 - tie_weight) * (below + 1)) / num_obs


def tie_bounds(
    blocks: TieBlocks, counts: Float[Array, " obs"] | None, dtype: jnp.dtype
) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
    """Numbers of draws ranked before, and before or level with, each observation.

    Args:
        blocks: the ranked variable.
        counts: how often each observation was drawn, in working order; None for once each.
        dtype: floating dtype of the result.

    Returns:
        `#{X_j < X_k}` and `#{X_j <= X_k}` for increasing ranks (`>` and `>=` for decreasing
        ones), in working order; exact up to 2^24 observations in float32.
    """
    if counts is None:
        below, level = blocks.starts.astype(dtype), blocks.ends.astype(dtype)
        total = jnp.asarray(blocks.starts.shape[-1], dtype)
    else:
        mass = prefix_sums(blocks.to_sorted(counts))
        below, level, total = _at(mass, blocks.starts), _at(mass, blocks.ends), mass[-1]
    if blocks.increasing:
        return below, level
    return total - level, total - below


def indicator_shares(
    blocks: TieBlocks,
    tie_weight: Float[Array, ""],
    counts: Float[Array, " obs"] | None = None,
) -> Float[Array, " obs"]:
    """Shares of the draws that rank at or after each observation.

    `mean_k[c_k I_w(X_i, X_k)]` with `I_w(u, v) = w 1{u <= v} + (1 - w) 1{u < v}`, for all i.

    Args:
        blocks: the ranked variable.
        tie_weight: w in [0, 1]; its dtype is the dtype of the shares.
        counts: how often each observation was drawn, in working order; None for once each.

    Returns:
        The shares, in working order, accurate to one rounding up to 2^24 observations in float32.
    """
    num_obs = blocks.starts.shape[-1]
    below, level = tie_bounds(blocks, counts, tie_weight.dtype)
    return (num_obs - tie_weight * below - (1 - tie_weight) * level) / num_obs


def indicator_means(
    blocks: TieBlocks,
    tie_weight: Float[Array, ""],
    rows: Float[Array, "*row obs"],
    counts: Float[Array, " obs"] | None = None,
) -> Float[Array, "*row obs"]:
    """Means of moments over the draws that rank at or after each observation.

    `mean_k[c_k I_w(X_i, X_k) m_k]` for all i in O(obs) by prefix sums over the sorted order: with
    tie block `[f, l)` of i and prefix sums C, it is `(w (C_n - C_f) + (1 - w) (C_n - C_l)) / n`.

    Args:
        blocks: the ranked variable.
        tie_weight: w in [0, 1].
        rows: moments m, in working order.
        counts: how often each observation was drawn, in working order; None for once each.

    Returns:
        The means, in working order. Error: see `prefix_sums`.
    """
    num_obs = blocks.starts.shape[-1]
    drawn = rows if counts is None else rows * counts[(None,) * (rows.ndim - 1)]
    sums = prefix_sums(blocks.to_sorted(drawn))
    first, last = _at(sums, blocks.starts), _at(sums, blocks.ends)
    if blocks.increasing:
        return (sums[..., -1:] - tie_weight * first - (1 - tie_weight) * last) / num_obs
    return (tie_weight * last + (1 - tie_weight) * first) / num_obs


def _at(sums, bounds):
    """Prefix sums at the bounds of tie blocks."""
    return sums.at[..., bounds].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _permuted(rows, positions):
    """Takes the last axis to a random order, each row for itself."""
    return rows.at[..., positions].get(
        mode="promise_in_bounds", unique_indices=True, wrap_negative_indices=False
    )
