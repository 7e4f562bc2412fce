"""Rank on rank and covariates in numba: the passes of `ranks_numba` with a row of sums in each.

The number of columns is a constant of the compiled passes, so that their inner loops unroll.
"""

from functools import lru_cache

import numpy as np
from numba import njit, prange

from benchmarks.peers.numba_blocks import (
    blend,
    block_end,
    block_start,
    chunk_count,
    chunk_start,
    place_and_rank,
)
from benchmarks.peers.numba_sort import orders_and_ties

RANKED = 1
"""Column of the design that holds the ranks."""


@lru_cache
def make_design_pass(num_columns):
    """Compile the pass that writes a design of `num_columns` columns."""

    @njit(parallel=True)
    def write_design(order_x, rank_x, covariates, rows):
        """Write the rows constant, rank, covariates in the order of the regressor."""
        for i in prange(order_x.size):
            rows[i, 0] = 1.0
            rows[i, RANKED] = rank_x[i] / order_x.size
            for column in range(2, num_columns):
                rows[i, column] = covariates[order_x[i], column - 2]

    return write_design


@lru_cache
def make_outcome_passes(num_columns):
    """Compile the passes in the order of the outcome."""

    @njit(parallel=True)
    def join_orders(order_y, same_y, place_of, rows, num_chunks):
        """Turn the order of the outcome into places of the regressor; sum rows before chunks."""
        size = order_y.size
        sums = np.zeros((num_chunks + 1, num_columns))
        for chunk in prange(num_chunks):
            total = np.zeros(num_columns)
            first = block_start(same_y, chunk_start(chunk, num_chunks, size))
            for j in range(first, block_start(same_y, chunk_start(chunk + 1, num_chunks, size))):
                place = place_of[order_y[j]]
                order_y[j] = place
                for column in range(num_columns):
                    total[column] += rows[place, column]
            sums[chunk + 1] = total
        for chunk in range(num_chunks):
            sums[chunk + 1] += sums[chunk]
        return sums

    @njit(parallel=True)
    def outcome_pass(places, same_y, rows, sums, joined, tie_weight, num_chunks):
        """Write the sums of I_w(y_i, y_k) A_k over k, and R^Y last, by place of the regressor."""
        size = places.size
        for chunk in prange(num_chunks):
            below = sums[chunk].copy()
            block = np.empty(num_columns)
            start = block_start(same_y, chunk_start(chunk, num_chunks, size))
            stop = block_start(same_y, chunk_start(chunk + 1, num_chunks, size))
            while start < stop:
                end = block_end(same_y, start)
                rank_y = blend(start, end, tie_weight) / size
                for column in range(num_columns):
                    block[column] = 0.0
                for j in range(start, end):
                    for column in range(num_columns):
                        block[column] += rows[places[j], column]
                for column in range(num_columns):
                    below[column] += block[column]
                for j in range(start, end):
                    joined[places[j], num_columns] = rank_y
                    for column in range(num_columns):
                        # below now holds the block too: of it, the share w counts as above.
                        joined[places[j], column] = (
                            sums[num_chunks, column] - below[column] + tie_weight * block[column]
                        )
                start = end

    return join_orders, outcome_pass


@lru_cache
def make_residual(num_columns):
    """Compile the residual of one observation."""

    @njit(inline="always")
    def residual_of(rows, joined, params, i):
        """Return the residual of the observation at place i."""
        residual = joined[i, num_columns]
        for column in range(num_columns):
            residual -= rows[i, column] * params[column]
        return residual

    return residual_of


@lru_cache
def make_regressor_passes(num_columns):
    """Compile the passes in the order of the regressor that come before the scores."""
    residual_of = make_residual(num_columns)

    @njit(parallel=True)
    def moments(rows, joined, num_chunks):
        """Return the sums of A A' and, in the last column, A R^Y."""
        size = rows.shape[0]
        sums = np.zeros((num_chunks, num_columns, num_columns + 1))
        for chunk in prange(num_chunks):
            total = np.zeros((num_columns, num_columns + 1))
            first = chunk_start(chunk, num_chunks, size)
            for i in range(first, chunk_start(chunk + 1, num_chunks, size)):
                for column in range(num_columns):
                    for other in range(column + 1):
                        total[column, other] += rows[i, column] * rows[i, other]
                    total[column, num_columns] += rows[i, column] * joined[i, num_columns]
            sums[chunk] = total
        return sums.sum(axis=0)

    @njit(parallel=True)
    def sum_effects(rows, joined, same_x, params, num_chunks):
        """Return the sums of u_r e_k - rho A_k before each chunk, and over all at the end."""
        size = rows.shape[0]
        sums = np.zeros((num_chunks + 1, num_columns))
        for chunk in prange(num_chunks):
            total = np.zeros(num_columns)
            first = block_start(same_x, chunk_start(chunk, num_chunks, size))
            for i in range(first, block_start(same_x, chunk_start(chunk + 1, num_chunks, size))):
                total[RANKED] += residual_of(rows, joined, params, i)
                for column in range(num_columns):
                    total[column] -= params[RANKED] * rows[i, column]
            sums[chunk + 1] = total
        for chunk in range(num_chunks):
            sums[chunk + 1] += sums[chunk]
        return sums

    return moments, sum_effects


