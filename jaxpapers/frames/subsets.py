"""Regressions on a part of the rows with ranks over all of them."""

import dataclasses

import numpy as np

from ..engine import Status
from ..ranks import RankRegressionFit
from .samples import Sample


def restrict(fit: RankRegressionFit, sample: Sample) -> RankRegressionFit:
    """Takes the groups of interest out of a fit in which the rows only ranked are the last group.

    Ranks pooled over all groups and coefficients of their own for each are what a grouped fit
    covers: the covariance of the other groups' coefficients takes into account that the rows of
    the last one were ranked too. What it says of those rows themselves is left out.

    Source: Chetverikov and Wilhelm (2023), pooled ranks; used for subsets by us.

    Args:
        fit: a fit in NumPy arrays, the last group being the rows that are only ranked.
        sample: what it was fitted on.

    Returns:
        The fit of the other groups. Its influence functions and residuals still have all rows;
        naive covariances and R² are those of the rows in the regression.
    """
    num_columns = fit.params.shape[0] // fit.num_groups
    places = np.arange(num_columns)[:, None] * fit.num_groups + np.arange(fit.num_groups - 1)
    block = places.reshape(-1)
    square = np.ix_(block, block)
    kept = fit.kept[block]
    homoskedastic, robust = _naive_scales(fit, sample, int(kept.sum()))
    return dataclasses.replace(
        fit,
        params=fit.params[block],
        cov=fit.cov[square],
        cov_homoskedastic=fit.cov_homoskedastic[square] * homoskedastic,
        cov_robust=fit.cov_robust[square] * robust,
        working_influence=None if fit.influence is None else fit.influence.T[block],
        kept=kept,
        r_squared=_r_squared(fit, sample),
        status=_status(fit, fit.cov[square], kept),
        num_groups=fit.num_groups - 1,
    )


def _naive_scales(fit, sample, num_kept):
    """What the naive covariances of the rows in the regression are times those of all rows."""
    residuals = fit.residuals[sample.in_moments]
    num_obs, num_all = residuals.shape[0], fit.residuals.shape[0]
    freedom = max(num_obs - num_kept, 1)
    freedom_all = max(num_all - int(fit.kept.sum()), 1)
    pooled = np.sum(fit.residuals**2) / freedom_all
    homoskedastic = np.sum(residuals**2) / freedom / pooled if pooled > 0 else 0.0
    return homoskedastic, (num_obs / freedom) / (num_all / freedom_all)


def _r_squared(fit, sample):
    """Share explained; uncentred without a common intercept, as in R."""
    outcome = sample.ranked_outcome(fit.model)[sample.in_moments]
    centre = outcome.mean() if fit.model.intercept and sample.levels is None else 0.0
    total = np.sum((outcome - centre) ** 2)
    explained = 1 - np.sum(fit.residuals[sample.in_moments] ** 2) / total
    return np.asarray(explained, fit.params.dtype)


def _status(fit, cov, kept):
    if not np.isfinite(cov[np.ix_(kept, kept)]).all():
        status = Status.NON_FINITE
    elif not kept.all():
        status = Status.COLLINEAR
    else:
        status = Status(int(fit.status)) if fit.kept.all() else Status.OK
    return np.asarray(status, np.int32)
