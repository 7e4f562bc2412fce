"""Probabilities of quadrants under bivariate Student-t, skew-t and their normal limits."""

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.scipy.stats import norm
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from . import student_t
from .angle import CUT, angle_nodes, bounded
from .quadrature import gauss_legendre
from .slopes import with_slopes
from .student_t import promoted

NUM_NODES = 48


@jax.jit
def bivariate_t_cdf(
    x: Float[ArrayLike, "*batch"],
    y: Float[ArrayLike, "*batch"],
    rho: Float[ArrayLike, "*batch"],
    nu: Float[ArrayLike, "*batch"],
) -> Float[Array, "*batch"]:
    """`P(X <= x, Y <= y)` of a bivariate Student-t with correlation rho.

    `T_nu(min(x, y)) - (1/2pi) int_{asin rho}^{pi/2} (1 + (x^2 - 2 x y sin p + y^2) /
    (nu cos^2 p))^{-nu/2} dp`. Source: Plackett's identity, this form derived by us.
    Accuracy: absolute 1e-13 in float64 and 3e-7 in float32, for nu >= 2.05.

    Args:
        x: any real.
        y: any real.
        rho: correlation in [-1, 1]; beyond the result is NaN.
        nu: degrees of freedom, positive, `inf` for the normal distribution; else NaN.

    Returns:
        The probability.

    Example:
        >>> from jaxpapers import numerics
        >>> print(numerics.bivariate_t_cdf(0.0, 0.0, 0.5, 4.0))
        0.33333337
    """
    x, y, rho, nu = promoted(x, y, rho, nu)
    rho = jnp.where((jnp.abs(rho) <= 1) & (nu > 0), rho, jnp.nan)
    return _quadrant(bounded(x), bounded(y), rho, nu)


@jax.jit
def bivariate_skew_t_cdf(
    x: Float[ArrayLike, "*batch"],
    y: Float[ArrayLike, "*batch"],
    rho: Float[ArrayLike, "*batch"],
    delta_x: Float[ArrayLike, "*batch"],
    delta_y: Float[ArrayLike, "*batch"],
    nu: Float[ArrayLike, "*batch"],
) -> Float[Array, "*batch"]:
    """`P(X <= x, Y <= y)` of a bivariate skew-t (Azzalini and Capitanio).

    It is `2 T_3((x, y, 0); R, nu)` with `R_13 = -delta_x`, `R_23 = -delta_y`; turned towards
    `delta = 0` by Plackett's identity it needs one-dimensional integrals only:

    `T_2(x, y) - (1/pi) int_0^{asin delta_x} (1 + x^2 / (nu cos^2 p))^{-nu/2} T_nu(m(p)) dp` - the
    same with x and y exchanged, m(p) being y given x and the third variable at 0, in its scale.
    Source: derived by us. Accuracy, for nu >= 2.05 and skewness up to .999: absolute 1e-12 in
    float64 and 3e-7 in float32; 1e-9 in float64 where the three correlations are nearly singular.
    A probability of 0 may come out below 0 by as much.

    Args:
        x: any real.
        y: any real.
        rho: correlation in (-1, 1).
        delta_x: skewness of X in (-1, 1).
        delta_y: skewness of Y in (-1, 1); the three must be positive definite together, else the
            result is NaN.
        nu: degrees of freedom, positive, `inf` for the skew-normal distribution; else NaN.

    Returns:
        The probability.

    Example:
        >>> from jaxpapers import numerics
        >>> print(numerics.bivariate_skew_t_cdf(-1.0, -1.0, 0.5, 0.6, 0.6, 4.0))
        0.013074975
    """
    x, y, rho, delta_x, delta_y, nu = promoted(x, y, rho, delta_x, delta_y, nu)
    x, y = bounded(x), bounded(y)
    is_definite = _determinant(rho, delta_x * delta_y, delta_x - _side(rho) * delta_y) > 0
    rho = jnp.where(is_definite & (nu > 0), rho, jnp.nan)
    symmetric = _quadrant(x, y, rho, nu)
    by_x = _turned(x, y, rho, delta_x, delta_y, nu)
    by_y = _turned(y, x, rho, delta_y, delta_x, nu)
    return symmetric - (by_x + by_y) / jnp.pi


def _value(x, y, rho, nu):
    side = _side(rho)
    passed = _beyond(x, side * y, side * rho, nu)
    upright = _cdf(jnp.minimum(x, side * y), nu) - passed
    # P(X <= x, Y <= y; rho) = P(X <= x) - P(X <= x, -Y <= -y; -rho)
    return jnp.where(rho < 0, _cdf(x, nu) - upright, upright)


def _side(rho):
    return jnp.where(rho < 0, -1, 1).astype(rho.dtype)


def _cosine2(rho):
    """`1 - rho^2`, kept off 0, where probabilities have a limit and their integrals none."""
    return jnp.maximum((1 - rho) * (1 + rho), jnp.finfo(rho.dtype).eps ** 2)