@lru_cache
def make_score_pass(num_columns):
    """Compile the pass of the scores, in the order of the regressor."""
    residual_of = make_residual(num_columns)

    @njit(parallel=True)
    def score_products(rows, joined, same_x, params, means, sums, tie_weight, num_chunks):
        """Return the sum of s s', lower triangle."""
        size = rows.shape[0]
        products = np.zeros((num_chunks, num_columns, num_columns))
        for chunk in prange(num_chunks):
            product = np.zeros((num_columns, num_columns))
            score = np.empty(num_columns)
            block = np.empty(num_columns)
            below = sums[chunk].copy()
            start = block_start(same_x, chunk_start(chunk, num_chunks, size))
            stop = block_start(same_x, chunk_start(chunk + 1, num_chunks, size))
            while start < stop:
                end = block_end(same_x, start)
                for column in range(num_columns):
                    block[column] = 0.0
                for i in range(start, end):
                    block[RANKED] += residual_of(rows, joined, params, i)
                    for column in range(num_columns):
                        block[column] -= params[RANKED] * rows[i, column]
                for column in range(num_columns):
                    below[column] += block[column]
                for i in range(start, end):
                    residual = residual_of(rows, joined, params, i)
                    for column in range(num_columns):
                        above = sums[num_chunks, column] - below[column]
                        above += tie_weight * block[column] + joined[i, column]
                        score[column] = rows[i, column] * residual + above / size - means[column]
                    for column in range(num_columns):
                        for other in range(column + 1):
                            product[column, other] += score[column] * score[other]
                start = end
            products[chunk] = product
        return products.sum(axis=0)

    return score_products


def symmetric(lower):
    """Return the symmetric matrix with the given lower triangle."""
    return np.tril(lower) + np.tril(lower, -1).T


def fit(outcome, regressor, covariates, *, tie_weight=1.0):
    """Fit rank on rank and covariates, and the covariance.

    Args:
        outcome: Finite values whose ranks are explained, float64 of shape (obs,).
        regressor: Finite values whose ranks explain, float64 of shape (obs,).
        covariates: Further regressors, float64 of shape (obs, covariate), not collinear: the
            normal equations are solved.
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Constant, slope, effects of the covariates, and their covariance.
    """
    size, num_columns = outcome.size, 2 + covariates.shape[1]
    chunks = chunk_count(size)
    join_orders, outcome_pass = make_outcome_passes(num_columns)
    moments, sum_effects = make_regressor_passes(num_columns)
    score_products = make_score_pass(num_columns)
    (order_x, same_x), (order_y, same_y) = orders_and_ties(regressor, outcome)
    place_of, rank_x = np.empty(size, np.int32), np.empty(size)
    rows, joined = np.empty((size, num_columns)), np.empty((size, num_columns + 1))
    place_and_rank(order_x, same_x, place_of, rank_x, tie_weight, chunks)
    make_design_pass(num_columns)(order_x, rank_x, covariates, rows)
    rows_before = join_orders(order_y, same_y, place_of, rows, chunks)
    outcome_pass(order_y, same_y, rows, rows_before, joined, tie_weight, chunks)
    sums = moments(rows, joined, chunks) / size
    cross, cross_outcome = symmetric(sums[:, :-1]), sums[:, -1]
    params = np.linalg.solve(cross, cross_outcome)
    effects_before = sum_effects(rows, joined, same_x, params, chunks)
    means = cross_outcome - params[RANKED] * cross[RANKED]
    products = score_products(
        rows, joined, same_x, params, means, effects_before, tie_weight, chunks
    )
    bread = np.linalg.inv(cross)
    return params, bread @ symmetric(products) @ bread / size**2
