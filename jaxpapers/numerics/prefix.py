"""Prefix sums that are fast on CPU and GPU and accurate in single precision."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCK_SIZE = 32


def prefix_sums(rows: Float[Array, "*batch obs"]) -> Float[Array, "*batch obs+1"]:
    """Exclusive prefix sums along the last axis, with the total as last entry.

    `C_0 = 0`, `C_k` = sum of the first k entries. Blocks of 32 are summed by one product with a
    triangle of ones, their totals likewise, and so on: O(obs) work in log_32(obs) levels, with
    an error that grows like the logarithm of the length, where a sequential float32 scan of ones
    sticks at 16,777,216.

    Args:
        rows: what is summed; real floating point.

    Returns:
        Prefix sums, one entry longer. Error relative to the largest partial sum of absolute
        values: about 1e-7 in float32 and 1e-16 in float64 at length 1e7.
    """
    zero = jnp.zeros((*rows.shape[:-1], 1), rows.dtype)
    return jnp.concatenate([zero, _inclusive(rows)], axis=-1)


def _inclusive(rows: Float[Array, "*batch obs"]) -> Float[Array, "*batch obs"]:
    length = rows.shape[-1]
    if length <= BLOCK_SIZE:
        return _within_block(rows)
    num_blocks = -(-length // BLOCK_SIZE)
    padding = [(0, 0)] * (rows.ndim - 1) + [(0, num_blocks * BLOCK_SIZE - length)]
    blocked = jnp.pad(rows, padding).reshape(*rows.shape[:-1], num_blocks, BLOCK_SIZE)
    within = _within_block(blocked)
    totals = _inclusive(within[..., -1])
    offsets = jnp.pad(totals[..., :-1], [(0, 0)] * (rows.ndim - 1) + [(1, 0)])
    summed = within + offsets[..., None]
    return summed.reshape(*rows.shape[:-1], num_blocks * BLOCK_SIZE)[..., :length]


def _within_block(blocked: Float[Array, "*batch size"]) -> Float[Array, "*batch size"]:
    size = blocked.shape[-1]
    triangle = jnp.triu(jnp.ones((size, size), blocked.dtype))
    return jnp.matmul(blocked, triangle, precision=jax.lax.Precision.HIGHEST)
