"""What people use today: least squares on ranks with HC1 standard errors, by statsmodels.

Its covariance takes the ranks as data and is inconsistent; it is measured for its speed only.
"""

import numpy as np
from scipy.stats import rankdata
from statsmodels.regression.linear_model import OLS


def sample_ranks(values, tie_weight):
    """Return the ranks in (0, 1]; the usual tie weights take one call of rankdata, others two."""
    methods = {1.0: "max", 0.5: "average", 0.0: "min"}
    if tie_weight in methods:
        return rankdata(values, method=methods[tie_weight]) / values.size
    ranks = tie_weight * rankdata(values, method="max")
    return (ranks + (1.0 - tie_weight) * rankdata(values, method="min")) / values.size


def fit(outcome, regressor, covariates=None, *, tie_weight=1.0):
    """Fit rank on rank with the naive HC1 covariance.

    Args:
        outcome: Values whose ranks are explained, shape (obs,).
        regressor: Values whose ranks explain, shape (obs,).
        covariates: Further regressors, shape (obs, covariate).
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Constant, slope, effects of the covariates, and their HC1 covariance.
    """
    num_params = 2 if covariates is None else 2 + covariates.shape[1]
    design = np.empty((outcome.size, num_params), order="F")
    design[:, 0] = 1.0
    design[:, 1] = sample_ranks(regressor, tie_weight)
    if covariates is not None:
        design[:, 2:] = covariates
    result = OLS(sample_ranks(outcome, tie_weight), design).fit(cov_type="HC1")
    return result.params, result.cov_params()


def fit_grouped(outcome, regressor, groups, num_groups, *, tie_weight=1.0):
    """Fit rank on rank group by group, ranks pooled over them, with the naive HC1 covariance.

    A regression on all dummies would have 2 columns for each group; these fits are the same.

    Args:
        outcome: Values whose ranks are explained, shape (obs,).
        regressor: Values whose ranks explain, shape (obs,).
        groups: Group of each observation, integers in [0, num_groups); none has fewer than 3.
        num_groups: How many groups there are.
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        All constants, then all slopes, and their HC1 covariance, zero between groups.
    """
    rank_y, rank_x = (sample_ranks(values, tie_weight) for values in (outcome, regressor))
    bounds = np.cumsum(np.bincount(groups, minlength=num_groups))[:-1]
    params = np.empty((2, num_groups))
    cov = np.zeros((2, num_groups, 2, num_groups))
    for group, member in enumerate(np.split(np.argsort(groups, kind="stable"), bounds)):
        design = np.column_stack([np.ones(member.size), rank_x[member]])
        result = OLS(rank_y[member], design).fit(cov_type="HC1")
        params[:, group], cov[:, group, :, group] = result.params, result.cov_params()
    return params.ravel(), cov.reshape(2 * num_groups, 2 * num_groups)


def bootstrap(seed, outcome, regressor, *, num_replicates, tie_weight=1.0):
    """Bootstrap rank on rank by ranking and regressing each redrawn sample.

    Args:
        seed: Integer that settles all draws.
        outcome: Values whose ranks are explained, shape (obs,).
        regressor: Values whose ranks explain, shape (obs,).
        num_replicates: How many draws.
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        Constants and slopes, shape (replicate, 2).
    """
    generator = np.random.default_rng(seed)
    draws = np.empty((num_replicates, 2))
    for draw in draws:
        drawn = generator.integers(0, outcome.size, outcome.size)
        ranked = sample_ranks(regressor[drawn], tie_weight)
        design = np.column_stack([np.ones(drawn.size), ranked])
        draw[:] = OLS(sample_ranks(outcome[drawn], tie_weight), design).fit().params
    return draws
