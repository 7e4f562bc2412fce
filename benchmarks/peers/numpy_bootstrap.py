"""Bootstrap of rank on rank in NumPy: presorted, counts drawn, ranks from sums of counts.

A loop over replicates in Python whose arrays stay in the cache: batches of replicates in one array
were slower. Nothing is sorted in it. The loop runs in two threads, each with its own generator.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.peers.ranks_numpy import orders_and_bounds


def drawn_ranks(counts, bounds, tie_weight):
    """Return n times the ranks and the counts of the blocks of ties, at the places of an order."""
    level = np.cumsum(counts)
    if bounds is None:
        return (level if tie_weight == 1.0 else level - (1.0 - tie_weight) * (counts - 1)), counts
    block = np.diff(level[bounds[1:] - 1], prepend=0)
    ranks = np.cumsum(block) - (1.0 - tie_weight) * (block - 1)
    sizes = np.diff(bounds)
    return np.repeat(ranks, sizes), np.repeat(block, sizes)


def drawn_sums_above(terms, bounds, tie_weight):
    """Return the sums of I_w(v_i, v_k) c_k m_k over k, terms c m, at the places of an order."""
    if bounds is None:
        sums = np.cumsum(terms[::-1])[::-1]
        return sums if tie_weight == 1.0 else sums - (1.0 - tie_weight) * terms
    below = np.concatenate([[0.0], np.cumsum(terms)])[bounds]
    sums = below[-1] - (tie_weight * below[:-1] + (1.0 - tie_weight) * below[1:])
    return np.repeat(sums, np.diff(bounds))


def count_above(size, ranks, ties, tie_weight):
    """Return the sum of c_k I_w(v_i, v_k) over k."""
    return size + 1.0 - tie_weight + (2.0 * tie_weight - 1.0) * ties - ranks


def refit(counts, places_y, places_x, bounds_x, bounds_y, *, studentised, tie_weight=1.0):
    """Fit one draw.

    Args:
        counts: How often the draw holds each observation, in the order of the regressor.
        places_y: Place in the order of the outcome, in the order of the regressor.
        places_x: Place in the order of the regressor, in the order of the outcome.
        bounds_x: Bounds of the regressor's blocks of ties, None without ties.
        bounds_y: Bounds of the outcome's blocks of ties, None without ties.
        studentised: Whether standard errors are wanted too.
        tie_weight: Weight of ties.

    Returns:
        Constant and slope, then their standard errors if wanted.
    """
    size = counts.size
    counts_y = counts.take(places_x)
    ranks_x, ties_x = drawn_ranks(counts, bounds_x, tie_weight)
    ranks_y, ties_y = drawn_ranks(counts_y, bounds_y, tie_weight)
    x, y = ranks_x.astype(np.float64), ranks_y.take(places_y).astype(np.float64)
    weights = counts / size
    weighted = weights * x
    mean_x, mean_y, mean_xx, mean_xy = weighted.sum(), weights @ y, weighted @ x, weighted @ y
    slope = (mean_xy - mean_x * mean_y) / (mean_xx - mean_x**2)
    constant = mean_y - slope * mean_x
    if not studentised:
        return constant / size, slope
    residual = y - slope * x
    residual -= constant
    above_y = drawn_sums_above(weighted.take(places_x), bounds_y, tie_weight).take(places_y)
    above_x = drawn_sums_above(weights * (residual - slope * x), bounds_x, tie_weight)
    scores = np.empty((2, size))
    scores[0] = residual + count_above(size, ranks_y, ties_y, tie_weight).take(places_y)
    scores[0] -= slope * count_above(size, ranks_x, ties_x, tie_weight)
    scores[1] = residual * x + size * (above_y + above_x)
    scores -= [[mean_y - slope * mean_x], [mean_xy - slope * mean_xx]]
    influence = np.array([[mean_xx, -mean_x], [-mean_x, 1.0]]) @ scores
    influence *= influence
    variances = influence @ weights / (size * (mean_xx - mean_x**2) ** 2)
    return constant / size, slope, variances[0] ** 0.5 / size, variances[1] ** 0.5


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
    (order_x, bounds_x), (order_y, bounds_y) = orders_and_bounds(regressor, outcome)
    place_x = np.empty(size, np.intp)
    place_x[order_x] = np.arange(size)
    places_x = place_x.take(order_y)
    places_y = np.empty(size, np.intp)
    places_y[places_x] = np.arange(size)
    results = np.empty((num_replicates, 4 if studentised else 2))

    def run(rows, bits):
        generator = np.random.Generator(bits)
        for row in rows:
            counts = np.bincount(generator.integers(0, size, size), minlength=size)
            row[:] = refit(
                counts,
                places_y,
                places_x,
                bounds_x,
                bounds_y,
                studentised=studentised,
                tie_weight=tie_weight,
            )

    num_threads = min(os.cpu_count() or 1, num_replicates)
    seeds = np.random.SeedSequence(seed).spawn(num_threads)
    with ThreadPoolExecutor(num_threads) as executor:
        list(executor.map(run, np.array_split(results, num_threads), map(np.random.SFC64, seeds)))
    return results[:, :2], results[:, 2:] if studentised else None
