"""Rank on rank in numba: two sorts, then a handful of fused passes over both cores.

Observations are kept in the order of the regressor. One pass in the order of the outcome has the
prefix sums of the outcome's side and scatters them; a second one in the order of the regressor has
its prefix sums, the scores and their outer product, none of which are ever stored.
"""

import numpy as np
from numba import njit, prange

from benchmarks.peers.numba_blocks import (
    blend,
    block_end,
    block_start,
    chunk_count,
    chunk_start,
    count_above,
    place_and_rank,
)
from benchmarks.peers.numba_sort import orders_and_ties


@njit(parallel=True)
def join_orders(order_y, same_y, place_of, same_x, rank_x, num_chunks):
    """Turn the order of the outcome, in place, into places of the regressor; sum ranks by chunk.

    Args:
        order_y: Order of the outcome, overwritten by places in the order of the regressor.
        same_y: Marks of its ties, None without any.
        place_of: Place of each observation in the order of the regressor.
        same_x: Marks of the regressor's ties; without any no rank is looked up.
        rank_x: n times the rank of the regressor at each of its places.
        num_chunks: Into how many parts the work is split.

    Returns:
        Sum of n R^X before each chunk, and over all at the end.
    """
    size = order_y.size
    sums = np.zeros(num_chunks + 1)
    for chunk in prange(num_chunks):
        total = 0.0
        start = block_start(same_y, chunk_start(chunk, num_chunks, size))
        for j in range(start, block_start(same_y, chunk_start(chunk + 1, num_chunks, size))):
            place = place_of[order_y[j]]
            order_y[j] = place
            total += place + 1.0 if same_x is None else rank_x[place]
        sums[chunk + 1] = total
    return np.cumsum(sums)


@njit(parallel=True)
def outcome_pass(places, same_y, same_x, rank_x, sums, joined, tie_weight, num_chunks):
    """Write what the outcome's order tells, in the order of the regressor.

    Args:
        places: Places in the order of the regressor, in the order of the outcome.
        same_y: Marks of the outcome's ties, None without any.
        same_x: Marks of the regressor's ties; without any no rank is looked up.
        rank_x: n times the rank of the regressor at each of its places.
        sums: As from `join_orders`.
        joined: Written, (obs, 3): n R^Y, the sum of I_w(y_i, y_k) n R^X_k over k, and the size of
            the block of ties of the outcome; without the last column where there are no ties.
        tie_weight: Weight of ties.
        num_chunks: Into how many parts the work is split.
    """
    size = places.size
    has_blocks = joined.shape[1] == 3
    for chunk in prange(num_chunks):
        below = sums[chunk]
        start = block_start(same_y, chunk_start(chunk, num_chunks, size))
        stop = block_start(same_y, chunk_start(chunk + 1, num_chunks, size))
        while start < stop:
            end = block_end(same_y, start)
            rank_y = blend(start, end, tie_weight)
            block = 0.0
            for j in range(start, end):
                block += places[j] + 1.0 if same_x is None else rank_x[places[j]]
            above = sums[-1] - below - (1.0 - tie_weight) * block
            for j in range(start, end):
                joined[places[j], 0] = rank_y
                joined[places[j], 1] = above
                if has_blocks:
                    joined[places[j], 2] = end - start
            below += block
            start = end


@njit(parallel=True)
def moments(joined, same_x, rank_x, num_chunks):
    """Return each chunk's count and sums of X, Y, X X and X Y, of n times the ranks."""
    size = rank_x.size
    sums = np.zeros((num_chunks, 5))
    for chunk in prange(num_chunks):
        first = block_start(same_x, chunk_start(chunk, num_chunks, size))
        last = block_start(same_x, chunk_start(chunk + 1, num_chunks, size))
        sum_x = sum_y = sum_xx = sum_xy = 0.0
        for i in range(first, last):
            sum_x += rank_x[i]
            sum_y += joined[i, 0]
            sum_xx += rank_x[i] * rank_x[i]
            sum_xy += rank_x[i] * joined[i, 0]
        sums[chunk] = np.array([last - first, sum_x, sum_y, sum_xx, sum_xy])
    return sums


