"""Sums over the vocabulary in one pass that stays in the cache, and draws by two levels of it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

BLOCK = 256
"""Tokens of one block: a draw looks up its block first."""
WIDTH = 16
"""Places that are searched at once."""
CHUNK = 32 * BLOCK
"""Tokens computed at once, so that what is computed of them is read from the cache."""


def over_chunks(
    rows: Float[Array, "row vocab"], function: Callable[[Float[Array, "row token"]], PyTree]
) -> PyTree:
    """Computes a function of tokens, `CHUNK` tokens at a time.

    Args:
        rows: one column per token.
        function: of some columns, gives arrays whose last axis is the token, or a block of them.

    Returns:
        The arrays, joined along their last axes.
    """
    vocab_size = rows.shape[1]
    num_chunks = vocab_size // CHUNK

    def of_chunk(_, start):
        return (), function(jax.lax.dynamic_slice_in_dim(rows, start, CHUNK, axis=1))

    parts = []
    if num_chunks:
        starts = CHUNK * jnp.arange(num_chunks, dtype=jnp.int32)
        _, values = jax.lax.scan(of_chunk, (), starts)
        parts.append(jax.tree.map(_joined, values))
    if vocab_size % CHUNK:
        parts.append(function(rows[:, num_chunks * CHUNK :]))
    return jax.tree.map(lambda *pieces: jnp.concatenate(pieces, axis=-1), *parts)


def by_block(values: Float[Array, "*row token"]) -> Float[Array, "*row block"]:
    """Sums over blocks of `BLOCK` tokens along the last axis.

    Args:
        values: one number per token.

    Returns:
        The sums; the last block may be shorter.
    """
    size = values.shape[-1]
    padded = jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, -size % BLOCK)])
    return jnp.sum(padded.reshape(*values.shape[:-1], -1, BLOCK), axis=-1)


def sum_over_tokens(aggregation: Any, function: Callable[[Any], PyTree]) -> PyTree:
    """Sums a function of the distributions of an auction over the vocabulary.

    Args:
        aggregation: the auction.
        function: of `Distributions`, gives arrays whose last axis is the token.

    Returns:
        The arrays, summed over that axis.
    """

    def of_columns(rows):
        return jax.tree.map(by_block, function(aggregation.at(rows)))

    sums = over_chunks(aggregation.rows, of_columns)
    return jax.tree.map(lambda x: jnp.sum(x, axis=-1), sums)


def draw_place(
    level: Float[Array, ""], masses: Float[Array, " place"]
) -> tuple[Int[Array, ""], Float[Array, ""]]:
    """The first place up to which masses sum to more than a level; one of positive mass.

    Args:
        level: at least 0.
        masses: at least 0.

    Returns:
        The place, and the level less what lies before it.
    """
    if masses.shape[0] <= WIDTH:
        return _first_place(level, masses)
    groups = jnp.pad(masses, (0, -masses.shape[0] % WIDTH)).reshape(-1, WIDTH)
    group, rest = draw_place(level, jnp.sum(groups, axis=1))
    place, rest = _first_place(rest, groups[group])
    return group * WIDTH + place, rest


def draw_token(
    uniform: Float[Array, ""],
    sums: Float[Array, " block"],
    rows: Float[Array, "row vocab"],
    masses_of: Callable[[Float[Array, "row token"]], Float[Array, " token"]],
) -> Int[Array, ""]:
    """Draws a token by inverse cdf: its block first, then the token within.

    Args:
        uniform: in [0, 1).
        sums: of the masses by block.
        rows: one column per token.
        masses_of: masses of some columns, need not sum to one.

    Returns:
        The token, int32. In f32 its law is right to 1.2e-7 per token, the grid of uniforms.
    """
    block, level = draw_place(uniform * jnp.sum(sums), sums)
    size = min(BLOCK, rows.shape[1])
    start = jnp.minimum(block * BLOCK, rows.shape[1] - size)
    columns = jax.lax.dynamic_slice_in_dim(rows, start, size, axis=1)
    masses = masses_of(columns)
    if rows.shape[1] % BLOCK:
        places = start + jnp.arange(size, dtype=jnp.int32)
        masses = jnp.where(places >= block * BLOCK, masses, 0)
    return start + draw_place(level, masses)[0]


def _first_place(level, masses):
    """As `draw_place`, among few."""
    size = masses.shape[0]
    triangle = jnp.tri(size, dtype=masses.dtype)
    upto = jnp.sum(triangle * masses[None], axis=1)
    last = jnp.max(jnp.where(masses > 0, jnp.arange(size, dtype=jnp.int32), 0))
    place = jnp.minimum(jnp.sum(upto <= level, dtype=jnp.int32), last)
    before = jnp.where(place > 0, upto[jnp.maximum(place - 1, 0)], 0)
    return place, jnp.maximum(level - before, 0)


def _joined(values):
    """Values of all chunks one after another along the last axis."""
    return jnp.moveaxis(values, 0, -2).reshape(*values.shape[1:-1], -1)
