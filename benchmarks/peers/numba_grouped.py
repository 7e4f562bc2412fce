"""Rank on rank by groups in numba: the joint covariance of all groups in O(n g), without a GEMM.

The score of an observation in all groups is s_i = D_i + P(y_i) + M(x_i): D is zero outside its own
group, P and M are step functions whose every step touches one group only. Summing by parts,

    sum_i P(y_i) Z_i' = (1/n) sum_k m_k [sum_i I_w(y_i, y_k) Z_i - R^Y_k sum_i Z_i]',

where m_k lives in the rows of one group, so that each observation adds two rows of the result, not
all of them. With Z = P/2 + M + D in the order of the outcome, Z = M/2 + D in that of the regressor
and the transposes, this is the sum of s s'. Columns are done in tiles that keep the rows in cache.
"""

import numba
import numpy as np
from numba import njit, prange

from benchmarks.peers.numba_blocks import block_end, place_and_rank
from benchmarks.peers.numba_sort import orders_and_ties

TILE_GROUPS = 32
"""Groups in a tile of columns, of two columns each."""

WIDTH = 2 * TILE_GROUPS


@njit
def start_values(first_group, groups, steps, ranks, values):
    """Write the value of the step function before the first place, in the columns of a tile."""
    values[:] = 0.0
    for place in range(groups.size):
        column = groups[place] - first_group
        if 0 <= column < TILE_GROUPS:
            for part in range(2):
                values[column + part * TILE_GROUPS] += steps[place, part] * (1.0 - ranks[place])
    values /= groups.size


@njit(inline="always")
def move(first_group, groups, steps, start, end, share, values):
    """Take a share of the steps of the places start..end off the values of a step function."""
    for place in range(start, end):
        column = groups[place] - first_group
        if 0 <= column < TILE_GROUPS:
            values[column] -= share * steps[place, 0]
            values[column + TILE_GROUPS] -= share * steps[place, 1]


@njit
def write_terms(current, terms):
    """Write the terms of an observation of the regressor: half of the step function."""
    for column in range(current.size):
        terms[column] = 0.5 * current[column]


@njit
def write_joined_terms(current, other, terms):
    """Write the terms of an observation of the outcome: half its step function, and the other."""
    for column in range(current.size):
        terms[column] = 0.5 * current[column] + other[column]


@njit
def add_rows(first, second, steps, summed, weight, terms):
    """Add to a group's two rows its steps times the sum of terms so far."""
    for column in range(summed.size):
        value = summed[column] + weight * terms[column]
        first[column] += steps[0] * value
        second[column] += steps[1] * value


@njit
def walk(first_group, order, same, places, tie_weight, values, rows):
    """Add to the rows what one order's step function contributes to a tile of columns.

    Args:
        first_group: First group of the tile.
        order: Groups, steps m, own scores D and ranks at the places of the order.
        same: Marks of ties at these places, None without ties.
        places: Places in the order of the regressor, for the outcome; else None.
        tie_weight: Weight of ties.
        values: Values of M at the places of the regressor: written for it, read for the outcome.
        rows: Sums added to, shape (group, 2, WIDTH).

    Returns:
        Sum of Z over all observations, shape (WIDTH,).
    """
    groups, steps, own, ranks = order
    size = groups.size
    current, summed = np.empty(WIDTH), np.zeros(WIDTH)
    terms, within = np.empty(WIDTH), np.empty(WIDTH)
    start_values(first_group, groups, steps, ranks, current)
    start = 0
    while start < size:
        end = block_end(same, start)
        move(first_group, groups, steps, start, end, (1.0 - tie_weight) / size, current)
        within[:] = 0.0
        for place in range(start, end):
            if places is None:
                values[place] = current
                write_terms(current, terms)
            else:
                write_joined_terms(current, values[places[place]], terms)
            column = groups[place] - first_group
            if 0 <= column < TILE_GROUPS:
                terms[column] += own[place, 0]
                terms[column + TILE_GROUPS] += own[place, 1]
            within += terms
        for place in range(start, end):
            group = groups[place]
            add_rows(rows[group, 0], rows[group, 1], steps[place], summed, tie_weight, within)
        summed += within
        move(first_group, groups, steps, start, end, tie_weight / size, current)
        start = end
    return summed


