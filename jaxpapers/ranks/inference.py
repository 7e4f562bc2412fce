"""Mobility measures, contrasts and tests from a fitted rank regression."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaincc
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from .. import engine
from ..engine import Status
from ..numerics import matmul
from .checks import check_instance
from .results import Estimate, RankRegressionFit, combination, finite_or

ROUNDING = 10.0
PARAMETER_ROUNDING = 1e3
MANY_ERRORS = 10.0


class WaldTest(eqx.Module):
    """Wald test of linear restrictions.

    Attributes:
        statistic: quadratic form, chi-squared under the null.
        degrees_of_freedom: rank of the restricted covariance.
        pvalue: upper tail probability.
        status: DEGENERATE where the covariance is singular, so that the degrees of freedom are
            fewer than the restrictions; DETERMINISTIC, with an infinite statistic and p-value 0,
            where a combination of next to no sampling variance violates them; that of the fit
            (COLLINEAR, FEW_OBSERVATIONS), and NaN, where a missing parameter is tested;
            NON_FINITE, and NaN, where estimates or covariances are not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import ranks
        >>> child, parent = jnp.array([[2.0, 1, 4, 3, 5, 6], [1.0, 2, 3, 4, 5, 6]])
        >>> fit = ranks.fit(ranks.RankRegression(), child, parent)
        >>> test = ranks.wald_test(fit, jnp.array([[0.0, 1.0]]), jnp.array([1.0]))  # slope = 1
        >>> print(test.statistic, test.degrees_of_freedom, test.pvalue)
        0.74468136 1 0.38816524
    """

    statistic: Float[Array, ""]
    degrees_of_freedom: Int[Array, ""]
    pvalue: Float[Array, ""]
    status: Int[Array, ""]


def contrast(fit: RankRegressionFit, weights: Real[ArrayLike, "contrast param"]) -> Estimate:
    """Linear combinations of the parameters, for instance differences between groups.

    Accuracy (n = 1e3 to 1e5): values and standard errors are right to 2e-6 (relative) in float32
    and 1e-11 in float64. Where the parameters' errors cancel, as those of intercept and slope do
    at rank .5 without ties, a standard error is right to 1e-3 of `|weights| @ bse` in float32 and
    1e-7 in float64.

    Args:
        fit: the fit.
        weights: one combination per row; finite.

    Returns:
        Values with standard errors from the joint covariance.

    Raises:
        ValueError: weights of the wrong width, not finite.
        TypeError: a fit that is none, weights that are not real numbers.
    """
    check_instance("fit", fit, RankRegressionFit)
    return combination(fit, _weights("weights", weights, ("contrast", fit.params.shape[0]), fit))


def relative_mobility(fit: RankRegressionFit) -> Estimate:
    """Slope of each group: how much the parent's rank carries over.

    Accuracy: 1e-6 (relative) in float32, 1e-11 in float64, at n = 1e3 to 1e5.

    Args:
        fit: a fit with a regressor.

    Returns:
        One estimate per group.

    Raises:
        ValueError: a fit without regressor.
        TypeError: a fit that is none.
    """
    check_instance("fit", fit, RankRegressionFit)
    return combination(fit, _group_weights(fit, intercept=0.0, slope=1.0, covariates=None))


def absolute_mobility(
    fit: RankRegressionFit,
    rank: float | Float[Array, ""] = 0.25,
    *,
    covariates: Real[ArrayLike, " covariate"] | None = None,
) -> Estimate:
    """Expected rank of children whose parents have a given rank: `alpha + rho p + w'b`.

    Accuracy: as `contrast`; at p = .5 without ties the standard error is nearly 0 by cancellation
    and in float32 not known beyond 1e-3 of that of the slope.

    Args:
        fit: a fit with an intercept and a ranked regressor.
        rank: p, in [0, 1]; .25 is absolute upward mobility.
        covariates: w, finite; zeros if None.

    Returns:
        One estimate per group.

    Raises:
        ValueError: a model without intercept, without regressor or with a regressor in levels; a
            rank outside [0, 1]; covariates of the wrong length or not finite.
        TypeError: a fit that is none; a rank or covariates that are not real numbers.
    """
    check_instance("fit", fit, RankRegressionFit)
    if not fit.model.intercept:
        raise ValueError("fit has no intercept; absolute mobility needs a model with one")
    if fit.has_regressor and fit.model.regressor != "rank":
        raise ValueError(
            "fit has a regressor in levels; absolute mobility is at a rank and needs a model with "
            "regressor='rank'"
        )
    engine.check_array("rank", rank, ())
    if engine.is_concrete(rank) and not 0 <= float(rank) <= 1:
        raise ValueError(f"rank is {float(rank)}; needed is a number in [0, 1], not a percentage")
    return combination(fit, _group_weights(fit, intercept=1.0, slope=rank, covariates=covariates))


def wald_test(
    fit: RankRegressionFit,
    restrictions: Real[ArrayLike, "restriction param"],
    value: Real[ArrayLike, " restriction"] | None = None,
) -> WaldTest:
    """Tests `restrictions @ params = value` jointly.

    The restricted covariance is taken as a correlation, so that units do not matter, and is
    singular where an eigenvalue is below max(1e-12, 1 / obs^2) of the largest: the
    pseudo-inverse with that cut is used and the degrees of freedom count what is left. Without
    covariates and ties the intercept is a function of the slope, so this is not rare. The
    combinations that are cut off must meet their restrictions up to 1 / obs, by which ranks are
    arbitrary, and ten of their standard errors; else the restrictions are rejected for certain.

    Accuracy: statistics are right to 1e-5 (relative) in float32 and 1e-11 in float64, times the
    condition of the restricted correlation; in float32 an eigenvalue below 1.2e-6 is singular too.

    Args:
        fit: the fit.
        restrictions: one restriction per row; finite.
        value: right-hand side, finite; zeros if None.

    Returns:
        The test.

    Raises:
        ValueError: restrictions of the wrong width, values of another length, not finite.
        TypeError: a fit that is none; restrictions or values that are not real numbers.
    """
    check_instance("fit", fit, RankRegressionFit)
    shape = ("restriction", fit.params.shape[0])
    restrictions = _weights("restrictions", restrictions, shape, fit)
    num_restrictions = restrictions.shape[0]
    if num_restrictions == 0:
        raise ValueError("restrictions has no rows; needed is at least one")
    value = jnp.zeros(num_restrictions, fit.params.dtype) if value is None else value
    value = _weights("value", value, (num_restrictions,), fit)
    return _wald(
        *(fit.params, fit.cov, fit.kept, fit.status),
        restrictions,
        value,
        num_obs=fit.num_obs,
        num_ranks=_num_ranks(fit),
    )


@partial(jax.jit, static_argnames=("num_obs", "num_ranks"))
def _wald(params, cov, kept, fit_status, restrictions, value, *, num_obs, num_ranks):
    uses_missing = jnp.any((restrictions != 0) & ~kept[None])
    params = jnp.where(kept, params, 0)
    cov = jnp.where(kept[:, None] & kept[None], cov, 0)
    distance = matmul(restrictions, params[:, None])[:, 0] - value
    correlation, scale = _correlation(restrictions, cov)
    resolution = _resolution(params, jnp.diagonal(cov), num_obs, num_ranks)
    slack = matmul(jnp.abs(restrictions), resolution[:, None])[:, 0]
    eigenvalues, vectors = jnp.linalg.eigh(correlation)
    largest = jnp.maximum(jnp.max(eigenvalues), 0)
    used = eigenvalues > max(_rounding(cov.dtype), 1 / num_obs**2) * largest
    projected = matmul(vectors.T, (distance / scale)[:, None])[:, 0]
    allowed = matmul(jnp.abs(vectors).T, (slack / scale)[:, None])[:, 0]
    allowed = allowed + MANY_ERRORS * jnp.sqrt(jnp.maximum(eigenvalues, 0))
    violated = jnp.any(~used & (jnp.abs(projected) > allowed))
    terms = projected**2 / jnp.where(used, eigenvalues, 1)
    statistic = jnp.sum(jnp.where(used, terms, 0))
    freedom = jnp.sum(used, dtype=jnp.int32)
    half = jnp.maximum(freedom, 1).astype(cov.dtype) / 2
    pvalue = jnp.where(freedom > 0, gammaincc(half, statistic / 2), 1)
    status = jnp.where(freedom < restrictions.shape[0], Status.DEGENERATE, Status.OK)
    status = jnp.where(violated, Status.DETERMINISTIC, status)
    status = jnp.where(uses_missing, fit_status, status)
    status = finite_or(status, distance, cov)
    has_answer = ~uses_missing & (status != Status.NON_FINITE)
    missing = jnp.where(has_answer, 0, jnp.nan).astype(cov.dtype)
    statistic = jnp.where(violated, jnp.inf, statistic) + missing
    return WaldTest(statistic, freedom, jnp.where(violated, 0, pvalue) + missing, status)


def _rounding(dtype):
    """Share of a variance below which it is rounding."""
    return max(1e-12, ROUNDING * float(jnp.finfo(dtype).eps))


def _correlation(restrictions, cov):
    """Correlation of the restrictions, 0 where one has no variance beyond rounding; its scale."""
    errors = jnp.sqrt(jnp.diagonal(cov))
    size = matmul(jnp.abs(restrictions), errors[:, None])[:, 0]
    cov = matmul(matmul(restrictions, cov), restrictions.T)
    variance = jnp.diagonal(cov)
    varies = variance > _rounding(cov.dtype) * size**2
    scale = jnp.where(varies, jnp.sqrt(jnp.where(varies, variance, 1)), 1)
    both = varies[:, None] & varies[None]
    return jnp.where(both, cov / (scale[:, None] * scale[None]), 0), scale


def _resolution(params, variances, num_obs, num_ranks):
    """How far combinations without sampling variance can be from what they estimate.

    Ranks are arbitrary by 1 / obs, so parameters are by 1 / obs of their size, those in ranks (the
    first ones) of at least 1; all are rounded; and many standard errors may be in the rounding.
    """
    size = jnp.abs(params)
    rounding = PARAMETER_ROUNDING * jnp.finfo(params.dtype).eps * jnp.max(size)
    in_ranks = jnp.arange(params.shape[0]) < num_ranks
    floor = jnp.where(in_ranks, 1 / num_obs, rounding).astype(params.dtype)
    hidden = MANY_ERRORS * jnp.sqrt(_rounding(params.dtype) * variances)
    return jnp.maximum(size / num_obs, floor) + hidden


def _num_ranks(fit):
    """Number of leading parameters that are ranks, or ranks per rank."""
    if fit.model.outcome != "rank":
        return 0
    has_slope = fit.has_regressor and fit.model.regressor == "rank"
    return fit.num_groups * (int(fit.model.intercept) + int(has_slope))


def equality_test(fit: RankRegressionFit) -> WaldTest:
    """Tests that the slope is the same in all groups.

    Accuracy: as `wald_test`.

    Args:
        fit: a grouped fit.

    Returns:
        The Wald test with one restriction per group but the first.

    Raises:
        ValueError: a fit without groups or without regressor.
        TypeError: a fit that is none.
    """
    check_instance("fit", fit, RankRegressionFit)
    if fit.num_groups < 2:
        raise ValueError(f"fit has {fit.num_groups} group; needed are at least 2")
    slopes = _group_weights(fit, intercept=0.0, slope=1.0, covariates=None)
    return wald_test(fit, slopes[1:] - slopes[:1])


def _weights(name, value, shape, fit):
    """Checked numbers in the dtype of a fit."""
    engine.check_finite({name: value})
    value = jnp.asarray(value)
    engine.check_array(name, value, shape)
    return value.astype(fit.params.dtype)


def _group_weights(fit, *, intercept, slope, covariates):
    """One row of parameter weights per group."""
    dtype, num_groups = fit.params.dtype, fit.num_groups
    head = ([jnp.asarray(intercept, dtype)] if fit.model.intercept else []) + [
        jnp.asarray(slope, dtype)
    ]
    if not fit.has_regressor:
        raise ValueError("fit has no regressor, only covariates; mobility measures need one")
    num_covariates = fit.params.shape[0] // num_groups - len(head)
    rest = jnp.zeros(num_covariates, dtype) if covariates is None else covariates
    rest = _weights("covariates", rest, (num_covariates,), fit)
    row = jnp.concatenate([jnp.stack(head), rest])
    identity = jnp.eye(num_groups, dtype=dtype)
    return jnp.einsum("k,gh->gkh", row, identity).reshape(num_groups, -1)
