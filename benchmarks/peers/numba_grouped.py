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

MOST_GROUPS = 64
"""Groups in a tile of columns at most, of two columns each."""


@njit
def start_values(first_group, groups, steps, ranks, values):
    """Write the value of the step function before the first place, in the columns of a tile."""
    num_groups = values.size // 2
    values[:] = 0.0
    for place in range(groups.size):
        column = groups[place] - first_group
        if 0 <= column < num_groups:
            for part in range(2):
                values[column + part * num_groups] += steps[place, part] * (1.0 - ranks[place])
    values /= groups.size


@njit(inline="always")
def move(first_group, groups, steps, start, end, share, values):
    """Take a share of the steps of the places start..end off the values of a step function."""
    num_groups = values.size // 2
    for place in range(start, end):
        column = groups[place] - first_group
        if 0 <= column < num_groups:
            values[column] -= share * steps[place, 0]
            values[column + num_groups] -= share * steps[place, 1]


@njit
def add_one(current, other, first, second, steps, weight, summed):
    """Add an observation without ties: its terms to the sum, its steps times the sum to two rows.

    Args:
        current: Value of the order's own step function; half of it is in the terms.
        other: What else is in the terms of all columns.
        first: Row of the observation's group for the constant, added to.
        second: Row of its group for the slope, added to.
        steps: Steps of the observation.
        weight: Share of its own terms in the sum that it meets.
        summed: Sum of the terms of the observations before it, added to.
    """
    for column in range(summed.size):
        term = 0.5 * current[column] + other[column]
        value = summed[column] + weight * term
        first[column] += steps[0] * value
        second[column] += steps[1] * value
        summed[column] += term


@njit
def add_own(column, own, first, second, steps, weight, summed):
    """Add what of the terms is in the columns of the observation's own group."""
    for part in range(2):
        place = column + part * (summed.size // 2)
        first[place] += steps[0] * weight * own[part]
        second[place] += steps[1] * weight * own[part]
        summed[place] += own[part]


@njit
def add_block(current, others, first_group, order, start, end, weight, summed, rows):
    """Add a block of ties: all its terms first, then each member's steps times the sum."""
    groups, steps, own, _ = order
    num_groups = summed.size // 2
    within = np.zeros(summed.size)
    for place in range(start, end):
        column = groups[place] - first_group
        within += 0.5 * current + others[place - start]
        if 0 <= column < num_groups:
            within[column] += own[place, 0]
            within[column + num_groups] += own[place, 1]
    value = summed + weight * within
    for place in range(start, end):
        for part in range(2):
            rows[groups[place], part] += steps[place, part] * value
    summed += within


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
        rows: Sums added to, shape (group, 2, width); the width is that of the tile.

    Returns:
        Sum of Z over all observations, shape (width,).
    """
    groups, steps, own, ranks = order
    size, width = groups.size, rows.shape[2]
    current, summed, nothing = np.empty(width), np.zeros(width), np.zeros(width)
    start_values(first_group, groups, steps, ranks, current)
    start = 0
    while start < size:
        end = block_end(same, start)
        move(first_group, groups, steps, start, end, (1.0 - tie_weight) / size, current)
        if places is None:
            values[start:end] = current
        if end == start + 1:
            other = nothing if places is None else values[places[start]]
            column = groups[start] - first_group
            first, second = rows[groups[start], 0], rows[groups[start], 1]
            add_one(current, other, first, second, steps[start], tie_weight, summed)
            if 0 <= column < width // 2:
                add_own(column, own[start], first, second, steps[start], tie_weight, summed)
        else:
            others = np.zeros((end - start, width))
            if places is not None:
                others[:] = values[places[start:end]]
            add_block(current, others, first_group, order, start, end, tie_weight, summed, rows)
        move(first_group, groups, steps, start, end, tie_weight / size, current)
        start = end
    return summed


@njit(parallel=True)
def half_products(
    num_groups, tile_groups, x_order, y_order, same_x, same_y, places, moved, tie_weight, num_chunks
):
    """Return half the sum of s s' without D D': the other half is its transpose.

    Args:
        num_groups: How many groups there are.
        tile_groups: How many of them are in a tile of columns.
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
    num_tiles = (num_groups + tile_groups - 1) // tile_groups
    result = np.empty((2, num_groups, 2, num_groups))
    for chunk in prange(num_chunks):
        rows = np.empty((num_groups, 2, 2 * tile_groups))
        values = np.empty((size, 2 * tile_groups))
        for tile in range(chunk, num_tiles, num_chunks):
            first_group = tile * tile_groups
            rows[:] = 0.0
            total_x = walk(first_group, x_order, same_x, None, tie_weight, values, rows)
            total_y = walk(first_group, y_order, same_y, places, tie_weight, values, rows)
            for group in range(num_groups):
                for part in range(2):
                    for column in range(min(tile_groups, num_groups - first_group)):
                        for other in range(2):
                            place = column + other * tile_groups
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
    num_chunks = min(numba.get_num_threads(), num_groups)
    half = half_products(
        num_groups,
        min(MOST_GROUPS, -(-num_groups // num_chunks)),
        (groups[order_x], steps_x[order_x], own[order_x], rank_x[order_x]),
        (groups[order_y], rows[order_y], own[order_y], rank_y[order_y]),
        same_x,
        same_y,
        place_x[order_y],
        moved,
        tie_weight,
        num_chunks,
    )
    products = half + half.transpose(2, 3, 0, 1)
    diagonal = np.arange(num_groups)
    first, second = own.T
    own_sums = group_sums(groups, num_groups, [first * first, first * second, second * second])
    for part, other, column in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        products[part, diagonal, other, diagonal] += own_sums[:, column]
    # Blocks of n Q, whose inverses stand on both sides of the sum of products.
    blocks = np.stack([np.stack([count, sum_x], -1), np.stack([sum_x, sum_xx], -1)], -2)
    bread = np.linalg.inv(blocks)
    cov = np.einsum("gap,pgqh,hqb->agbh", bread, products, bread, optimize=True)
    return np.concatenate([constant, slope]), cov.reshape(2 * num_groups, 2 * num_groups)
