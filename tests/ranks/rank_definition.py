"""Rank regressions by their definition, in plain NumPy, every pair of observations compared.

Written from the formulas of the paper, independently of the package, to be read rather than run
fast: no sorting, no prefix sums, no blocks of ties.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Setting:
    """A regression: what is ranked, how, and whether it has a constant."""

    outcome: str = "rank"
    regressor: str = "rank"
    tie_weight: float = 1.0
    increasing: tuple[bool, bool] = (True, True)
    intercept: bool = True


@dataclasses.dataclass(frozen=True)
class Sample:
    """Data of a regression; `groups` are integers below `num_groups`."""

    outcome: np.ndarray
    regressor: np.ndarray | None = None
    covariates: np.ndarray | None = None
    groups: np.ndarray | None = None
    num_groups: int = 1

    def take(self, rows):
        """The sample that consists of these rows, repeated or left out as they come."""
        taken = {
            name: None if getattr(self, name) is None else getattr(self, name)[rows]
            for name in ("outcome", "regressor", "covariates", "groups")
        }
        return Sample(**taken, num_groups=self.num_groups)


@dataclasses.dataclass(frozen=True)
class Reference:
    """Estimates of the definition; rows of `psi` are influence functions."""

    params: np.ndarray
    cov: np.ndarray
    cov_homoskedastic: np.ndarray
    cov_robust: np.ndarray
    psi: np.ndarray
    residuals: np.ndarray
    r_squared: float


def indicator(tie_weight, u, v):
    """`I_w(u, v) = w 1{u <= v} + (1 - w) 1{u < v}`."""
    return tie_weight * (u <= v) + (1 - tie_weight) * (u < v)


def ranks(values, tie_weight, weights=None, constant=None):
    """Increasing ranks, with observation weights and a given constant if asked for."""
    n = len(values)
    weights = np.ones(n) if weights is None else weights
    constant = 1 - tie_weight if constant is None else constant
    found = np.empty(n)
    for k in range(n):
        found[k] = np.sum(weights * indicator(tie_weight, values, values[k])) + constant
    return found / np.sum(weights)


def directed(values, is_increasing):
    """Values whose increasing ranks are the ranks asked for."""
    return values if is_increasing else -values


def variables(setting, sample):
    """Outcome and regressor in the direction of their ranks, None where there is no regressor."""
    outcome = np.asarray(sample.outcome, np.float64)
    if setting.outcome == "rank":
        outcome = directed(outcome, setting.increasing[0])
    regressor = sample.regressor
    if regressor is not None:
        regressor = np.asarray(regressor, np.float64)
        if setting.regressor == "rank":
            regressor = directed(regressor, setting.increasing[1])
    return outcome, regressor


def design_rows(setting, sample, regressor_column):
    """Rows A_i: constant, regressor, covariates, each in the slot of the observation's group."""
    n, num_groups = len(sample.outcome), sample.num_groups
    columns = [np.ones(n)] if setting.intercept else []
    if regressor_column is not None:
        columns.append(regressor_column)
    if sample.covariates is not None:
        columns.extend(np.asarray(sample.covariates, np.float64).T)
    rows = np.zeros((n, len(columns) * num_groups))
    groups = np.zeros(n, int) if sample.groups is None else sample.groups
    for i in range(n):
        for place, column in enumerate(columns):
            rows[i, place * num_groups + groups[i]] = column[i]
    return rows


def slope_directions(setting, sample):
    """D_k: derivative of the row A_k in its own rank; None where the regressor has no rank."""
    if sample.regressor is None or setting.regressor != "rank":
        return None
    n, num_groups = len(sample.outcome), sample.num_groups
    groups = np.zeros(n, int) if sample.groups is None else sample.groups
    num_columns = design_rows(setting, sample, np.zeros(n)).shape[1]
    directions = np.zeros((n, num_columns))
    directions[np.arange(n), int(setting.intercept) * num_groups + groups] = 1
    return directions


def evaluate(setting, sample, kept=None):
    """Estimates, influence functions and covariances by the definition, O(n²).

    `kept` masks the columns that are used; those left out are not in the result.
    """
    outcome, regressor = variables(setting, sample)
    y, x = outcome, regressor
    if setting.outcome == "rank":
        y = ranks(outcome, setting.tie_weight)
    if regressor is not None and setting.regressor == "rank":
        x = ranks(regressor, setting.tie_weight)
    rows = design_rows(setting, sample, x)
    kept = np.ones(rows.shape[1], bool) if kept is None else np.asarray(kept)
    rows = rows[:, kept]
    params = np.linalg.lstsq(rows, y, rcond=None)[0]
    residuals = y - rows @ params
    scores = rows * residuals[:, None]
    if setting.outcome == "rank":
        scores = scores + projection(setting.tie_weight, outcome, y, rows)
    directions = slope_directions(setting, sample)
    if directions is not None:
        directions = directions[:, kept]
        moments = directions * residuals[:, None] - rows * (directions @ params)[:, None]
        scores = scores + projection(setting.tie_weight, regressor, x, moments)
    n, num_params = rows.shape
    inverse = np.linalg.inv(rows.T @ rows / n)
    psi = scores @ inverse
    meat = rows.T @ (rows * residuals[:, None] ** 2)
    freedom = max(n - num_params, 1)
    centre = y.mean() if setting.intercept and sample.groups is None else 0.0
    return Reference(
        params=params,
        cov=psi.T @ psi / n**2,
        cov_homoskedastic=inverse / n * np.sum(residuals**2) / freedom,
        cov_robust=inverse @ meat @ inverse / n / freedom,
        psi=psi,
        residuals=residuals,
        r_squared=1 - np.sum(residuals**2) / np.sum((y - centre) ** 2),
    )


def projection(tie_weight, values, ranked, moments):
    """`mean_k[m_k (I_w(X_i, X_k) - R_k)]` for every i."""
    n = len(values)
    found = np.zeros_like(moments)
    for i in range(n):
        found[i] = (indicator(tie_weight, values[i], values) - ranked) @ moments / n
    return found


def weighted_change(setting, sample, weights, constant, start):
    """Change from `start` of least squares with weights in the moments and in every rank.

    The constant c of the ranks is held fixed. The change, not the parameters, is solved for, so
    that its rounding is relative to itself.
    """
    outcome, regressor = variables(setting, sample)
    y, x = outcome, regressor
    if setting.outcome == "rank":
        y = ranks(outcome, setting.tie_weight, weights, constant)
    if regressor is not None and setting.regressor == "rank":
        x = ranks(regressor, setting.tie_weight, weights, constant)
    rows = design_rows(setting, sample, x)
    moments = rows.T @ (weights * (y - rows @ start))
    return np.linalg.solve(rows.T @ (rows * weights[:, None]), moments)


def weight_derivatives(setting, sample, step=1e-5):
    """Derivative of the parameters in each observation's weight, by central differences."""
    n = len(sample.outcome)
    constant = 1 - setting.tie_weight
    start = evaluate(setting, sample).params
    rows = []
    for i in range(n):
        ends = []
        for sign in (1, -1):
            weights = np.ones(n)
            weights[i] += sign * step
            ends.append(weighted_change(setting, sample, weights, constant, start))
        rows.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(rows)
