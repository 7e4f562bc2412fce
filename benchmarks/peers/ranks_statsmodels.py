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
