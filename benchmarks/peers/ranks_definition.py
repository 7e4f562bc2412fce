"""Rank regression by its definition, O(n²) in time and memory: the reference of the peers' tests.

Source: Chetverikov and Wilhelm, Inference for Rank-Rank Regressions, arXiv 2310.15512.
"""

import numpy as np


def comparisons(values, tie_weight):
    """Return I_w(v_i, v_k) for all pairs: w where v_i <= v_k and 1 - w where v_i < v_k, added."""
    rows, columns = values[:, None], values[None, :]
    return tie_weight * (rows <= columns) + (1.0 - tie_weight) * (rows < columns)


def ranks(values, tie_weight):
    """Return the sample ranks in (0, 1]."""
    return (comparisons(values, tie_weight).sum(axis=0) + 1.0 - tie_weight) / values.size


def design(regressor_ranks, covariates):
    """Return the columns constant, regressor ranks, covariates."""
    columns = [np.ones_like(regressor_ranks), regressor_ranks]
    if covariates is not None:
        columns.extend(np.asarray(covariates, np.float64).T)
    return np.stack(columns, axis=1)


def fit(outcome, regressor, covariates=None, *, tie_weight=1.0):
    """Fit rank on rank and its covariance.

    Args:
        outcome: Values whose ranks are explained, shape (obs,).
        regressor: Values whose ranks explain, shape (obs,).
        covariates: Further regressors, shape (obs, covariate).
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Parameters (constant, slope, covariates) and their covariance.
    """
    return fit_grouped(
        outcome, regressor, np.zeros(len(outcome), int), 1, covariates, tie_weight=tie_weight
    )


def fit_grouped(outcome, regressor, groups, num_groups, covariates=None, *, tie_weight=1.0):
    """Fit rank on rank within groups, ranks pooled over them, and the joint covariance.

    Args:
        outcome: Values whose ranks are explained, shape (obs,).
        regressor: Values whose ranks explain, shape (obs,).
        groups: Group of each observation, integers in [0, num_groups).
        num_groups: How many groups there are.
        covariates: Further regressors, shape (obs, covariate).
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Parameters (all constants, all slopes, then each covariate's effects) and their covariance.
    """
    count = len(outcome)
    below_y = comparisons(outcome, tie_weight)
    below_x = comparisons(regressor, tie_weight)
    rank_y = (below_y.sum(axis=0) + 1.0 - tie_weight) / count
    rank_x = (below_x.sum(axis=0) + 1.0 - tie_weight) / count
    columns = design(rank_x, covariates)
    member = groups[:, None] == np.arange(num_groups)
    full = (columns[:, :, None] * member[:, None, :]).reshape(count, -1)
    slope_unit = np.zeros(columns.shape[1])
    slope_unit[1] = 1.0
    cross = full.T @ full / count
    params = np.linalg.solve(cross, full.T @ rank_y / count)
    residual = rank_y - full @ params
    slopes = params.reshape(-1, num_groups)[1][groups]
    score = (
        full * residual[:, None]
        + (below_y - rank_y) @ full / count
        - (below_x - rank_x) @ (full * slopes[:, None]) / count
        + (below_x - rank_x) @ (residual[:, None] * np.kron(slope_unit, member)) / count
    )
    influence = np.linalg.solve(cross, score.T).T
    return params, influence.T @ influence / count**2


def hc1(outcome_ranks, columns):
    """Fit least squares with the naive HC1 covariance, which takes the ranks as data."""
    count, num_params = columns.shape
    cross = columns.T @ columns
    params = np.linalg.solve(cross, columns.T @ outcome_ranks)
    scores = columns * (outcome_ranks - columns @ params)[:, None]
    inverse = np.linalg.inv(cross)
    return params, inverse @ (scores.T @ scores) @ inverse * count / (count - num_params)


def hc1_grouped(outcome_ranks, regressor_ranks, groups, num_groups):
    """Fit each group by itself with its HC1 covariance; constants first, then slopes."""
    params = np.empty((2, num_groups))
    cov = np.zeros((2, num_groups, 2, num_groups))
    for group in range(num_groups):
        member = np.flatnonzero(groups == group)
        columns = design(regressor_ranks[member], None)
        params[:, group], cov[:, group, :, group] = hc1(outcome_ranks[member], columns)
    return params.ravel(), cov.reshape(2 * num_groups, 2 * num_groups)


def bootstrap_one(counts, outcome, regressor, *, tie_weight):
    """Fit one bootstrap draw by its definition.

    Args:
        counts: How often the draw holds each observation.
        outcome: Values whose ranks are explained, shape (obs,).
        regressor: Values whose ranks explain, shape (obs,).
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Parameters and covariance of the sample in which each observation is repeated.
    """
    return fit(np.repeat(outcome, counts), np.repeat(regressor, counts), tie_weight=tie_weight)
