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
    batch, length = rows.shape[:-1], rows.shape[-1]
    num_blocks = length // BLOCK_SIZE + 1
    padding = [(0, 0)] * len(batch) + [(1, num_blocks * BLOCK_SIZE - length - 1)]
    blocked = jnp.pad(rows, padding).reshape(*batch, num_blocks, BLOCK_SIZE)
    triangle = jnp.triu(jnp.ones((BLOCK_SIZE, BLOCK_SIZE), rows.dtype))
    within = jnp.matmul(blocked, triangle, precision=jax.lax.Precision.HIGHEST)
    if num_blocks == 1:
        return within[..., 0, : length + 1]
    before = prefix_sums(within[..., -1])[..., :-1]
    return (within + before[..., None]).reshape(*batch, -1)[..., : length + 1]
