"""Mobility measures, contrasts, tests and predictions from a fitted rank regression."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaincc
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from .. import engine
from ..engine import Status
from ..numerics import matmul, rank_order
from .results import RankRegressionFit, contrast_moments, normal_interval
from .solve import check_groups


class Estimate(eqx.Module):
    """Estimates with delta-method standard errors.

    Attributes:
        value: the estimates.
        bse: their standard errors.
    """

    value: Float[Array, " estimate"]
    bse: Float[Array, " estimate"]

    def interval(self, level: float | Float[Array, ""] = 0.95) -> Float[Array, "estimate 2"]:
        """Normal confidence intervals.

        Args:
            level: coverage, in (0, 1).

        Returns:
            Lower and upper end of each.

        Raises:
            ValueError: a level outside (0, 1).
        """
        return normal_interval(self.value, self.bse, level)


class WaldTest(eqx.Module):
    """Wald test of linear restrictions.

    Attributes:
        statistic: quadratic form, chi-squared under the null.
        degrees_of_freedom: rank of the restricted covariance.
        pvalue: upper tail probability.
        status: DEGENERATE where the covariance is singular, so that the degrees of freedom are
            fewer than the restrictions; COLLINEAR, and NaN, where a missing parameter is tested.
    """

    statistic: Float[Array, ""]
    degrees_of_freedom: Int[Array, ""]
    pvalue: Float[Array, ""]
    status: Int[Array, ""]


def contrast(fit: RankRegressionFit, weights: Real[ArrayLike, "contrast param"]) -> Estimate:
    """Linear combinations of the parameters, for instance differences between groups.

    Args:
        fit: the fit.
        weights: one combination per row.

    Returns:
        Values with standard errors from the joint covariance.

    Raises:
        ValueError: weights of the wrong width.
    """
    return Estimate(*contrast_moments(fit, jnp.asarray(weights, fit.params.dtype)))


def relative_mobility(fit: RankRegressionFit) -> Estimate:
    """Slope of each group: how much the parent's rank carries over.

    Args:
        fit: a fit with a regressor.

    Returns:
        One estimate per group.

    Raises:
        ValueError: a fit without regressor.
    """
    return contrast(fit, _group_weights(fit, intercept=0.0, slope=1.0, covariates=None))


def absolute_mobility(
    fit: RankRegressionFit,
    rank: float | Float[Array, ""] = 0.25,
    *,
    covariates: Real[ArrayLike, " covariate"] | None = None,
) -> Estimate:
    """Expected rank of children whose parents have a given rank: `alpha + rho p + w'b`.

    Args:
        fit: a fit with a regressor and an intercept.
        rank: p, in [0, 1]; .25 is absolute upward mobility.
        covariates: w; zeros if None.

    Returns:
        One estimate per group.

    Raises:
        ValueError: a model without intercept or regressor; a rank outside [0, 1]; covariates of
            the wrong length.
    """
    if not fit.model.intercept:
        raise ValueError("fit has no intercept; absolute mobility needs a model with one")
    if engine.is_concrete(rank) and not 0 <= float(rank) <= 1:
        raise ValueError(f"rank is {float(rank)}; needed is a number in [0, 1], not a percentage")
    return contrast(fit, _group_weights(fit, intercept=1.0, slope=rank, covariates=covariates))


def wald_test(
    fit: RankRegressionFit,
    restrictions: Real[ArrayLike, "restriction param"],
    value: Real[ArrayLike, " restriction"] | None = None,
) -> WaldTest:
    """Tests `restrictions @ params = value` jointly.

    A covariance whose eigenvalue ratio is below max(1e-12, 1 / obs^2) is singular: the
    pseudo-inverse with that cut is used and the degrees of freedom count what is left. Without
    covariates and ties the intercept is a function of the slope, so this is not rare.

    Args:
        fit: the fit.
        restrictions: one restriction per row.
        value: right-hand side; zeros if None.

    Returns:
        The test.

    Raises:
        ValueError: restrictions of the wrong width.
    """
    restrictions = jnp.asarray(restrictions, fit.params.dtype)
    engine.check_array("restrictions", restrictions, ("restriction", fit.params.shape[0]))
    value = jnp.zeros(restrictions.shape[0], restrictions.dtype) if value is None else value
    value = jnp.asarray(value, restrictions.dtype)
    engine.check_array("value", value, (restrictions.shape[0],))
    return _wald(fit.params, fit.cov, fit.kept, restrictions, value, num_obs=fit.num_obs)


@partial(jax.jit, static_argnames="num_obs")
def _wald(params, cov, kept, restrictions, value, *, num_obs):
    uses_missing = jnp.any((restrictions != 0) & ~kept[None])
    estimate = matmul(restrictions, jnp.where(kept, params, 0)[:, None])[:, 0]
    both = kept[:, None] & kept[None]
    cov = matmul(matmul(restrictions, jnp.where(both, cov, 0)), restrictions.T)
    eigenvalues, vectors = jnp.linalg.eigh(cov)
    rounding = 10 * float(jnp.finfo(cov.dtype).eps)
    cut = max(1e-12, 1 / num_obs**2, rounding) * jnp.max(eigenvalues)
    used = eigenvalues > jnp.maximum(cut, 0)
    projected = matmul(vectors.T, (estimate - value)[:, None])[:, 0]
    terms = projected**2 / jnp.where(used, eigenvalues, 1)
    statistic = jnp.sum(jnp.where(used, terms, 0))
    freedom = jnp.sum(used, dtype=jnp.int32)
    half = jnp.maximum(freedom, 1).astype(cov.dtype) / 2
    pvalue = jnp.where(freedom > 0, gammaincc(half, statistic / 2), 1)
    status = jnp.where(freedom < restrictions.shape[0], Status.DEGENERATE, Status.OK)
    status = jnp.where(uses_missing, Status.COLLINEAR, status).astype(jnp.int32)
    missing = jnp.where(uses_missing, jnp.nan, 0).astype(cov.dtype)
    return WaldTest(statistic + missing, freedom, pvalue + missing, status)


def equality_test(fit: RankRegressionFit) -> WaldTest:
    """Tests that the slope is the same in all groups.

    Args:
        fit: a grouped fit.

    Returns:
        The Wald test with one restriction per group but the first.

    Raises:
        ValueError: a fit without groups.
    """
    if fit.num_groups < 2:
        raise ValueError(f"fit has {fit.num_groups} group; needed are at least 2")
    slopes = _group_weights(fit, intercept=0.0, slope=1.0, covariates=None)
    return wald_test(fit, slopes[1:] - slopes[:1])


class Prediction(eqx.Module):
    """Fitted values at levels of the regressor, against the ranks of the training sample.

    Attributes:
        value: `alpha + rho R(x) + w'b`.
        rank: R(x), or the level itself where the regressor is not ranked.
        bse_at_rank: standard error with the rank of x taken as a fixed number.
        bse_at_level: standard error with the level x fixed and its rank estimated.
    """

    value: Float[Array, " new"]
    rank: Float[Array, " new"]
    bse_at_rank: Float[Array, " new"]
    bse_at_level: Float[Array, " new"]

    def interval_at_rank(self, level: float | Float[Array, ""] = 0.95) -> Float[Array, "new 2"]:
        """Confidence interval of the expected outcome at the given rank.

        Args:
            level: coverage, in (0, 1).

        Returns:
            Lower and upper ends.

        Raises:
            ValueError: a level outside (0, 1).
        """
        return normal_interval(self.value, self.bse_at_rank, level)

    def interval_at_level(self, level: float | Float[Array, ""] = 0.95) -> Float[Array, "new 2"]:
        """Confidence interval of the expected outcome at the given level of the regressor.

        Args:
            level: coverage, in (0, 1).

        Returns:
            Lower and upper ends.

        Raises:
            ValueError: a level outside (0, 1).
        """
        return normal_interval(self.value, self.bse_at_level, level)


def predict(
    fit: RankRegressionFit,
    training: Real[ArrayLike, " obs"],
    regressor: Real[ArrayLike, " new"],
    *,
    covariates: Real[ArrayLike, "new covariate"] | None = None,
    groups: Int[ArrayLike, " new"] | None = None,
) -> Prediction:
    """Fitted values for new observations, ranked against the training sample.

    The value at a level x has influence `c'psi_i + rho (I_w(X_i, x) - R(x))` with
    `c = (1, R(x), w)`; its squares are summed by prefix sums over the sorted training sample.

    Source: derived by us from the influence function of Chetverikov and Wilhelm (2023).

    Args:
        fit: a fit that carries its influence functions.
        training: the regressor the model was fitted on, in the same order.
        regressor: new levels; a level above all others has rank (n + 1 - w) / n or 1, not clipped.
        covariates: new covariates; needed if the model has any.
        groups: groups of the new observations; needed if the model has any.

    Returns:
        Values, ranks and both standard errors.

    Raises:
        ValueError: shapes that disagree with the fit; a fit without influence functions.
    """
    sizes = engine.check_shapes(
        {"training": (training, (fit.num_obs,)), "regressor": (regressor, ("new",))}
    )
    engine.check_finite({"training": training, "regressor": regressor})
    if not fit.has_regressor:
        raise ValueError("fit has no regressor, only covariates; predict needs one")
    if fit.influence is None:
        raise ValueError("fit.influence is None (obs x param exceeds 2^24); predict needs it")
    dtype = fit.params.dtype
    weights = _design_weights(fit, sizes["new"], covariates, groups)
    slope_at = _slope_positions(fit, groups, sizes["new"])
    if fit.model.regressor == "level":
        level = jnp.asarray(regressor, dtype)
        weights = weights.at[jnp.arange(sizes["new"]), slope_at].set(level)
        value, bse = contrast_moments(fit, weights)
        return Prediction(value, level, bse, bse)
    return _predict_ranked(fit, jnp.asarray(training), jnp.asarray(regressor), weights, slope_at)


@jax.jit
def _predict_ranked(fit, training, regressor, weights, slope_at):
    num_obs, dtype = fit.num_obs, fit.params.dtype
    tie_weight = jnp.asarray(fit.model.tie_weight, dtype)
    order = rank_order(training).order
    below = jnp.searchsorted(training[order], regressor, side="left")
    level = jnp.searchsorted(training[order], regressor, side="right")
    if not fit.model.increasing[1]:
        order, below, level = order[::-1], num_obs - level, num_obs - below
    share_below, share_level = below.astype(dtype) / num_obs, level.astype(dtype) / num_obs
    rank = tie_weight * share_level + (1 - tie_weight) * (share_below + 1 / num_obs)
    weights = weights.at[jnp.arange(weights.shape[0]), slope_at].set(rank)
    value, bse = contrast_moments(fit, weights)
    influence = jnp.where(fit.kept[None], fit.influence, 0)
    summed = jnp.concatenate([jnp.zeros((1, influence.shape[1]), dtype), influence[order]])
    summed = jnp.cumsum(summed, axis=0)
    moments = tie_weight * summed[level] + (1 - tie_weight) * summed[below]
    cross = jnp.sum(weights * (moments - rank[:, None] * summed[-1:]), axis=1) / num_obs
    mean = tie_weight * share_level + (1 - tie_weight) * share_below
    square = tie_weight**2 * (share_level - share_below) + share_below
    spread = square - 2 * rank * mean + rank**2
    slope = jnp.where(fit.kept, fit.params, 0)[slope_at]
    variance = bse**2 + (2 * slope * cross + slope**2 * spread) / num_obs
    return Prediction(value, rank, bse, jnp.sqrt(jnp.maximum(variance, 0)))


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
    engine.check_array("covariates", rest, (num_covariates,))
    row = jnp.concatenate([jnp.stack(head), jnp.asarray(rest, dtype)])
    identity = jnp.eye(num_groups, dtype=dtype)
    return jnp.einsum("k,gh->gkh", row, identity).reshape(num_groups, -1)


def _design_weights(fit, num_new, covariates, groups):
    """Design rows of new observations, zero in the regressor's place."""
    dtype, num_groups = fit.params.dtype, fit.num_groups
    num_covariates = fit.params.shape[0] // num_groups - 1 - int(fit.model.intercept)
    if (covariates is None) != (num_covariates == 0):
        raise ValueError(
            f"covariates is {'None' if covariates is None else 'given'}; "
            f"the model has {num_covariates}"
        )
    if (groups is None) != (num_groups == 1):
        raise ValueError(
            f"groups is {'None' if groups is None else 'given'}; the model has {num_groups}"
        )
    columns = [jnp.ones((num_new, 1), dtype)] if fit.model.intercept else []
    columns.append(jnp.zeros((num_new, 1), dtype))
    if covariates is not None:
        engine.check_array("covariates", covariates, (num_new, num_covariates))
        engine.check_finite({"covariates": covariates})
        columns.append(jnp.asarray(covariates, dtype))
    rows = jnp.concatenate(columns, axis=1)
    if groups is None:
        return rows
    check_groups(groups, num_groups, num_new)
    member = (jnp.asarray(groups)[:, None] == jnp.arange(num_groups)[None]).astype(dtype)
    return jnp.einsum("nk,ng->nkg", rows, member).reshape(num_new, -1)


def _slope_positions(fit, groups, num_new):
    """Place of each new observation's slope among the parameters."""
    first = fit.num_groups * int(fit.model.intercept)
    group = jnp.zeros(num_new, jnp.int32) if groups is None else jnp.asarray(groups, jnp.int32)
    return first + group