@njit(parallel=True)
def score_products(joined, same_x, rank_x, params, means, sums, tie_weight, num_chunks):
    """Return the sums of s_0 s_0, s_0 s_1 and s_1 s_1 over all observations.

    Args:
        joined: What the outcome's order tells, as from `outcome_pass`.
        same_x: Marks of the regressor's ties, None without any.
        rank_x: n times its ranks, by place.
        params: n times the constant, and the slope.
        means: What is taken off n s_0 and n² s_1: their comparisons' means.
        sums: Sum of n (e - rho R^X) at places before each chunk, and over all at the end.
        tie_weight: Weight of ties.
        num_chunks: Into how many parts the work is split.

    Returns:
        Array of shape (3,), of n s_0 and n² s_1.
    """
    size = rank_x.size
    has_blocks = joined.shape[1] == 3
    constant, slope = params
    products = np.zeros((num_chunks, 3))
    for chunk in prange(num_chunks):
        below = sums[chunk]
        start = block_start(same_x, chunk_start(chunk, num_chunks, size))
        stop = block_start(same_x, chunk_start(chunk + 1, num_chunks, size))
        p00 = p01 = p11 = 0.0
        while start < stop:
            end = block_end(same_x, start)
            block = 0.0
            rank = rank_x[start]
            fitted = constant + slope * rank
            for i in range(start, end):
                block += joined[i, 0] - fitted - slope * rank
            above = sums[-1] - below - (1.0 - tie_weight) * block
            fixed = means[0] + slope * count_above(size, rank, end - start, tie_weight)
            for i in range(start, end):
                rank_y = joined[i, 0]
                residual = rank_y - fitted
                ties_y = joined[i, 2] if has_blocks else 1.0
                s0 = residual + count_above(size, rank_y, ties_y, tie_weight) - fixed
                s1 = rank * residual + joined[i, 1] + above - means[1]
                p00 += s0 * s0
                p01 += s0 * s1
                p11 += s1 * s1
            below += block
            start = end
        products[chunk] = np.array([p00, p01, p11])
    return products.sum(axis=0)


def fit(outcome, regressor, *, tie_weight=1.0):
    """Fit rank on rank and its covariance.

    Args:
        outcome: Finite values whose ranks are explained, float64 of shape (obs,).
        regressor: Finite values whose ranks explain, float64 of shape (obs,).
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Constant and slope, and their covariance.
    """
    size = outcome.size
    chunks = chunk_count(size)
    (order_x, same_x), (order_y, same_y) = orders_and_ties(regressor, outcome)
    place_of, rank_x = np.empty(size, np.int32), np.empty(size)
    joined = np.empty((size, 2 if same_y is None else 3))
    place_and_rank(order_x, same_x, place_of, rank_x, tie_weight, chunks)
    ranks_before = join_orders(order_y, same_y, place_of, same_x, rank_x, chunks)
    outcome_pass(order_y, same_y, same_x, rank_x, ranks_before, joined, tie_weight, chunks)
    sums = moments(joined, same_x, rank_x, chunks)
    _, mean_x, mean_y, mean_xx, mean_xy = sums.sum(axis=0) / size
    slope = (mean_xy - mean_x * mean_y) / (mean_xx - mean_x**2)
    constant = mean_y - slope * mean_x
    chunk_sums = sums[:, 2] - constant * sums[:, 0] - 2.0 * slope * sums[:, 1]
    products = score_products(
        joined,
        same_x,
        rank_x,
        (constant, slope),
        (mean_y - slope * mean_x, mean_xy - slope * mean_xx),
        np.concatenate([[0.0], np.cumsum(chunk_sums)]),
        tie_weight,
        chunks,
    )
    return sandwich(size, constant, slope, mean_x, mean_xx, products)


def sandwich(size, constant, slope, mean_x, mean_xx, products):
    """Return parameters and covariance, all of whose parts are given in places, not in ranks."""
    params = np.array([constant / size, slope])
    bread = np.array([[mean_xx, -mean_x], [-mean_x, 1.0]]) / (mean_xx - mean_x**2)
    cov = bread @ products[[0, 1, 1, 2]].reshape(2, 2) @ bread / size**4
    units = np.array([1.0, size])
    return params, cov * np.outer(units, units)
