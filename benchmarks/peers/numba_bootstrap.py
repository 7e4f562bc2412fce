"""Bootstrap of rank on rank in numba: presorted, counts drawn, ranks from sums of counts.

A replicate draws counts in the order of the regressor and makes one pass in either order; all it
touches stays in the cache of a core, and the replicates are split over the cores. Without ties and
with tie weight 1 the sums that the parameters need are exact integers. Replicate r seeds its own
xoroshiro128+ from (seed, r), so that draws do not depend on the number of threads.
"""

import numba
import numpy as np
from numba import njit, prange

from benchmarks.peers.numba_blocks import block_end, count_above, place_and_rank
from benchmarks.peers.numba_sort import orders_and_ties

COUNT_BITS = 8
"""Low bits that hold a count beside a sum of counts; no observation is drawn 256 times."""

GOLDEN = 0x9E3779B97F4A7C15


@njit(inline="always")
def mix(state):
    """Scramble 64 bits (splitmix64)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@njit
def draw_counts(seed, replicate, counts):
    """Draw n times with replacement from n observations; write how often each was drawn.

    Each step of the generator gives two indices, the high and the low 32 bits of it times n; their
    probabilities are right to n / 2**32.
    """
    size = counts.size
    counts[:] = 0
    scale = np.uint64(size)
    low_half = np.uint64(0xFFFFFFFF)
    first = mix(np.uint64(seed) * np.uint64(GOLDEN) + np.uint64(replicate))
    second = mix(first + np.uint64(GOLDEN))
    for draw in range(0, size, 2):
        bits = first + second
        second ^= first
        first = ((first << np.uint64(24)) | (first >> np.uint64(40))) ^ second
        first ^= second << np.uint64(16)
        second = (second << np.uint64(37)) | (second >> np.uint64(27))
        counts[((bits >> np.uint64(32)) * scale) >> np.uint64(32)] += 1
        if draw + 1 < size:
            counts[((bits & low_half) * scale) >> np.uint64(32)] += 1


@njit
def integer_sums(counts, places, records):
    """Return the sums of c X, c Y, c X X, c X Y, X and Y n times the ranks of the draw; no ties."""
    level = sum_x = sum_y = sum_xx = sum_xy = np.int64(0)
    for i in range(counts.size):
        count = np.int64(counts[i])
        level += count
        records[i] = (level << COUNT_BITS) | count
        sum_x += count * level
        sum_xx += count * level * level
    level = np.int64(0)
    for j in range(counts.size):
        record = records[places[j]]
        count = record & ((1 << COUNT_BITS) - 1)
        level += count
        sum_y += count * level
        sum_xy += count * level * (record >> COUNT_BITS)
    return np.float64(sum_x), np.float64(sum_y), np.float64(sum_xx), np.float64(sum_xy)


@njit
def regressor_sums(counts, same_x, ranks, tie_weight):
    """Write n times the ranks of a draw in the order of the regressor; return sums of c X, c X X.

    Args:
        counts: How often each observation was drawn.
        same_x: Marks of ties, None without any.
        ranks: Written, (obs, 2): n R^X and the count of the block of ties.
        tie_weight: Weight of ties.
    """
    level, sum_x, sum_xx = np.int64(0), 0.0, 0.0
    start = 0
    while start < counts.size:
        end = block_end(same_x, start)
        block = np.int64(0)
        for i in range(start, end):
            block += counts[i]
        level += block
        rank = level - (1.0 - tie_weight) * (block - 1)
        for i in range(start, end):
            ranks[i, 0] = rank
            ranks[i, 1] = block
        sum_x += block * rank
        sum_xx += block * rank * rank
        start = end
    return sum_x, sum_xx


@njit
def outcome_sums(counts, same_y, places, ranks, sum_x, joined, tie_weight):
    """Return sums of c Y and c X Y of a draw, and write what the outcome's order tells.

    Args:
        counts: How often each observation was drawn, in the order of the regressor.
        same_y: Marks of the outcome's ties, None without any.
        places: Places in the order of the regressor, in the order of the outcome.
        ranks: As from `regressor_sums`.
        sum_x: Sum of c X.
        joined: Written in the order of the regressor, (obs, 3): n R^Y, the sum of
            c_k I_w(y_i, y_k) n R^X_k over k, the count of the block of ties.
        tie_weight: Weight of ties.
    """
    level, below, sum_y, sum_xy = np.int64(0), 0.0, 0.0, 0.0
    start = 0
    while start < counts.size:
        end = block_end(same_y, start)
        block, block_x = np.int64(0), 0.0
        for j in range(start, end):
            place = places[j]
            block += counts[place]
            block_x += counts[place] * ranks[place, 0]
        level += block
        rank = level - (1.0 - tie_weight) * (block - 1)
        above = sum_x - below - (1.0 - tie_weight) * block_x
        for j in range(start, end):
            place = places[j]
            joined[place, 0] = rank
            joined[place, 1] = above
            joined[place, 2] = block
        sum_y += block * rank
        sum_xy += block_x * rank
        below += block_x
        start = end
    return sum_y, sum_xy


@njit
def score_products(counts, same_x, ranks, joined, params, means, total, tie_weight):
    """Return the sums of c s_0 s_0, c s_0 s_1 and c s_1 s_1 of n s_0 and n² s_1 of a draw.

    Args:
        counts: How often each observation was drawn.
        same_x: Marks of the regressor's ties, None without any.
        ranks: As from `regressor_sums`.
        joined: As from `outcome_sums`.
        params: n times the constant, and the slope.
        means: What is taken off both scores.
        total: Sum of c n (e - rho R^X).
        tie_weight: Weight of ties.
    """
    size = counts.size
    constant, slope = params
    below = p00 = p01 = p11 = 0.0
    start = 0
    while start < size:
        end = block_end(same_x, start)
        rank = ranks[start, 0]
        fitted = constant + slope * rank
        block = 0.0
        for i in range(start, end):
            block += counts[i] * (joined[i, 0] - fitted - slope * rank)
        above = total - below - (1.0 - tie_weight) * block
        fixed = means[0] + slope * count_above(size, rank, ranks[start, 1], tie_weight)
        for i in range(start, end):
            residual = joined[i, 0] - fitted
            s0 = residual + count_above(size, joined[i, 0], joined[i, 2], tie_weight) - fixed
            s1 = rank * residual + joined[i, 1] + above - means[1]
            p00 += counts[i] * s0 * s0
            p01 += counts[i] * s0 * s1
            p11 += counts[i] * s1 * s1
        below += block
        start = end
    return p00, p01, p11


@njit(inline="always")
def solve(sum_x, sum_y, sum_xx, sum_xy, size):
    """Return n times the constant, and the slope."""
    slope = (size * sum_xy - sum_x * sum_y) / (size * sum_xx - sum_x * sum_x)
    return (sum_y - slope * sum_x) / size, slope


@njit
def refit(counts, same_x, same_y, places, ranks, joined, studentised, tie_weight):
    """Return constant, slope and their standard errors (else NaN) of one draw."""
    size = counts.size
    sum_x, sum_xx = regressor_sums(counts, same_x, ranks, tie_weight)
    sum_y, sum_xy = outcome_sums(counts, same_y, places, ranks, sum_x, joined, tie_weight)
    params = solve(sum_x, sum_y, sum_xx, sum_xy, size)
    constant, slope = params
    if not studentised:
        return constant / size, slope, np.nan, np.nan
    means = ((sum_y - slope * sum_x) / size, (sum_xy - slope * sum_xx) / size)
    total = sum_y - constant * size - 2.0 * slope * sum_x
    p00, p01, p11 = score_products(counts, same_x, ranks, joined, params, means, total, tie_weight)
    # V = Q^-1 (sum c s s' / n) Q^-1 / n, all but the last step in places and not in ranks.
    mean_x, mean_xx = sum_x / size, sum_xx / size
    unit = (mean_xx - mean_x * mean_x) * np.float64(size) ** 2
    v00 = mean_xx * mean_xx * p00 - 2.0 * mean_xx * mean_x * p01 + mean_x * mean_x * p11
    v11 = mean_x * mean_x * p00 - 2.0 * mean_x * p01 + p11
    errors = np.sqrt(max(v00, 0.0)) / unit, np.sqrt(max(v11, 0.0)) / unit * size
    return constant / size, slope, errors[0], errors[1]


@njit(parallel=True)
def run_integer(seed, places, num_chunks, params):
    """Write the parameters of all replicates; no ties, tie weight 1."""
    size = places.size
    for chunk in prange(num_chunks):
        counts, records = np.empty(size, np.uint8), np.empty(size, np.int64)
        for replicate in range(chunk, params.shape[0], num_chunks):
            draw_counts(seed, replicate, counts)
            sum_x, sum_y, sum_xx, sum_xy = integer_sums(counts, places, records)
            constant, slope = solve(sum_x, sum_y, sum_xx, sum_xy, size)
            params[replicate, 0] = constant / size
            params[replicate, 1] = slope


@njit(parallel=True)
def run_general(seed, same_x, same_y, places, num_chunks, studentised, tie_weight, results):
    """Write parameters and standard errors of all replicates, shape (replicate, 4)."""
    size = places.size
    for chunk in prange(num_chunks):
        counts = np.empty(size, np.int32)
        ranks, joined = np.empty((size, 2)), np.empty((size, 3))
        for replicate in range(chunk, results.shape[0], num_chunks):
            draw_counts(seed, replicate, counts)
            results[replicate] = refit(
                counts, same_x, same_y, places, ranks, joined, studentised, tie_weight
            )


def bootstrap(seed, outcome, regressor, *, num_replicates, studentised, tie_weight=1.0):
    """Bootstrap rank on rank, with ranks taken anew in every draw.

    Args:
        seed: Integer that settles all draws.
        outcome: Finite values whose ranks are explained, float64 of shape (obs,).
        regressor: Finite values whose ranks explain, float64 of shape (obs,).
        num_replicates: How many draws.
        studentised: Whether each draw's own standard errors are wanted too.
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Parameters, shape (replicate, 2), and their standard errors or None.
    """
    size = outcome.size
    (order_x, same_x), (order_y, same_y) = orders_and_ties(regressor, outcome)
    place_of = np.empty(size, np.int32)
    place_and_rank(order_x, same_x, place_of, np.empty(size), tie_weight, 1)
    places = place_of[order_y]
    num_chunks = numba.get_num_threads()
    if not studentised and same_x is None and same_y is None and tie_weight == 1.0:
        params = np.empty((num_replicates, 2))
        run_integer(seed, places, num_chunks, params)
        return params, None
    results = np.empty((num_replicates, 4))
    run_general(seed, same_x, same_y, places, num_chunks, studentised, tie_weight, results)
    return results[:, :2], results[:, 2:] if studentised else None
