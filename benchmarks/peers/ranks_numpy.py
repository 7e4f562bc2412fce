"""Rank on rank in NumPy: two sorts, then cumulative sums; no loop over data.

Sorting is np.sort of packed keys (the low bits of each float64 give way to the index), which is
two to three times as fast as np.argsort; the two sorts run in two threads. Observations are kept
in the order of the regressor, sums of the outcome's side are carried there by one scatter and one
gather. Inputs are finite float64.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

LEAST_THREADED = 20_000
"""Values from which two sorts in two threads are faster than one after the other."""

MOST_UNSETTLED = 8
"""A plain argsort is the better way where more than one in so many packed keys is out of order."""


RANKED = 1
"""Column of the design that holds the ranks."""


def sample_order(values):
    """Return the order of a sample and the sample in that order."""
    mask = (1 << int(values.size - 1).bit_length()) - 1
    keys = values + 0.0  # the two zeros become one, and the sample is not overwritten
    bits = keys.view(np.int64)
    bits &= ~mask
    bits |= np.arange(values.size)
    keys.sort()
    bits &= mask
    in_order = values.take(bits)
    if not np.any(in_order[1:] < in_order[:-1]):
        return bits, in_order
    return settle(values, bits, in_order, mask)


def settle(values, order, in_order, mask):
    """Sort again, by the values, the runs of equal truncated keys that are out of order."""
    truncated = (in_order + 0.0).view(np.int64) & ~mask
    run = np.empty(values.size, np.int64)
    run[0] = 0
    np.cumsum(truncated[1:] != truncated[:-1], out=run[1:])
    has_fault = np.zeros(run[-1] + 1, np.bool_)
    has_fault[run[1:][in_order[1:] < in_order[:-1]]] = True
    places = np.flatnonzero(has_fault[run])
    if places.size * MOST_UNSETTLED > values.size:
        order = np.argsort(values)
        return order, values.take(order)
    within = np.lexsort((in_order[places], run[places]))
    order[places] = order[places[within]]
    in_order[places] = in_order[places[within]]
    return order, in_order


def order_and_bounds(values):
    """Return the order of a sample and the bounds of its blocks of ties, None without ties."""
    order, in_order = sample_order(values)
    is_new = in_order[1:] != in_order[:-1]
    if is_new.all():
        return order, None
    return order, np.concatenate([[0], np.flatnonzero(is_new) + 1, [values.size]])


def orders_and_bounds(first, second):
    """Order two samples, in two threads where they are large enough."""
    if first.size < LEAST_THREADED:
        return order_and_bounds(first), order_and_bounds(second)
    with ThreadPoolExecutor(1) as executor:
        other = executor.submit(order_and_bounds, second)
        return order_and_bounds(first), other.result()


def sorted_ranks(size, bounds, tie_weight):
    """Return the ranks at each place of an order."""
    if bounds is None:
        return np.arange(1.0, size + 1.0) / size
    ranks = (tie_weight * bounds[1:] + (1.0 - tie_weight) * (bounds[:-1] + 1)) / size
    return np.repeat(ranks, np.diff(bounds))


def shares_above(ranks, bounds, tie_weight, places=None):
    """Return the mean of I_w(v_i, v_k) over k, given the ranks, in the order the ranks have."""
    size = ranks.size
    if bounds is None:
        return (1.0 + tie_weight / size) - ranks
    shares = 1.0 - (tie_weight * bounds[:-1] + (1.0 - tie_weight) * bounds[1:]) / size
    shares = np.repeat(shares, np.diff(bounds))
    return shares if places is None else shares.take(places)


def sums_above(terms, bounds, tie_weight, out):
    """Write the sums of I_w(v_i, v_k) m_k over k at the places of an order; terms m are spent."""
    if bounds is None:
        np.cumsum(terms[::-1], out=out[::-1])
        if tie_weight != 1.0:
            terms *= 1.0 - tie_weight
            out -= terms
        return
    np.cumsum(terms, out=terms)
    below = np.concatenate([[0.0], terms[bounds[1:] - 1]])
    sums = below[-1] - (tie_weight * below[:-1] + (1.0 - tie_weight) * below[1:])
    out[:] = np.repeat(sums, np.diff(bounds))


def fit(outcome, regressor, covariates=None, *, tie_weight=1.0):
    """Fit rank on rank and its covariance.

    Args:
        outcome: Finite values whose ranks are explained, float64 of shape (obs,).
        regressor: Finite values whose ranks explain, float64 of shape (obs,).
        covariates: Further regressors, float64 of shape (obs, covariate), not collinear: the
            normal equations are solved.
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Constant, slope, effects of the covariates, and their covariance.
    """
    size = outcome.size
    num_params = 2 if covariates is None else 2 + covariates.shape[1]
    (order_x, bounds_x), (order_y, bounds_y) = orders_and_bounds(regressor, outcome)
    place_y = np.empty(size, np.intp)
    place_y[order_y] = np.arange(size)
    places = place_y.take(order_x)
    columns = np.empty((num_params + 1, size))
    columns[0] = 1.0
    columns[RANKED] = sorted_ranks(size, bounds_x, tie_weight)
    if covariates is not None:
        columns[2:-1] = covariates.take(order_x, axis=0).T
    sorted_ranks(size, bounds_y, tie_weight).take(places, out=columns[-1], mode="clip")
    moments = columns @ columns.T / size
    cross, cross_outcome = moments[:-1, :-1], moments[:-1, -1]
    params = np.linalg.solve(cross, cross_outcome)
    scores = score_columns(columns, params, places, bounds_x, bounds_y, tie_weight)
    scores -= (cross_outcome - params[RANKED] * cross[RANKED])[:, None]
    bread = np.linalg.inv(cross)
    return params, bread @ (scores @ scores.T) @ bread / size**2


def score_columns(columns, params, places, bounds_x, bounds_y, tie_weight):
    """Return the scores of each parameter before their means are taken off, shape (param, obs).

    Args:
        columns: Constant, R^X, covariates and R^Y in the order of the regressor, shape
            (param + 1, obs).
        params: Constant, slope, effects of the covariates.
        places: Place in the order of the outcome.
        bounds_x: Bounds of the regressor's blocks of ties, None without ties.
        bounds_y: Bounds of the outcome's blocks of ties, None without ties.
        tie_weight: Weight of ties in the ranks.
    """
    num_params, size = params.size, places.size
    residual = columns[-1] - params @ columns[:-1]
    scores = np.empty((num_params, size))
    np.multiply(shares_above(columns[RANKED], bounds_x, tie_weight), -params[RANKED], out=scores[0])
    scores[0] += shares_above(columns[-1], bounds_y, tie_weight, places)
    scores[0] += residual
    terms, sums = np.empty(size), np.empty(size)
    for index in range(1, num_params):
        column, score = columns[index], scores[index]
        terms[places] = column
        sums_above(terms, bounds_y, tie_weight, sums)
        sums.take(places, out=score, mode="clip")
        np.multiply(column, -params[RANKED], out=terms)
        if index == RANKED:
            terms += residual
        sums_above(terms, bounds_x, tie_weight, sums)
        score += sums
        score /= size
        score += np.multiply(column, residual, out=terms)
    return scores
