"""Log-densities of multivariate normal, Student-t and skew-t distributions; slant and skewness."""

import jax.numpy as jnp
from jax.scipy.special import gammaln, log_ndtr
from jaxtyping import Array, Float

from ..numerics import student_t
from .correlation import Correlation


def skewness_of_slant(
    correlation: Correlation, alpha: Float[Array, " asset"]
) -> Float[Array, " asset"]:
    """`delta = Omega alpha / sqrt(1 + alpha' Omega alpha)`.

    Source: Azzalini and Capitanio (2003).

    Args:
        correlation: Omega.
        alpha: slant.

    Returns:
        Skewness of the margins, with `delta' Omega^{-1} delta < 1`; held off -1 and 1 by two
        roundings, so that large slants have finite quantiles.
    """
    turned = correlation.times(alpha)
    return inside_one(turned / jnp.sqrt(1 + jnp.sum(alpha * turned)))


def slant_of_skewness(
    correlation: Correlation, delta: Float[Array, " asset"]
) -> Float[Array, " asset"]:
    """`alpha = Omega^{-1} delta / sqrt(1 - delta' Omega^{-1} delta)`.

    Source: derived by us, the inverse of `skewness_of_slant`.

    Args:
        correlation: Omega.
        delta: skewness of the margins; NaN unless `delta' Omega^{-1} delta < 1`.

    Returns:
        The slant.
    """
    turned = jnp.linalg.solve(correlation.matrix(), delta)
    return turned / jnp.sqrt(1 - correlation.quadratic(delta))


def inside_one(value: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Correlations or skewness held off -1 and 1 by two roundings, where nothing is finite.

    Args:
        value: in [-1, 1].

    Returns:
        The nearest value inside.
    """
    most = 1 - 4 * float(jnp.finfo(value.dtype).epsneg)
    return jnp.clip(value, -most, most)


def log_normal(x: Float[Array, " asset"], correlation: Correlation) -> Float[Array, ""]:
    """Log-density of `N(0, Omega)`.

    Args:
        x: one point.
        correlation: Omega.

    Returns:
        The log-density.
    """
    log_constant = x.shape[0] * jnp.log(jnp.asarray(2 * jnp.pi, x.dtype)) + correlation.log_det()
    return -0.5 * (log_constant + correlation.quadratic(x))


def log_skew_normal(
    x: Float[Array, " asset"], correlation: Correlation, alpha: Float[Array, " asset"]
) -> Float[Array, ""]:
    """Log-density of the multivariate skew-normal.

    `log 2 + log phi(x; 0, Omega) + log Phi(alpha'x)`.

    Source: Azzalini and Capitanio (2003).

    Args:
        x: one point.
        correlation: Omega.
        alpha: slant.

    Returns:
        The log-density.
    """
    skewed = jnp.log(jnp.asarray(2, x.dtype)) + log_ndtr(jnp.sum(alpha * x))
    return log_normal(x, correlation) + skewed


def log_student_t(
    x: Float[Array, " asset"], correlation: Correlation, nu: Float[Array, ""]
) -> Float[Array, ""]:
    """Log-density of the multivariate Student-t with scale matrix Omega.

    Args:
        x: one point.
        correlation: Omega.
        nu: degrees of freedom.

    Returns:
        The log-density.
    """
    num_assets = x.shape[0]
    total = nu + num_assets
    log_constant = gammaln(total / 2) - gammaln(nu / 2) - 0.5 * num_assets * jnp.log(nu * jnp.pi)
    decay = 0.5 * total * jnp.log1p(correlation.quadratic(x) / nu)
    return log_constant - 0.5 * correlation.log_det() - decay


def log_skew_t(
    x: Float[Array, " asset"],
    correlation: Correlation,
    alpha: Float[Array, " asset"],
    nu: Float[Array, ""],
) -> Float[Array, ""]:
    """Log-density of the multivariate skew-t.

    `log 2 + log t_d(x; 0, Omega, nu) + log T_{nu+d}(alpha'x sqrt((nu + d) / (nu + Q)))` with
    `Q = x' Omega^{-1} x`. Source: Azzalini and Capitanio (2003).

    Args:
        x: one point.
        correlation: Omega.
        alpha: slant.
        nu: degrees of freedom.

    Returns:
        The log-density.
    """
    total = nu + x.shape[0]
    scale = jnp.sqrt(total / (nu + correlation.quadratic(x)))
    skewed = student_t.logcdf(jnp.sum(alpha * x) * scale, total)
    return jnp.log(jnp.asarray(2, x.dtype)) + log_student_t(x, correlation, nu) + skewed