def _beyond(x, y, rho, nu):
    """`(1/2pi) int_{asin rho}^{pi/2} ...` for rho >= 0, in v with `tanh v = sin p`."""
    cosine2 = _cosine2(rho)
    ratio = (x - y) ** 2 / cosine2
    # (1 + ratio r^2 / nu)^{-nu/2} falls below exp(-CUT) of its start where r^2 - 1 is
    finite = jnp.where(jnp.isinf(nu), 1, nu)
    exponent = jnp.expm1(jnp.minimum(2 * CUT / finite, 2 * CUT))
    safe_ratio = jnp.maximum(ratio, jnp.finfo(x.dtype).tiny)
    reach = jnp.where(jnp.isinf(nu), 2 * CUT / safe_ratio, exponent * (1 + finite / safe_ratio))
    growth, radius, weights = angle_nodes(rho, reach)
    sine = jnp.sqrt((growth + rho[..., None] ** 2) / (growth + 1))
    square = ratio[..., None] * (growth + 1) + 2 * (x * y)[..., None] / (1 + sine)
    terms = weights / radius * _power(square, nu[..., None])
    return jnp.sum(terms, axis=-1) * jnp.sqrt(cosine2) / (2 * jnp.pi)


def _slopes(x, y, rho, nu):
    """Density of one times the conditional distribution of the other; Plackett's in rho."""
    side = _side(rho)
    cosine2 = _cosine2(rho)
    square = (x - side * y) ** 2 / cosine2 + 2 * side * x * y / (1 + side * rho)
    by_rho = _power(square, nu) / (2 * jnp.pi * jnp.sqrt(cosine2))
    return _slope_x(x, y, rho, nu), _slope_x(y, x, rho, nu), by_rho


def _slope_x(x, y, rho, nu):
    spread = _cosine2(rho) * (1 + x * x / nu) / (1 + 1 / nu)
    return _pdf(x, nu) * _cdf((y - rho * x) / jnp.sqrt(spread), nu + 1)


def _by_nu(x, y, rho, nu):
    return jax.jvp(lambda nu: _value(x, y, rho, nu), (nu,), (jnp.ones_like(nu),))[1]


_quadrant = with_slopes(_value, _slopes, _by_nu)


def _determinant(rho, product, gap):
    """Of three variables, `(1 - a^2) (1 - b^2) - (rho - a b)^2` for correlations rho, a and b.

    `product = a b` and `gap = a - sign(rho) b`: this form keeps its digits where rho is near -1
    or 1, and with it a near -b or b.
    """
    side = _side(rho)
    return (1 - side * rho) * (1 + side * rho - 2 * side * product) - gap * gap


def _turned(x, y, rho, delta_x, delta_y, nu):
    """The part of the integral over the correlation of X with the third variable."""
    end = jnp.arctanh(delta_x)[..., None]
    rest, weights = (
        part.reshape((1,) * x.ndim + (-1,))
        for part in gauss_legendre(NUM_NODES, 0.0, 1.0, dtype=x.dtype)
    )
    # Denser towards the end, just beyond which the conditional variance may vanish.
    places, weights = 1 - rest**3, 3 * rest**2 * weights
    sine, cosine = jnp.tanh(end * places), 1 / jnp.cosh(end * places)
    x, y, rho, delta_x, delta_y, nu = (
        value[..., None] for value in (x, y, rho, delta_x, delta_y, nu)
    )
    # Both correlations with the third variable grow in step.
    share = jnp.where(delta_x == 0, places, sine / jnp.where(delta_x == 0, 1, delta_x))
    side = _side(rho)
    gap = share * (delta_x - side * delta_y)
    variance = _determinant(rho, sine * delta_y * share, gap) / cosine**2
    # y minus its mean given x, which is x (rho - sine other) / cosine^2
    apart = y - side * x - side * x * (sine * gap - (1 - side * rho)) / cosine**2
    square = (x / cosine) ** 2
    spread = jnp.maximum(variance, jnp.finfo(x.dtype).eps ** 2) * (1 + square / nu)
    terms = cosine * _power(square, nu) * _cdf(apart / jnp.sqrt(spread), nu)
    return jnp.sum(end * weights * terms, axis=-1)


def _cdf(x, nu):
    """`T_nu(x)`, the normal distribution function at infinite nu."""
    is_normal = jnp.isinf(nu)
    finite = jnp.broadcast_to(jnp.where(is_normal, 10, nu), x.shape)
    return jnp.where(is_normal, ndtr(x), student_t.cdf(x, finite))


def _pdf(x, nu):
    is_normal = jnp.isinf(nu)
    finite = jnp.where(is_normal, 10, nu)
    return jnp.exp(jnp.where(is_normal, norm.logpdf(x), student_t.logpdf(x, finite)))


def _power(square, nu):
    """`(1 + square / nu)^{-nu/2}`, the exponential at infinite nu."""
    is_normal = jnp.isinf(nu)
    finite = jnp.where(is_normal, 1, nu)
    square = jnp.minimum(square, jnp.finfo(square.dtype).max)
    decay = jnp.where(is_normal, square, finite * jnp.log1p(square / finite))
    return jnp.exp(-0.5 * decay)
