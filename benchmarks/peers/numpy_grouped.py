"""Rank on rank by groups in NumPy and SciPy: the joint covariance of all groups without a GEMM.

The score of an observation in all groups is s_i = D_i + P(y_i) + M(x_i): D is zero outside its own
group, P and M are step functions whose every step touches one group only. By summation by parts

    sum_i P(y_i) Z_i' = (1/n) sum_k m_k [sum_i I_w(y_i, y_k) Z_i - R^Y_k sum_i Z_i]',

a product with a sparse matrix that holds m_k in the rows of its group. With Z = P/2 + M + D in the
order of the outcome, Z = M/2 + D in that of the regressor and the transposes, this is the sum of
s s'. Columns are done in tiles, in as many threads as there are cores. The dense way (all scores,
1.1 GB at 700 groups, then one syrk) needs the same time for the syrk alone; at 50 groups the two
are close.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from benchmarks.peers.ranks_numpy import orders_and_bounds, sorted_ranks

MOST_GROUPS = 64
"""Groups in a tile of columns at most, of two columns each."""


@dataclass(frozen=True)
class Order:
    """Observations in the order of one variable.

    Attributes:
        order: Observation at each place, shape (obs,).
        bounds: Bounds of the blocks of ties, None without ties.
        groups: Group at each place, shape (obs,).
        steps: m / n at each place, for constant and slope, shape (2, obs).
        own: D at each place, shape (2, obs).
        sparse: m / n in the rows of its group, shape (2 group, obs).
        moved: Sums of m_k R_k / n by group, shape (2, group).
        tie_weight: Weight of ties.
    """

    order: np.ndarray
    bounds: np.ndarray | None
    groups: np.ndarray
    steps: np.ndarray
    own: np.ndarray
    sparse: scipy.sparse.csr_array
    moved: np.ndarray
    tie_weight: float

    def step_function(self, members, columns, tile):
        """Return the values of the step function in a tile of columns, shape (column, obs).

        Args:
            members: Places of the observations whose groups are in the tile.
            columns: Their columns for the constant.
            tile: The groups of the tile, a slice.
        """
        moved = self.moved[:, tile]
        num_groups = moved.shape[1]
        values = np.zeros((2 * num_groups, self.groups.size))
        for part in range(2):
            values[columns + part * num_groups, members] = self.steps[part, members]
        values[:, -1] -= moved.ravel()
        np.cumsum(values[:, ::-1], axis=1, out=values[:, ::-1])
        if self.bounds is not None:
            after = np.concatenate([values[:, self.bounds[1:-1]], -moved.reshape(-1, 1)], axis=1)
            blocks = self.tie_weight * values[:, self.bounds[:-1]] + (1.0 - self.tie_weight) * after
            return np.repeat(blocks, np.diff(self.bounds), axis=1)
        if self.tie_weight != 1.0:
            for part in range(2):
                left = (1.0 - self.tie_weight) * self.steps[part, members]
                values[columns + part * num_groups, members] -= left
        return values

    def product(self, terms):
        """Return sum_k m_k [sum_i I_w(v_i, v_k) Z_i - R_k sum_i Z_i]' / n; the terms Z are spent.

        Args:
            terms: Z, shape (column, obs).
        """
        weight = self.tie_weight
        own = (1.0 - weight) * terms if weight != 1.0 and self.bounds is None else None
        np.cumsum(terms, axis=1, out=terms)
        total = terms[:, -1].copy()
        if own is not None:
            terms -= own
        elif self.bounds is not None:
            level = terms[:, self.bounds[1:] - 1]
            blocks = weight * level
            blocks[:, 1:] += (1.0 - weight) * level[:, :-1]
            terms = np.repeat(blocks, np.diff(self.bounds), axis=1)
        return self.sparse @ np.ascontiguousarray(terms.T) - np.outer(self.moved.ravel(), total)


def make_order(order, bounds, groups, num_groups, steps, own, ranks, tie_weight):
    """Return the observations in one order; steps and own scores of shape (2, obs)."""
    size = groups.size
    sorted_groups, sorted_steps = groups[order], steps[:, order] / size
    rows = np.concatenate([sorted_groups, sorted_groups + num_groups])
    places = np.tile(np.arange(size), 2)
    return Order(
        order=order,
        bounds=bounds,
        groups=sorted_groups,
        steps=sorted_steps,
        own=own[:, order],
        sparse=scipy.sparse.csr_array(
            (sorted_steps.ravel(), (rows, places)), shape=(2 * num_groups, size)
        ),
        moved=np.stack([np.bincount(groups, part * ranks, num_groups) for part in steps]) / size,
        tie_weight=tie_weight,
    )


def half_products(x_order, y_order, places, tile):
    """Return half the sum of s s' without D D', in the columns of a tile.

    Args:
        x_order: Observations in the order of the regressor.
        y_order: Observations in the order of the outcome.
        places: Places in the order of the regressor, in the order of the outcome.
        tile: The groups of the tile, a slice.

    Returns:
        Array of shape (2 group, 2 group of the tile).
    """
    result, values_x = 0.0, None
    for order in (x_order, y_order):
        members = np.flatnonzero((order.groups >= tile.start) & (order.groups < tile.stop))
        columns = order.groups[members] - tile.start
        values = order.step_function(members, columns, tile)
        terms = 0.5 * values
        if values_x is None:
            values_x = values
        else:
            terms += values_x.take(places, axis=1)
        for part in range(2):
            terms[columns + part * (tile.stop - tile.start), members] += order.own[part, members]
        result = result + order.product(terms)
    return result


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
    (order_x, bounds_x), (order_y, bounds_y) = orders_and_bounds(regressor, outcome)
    rank_x, rank_y = np.empty(size), np.empty(size)
    rank_x[order_x] = sorted_ranks(size, bounds_x, tie_weight)
    rank_y[order_y] = sorted_ranks(size, bounds_y, tie_weight)
    rows = np.stack([np.ones(size), rank_x])
    products = [rows[0], rank_x, rank_y, rank_x * rank_x, rank_x * rank_y]
    sums = [np.bincount(groups, product, num_groups) for product in products]
    count, sum_x, sum_y, sum_xx, sum_xy = sums
    slope = (count * sum_xy - sum_x * sum_y) / (count * sum_xx - sum_x**2)
    constant = (sum_y - slope * sum_x) / count
    residual = rank_y - constant[groups] - slope[groups] * rank_x
    own = rows * residual
    steps_x = -slope[groups] * rows
    steps_x[1] += residual
    x_order = make_order(order_x, bounds_x, groups, num_groups, steps_x, own, rank_x, tie_weight)
    y_order = make_order(order_y, bounds_y, groups, num_groups, rows, own, rank_y, tie_weight)
    place_x = np.empty(size, np.intp)
    place_x[order_x] = np.arange(size)
    num_threads = os.cpu_count() or 1
    meat = sum_tiles(x_order, y_order, place_x[order_y], num_groups, num_threads)
    diagonal = np.arange(num_groups)
    for part, other in ((0, 0), (0, 1), (1, 0), (1, 1)):
        meat[part, diagonal, other, diagonal] += np.bincount(
            groups, own[part] * own[other], num_groups
        )
    # Blocks of n Q, whose inverses stand on both sides of the sum of products.
    blocks = np.stack([np.stack([count, sum_x], -1), np.stack([sum_x, sum_xx], -1)], -2)
    bread = np.linalg.inv(blocks)
    cov = np.einsum("gap,pgqh,hqb->agbh", bread, meat, bread, optimize=True)
    return np.concatenate([constant, slope]), cov.reshape(2 * num_groups, 2 * num_groups)


def sum_tiles(x_order, y_order, places, num_groups, num_threads):
    """Return the sum of s s' without D D', shape (2, group, 2, group)."""
    width = min(MOST_GROUPS, -(-num_groups // num_threads))
    starts = range(0, num_groups, width)
    tiles = [slice(start, min(start + width, num_groups)) for start in starts]
    half = np.empty((2, num_groups, 2, num_groups))

    def run(tile):
        part = half_products(x_order, y_order, places, tile)
        half[:, :, :, tile] = part.reshape(2, num_groups, 2, -1)

    with ThreadPoolExecutor(num_threads) as executor:
        list(executor.map(run, tiles))
    return half + half.transpose(2, 3, 0, 1)
