"""Copulas of elliptical and skew-elliptical distributions: skew-t, skew-normal, t, Gaussian."""

from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ..numerics import skew_normal, skew_t, student_t
from ..numerics.bivariate_t import bivariate_t_cdf
from .checks import (
    check_correlation,
    check_draws,
    check_loadings,
    check_nu,
    check_point,
    check_vector,
)
from .concordance import skew_t_concordance
from .copula import Copula
from .correlation import Correlation
from .densities import (
    log_normal,
    log_skew_normal,
    log_skew_t,
    log_student_t,
    skewness_of_slant,
    slant_of_skewness,
)
from .draws import inside_unit, mixing_draws, skew_normal_draws
from .quadrants import skew_t_quadrant
from .tails import common_lower_tail, log_lower_moment, student_t_tail

__all__ = [
    "Copula",
    "GaussianCopula",
    "SkewNormalCopula",
    "SkewTCopula",
    "TCopula",
    "skewness_of_slant",
    "slant_of_skewness",
]


class SkewTCopula(Copula):
    """Copula of the multivariate skew-t of Azzalini and Capitanio (2003).

    `delta = Omega alpha / sqrt(1 + alpha' Omega alpha)`; margin j is the skew-t with skewness
    `delta_j` and nu degrees of freedom. Source: Deng, Smith and Maneesoonthorn (2025).

    Attributes:
        correlation: Omega.
        alpha: slant.
        nu: degrees of freedom, above 2.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import copulas
        >>> omega = jnp.array([[1.0, 0.5], [0.5, 1.0]])
        >>> copula = copulas.SkewTCopula.from_correlation(
        ...     omega, alpha=jnp.array([2.0, 0.0]), nu=5.0
        ... )
        >>> print(copula.log_prob(jnp.array([0.1, 0.2])), copula.sample(jax.random.key(0), 3).shape)
        0.41541052 (3, 2)
    """

    correlation: Correlation
    alpha: Float[Array, " asset"]
    nu: Float[Array, ""]

    @classmethod
    def from_correlation(cls, correlation: Any, *, alpha: ArrayLike, nu: ArrayLike) -> Self:
        """Copula from a correlation matrix, in its dtype.

        Args:
            correlation: symmetric, positive definite, with unit diagonal.
            alpha: slant, one number per asset.
            nu: degrees of freedom, above 2.

        Returns:
            The copula.

        Raises:
            TypeError: an argument that is not of real numbers.
            ValueError: a matrix that is no correlation matrix; a slant of another length or not
                finite; degrees of freedom that are not above 2 and finite.
        """
        omega = check_correlation(correlation)
        return cls(omega, check_vector("alpha", alpha, omega), check_nu(nu, omega))

    @classmethod
    def from_loadings(cls, loadings: Any, *, alpha: ArrayLike, nu: ArrayLike) -> Self:
        """Copula from loadings G of a factor model, `Omega` the correlation of `G G' + I`.

        Args:
            loadings: G, (asset, factor).
            alpha: slant, one number per asset.
            nu: degrees of freedom, above 2.

        Returns:
            The copula.

        Raises:
            TypeError: an argument that is not of real numbers.
            ValueError: loadings that are not a finite matrix; the rest as `from_correlation`.
        """
        omega = check_loadings(loadings)
        return cls(omega, check_vector("alpha", alpha, omega), check_nu(nu, omega))

    @property
    def skewness(self) -> Float[Array, " asset"]:
        """`delta`, skewness of each margin, in (-1, 1)."""
        return skewness_of_slant(self.correlation, self.alpha)

    def log_prob(self, u: Float[Array, " asset"]) -> Float[Array, ""]:
        """Log-density of the copula."""
        x = skew_t.ppf(check_point(u, self.num_assets), self.skewness, self.nu)
        joint = log_skew_t(x, self.correlation, self.alpha, self.nu)
        return joint - jnp.sum(skew_t.logpdf(x, self.skewness, self.nu))

    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Independent draws."""
        check_draws(key, num_draws)
        skew_key, scale_key = jax.random.split(key)
        normal = skew_normal_draws(skew_key, self.correlation, self.alpha, num_draws)
        x = normal / jnp.sqrt(mixing_draws(scale_key, self.nu, num_draws))
        return inside_unit(skew_t.cdf(x, self.skewness[None], self.nu))

    def quantile(self, u, skewness):
        """Quantiles of margins."""
        return skew_t.ppf(u, skewness, self.nu)

    def quadrant(self, x, y, rho, first, second):
        """`P(X <= x, Y <= y)` of pairs."""
        return skew_t_quadrant(x, y, rho, first, second, self.nu)

    def lower_tail(self, rho, first, second):
        """Lower tail dependence of pairs, one integral over an angle."""
        return jnp.vectorize(self._lower_tail)(rho, first, second)

    def _lower_tail(self, rho, first, second):
        deltas = jnp.stack([first, second])
        turned = (deltas - rho * deltas[::-1]) / ((1 - rho) * (1 + rho))
        square = jnp.maximum(1 - jnp.sum(deltas * turned), jnp.finfo(rho.dtype).eps)
        alpha = turned / jnp.sqrt(square)

        def log_skewed(x, y):
            slant = (alpha[0] * x + alpha[1] * y) * jnp.sqrt(self.nu + 2)
            return jnp.log(jnp.asarray(2, x.dtype)) + student_t.logcdf(slant, self.nu + 2)

        log_moments = log_lower_moment(deltas, self.nu)
        return common_lower_tail(rho, self.nu, log_moments, log_skewed, alpha[None])

    def concordance(self, rho, first, second):
        """Kendall's tau and Spearman's rho of pairs."""
        rho, first, second = jnp.broadcast_arrays(rho, first, second)
        return skew_t_concordance(rho, first, second, self.nu)


class SkewNormalCopula(Copula):
    """Copula of the multivariate skew-normal: the skew-t with nu at infinity.

    Attributes:
        correlation: Omega.
        alpha: slant.
    """

    correlation: Correlation
    alpha: Float[Array, " asset"]

    @classmethod
    def from_correlation(cls, correlation: Any, *, alpha: ArrayLike) -> Self:
        """Copula from a correlation matrix; arguments and errors as `SkewTCopula`.

        Args:
            correlation: symmetric, positive definite, with unit diagonal.
            alpha: slant, one number per asset.

        Returns:
            The copula.
        """
        omega = check_correlation(correlation)
        return cls(omega, check_vector("alpha", alpha, omega))

    @classmethod
    def from_loadings(cls, loadings: Any, *, alpha: ArrayLike) -> Self:
        """Copula from loadings G of a factor model; arguments and errors as `SkewTCopula`.

        Args:
            loadings: G, (asset, factor).
            alpha: slant, one number per asset.

        Returns:
            The copula.
        """
        omega = check_loadings(loadings)
        return cls(omega, check_vector("alpha", alpha, omega))

    @property
    def skewness(self) -> Float[Array, " asset"]:
        """`delta`, skewness of each margin, in (-1, 1)."""
        return skewness_of_slant(self.correlation, self.alpha)

    def log_prob(self, u: Float[Array, " asset"]) -> Float[Array, ""]:
        """Log-density of the copula."""
        x = skew_normal.ppf(check_point(u, self.num_assets), self.skewness)
        joint = log_skew_normal(x, self.correlation, self.alpha)
        return joint - jnp.sum(skew_normal.logpdf(x, self.skewness))

    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Independent draws."""
        check_draws(key, num_draws)
        x = skew_normal_draws(key, self.correlation, self.alpha, num_draws)
        return inside_unit(skew_normal.cdf(x, self.skewness[None]))

    def quantile(self, u, skewness):
        """Quantiles of margins."""
        return skew_normal.ppf(u, skewness)

    def quadrant(self, x, y, rho, first, second):
        """`P(X <= x, Y <= y)` of pairs."""
        return skew_t_quadrant(x, y, rho, first, second, None)

    def lower_tail(self, rho, first, second):
        """Zero."""
        return jnp.zeros_like(jnp.broadcast_arrays(rho, first, second)[0])

    def concordance(self, rho, first, second):
        """Kendall's tau and Spearman's rho of pairs."""
        rho, first, second = jnp.broadcast_arrays(rho, first, second)
        return skew_t_concordance(rho, first, second, None)


