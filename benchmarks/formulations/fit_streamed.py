"""Rank on rank streamed through the cache: blocks of observations in a scan, sums carried over.

The package's fit is a sequence of passes over whole arrays, each stored before the next. Here each
pass is a scan over blocks that stay in the cache, with prefix sums carried from block to block, so
that only what is read at random places (ranks and prefix sums) is stored as a whole.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxpapers.numerics import inverse_permutation

BLOCK_SIZE = 16_384


@partial(jax.jit, static_argnames="num_obs")
def fit(order_y, order_x, tie_weight, *, num_obs):
    """Return parameters, covariance, influence functions and residuals in the regressor's order.

    Args:
        order_y: Order of the outcome.
        order_x: Order of the regressor.
        tie_weight: Weight of ties in the ranks, float64.
        num_obs: Number of observations.
    """
    place_x = inverse_permutation(order_x.order)[order_y.order]
    place_y = inverse_permutation(place_x)
    ranks_x = ranks_of(order_x, tie_weight, num_obs)
    sums_x_by_y = prefix(lambda places: ranks_x[places], (place_x,), num_obs)
    first_y, last_y = order_y.starts[place_y], order_y.ends[place_y]

    def moments(total, block):
        is_member, first, last, rank_x = block
        rank_y = rank_of(first, last, tie_weight, num_obs)
        terms = (rank_x, rank_y, rank_x * rank_x, rank_x * rank_y)
        return total + jnp.stack([jnp.sum(jnp.where(is_member, t, 0)) for t in terms]), rank_y

    blocks = (members(num_obs), *map(in_blocks, (first_y, last_y, ranks_x)))
    sums, ranks_y = jax.lax.scan(moments, jnp.zeros(4), blocks)
    mean_x, mean_y, mean_xx, mean_xy = sums / num_obs
    slope = (mean_xy - mean_x * mean_y) / (mean_xx - mean_x**2)
    constant = mean_y - slope * mean_x
    ranks_y = ranks_y.reshape(-1)[:num_obs]

    def moved(rank_x, rank_y):
        return rank_y - constant - 2 * slope * rank_x

    sums_x = prefix(moved, (ranks_x, ranks_y), num_obs)
    bread = jnp.array([[mean_xx, -mean_x], [-mean_x, 1]]) / (mean_xx - mean_x**2)

    def score(total, block):
        is_member, first_x, last_x, first_y, last_y, rank_x, rank_y = block
        residual = rank_y - constant - slope * rank_x
        share_x = at_or_after(first_x, last_x, tie_weight, num_obs) - mean_x
        share_y = at_or_after(first_y, last_y, tie_weight, num_obs) - mean_y
        s0 = residual + share_y - slope * share_x
        mean_by_y = above(sums_x_by_y, first_y, last_y, tie_weight) / num_obs - mean_xy
        mean_by_x = above(sums_x, first_x, last_x, tie_weight) / num_obs
        centre = mean_xy - constant * mean_x - 2 * slope * mean_xx
        s1 = rank_x * residual + mean_by_y + mean_by_x - centre
        psi = [jnp.where(is_member, row[0] * s0 + row[1] * s1, 0) for row in bread]
        products = jnp.stack([jnp.sum(psi[i] * psi[j]) for i, j in ((0, 0), (0, 1), (1, 1))])
        return total + products, (psi[0], psi[1], residual)

    rows = (order_x.starts, order_x.ends, first_y, last_y, ranks_x, ranks_y)
    blocks = (members(num_obs), *map(in_blocks, rows))
    products, rows = jax.lax.scan(score, jnp.zeros(3), blocks)
    cov = products[jnp.array([[0, 1], [1, 2]])] / float(num_obs) ** 2
    psi_0, psi_1, residuals = (row.reshape(-1)[:num_obs] for row in rows)
    return jnp.stack([constant, slope]), cov, (psi_0, psi_1), residuals


def rank_of(first, last, tie_weight, num_obs):
    """Return ranks from the numbers of observations below, and below or level."""
    return (tie_weight * last + (1 - tie_weight) * (first + 1)) / num_obs


def ranks_of(order, tie_weight, num_obs):
    """Return the ranks of a variable in its own order."""
    return rank_of(order.starts, order.ends, tie_weight, num_obs)


def at_or_after(first, last, tie_weight, num_obs):
    """Return the shares of observations that rank at or after each one."""
    return 1 - (tie_weight * first + (1 - tie_weight) * last) / num_obs


def above(sums, first, last, tie_weight):
    """Return sums over the observations that rank at or after each one."""
    return sums[-1] - tie_weight * sums[first] - (1 - tie_weight) * sums[last]


def prefix(function, rows, num_obs):
    """Return exclusive prefix sums of a function of rows, with the total as last entry."""

    def step(total, block):
        is_member, *values = block
        sums = jnp.cumsum(jnp.where(is_member, function(*values), 0))
        return total + sums[-1], total + sums

    blocks = (members(num_obs), *map(in_blocks, rows))
    _, sums = jax.lax.scan(step, jnp.zeros(()), blocks)
    return jnp.pad(sums.reshape(-1)[:num_obs], (1, 0))


def in_blocks(row):
    """Return a row in blocks, filled up with zeros."""
    return jnp.pad(row, (0, -row.shape[0] % BLOCK_SIZE)).reshape(-1, BLOCK_SIZE)


def members(num_obs):
    """Return which places of the blocks hold observations."""
    return in_blocks(jnp.ones(num_obs, bool))
