"""Mobility measures and bootstrap intervals of a fitted rank regression, as tables."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np
from jaxtyping import Float, Int

from .. import engine, ranks
from ..engine import Status
from .restrictions import restriction_matrix
from .seeds import random_key

if TYPE_CHECKING:
    import pandas

    from .results import RankRegressionResult

VcovType = Literal["rank", "iid", "HC1"]
VCOV_TYPES: tuple[VcovType, ...] = ("rank", "iid", "HC1")
BootstrapMethod = Literal["percentile", "percentile-t", "normal"]
METHODS = ("percentile", "percentile-t", "normal")


@dataclass(frozen=True)
class WaldResult:
    """Wald test of linear restrictions.

    Attributes:
        statistic: quadratic form, chi-squared under the null.
        degrees_of_freedom: rank of the restricted covariance.
        pvalue: upper tail probability.
        status: DEGENERATE where the covariance is singular, so that the degrees of freedom are
            fewer than the restrictions; DETERMINISTIC where a combination of next to no sampling
            variance violates them, so that they are rejected for certain; COLLINEAR where a
            restriction is on a dropped coefficient, which makes the test meaningless.
    """

    statistic: float
    degrees_of_freedom: int
    pvalue: float
    status: Status

    @property
    def status_message(self) -> str:
        """Why, and what to do."""
        return engine.status_message(self.status)


def wald_test(result: "RankRegressionResult", restrictions: Any) -> WaldResult:
    """Tests linear restrictions; see `RankRegressionResult.wald_test`.

    Args:
        result: the fit.
        restrictions: texts or a matrix.

    Returns:
        The test.

    Raises:
        ValueError: restrictions that cannot be read.
    """
    matrix, values = restriction_matrix(restrictions, result.names)
    ordered = np.zeros_like(matrix)
    ordered[:, result.positions] = matrix
    with engine.double_precision():
        test = ranks.wald_test(with_chosen_covariance(result), ordered, values)
        test = jax.tree.map(np.asarray, test)
    return WaldResult(
        statistic=float(test.statistic),
        degrees_of_freedom=int(test.degrees_of_freedom),
        pvalue=float(test.pvalue),
        status=Status(int(test.status)),
    )


def normal_ends(
    value: Float[np.ndarray, " row"], bse: Float[np.ndarray, " row"], alpha: float
) -> Float[np.ndarray, "row 2"]:
    """Ends of normal confidence intervals.

    Args:
        value: the estimates.
        bse: their standard errors.
        alpha: one less the coverage, in (0, 1).

    Returns:
        Lower and upper ends.

    Raises:
        ValueError: alpha outside (0, 1).
    """
    engine.check_probability("alpha", alpha)
    half_width = NormalDist().inv_cdf(1 - alpha / 2) * bse
    return np.stack([value - half_width, value + half_width], axis=-1)


def estimate_table(
    index: Sequence[object],
    value: Float[np.ndarray, " row"],
    bse: Float[np.ndarray, " row"],
    ends: Float[np.ndarray, "row 2"],
    alpha: float,
) -> "pandas.DataFrame":
    """Table of estimates, standard errors and intervals.

    Args:
        index: of the rows.
        value: the estimates.
        bse: their standard errors.
        ends: lower and upper ends.
        alpha: one less the coverage, for the names of the columns.

    Returns:
        One row per estimate.
    """
    pandas = engine.require_extra("pandas", "formula")
    lower, upper = f"{100 * alpha / 2:.4g}%", f"{100 * (1 - alpha / 2):.4g}%"
    data = {"Estimate": value, "Std. Error": bse, lower: ends[:, 0], upper: ends[:, 1]}
    return pandas.DataFrame(data, index=list(index))


def mobility(result: "RankRegressionResult", rank: float, alpha: float) -> "pandas.DataFrame":
    """Absolute and relative mobility; see `RankRegressionResult.mobility`.

    Args:
        result: the fit.
        rank: of the regressor.
        alpha: one less the coverage.

    Returns:
        One row per measure and group.

    Raises:
        ValueError: as `RankRegressionResult.mobility`.
    """
    engine.check_probability("rank", rank)
    if result.formula.regressor is None or not result.formula.intercept:
        raise ValueError("mobility needs a ranked regressor and an intercept in the formula")
    pandas = engine.require_extra("pandas", "formula")
    covariates = result.sample.design.covariates
    means = None if covariates is None else covariates[result.sample.in_moments].mean(axis=0)
    fit = with_chosen_covariance(result)
    with engine.double_precision():
        absolute = ranks.absolute_mobility(fit, rank, covariates=means)
        measures = {"absolute": absolute, "relative": ranks.relative_mobility(fit)}
        measures = jax.tree.map(np.asarray, measures)
    tables = []
    for name, estimate in measures.items():
        labels = [(name, group) for group in result.groups or ("",)]
        ends = normal_ends(estimate.value, estimate.bse, alpha)
        tables.append(estimate_table(labels, estimate.value, estimate.bse, ends, alpha))
    table = pandas.concat(tables)
    table.index = pandas.MultiIndex.from_tuples(table.index, names=["Measure", "Group"])
    return table if result.groups else table.droplevel("Group")


def with_chosen_covariance(result: "RankRegressionResult") -> ranks.RankRegressionFit:
    """The fit with the covariance that the user chose in the place of the consistent one.

    Args:
        result: the fit and the choice.

    Returns:
        A fit for tests and contrasts.
    """
    return dataclasses.replace(result.fit, cov=result.covariances[result.vcov_type])


def bootstrap(
    result: "RankRegressionResult",
    seed: int | jax.Array,
    *,
    num_replicates: int,
    method: BootstrapMethod,
    alpha: float,
) -> "pandas.DataFrame":
    """Bootstrap intervals; see `RankRegressionResult.bootstrap`.

    Args:
        result: the fit.
        seed: a seed or a typed key.
        num_replicates: number of draws.
        method: kind of interval.
        alpha: one less the coverage.

    Returns:
        One row per coefficient.

    Raises:
        ValueError: as `RankRegressionResult.bootstrap`.
        TypeError: a seed that is neither an integer nor a typed key.
    """
    engine.check_probability("alpha", alpha)
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; needed is one of {', '.join(METHODS)}")
    with engine.double_precision():
        draws = _draws(result, seed, num_replicates, studentize=method == "percentile-t")
        intervals = {
            "percentile": draws.percentile_interval,
            "percentile-t": draws.percentile_t_interval,
            "normal": draws.normal_interval,
        }
        ends = np.asarray(intervals[method](1 - alpha))
        bse, num_failed = np.asarray(draws.bse), int(draws.num_failed)
    places = places_among_all(result)
    table = result.labelled(
        estimate_table(result.names, result.params.to_numpy(), bse[places], ends[places], alpha)
    )
    table.attrs = {"method": method, "num_replicates": num_replicates, "num_failed": num_failed}
    return table


def _draws(result, seed, num_replicates, *, studentize):
    key = random_key(seed)
    arrays = result.sample.arrays(result.fit.params.dtype.type)
    return ranks.bootstrap(
        key,
        result.fit.model,
        arrays.pop("outcome"),
        arrays.pop("regressor"),
        **arrays,
        num_replicates=num_replicates,
        studentize=studentize,
    )


def places_among_all(result: "RankRegressionResult") -> Int[np.ndarray, " param"]:
    """Place of each coefficient where rows that are only ranked are a last group of their own.

    Args:
        result: the fit.

    Returns:
        Places in the arrays of a fit or bootstrap of all rows, in the order of the result.
    """
    sample = result.sample
    num_all = sample.num_groups + int(sample.ranks_more)
    column, group = np.divmod(result.positions, sample.num_groups)
    return column * num_all + group
