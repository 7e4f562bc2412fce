"""What the answers of rank regressions are checked against, before anything is timed."""

from functools import cached_property

import numpy as np

from benchmarks.peers import numpy_grouped, ranks_definition, ranks_numpy

TOLERANCE = 1e-9
"""Of parameters relative to the largest, of covariances relative to the standard errors."""

DEFINED_SIZE = 500
"""Observations of the part on which the reference itself is checked, O(n²) in time and memory."""

LEVELS_OFF = 4.5
"""Standard errors that the mean and the spread of bootstrap draws may be off."""

SKEW_ALLOWANCE = 0.1
"""Share of a standard error for what a bootstrap's mean and spread differ by at finite n."""


def fit_error(answer, expected):
    """Return how far parameters and covariance are off, in units of the tolerance."""
    (params, cov), (right_params, right_cov) = answer, expected
    scale = np.sqrt(np.diag(right_cov))
    errors = [
        np.max(np.abs(np.asarray(params) - right_params)) / np.max(np.abs(right_params)),
        np.max(np.abs(np.asarray(cov) - right_cov) / np.outer(scale, scale)),
    ]
    return max(errors) / TOLERANCE


def draws_error(draws, standard_errors, expected):
    """Return how far bootstrap draws are off the asymptotic law, in units of what is tolerated.

    Args:
        draws: Parameters of each draw, shape (replicate, param).
        standard_errors: Of each draw, shape (replicate, param), or None.
        expected: Parameters and covariance of the fit to the sample.
    """
    params, cov = expected
    scale = np.sqrt(np.diag(cov))
    draws = np.asarray(draws)
    mean_off = np.abs(draws.mean(axis=0) - params) / scale
    spread_off = np.abs(draws.std(axis=0, ddof=1) / scale - 1.0)
    sampling = LEVELS_OFF / np.sqrt(len(draws))
    errors = [
        np.max(mean_off) / (sampling + SKEW_ALLOWANCE),
        np.max(spread_off) / (sampling / np.sqrt(2.0) + SKEW_ALLOWANCE),
    ]
    if standard_errors is not None:
        own_off = np.abs(np.mean(np.asarray(standard_errors), axis=0) / scale - 1.0)
        errors.append(np.max(own_off) / SKEW_ALLOWANCE)
    return max(errors)


class Expected:
    """The right answer for a sample: by the NumPy peer, which is first held to the definition.

    Everything is computed when it is first asked for, so that measuring a contender's memory does
    not pay for it.

    Attributes:
        outcome: Shape (obs,).
        regressor: Shape (obs,).
        covariates: Shape (obs, covariate), or None.
        groups: Shape (obs,), or None.
        num_groups: How many groups; 1 without.
    """

    def __init__(self, outcome, regressor, *, covariates=None, groups=None, num_groups=1):
        self.outcome = outcome
        self.regressor = regressor
        self.covariates = covariates
        self.groups = groups
        self.num_groups = num_groups

    @cached_property
    def fit(self):
        """Parameters and covariance."""
        if self.groups is not None:
            self._check_grouped()
            return numpy_grouped.fit(self.outcome, self.regressor, self.groups, self.num_groups)
        part = slice(DEFINED_SIZE)
        covariates = None if self.covariates is None else self.covariates[part]
        sample = self.outcome[part], self.regressor[part], covariates
        require(fit_error(ranks_numpy.fit(*sample), ranks_definition.fit(*sample)))
        return ranks_numpy.fit(self.outcome, self.regressor, self.covariates)

    def _check_grouped(self):
        part = slice(DEFINED_SIZE)
        groups = np.asarray(self.groups)[part] % 5
        sample = self.outcome[part], self.regressor[part], groups, 5
        require(fit_error(numpy_grouped.fit(*sample), ranks_definition.fit_grouped(*sample)))

    @cached_property
    def hc1(self):
        """Parameters and naive HC1 covariance, between groups none."""
        rank_y, rank_x = (self._ranks(values) for values in (self.outcome, self.regressor))
        if self.groups is not None:
            return ranks_definition.hc1_grouped(rank_y, rank_x, self.groups, self.num_groups)
        return ranks_definition.hc1(rank_y, ranks_definition.design(rank_x, self.covariates))

    def _ranks(self, values):
        order, bounds = ranks_numpy.order_and_bounds(values)
        ranks = np.empty(values.size)
        ranks[order] = ranks_numpy.sorted_ranks(values.size, bounds, 1.0)
        return ranks


def require(error):
    """Raise if the reference itself is off."""
    if not error <= 1.0:
        raise AssertionError(f"the reference is off its definition by {error:.3g} tolerances")
