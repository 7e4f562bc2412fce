"""Rank on rank and covariates in numba: the passes of `ranks_numba` with a row of sums in each.

The number of columns is a constant of the compiled passes, so that their inner loops unroll.
"""

from functools import lru_cache

import numpy as np
from numba import njit, prange

from benchmarks.peers.numba_sort import block_end, block_start, chunk_start, orders_and_ties
from benchmarks.peers.numba_sort import blend, chunk_count, count_above, place_and_rank


@lru_cache
def make_passes(num_columns):
    """Compile the passes for designs of `num_columns` columns: constant, rank, covariates."""

    @njit(parallel=True)
    def build_design(order_x, rank_x, covariates, rows):
        """Write the rows of the design in the order of the regressor."""
        for i in prange(order_x.size):
            rows[i, 0] = 1.0
            rows[i, 1] = rank_x[i] / order_x.size
            for column in range(2, num_columns):
                rows[i, column] = covariates[order_x[i], column - 2]

    @njit(parallel=True)
    def sum_rows(places, same, rows, num_chunks):
        """Return the sum of rows before each chunk of places, and over all at the end."""
        sums = np.zeros((num_chunks + 1, num_columns))
        for chunk in prange(num_chunks):
            total = np.zeros(num_columns)
            first = block_start(same, chunk_start(chunk, num_chunks, places.size))
            last = block_start(same, chunk_start(chunk + 1, num_chunks, places.size))
            for j in range(first, last):
                for column in range(num_columns):
                    total[column] += rows[places[j], column]
            sums[chunk + 1] = total
        for chunk in range(num_chunks):
            sums[chunk + 1] += sums[chunk]
        return sums

    @njit(parallel=True)
    def outcome_pass(places, same, rows, sums, joined, tie_weight, num_chunks):
        """Write R^Y and the sums of I_w(y_i, y_k) A_k over k in the order of the regressor."""
        size = places.size
        for chunk in prange(num_chunks):
            below = sums[chunk].copy()
            block = np.empty(num_columns)
            start = block_start(same, chunk_start(chunk, num_chunks, size))
            stop = block_start(same, chunk_start(chunk + 1, num_chunks, size))
            while start < stop:
                end = block_end(same, start)
                rank_y = blend(start, end, tie_weight) / size
                for column in range(num_columns):
                    block[column] = 0.0
                for j in range(start, end):
                    for column in range(num_columns):
                        block[column] += rows[places[j], column]
                for j in range(start, end):
                    joined[places[j], num_columns] = rank_y
                    for column in range(num_columns):
                        joined[places[j], column] = (
                            sums[num_chunks, column]
                            - below[column]
                            - (1.0 - tie_weight) * block[column]
                        )
                for column in range(num_columns):
                    below[column] += block[column]
                start = end
    return build_design, sum_rows, outcome_pass