class TCopula(Copula):
    """Copula of the multivariate Student-t: the skew-t with slant 0.

    Attributes:
        correlation: Omega.
        nu: degrees of freedom, above 2.
    """

    correlation: Correlation
    nu: Float[Array, ""]

    @classmethod
    def from_correlation(cls, correlation: Any, *, nu: ArrayLike) -> Self:
        """Copula from a correlation matrix; arguments and errors as `SkewTCopula`.

        Args:
            correlation: symmetric, positive definite, with unit diagonal.
            nu: degrees of freedom, above 2.

        Returns:
            The copula.
        """
        omega = check_correlation(correlation)
        return cls(omega, check_nu(nu, omega))

    @classmethod
    def from_loadings(cls, loadings: Any, *, nu: ArrayLike) -> Self:
        """Copula from loadings G of a factor model; arguments and errors as `SkewTCopula`.

        Args:
            loadings: G, (asset, factor).
            nu: degrees of freedom, above 2.

        Returns:
            The copula.
        """
        omega = check_loadings(loadings)
        return cls(omega, check_nu(nu, omega))

    @property
    def skewness(self) -> Float[Array, " asset"]:
        """Zeros."""
        return jnp.zeros(self.num_assets, self.correlation.dtype)

    def log_prob(self, u: Float[Array, " asset"]) -> Float[Array, ""]:
        """Log-density of the copula."""
        x = student_t.ppf(check_point(u, self.num_assets), self.nu)
        joint = log_student_t(x, self.correlation, self.nu)
        return joint - jnp.sum(student_t.logpdf(x, self.nu))

    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Independent draws."""
        check_draws(key, num_draws)
        normal_key, scale_key = jax.random.split(key)
        normal = self.correlation.sample(normal_key, num_draws)
        x = normal / jnp.sqrt(mixing_draws(scale_key, self.nu, num_draws))
        return inside_unit(student_t.cdf(x, self.nu))

    def quantile(self, u, skewness):
        """Quantiles of margins, all the same."""
        return student_t.ppf(jnp.broadcast_arrays(u, skewness)[0], self.nu)

    def quadrant(self, x, y, rho, first, second):
        """`P(X <= x, Y <= y)` of pairs."""
        return bivariate_t_cdf(*jnp.broadcast_arrays(x, y, rho, first, second)[:3], self.nu)

    def lower_tail(self, rho, first, second):
        """Tail dependence of pairs, closed form."""
        return student_t_tail(jnp.broadcast_arrays(rho, first, second)[0], self.nu)

    def concordance(self, rho, first, second):
        """`2 / pi asin(rho)` and, by quadrature, Spearman's rho of pairs."""
        rho, first, second = jnp.broadcast_arrays(rho, first, second)
        return skew_t_concordance(rho, first, second, self.nu)


