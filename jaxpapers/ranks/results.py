"""What a rank regression gives back."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from ..numerics import matmul
from .model import RankRegression


class RankRegressionFit(eqx.Module):
    """Estimates of a regression with ranks.

    Parameters are in the order intercept, regressor, covariates; with groups each of them stands
    for all groups before the next: all intercepts, all slopes, and so on. A parameter whose
    column was collinear is NaN, its entry of `kept` False and `status` COLLINEAR.

    Attributes:
        params: coefficients, in ranks (or units of a level outcome) per rank or unit.
        cov: consistent covariance of `params`, estimation of the ranks included; over all groups.
        cov_homoskedastic: the usual OLS covariance; inconsistent here.
        cov_robust: HC1 (EHW) covariance; inconsistent here.
        influence: influence function of each observation, `cov = influence' influence / obs^2`;
            None where obs x param exceeds 2^24 (grouped fits).
        kept: which parameters were estimated.
        residuals: outcome less fitted value, in the order of the data.
        r_squared: share of variation explained; uncentred without a common intercept, as in R.
        tie_shares: share of tied observations of outcome and regressor; 0 for a level.
        status: how the fit went, int32; see `engine.status_message`.
        model: the regression that was fitted.
        num_groups: number of groups, 1 without; static.
        has_regressor: whether there is a regressor beside the covariates; static.
    """

    params: Float[Array, " param"]
    cov: Float[Array, "param param"]
    cov_homoskedastic: Float[Array, "param param"]
    cov_robust: Float[Array, "param param"]
    influence: Float[Array, "obs param"] | None
    kept: Bool[Array, " param"]
    residuals: Float[Array, " obs"]
    r_squared: Float[Array, ""]
    tie_shares: Float[Array, "2"]
    status: Int[Array, ""]
    model: RankRegression
    num_groups: int = eqx.field(static=True)
    has_regressor: bool = eqx.field(static=True)

    @property
    def num_obs(self) -> int:
        """Sample size."""
        return self.residuals.shape[-1]

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


class BootstrapDraws(eqx.Module):
    """Bootstrap draws of a rank regression's parameters.

    A draw that does not identify its parameters (a dummy nobody was drawn for) is NaN; it is left
    out of every summary and counted by `num_failed`.

    Attributes:
        fit: the fit on the sample itself.
        params: parameters of each draw.
        draw_bse: each draw's own consistent standard errors; None unless studentized.
    """

    fit: RankRegressionFit
    params: Float[Array, "replicate param"]
    draw_bse: Float[Array, "replicate param"] | None

    def _sound(self):
        kept = self.fit.kept
        return jnp.all(jnp.isfinite(self.params) | ~kept[None], axis=-1)

    @property
    def num_failed(self) -> Int[Array, ""]:
        """Number of draws left out."""
        return jnp.sum(~self._sound(), dtype=jnp.int32)

    @property
    def status(self) -> Int[Array, ""]:
        """SINGULAR if more than a tenth of the draws failed, else the status of the fit."""
        too_many = self.num_failed * 10 > self.params.shape[0]
        return jnp.where(too_many, jnp.asarray(engine.Status.SINGULAR, jnp.int32), self.fit.status)

    @property
    def cov(self) -> Float[Array, "param param"]:
        """Covariance of the parameters over the draws."""
        sound = self._sound()[:, None]
        count = jnp.sum(sound)
        mean = jnp.sum(jnp.where(sound, self.params, 0), axis=0) / count
        centred = jnp.where(sound, self.params - mean[None], 0)
        several = jnp.where(count > 1, count - 1, jnp.nan)  # no draws, no made-up spread
        return matmul(centred.T, centred) / several

    @property
    def bse(self) -> Float[Array, " param"]:
        """Standard deviations of the parameters over the draws."""
        return jnp.sqrt(jnp.diagonal(self.cov))

    def percentile_interval(
        self, level: float | Float[Array, ""] = 0.95
    ) -> Float[Array, "param 2"]:
        """Quantiles of the draws.

        Args:
            level: coverage, in (0, 1).

        Returns:
            Lower and upper end of each parameter.

        Raises:
            ValueError: a level outside (0, 1).
        """
        return self._quantiles(self.params, level)

    def normal_interval(self, level: float | Float[Array, ""] = 0.95) -> Float[Array, "param 2"]:
        """Estimate plus and minus normal quantiles of the bootstrap standard error.

        Args:
            level: coverage, in (0, 1).

        Returns:
            Lower and upper end of each parameter.

        Raises:
            ValueError: a level outside (0, 1).
        """
        return normal_interval(self.fit.params, self.bse, level)

    def percentile_t_interval(
        self, level: float | Float[Array, ""] = 0.95
    ) -> Float[Array, "param 2"]:
        """Estimate less quantiles of the draws' t ratios times the consistent standard error.

        Args:
            level: coverage, in (0, 1).

        Returns:
            Lower and upper end of each parameter.

        Raises:
            ValueError: a level outside (0, 1); draws without standard errors.
        """
        if self.draw_bse is None:
            raise ValueError(
                "draw_bse is None; a percentile-t interval needs bootstrap(..., studentize=True)"
            )
        ratios = (self.params - self.fit.params[None]) / self.draw_bse
        quantiles = self._quantiles(ratios, level)
        return self.fit.params[:, None] - quantiles[:, ::-1] * self.fit.bse[:, None]

    def _quantiles(self, draws, level):
        engine.check_probability("level", level)
        level = jnp.asarray(level, draws.dtype)
        probabilities = jnp.stack([(1 - level) / 2, (1 + level) / 2])
        draws = jnp.where(self._sound()[:, None], draws, jnp.nan)
        return jnp.nanquantile(draws, probabilities, axis=0).T


class MultiplierDraws(eqx.Module):
    """Multiplier-bootstrap draws of the estimation error of a rank regression.

    Attributes:
        fit: the fit on the sample.
        errors: `sum_i xi_i psi_i / obs` of each replicate, distributed like estimate less truth.
    """

    fit: RankRegressionFit
    errors: Float[Array, "replicate param"]

    @property
    def cov(self) -> Float[Array, "param param"]:
        """Covariance of the errors over the draws; its limit is the covariance of the fit."""
        return matmul(self.errors.T, self.errors) / self.errors.shape[0]

    @property
    def bse(self) -> Float[Array, " param"]:
        """Standard deviations of the errors over the draws."""
        return jnp.sqrt(jnp.diagonal(self.cov))

    def simultaneous_interval(
        self,
        level: float | Float[Array, ""] = 0.95,
        contrasts: Float[Array, "contrast param"] | None = None,
    ) -> Float[Array, "contrast 2"]:
        """Band that covers all contrasts at once, by the maximal t ratio of the draws.

        Args:
            level: joint coverage, in (0, 1).
            contrasts: rows of weights on the parameters; None for the parameters themselves.

        Returns:
            Lower and upper end of each contrast; a missing parameter gives NaN and does not
            widen the others.

        Raises:
            ValueError: a level outside (0, 1); contrasts of the wrong width.
        """
        engine.check_probability("level", level)
        if contrasts is None:
            contrasts = jnp.eye(self.fit.params.shape[0], dtype=self.fit.params.dtype)
        value, bse = contrast_moments(self.fit, contrasts)
        errors = matmul(jnp.nan_to_num(self.errors), contrasts.T)
        ratios = jnp.abs(errors) / jnp.where(bse > 0, bse, jnp.inf)[None]
        largest = jnp.max(jnp.where(jnp.isfinite(bse)[None], ratios, 0), axis=1)
        half_width = jnp.quantile(largest, jnp.asarray(level, largest.dtype)) * bse
        return jnp.stack([value - half_width, value + half_width], axis=-1)


def contrast_moments(
    fit: RankRegressionFit, contrasts: Float[Array, "contrast param"]
) -> tuple[Float[Array, " contrast"], Float[Array, " contrast"]]:
    """Estimates and standard errors of linear combinations of the parameters.

    Args:
        fit: the fit.
        contrasts: rows of weights on the parameters.

    Returns:
        Values and standard errors; NaN where a missing parameter has weight.

    Raises:
        ValueError: contrasts of the wrong width.
    """
    engine.check_array("contrasts", contrasts, ("contrast", fit.params.shape[0]))
    return _contrast_moments(fit.params, fit.cov, fit.kept, contrasts)


@jax.jit
def _contrast_moments(params, cov, kept, contrasts):
    uses_missing = jnp.any((contrasts != 0) & ~kept[None], axis=1)
    missing = jnp.where(uses_missing, jnp.nan, 0).astype(params.dtype)
    value = matmul(contrasts, jnp.where(kept, params, 0)[:, None])[:, 0]
    both = kept[:, None] & kept[None]
    half = matmul(contrasts, jnp.where(both, cov, 0))
    variance = jnp.sum(half * contrasts, axis=1)
    return value + missing, jnp.sqrt(jnp.maximum(variance, 0)) + missing
