"""What a rank regression gives back."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from ..engine import Status
from ..numerics import matmul
from .model import RankRegression


class RankRegressionFit(eqx.Module):
    """Estimates of a regression with ranks.

    Parameters are in the order intercept, regressor, covariates; with groups each of them stands
    for all groups before the next: all intercepts, all slopes, and so on. A parameter whose
    column was collinear is NaN, its entry of `kept` False and `status` COLLINEAR, or
    FEW_OBSERVATIONS where a group has fewer observations than columns.

    Attributes:
        params: coefficients, in ranks (or units of a level outcome) per rank or unit.
        cov: consistent covariance of `params`, estimation of the ranks included; over all groups.
        cov_homoskedastic: the usual OLS covariance; inconsistent here.
        cov_robust: HC1 (EHW) covariance; inconsistent here.
        working_influence: `influence`, transposed and in working order.
        kept: which parameters were estimated.
        working_residuals: `residuals` in working order.
        working_order: the observation at each place of the working order; None for the order of
            the data.
        r_squared: share of variation explained; uncentred without a common intercept, as in R.
        tie_shares: share of tied observations of outcome and regressor; 0 for a level.
        status: how the fit went, int32; see `engine.status_message`.
        model: the regression that was fitted.
        num_groups: number of groups, 1 without; static.
        has_regressor: whether there is a regressor beside the covariates; static.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import ranks
        >>> child, parent = jnp.array([[2.0, 1, 4, 3, 5, 6], [1.0, 2, 3, 4, 5, 6]])
        >>> fit = ranks.fit(ranks.RankRegression(), child, parent)
        >>> print(fit.params, fit.bse)
        [0.06666667 0.88571423] [0.0772545  0.13243626]
        >>> print(fit.interval(0.95))
        [[-0.08474938  0.21808273]
         [ 0.62614393  1.1452845 ]]
    """

    params: Float[Array, " param"]
    cov: Float[Array, "param param"]
    cov_homoskedastic: Float[Array, "param param"]
    cov_robust: Float[Array, "param param"]
    working_influence: Float[Array, "param obs"] | None
    kept: Bool[Array, " param"]
    working_residuals: Float[Array, " obs"]
    working_order: Int[Array, " obs"] | None
    r_squared: Float[Array, ""]
    tie_shares: Float[Array, "2"]
    status: Int[Array, ""]
    model: RankRegression
    num_groups: int = eqx.field(static=True)
    has_regressor: bool = eqx.field(static=True)

    @property
    def num_obs(self) -> int:
        """Sample size."""
        return self.working_residuals.shape[-1]

    @property
    def influence(self) -> Float[Array, "obs param"] | None:
        """Influence function of each observation: `cov = influence' influence / obs^2`.

        In the order of the data, to which it is taken on demand; NaN for parameters that were not
        kept, None where obs x param exceeds 2^24 (grouped fits).
        """
        if self.working_influence is None:
            return None
        rows = _in_data_order(self.working_influence, self.working_order)
        return rows.swapaxes(-1, -2)

    @property
    def residuals(self) -> Float[Array, " obs"]:
        """Outcome less fitted value of each observation, in the order of the data."""
        return _in_data_order(self.working_residuals, self.working_order)

    def in_data_order(self) -> "RankRegressionFit":
        """The same fit with the order of the data as working order."""
        moved = _in_data_order((self.working_influence, self.working_residuals), self.working_order)
        return dataclasses.replace(
            self, working_influence=moved[0], working_residuals=moved[1], working_order=None
        )

    @property
    def bse(self) -> Float[Array, " param"]:
        """Consistent standard errors."""
        return jnp.sqrt(jnp.diagonal(self.cov, axis1=-2, axis2=-1))

    @property
    def slope(self) -> Float[Array, " group"]:
        """Coefficient of the regressor in each group: relative mobility for ranks on ranks.

        Raises:
            ValueError: a fit without regressor.
        """
        if not self.has_regressor:
            raise ValueError("fit has no regressor, only covariates; there is no slope")
        first = self.num_groups * int(self.model.intercept)
        return self.params[..., first : first + self.num_groups]

    def zvalues(self) -> Float[Array, " param"]:
        """Estimates over their standard errors; NaN for missing ones, 0 / 0 gives NaN."""
        return self.params / self.bse

    def pvalues(self) -> Float[Array, " param"]:
        """Two-sided normal p-values of each coefficient being zero."""
        return 2 * ndtr(-jnp.abs(self.zvalues()))

    def interval(self, level: float | Float[Array, ""] = 0.95) -> Float[Array, "param 2"]:
        """Normal confidence intervals from the consistent standard errors.

        Args:
            level: coverage, in (0, 1).

        Returns:
            Lower and upper end of each.

        Raises:
            ValueError: a level outside (0, 1).
        """
        return normal_interval(self.params, self.bse, level)

    def by_group(self) -> Float[Array, "group column"]:
        """Coefficients with one row per group: intercept, regressor, covariates."""
        return self.params.reshape(-1, self.num_groups).T


def _in_data_order(rows, order):
    """Takes the last axis of arrays from working order to the order of the data."""
    return rows if order is None else _scattered(rows, order)


@jax.jit
def _scattered(rows, order):
    def one(row, order):
        return jnp.zeros_like(row).at[order].set(row, unique_indices=True)

    several = jnp.vectorize(one, signature="(obs),(obs)->(obs)")
    return jax.tree.map(
        lambda row: several(row, order[..., None, :] if row.ndim > order.ndim else order), rows
    )


def normal_interval(
    estimate: Float[Array, "*shape"],
    standard_error: Float[Array, "*shape"],
    level: float | Float[Array, ""],
) -> Float[Array, "*shape 2"]:
    """Estimate plus and minus normal quantiles of its standard error.

    Args:
        estimate: the centre.
        standard_error: not negative.
        level: coverage, in (0, 1).

    Returns:
        Lower and upper end, on a new last axis.

    Raises:
        ValueError: a level outside (0, 1).
    """
    engine.check_probability("level", level)
    quantile = ndtri((1 + jnp.asarray(level, estimate.dtype)) / 2)
    half_width = quantile * standard_error
    return jnp.stack([estimate - half_width, estimate + half_width], axis=-1)


class Estimate(eqx.Module):
    """Estimates with delta-method standard errors.

    Attributes:
        value: the estimates.
        bse: their standard errors.
        status: that of the fit (COLLINEAR, FEW_OBSERVATIONS) where an estimate needs a missing
            parameter and is NaN; NON_FINITE where one is NaN otherwise; DEGENERATE where one has
            no sampling variance.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import ranks
        >>> child, parent = jnp.array([[2.0, 1, 4, 3, 5, 6], [1.0, 2, 3, 4, 5, 6]])
        >>> fit = ranks.fit(ranks.RankRegression(), child, parent)
        >>> upward = ranks.absolute_mobility(fit, 0.25)
        >>> print(upward.value, upward.bse, upward.interval(0.9))
        [0.28809524] [0.04414543] [[0.21548247 0.360708  ]]
    """

    value: Float[Array, " estimate"]
    bse: Float[Array, " estimate"]
    status: Int[Array, ""]

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


def combination(fit: RankRegressionFit, contrasts: Float[Array, "contrast param"]) -> Estimate:
    """Linear combinations of the parameters, unchecked.

    Args:
        fit: the fit.
        contrasts: rows of weights on the parameters.

    Returns:
        Values and standard errors; NaN where a missing parameter has weight.
    """
    return _combination(fit.params, fit.cov, fit.kept, fit.status, contrasts)


@jax.jit
def _combination(params, cov, kept, fit_status, contrasts):
    uses_missing = jnp.any((contrasts != 0) & ~kept[None], axis=1)
    missing = jnp.where(uses_missing, jnp.nan, 0).astype(params.dtype)
    value = matmul(contrasts, jnp.where(kept, params, 0)[:, None])[:, 0]
    both = kept[:, None] & kept[None]
    half = matmul(contrasts, jnp.where(both, cov, 0))
    bse = jnp.sqrt(jnp.maximum(jnp.sum(half * contrasts, axis=1), 0))
    status = jnp.where(jnp.any(bse == 0), Status.DEGENERATE, Status.OK)
    status = jnp.where(jnp.any(uses_missing), fit_status, status)
    return Estimate(value + missing, bse + missing, finite_or(status, value, bse))


def finite_or(status: Int[ArrayLike, ""], *arrays: Float[Array, "..."]) -> Int[Array, ""]:
    """The status, or NON_FINITE where an array holds NaN or infinite values.

    Args:
        status: where all is finite.
        *arrays: what has been computed.

    Returns:
        An int32 status.
    """
    is_finite = jnp.stack([jnp.all(jnp.isfinite(array)) for array in arrays])
    return jnp.where(jnp.all(is_finite), status, Status.NON_FINITE).astype(jnp.int32)