class GaussianCopula(Copula):
    """Copula of the multivariate normal distribution.

    Attributes:
        correlation: Omega.
    """

    correlation: Correlation

    @classmethod
    def from_correlation(cls, correlation: Any) -> Self:
        """Copula from a correlation matrix; errors as `SkewTCopula`.

        Args:
            correlation: symmetric, positive definite, with unit diagonal.

        Returns:
            The copula.
        """
        return cls(check_correlation(correlation))

    @classmethod
    def from_loadings(cls, loadings: Any) -> Self:
        """Copula from loadings G of a factor model; errors as `SkewTCopula`.

        Args:
            loadings: G, (asset, factor).

        Returns:
            The copula.
        """
        return cls(check_loadings(loadings))

    @property
    def skewness(self) -> Float[Array, " asset"]:
        """Zeros."""
        return jnp.zeros(self.num_assets, self.correlation.dtype)

    def log_prob(self, u: Float[Array, " asset"]) -> Float[Array, ""]:
        """Log-density of the copula."""
        x = ndtri(check_point(u, self.num_assets))
        return log_normal(x, self.correlation) - jnp.sum(norm.logpdf(x))

    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Independent draws."""
        check_draws(key, num_draws)
        return inside_unit(ndtr(self.correlation.sample(key, num_draws)))

    def quantile(self, u, skewness):
        """Quantiles of margins, all the same."""
        return ndtri(jnp.broadcast_arrays(u, skewness)[0])

    def quadrant(self, x, y, rho, first, second):
        """`P(X <= x, Y <= y)` of pairs."""
        return bivariate_t_cdf(*jnp.broadcast_arrays(x, y, rho, first, second)[:3], jnp.inf)

    def lower_tail(self, rho, first, second):
        """Zero."""
        return jnp.zeros_like(jnp.broadcast_arrays(rho, first, second)[0])

    def concordance(self, rho, first, second):
        """`2 / pi asin(rho)` and `6 / pi asin(rho / 2)`."""
        rho, _, _ = jnp.broadcast_arrays(rho, first, second)
        return 2 / jnp.pi * jnp.arcsin(rho), 6 / jnp.pi * jnp.arcsin(0.5 * rho)
