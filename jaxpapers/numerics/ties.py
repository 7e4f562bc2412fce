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
    """

    order: Int[Array, " obs"]
    starts: Int[Array, " obs"]
    ends: Int[Array, " obs"]

    @property
    def position(self) -> Int[Array, " obs"]:
        """Sorted position of each observation: the inverse permutation of `order`."""
        return inverse_permutation(self.order)

    @property
    def num_tied(self) -> Int[Array, ""]:
        """Number of observations that share their value with another one."""
        return jnp.sum((self.ends - self.starts) > 1, dtype=jnp.int32)


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
        The permutation that undoes it.
    """
    index = jnp.arange(permutation.shape[0], dtype=permutation.dtype)
    return jnp.zeros_like(permutation).at[permutation].set(index, unique_indices=True)


def permuted(rows: Float[Array, "*row obs"], positions: Int[Array, " obs"]) -> Array:
    """Takes the last axis to a random order, all rows of an observation at once.

    Args:
        rows: computed before they are permuted: XLA would compute them anew at random places.
        positions: which entry comes where; a permutation.

    Returns:
        The permuted rows.
    """
    together = jax.lax.optimization_barrier(jnp.moveaxis(rows, -1, 0))
    moved = jnp.take(together, positions, axis=0, unique_indices=True, mode="clip")
    return jnp.moveaxis(moved, 0, -1)


class TieBlocks(eqx.Module):
    """One ranked variable as seen from observations held in some working order.

    Attributes:
        order: working index at each sorted position; None where the working order is this
            variable's own sorted order (then nothing needs to be gathered).
        position: sorted position of each working index; None likewise.
        starts: as in `RankOrder`, by sorted position.
        ends: as in `RankOrder`, by sorted position.
        increasing: whether the smallest value has the lowest rank; static.
    """

    order: Int[Array, " obs"] | None
    position: Int[Array, " obs"] | None
    starts: Int[Array, " obs"]
    ends: Int[Array, " obs"]
    increasing: bool = eqx.field(static=True)

    def to_sorted(self, rows: Array) -> Array:
        """Takes the last axis from working order to this variable's sorted order."""
        if self.order is None:
            return rows
        return jnp.take(rows, self.order, axis=-1, unique_indices=True, mode="clip")

    def to_working(self, rows: Array) -> Array:
        """Takes the last axis from sorted order to working order."""
        if self.position is None:
            return rows
        return permuted(rows, self.position)


def tie_blocks(order: RankOrder, working: RankOrder, *, increasing: bool) -> TieBlocks:
    """Expresses a variable's order in the working order of another one.

    Args:
        order: the variable's own order.
        working: the order in which the observations are held.
        increasing: direction of the ranks.

    Returns:
        The blocks; free of gathers where the two orders are the same object.
    """
    if order is working:
        return TieBlocks(None, None, order.starts, order.ends, increasing)
    relabelled = jnp.take(working.position, order.order, unique_indices=True, mode="clip")
    return TieBlocks(
        relabelled, inverse_permutation(relabelled), order.starts, order.ends, increasing
    )


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
    weighted = tie_weight * level + (1 - tie_weight) * (below + 1)
    return blocks.to_working(weighted / num_obs)


def tie_bounds(
    blocks: TieBlocks, counts: Float[Array, " obs"] | None, dtype: jnp.dtype
) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
    """Numbers of draws ranked before, and before or level with, each sorted position.

    Args:
        blocks: the ranked variable.
        counts: how often each observation was drawn, in working order; None for once each.
        dtype: floating dtype of the result.

    Returns:
        `#{X_j < X_k}` and `#{X_j <= X_k}` for increasing ranks (`>` and `>=` for decreasing
        ones), by sorted position.
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


def indicator_sums(
    blocks: TieBlocks,
    tie_weight: Float[Array, ""],
    rows: Float[Array, "row obs"],
    counts: Float[Array, " obs"] | None = None,
) -> Float[Array, "row+1 obs"]:
    """Sums of moments over the draws that rank at or after each observation.

    `sum_k c_k I_w(X_i, X_k) m_k` with `I_w(u, v) = w 1{u <= v} + (1 - w) 1{u < v}`, for all i in
    O(obs) by prefix sums over the sorted order: with tie block `[f, l)` of i and prefix sums C,
    the sum is `w (C_n - C_f) + (1 - w) (C_n - C_l)`.

    Args:
        blocks: the ranked variable.
        tie_weight: w in [0, 1].
        rows: moments m, one per row, in working order.
        counts: how often each observation was drawn, in working order; None for once each.

    Returns:
        The sums, in working order; first those of the moment 1. Error: see `prefix_sums`.
    """
    num_obs = blocks.starts.shape[-1]
    below, level = tie_bounds(blocks, counts, rows.dtype)
    ones = num_obs - tie_weight * below - (1 - tie_weight) * level
    drawn = rows if counts is None else rows * counts[None]
    ahead = prefix_sums(blocks.to_sorted(drawn))
    first, last = _at(ahead, blocks.starts), _at(ahead, blocks.ends)
    if blocks.increasing:
        sums = ahead[..., -1:] - tie_weight * first - (1 - tie_weight) * last
    else:
        sums = tie_weight * last + (1 - tie_weight) * first
    return blocks.to_working(jnp.concatenate([ones[None], sums]))


def _at(sums, bounds):
    """Prefix sums at increasing bounds."""
    return jnp.take(sums, bounds, axis=-1, indices_are_sorted=True, mode="clip")