@njit(parallel=True)
def half_products(
    num_groups, x_order, y_order, same_x, same_y, places, moved, tie_weight, num_chunks
):
    """Return half the sum of s s' without D D': the other half is its transpose.

    Args:
        num_groups: How many groups there are.
        x_order: Groups, steps, own scores and ranks in the order of the regressor.
        y_order: The same in the order of the outcome.
        same_x: Marks of the regressor's ties, None without any.
        same_y: Marks of the outcome's ties, None without any.
        places: Places in the order of the regressor, in the order of the outcome.
        moved: Sums of m_k R_k over the members of each group, for both, shape (2, group, 2).
        tie_weight: Weight of ties.
        num_chunks: Into how many parts the tiles are split.

    Returns:
        Array of shape (2, group, 2, group): row part and group, column part and group.
    """
    size = x_order[0].size
    num_tiles = (num_groups + TILE_GROUPS - 1) // TILE_GROUPS
    result = np.empty((2, num_groups, 2, num_groups))
    for chunk in prange(num_chunks):
        rows = np.empty((num_groups, 2, WIDTH))
        values = np.empty((size, WIDTH))
        for tile in range(chunk, num_tiles, num_chunks):
            first_group = tile * TILE_GROUPS
            rows[:] = 0.0
            total_x = walk(first_group, x_order, same_x, None, tie_weight, values, rows)
            total_y = walk(first_group, y_order, same_y, places, tie_weight, values, rows)
            for group in range(num_groups):
                for part in range(2):
                    for column in range(min(TILE_GROUPS, num_groups - first_group)):
                        for other in range(2):
                            place = column + other * TILE_GROUPS
                            value = rows[group, part, place]
                            value -= moved[0, group, part] * total_x[place]
                            value -= moved[1, group, part] * total_y[place]
                            result[part, group, other, first_group + column] = value / size
    return result


def group_sums(groups, num_groups, columns):
    """Return the sums of columns within groups, shape (group, column)."""
    return np.stack([np.bincount(groups, column, num_groups) for column in columns], axis=-1)


def fit(outcome, regressor, groups, num_groups, *, tie_weight=1.0):
    """Fit rank on rank within groups, ranks pooled over them, and the joint covariance.

    Args:
        outcome: Finite values whose ranks are explained, float64 of shape (obs,).
        regressor: Finite values whose ranks explain, float64 of shape (obs,).
        groups: Group of each observation, integers in [0, num_groups); none is empty.
        num_groups: How many groups there are.
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        All constants, then all slopes, and their joint covariance.
    """
    size = outcome.size
    (order_x, same_x), (order_y, same_y) = orders_and_ties(regressor, outcome)
    place_x, place_y = np.empty(size, np.int32), np.empty(size, np.int32)
    sorted_x, sorted_y = np.empty(size), np.empty(size)
    place_and_rank(order_x, same_x, place_x, sorted_x, tie_weight, 1)
    place_and_rank(order_y, same_y, place_y, sorted_y, tie_weight, 1)
    rank_x, rank_y = sorted_x[place_x] / size, sorted_y[place_y] / size
    ones = np.ones(size)
    sums = group_sums(groups, num_groups, [ones, rank_x, rank_y, rank_x**2, rank_x * rank_y])
    count, sum_x, sum_y, sum_xx, sum_xy = sums.T
    slope = (count * sum_xy - sum_x * sum_y) / (count * sum_xx - sum_x**2)
    constant = (sum_y - slope * sum_x) / count
    residual = rank_y - constant[groups] - slope[groups] * rank_x
    rows = np.stack([ones, rank_x], axis=-1)
    own = rows * residual[:, None]
    steps_x = -slope[groups, None] * rows
    steps_x[:, 1] += residual
    moved = np.stack(
        [
            group_sums(groups, num_groups, (steps_x * rank_x[:, None]).T),
            group_sums(groups, num_groups, (rows * rank_y[:, None]).T),
        ]
    )
    half = half_products(
        num_groups,
        (groups[order_x], steps_x[order_x], own[order_x], rank_x[order_x]),
        (groups[order_y], rows[order_y], own[order_y], rank_y[order_y]),
        same_x,
        same_y,
        place_x[order_y],
        moved,
        tie_weight,
        max(1, min(numba.get_num_threads(), num_groups // TILE_GROUPS)),
    )
    products = half + half.transpose(2, 3, 0, 1)
    diagonal = np.arange(num_groups)
    own_sums = group_sums(groups, num_groups, [own[:, 0] ** 2, own[:, 0] * own[:, 1], own[:, 1] ** 2])
    for part, other, column in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        products[part, diagonal, other, diagonal] += own_sums[:, column]
    # Blocks of n Q, whose inverses stand on both sides of the sum of products.
    blocks = np.stack([np.stack([count, sum_x], -1), np.stack([sum_x, sum_xx], -1)], -2)
    bread = np.linalg.inv(blocks)
    cov = np.einsum("gap,pgqh,hqb->agbh", bread, products, bread, optimize=True)
    return np.concatenate([constant, slope]), cov.reshape(2 * num_groups, 2 * num_groups)
