"""Fitted values for the rows of a fit and for new ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Int, Real

from .. import engine, ranks
from .design import regressor_columns
from .inference import estimate_table, normal_ends
from .tables import as_table, read_columns

if TYPE_CHECKING:
    import pandas

    from .results import RankRegressionResult

IntervalKind = Literal["rank", "level"]


@dataclass(frozen=True)
class NewRows:
    """Rows to predict for.

    Attributes:
        regressor: levels of what is ranked, or None.
        covariates: one column per covariate, possibly none.
        groups: code of each row's group.
        places: where the rows stand in the answer.
        index: row numbers of the answer.
    """

    regressor: Real[np.ndarray, " new"] | None
    covariates: Float[np.ndarray, "new covariate"]
    groups: Int[np.ndarray, " new"]
    places: Int[np.ndarray, " new"]
    index: Int[np.ndarray, " all"]


def predict(
    result: "RankRegressionResult", newdata: Any, interval: IntervalKind | None, alpha: float
) -> "pandas.Series | pandas.DataFrame":
    """Fitted values; see `RankRegressionResult.predict`.

    Args:
        result: the fit.
        newdata: a table, or None.
        interval: None, "rank" or "level".
        alpha: one less the coverage.

    Returns:
        Values, or a table with intervals.

    Raises:
        TypeError: newdata that is not a table.
        ValueError: as `RankRegressionResult.predict`.
    """
    engine.check_probability("alpha", alpha)
    if interval not in (None, "rank", "level"):
        raise ValueError(f"interval is {interval!r}; needed is None, 'rank' or 'level'")
    if interval == "rank" and result.formula.regressor is None:
        raise ValueError("interval is 'rank', but no regressor is ranked; take 'level'")
    rows = _training_rows(result) if newdata is None else _new_rows(result, newdata)
    if interval == "level" and result.formula.regressor is not None:
        value, bse = _at_level(result, rows)
    else:
        value, bse = _at_rank(result, rows)
    filled = estimate_table(rows.places.tolist(), value, bse, normal_ends(value, bse, alpha), alpha)
    table = filled.reindex(np.arange(rows.index.shape[0])).set_axis(rows.index, axis=0)
    if interval is None:
        return table.rename(columns={"Estimate": "Predicted"})["Predicted"]
    return table


def _training_rows(result):
    sample = result.sample
    chosen = sample.in_moments
    regressor, covariates = sample.design.regressor, sample.design.covariates
    num_obs = int(chosen.sum())
    return NewRows(
        regressor=None if regressor is None else regressor[chosen],
        covariates=np.zeros((num_obs, 0)) if covariates is None else covariates[chosen],
        groups=np.zeros(num_obs, np.int32) if sample.codes is None else sample.codes[chosen],
        places=np.arange(num_obs),
        index=sample.rows[chosen],
    )


def _new_rows(result, newdata):
    table = as_table(newdata)
    columns = read_columns(table, regressor_columns(result.formula), None)
    frame, levels = columns.frame, result.sample.levels
    regressor, covariates = result.sample.design.encoding.new_rows(frame)
    num_new = len(columns.rows)
    groups = np.zeros(num_new, np.int32) if levels is None else levels.codes(frame[levels.name])
    covariates = np.zeros((num_new, 0)) if covariates is None else covariates
    for values in (covariates, regressor):
        if values is not None and values.dtype.kind == "f" and np.isinf(values).any():
            raise ValueError("newdata has infinite values; leave them out or make them missing")
    complete = ~np.isnan(covariates).any(axis=1)
    if regressor is not None and regressor.dtype.kind == "f":
        complete &= ~np.isnan(regressor)
    return NewRows(
        regressor=None if regressor is None else regressor[complete],
        covariates=covariates[complete],
        groups=groups[complete],
        places=columns.rows[complete],
        index=np.arange(len(table)),
    )


def _at_rank(result, rows):
    """Values and standard errors with the ranks of the rows taken as fixed numbers."""
    fit = result.fit
    num_columns = fit.params.shape[0] // fit.num_groups
    by_group = fit.params.reshape(num_columns, fit.num_groups)
    cov = fit.cov.reshape(num_columns, fit.num_groups, num_columns, fit.num_groups)
    groups = np.arange(fit.num_groups)
    blocks = np.nan_to_num(cov[:, groups, :, groups])
    columns = _columns(result, rows)
    value = np.sum(columns * np.nan_to_num(by_group)[:, rows.groups].T, axis=1)
    half = np.einsum("nk,nkl->nl", columns, blocks[rows.groups])
    bse = np.sqrt(np.maximum(np.sum(half * columns, axis=1), 0))
    missing = np.where(_has_slope(result)[rows.groups], 0.0, np.nan)
    return value + missing, bse + missing


def _columns(result, rows):
    """Design of the new rows, ranks taken against the sample."""
    num_new = rows.places.shape[0]
    head = [np.ones((num_new, 1))] if result.formula.intercept else []
    if rows.regressor is not None:
        head.append(_new_ranks(result, rows.regressor)[:, None])
    return np.concatenate([*head, _used_covariates(result, rows)], axis=1)


def _new_ranks(result, regressor):
    """`[w #{X_j <= x} + (1 - w) (#{X_j < x} + 1)] / n`, not clipped above the largest value."""
    sample, model = result.sample, result.fit.model
    ordered = sample.design.regressor[sample.order[1].order]
    num_obs, weight = ordered.shape[0], float(model.tie_weight)
    below = np.searchsorted(ordered, regressor, side="left")
    level = np.searchsorted(ordered, regressor, side="right")
    if not model.increasing[1]:
        below, level = num_obs - level, num_obs - below
    return (weight * level + (1 - weight) * (below + 1)) / num_obs


def _used_covariates(result, rows):
    """Covariates of the new rows, zero where they were dropped as collinear."""
    num_covariates = rows.covariates.shape[1]
    kept = result.fit.kept.reshape(-1, result.fit.num_groups)
    kept = kept[kept.shape[0] - num_covariates :]
    return np.where(kept[:, rows.groups].T, rows.covariates, 0)


def _has_slope(result):
    """Whether the ranked regressor has a coefficient, by group."""
    if result.formula.regressor is None:
        return np.ones(result.fit.num_groups, bool)
    kept = result.fit.kept.reshape(-1, result.fit.num_groups)
    return kept[int(result.formula.intercept)]


def _at_level(result, rows):
    """Values and standard errors with the levels of the rows fixed and their ranks estimated."""
    fit = result.fit
    if fit.influence is None:
        raise ValueError(
            f"interval='level' needs the influence functions of {fit.num_obs} rows on "
            f"{fit.params.shape[0]} coefficients, which were too many to keep; take "
            "interval='rank', or fewer groups"
        )
    training, regressor = (_signed(v) for v in (result.sample.design.regressor, rows.regressor))
    with engine.double_precision():
        prediction = ranks.predict(
            fit,
            training,
            regressor,
            covariates=_used_covariates(result, rows) if rows.covariates.shape[1] else None,
            groups=rows.groups if fit.num_groups > 1 else None,
        )
        return np.asarray(prediction.value), np.asarray(prediction.bse_at_level)


def _signed(values):
    """Values that can be negated, for decreasing ranks."""
    return values.astype(np.int64) if values.dtype.kind in "bu" else values
