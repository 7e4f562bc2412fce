"""Draws of bootstraps, and the intervals taken from them."""

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from .. import engine
from ..engine import Status
from ..numerics import matmul
from .results import RankRegressionFit, combination, normal_interval


def status_of_replicates(
    num_failed: Int[Array, ""], num_replicates: int, status: Int[ArrayLike, ""]
) -> Int[Array, ""]:
    """Status of replicates of which some failed.

    Args:
        num_failed: how many could not be estimated.
        num_replicates: how many there are.
        status: where none failed.

    Returns:
        SINGULAR if more than a tenth failed; else the given status, or INCOMPLETE if that is OK
        and some failed. int32.
    """
    is_silent = (num_failed > 0) & (status == Status.OK)
    status = jnp.where(is_silent, Status.INCOMPLETE, status)
    too_many = num_failed * 10 > num_replicates
    return jnp.where(too_many, Status.SINGULAR, status).astype(jnp.int32)


class BootstrapDraws(eqx.Module):
    """Bootstrap draws of a rank regression's parameters.

    A draw that does not identify its parameters (a dummy nobody was drawn for) is NaN; it is left
    out of every summary and counted by `num_failed`. `status` says so.

    Attributes:
        fit: the fit on the sample itself.
        params: parameters of each draw.
        draw_bse: each draw's own consistent standard errors; None unless studentized.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import ranks
        >>> child, parent = jnp.array([[2.0, 1, 4, 3, 5, 6], [1.0, 2, 3, 4, 5, 6]])
        >>> model = ranks.RankRegression()
        >>> draws = ranks.bootstrap(jax.random.key(0), model, child, parent, num_replicates=200)
        >>> print(draws.bse, draws.percentile_interval(0.9)[1], draws.num_failed)
        [0.15814786 0.23359782] [0.3766238 1.0000005] 0
    """

    fit: RankRegressionFit
    params: Float[Array, "replicate param"]
    draw_bse: Float[Array, "replicate param"] | None

    def _sound(self):
        is_missing = ~self.fit.kept[..., None, :]
        return jnp.all(jnp.isfinite(self.params) | is_missing, axis=-1)

    @property
    def num_failed(self) -> Int[Array, ""]:
        """Number of draws left out."""
        return jnp.sum(~self._sound(), axis=-1, dtype=jnp.int32)

    @property
    def status(self) -> Int[Array, ""]:
        """SINGULAR if more than a tenth of the draws failed, else the status of the fit.

        INCOMPLETE if some failed and the fit has nothing to say.
        """
        return status_of_replicates(self.num_failed, self.params.shape[-2], self.fit.status)

    @property
    def cov(self) -> Float[Array, "param param"]:
        """Covariance of the parameters over the draws."""
        sound = self._sound()[..., None]
        count = jnp.sum(sound, axis=-2, keepdims=True)
        mean = jnp.sum(jnp.where(sound, self.params, 0), axis=-2, keepdims=True) / count
        centred = jnp.where(sound, self.params - mean, 0)
        several = jnp.where(count > 1, count - 1, jnp.nan)  # no draws, no made-up spread
        return matmul(centred.swapaxes(-1, -2), centred) / several

    @property
    def bse(self) -> Float[Array, " param"]:
        """Standard deviations of the parameters over the draws."""
        return jnp.sqrt(jnp.diagonal(self.cov, axis1=-2, axis2=-1))

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

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import ranks
        >>> child, parent = jnp.array([[2.0, 1, 4, 3, 5, 6], [1.0, 2, 3, 4, 5, 6]])
        >>> fit = ranks.fit(ranks.RankRegression(), child, parent)
        >>> draws = ranks.multiplier_bootstrap(jax.random.key(0), fit, num_replicates=200)
        >>> print(draws.bse, draws.simultaneous_interval(0.9))
        [0.07765599 0.13312452] [[-0.06990959  0.20324293]
         [ 0.65158355  1.1198449 ]]
    """

    fit: RankRegressionFit
    errors: Float[Array, "replicate param"]

    @property
    def status(self) -> Int[Array, ""]:
        """That of the fit, or NON_FINITE where errors of kept parameters are not finite."""
        is_missing = ~self.fit.kept[..., None, :]
        is_finite = jnp.all(jnp.isfinite(self.errors) | is_missing, axis=(-2, -1))
        return jnp.where(is_finite, self.fit.status, Status.NON_FINITE).astype(jnp.int32)

    @property
    def cov(self) -> Float[Array, "param param"]:
        """Covariance of the errors over the draws; its limit is the covariance of the fit."""
        return matmul(self.errors.swapaxes(-1, -2), self.errors) / self.errors.shape[-2]

    @property
    def bse(self) -> Float[Array, " param"]:
        """Standard deviations of the errors over the draws."""
        return jnp.sqrt(jnp.diagonal(self.cov, axis1=-2, axis2=-1))

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
        engine.check_array("contrasts", contrasts, ("contrast", self.fit.params.shape[0]))
        estimate = combination(self.fit, contrasts)
        value, bse = estimate.value, estimate.bse
        errors = matmul(jnp.nan_to_num(self.errors), contrasts.T)
        ratios = jnp.abs(errors) / jnp.where(bse > 0, bse, jnp.inf)[None]
        largest = jnp.max(jnp.where(jnp.isfinite(bse)[None], ratios, 0), axis=1)
        half_width = jnp.quantile(largest, jnp.asarray(level, largest.dtype)) * bse
        return jnp.stack([value - half_width, value + half_width], axis=-1)
