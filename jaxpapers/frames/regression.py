"""Regressions with ranks from a formula and a table."""

import dataclasses
from contextlib import nullcontext
from numbers import Real
from typing import Any, Literal

import jax
import numpy as np

from .. import engine, ranks
from .formulas import RankFormula, parse_formula
from .inference import VCOV_TYPES, VcovType
from .names import check_choice
from .results import RankRegressionResult
from .samples import Sample, Scope, read_sample
from .subsets import restrict


def rank_regression(
    formula: str,
    table: Any,
    *,
    tie_weight: float = 1.0,
    by: str | None = None,
    vcov: VcovType = "rank",
    missing: Literal["drop", "raise"] = "drop",
    subset: Any = None,
    ranks_over: Scope | None = None,
    precision: Literal["double", "single"] = "double",
) -> RankRegressionResult:
    """Fits a regression with ranks to a table.

    Ranks are taken from the data as given, over all groups, after rows with missing values are
    left out. Computes in double precision whatever JAX is set to, and hands back NumPy and pandas.

    Source: Chetverikov and Wilhelm (2023); formulas as in the authors' R package csranks.

    Args:
        formula: such as `r(y) ~ r(x, increasing=False) + w + I(a**2) - 1`. `r()` stands alone, as
            the outcome and as one regressor; at least one of both is ranked. Groups with
            coefficients of their own: `r(y) ~ (r(x) + w):G`.
        table: a pandas, polars or pyarrow table, or a dict of arrays.
        tie_weight: weight of ties in all ranks, in [0, 1]: 1 the largest rank of the tied, 1/2
            the middle, 0 the smallest. With ties it is part of what is estimated.
        by: column of groups, instead of `:G` in the formula.
        vcov: kind of the standard errors that are reported: "rank", the consistent ones, or "iid"
            or "HC1", which are inconsistent here.
        missing: "drop" leaves rows with missing values out and counts them, "raise" refuses them.
        subset: rows to use: name of a boolean column, an expression such as "age > 30", or a
            boolean array.
        ranks_over: with a subset, whether ranks are taken over the "subset" or over "all" rows.
        precision: "double", or "single", in which standard errors are right to 1e-5.

    Returns:
        The fit, labelled.

    Raises:
        TypeError: a table of an unknown kind, arguments of the wrong type.
        ValueError: a formula that cannot be read or that the theory does not cover, columns that
            do not exist, data that do not identify a coefficient.

    Example:
        >>> from jaxpapers import frames
        >>> table = {"child": [2.0, 1, 4, 3, 5, 6], "parent": [1.0, 2, 3, 4, 5, 6]}
        >>> fit = frames.rank_regression("r(child) ~ r(parent)", table, tie_weight=0.5)
        >>> print(fit.conf_int().round(3))
                       0     1
        Intercept -0.047  0.18
        r(parent)  0.692  1.08
    """
    check_choice("vcov", vcov, VCOV_TYPES)
    check_choice("missing", missing, ("drop", "raise"))
    check_choice("precision", precision, ("double", "single"))
    _check_scope(subset, ranks_over)
    if not isinstance(tie_weight, Real) or isinstance(tie_weight, bool):
        raise TypeError(f"tie_weight must be a number, got {type(tie_weight).__name__}")
    parsed = parse_formula(formula, by)
    model = _model(parsed, float(tie_weight))
    sample = read_sample(parsed, table, missing=missing, subset=subset, ranks_over=ranks_over)
    fit = _fit(model, sample, precision)
    return RankRegressionResult(parsed, fit, sample, vcov, precision)


def _check_scope(subset: Any, ranks_over: Any) -> None:
    if subset is None:
        if ranks_over is not None:
            raise ValueError(f"ranks_over is {ranks_over!r} but subset is None; give both or none")
        return
    if ranks_over is None:
        raise ValueError(
            "subset needs ranks_over: 'subset' takes ranks among the rows of the subset, 'all' "
            "among all rows and regresses on the subset; these are different parameters"
        )
    check_choice("ranks_over", ranks_over, ("subset", "all"))


def _model(formula: RankFormula, tie_weight: float) -> ranks.RankRegression:
    regressor = formula.regressor
    return ranks.RankRegression(
        outcome="rank" if formula.outcome.ranked else "level",
        regressor="level" if regressor is None else "rank",
        tie_weight=tie_weight,
        increasing=(formula.outcome.increasing, regressor is None or regressor.increasing),
        intercept=formula.intercept,
    )


def _fit(
    model: ranks.RankRegression, sample: Sample, precision: Literal["double", "single"]
) -> ranks.RankRegressionFit:
    double = precision == "double"
    arrays = sample.arrays(np.float64 if double else np.float32)
    with engine.double_precision() if double else nullcontext():
        outcome, regressor = arrays.pop("outcome"), arrays.pop("regressor")
        fit = ranks.fit(model, outcome, regressor, **arrays).in_data_order()
        fit = dataclasses.replace(jax.tree.map(np.asarray, fit), model=model)
    return restrict(fit, sample) if sample.ranks_more else fit
