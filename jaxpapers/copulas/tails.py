"""Tail dependence of pairs whose heavy tails come from one W, `(V_1, V_2) / sqrt(W)`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import gammainc, gammaln, ndtr
from jaxtyping import Array, Float

from ..numerics import gauss_legendre, student_t

NUM_NODES = 24


def student_t_tail(
    rho: Float[Array, "*batch"], nu: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Tail dependence of a bivariate t, `2 T_{nu+1}(-sqrt((nu + 1) (1 - rho) / (1 + rho)))`.

    Args:
        rho: correlation in (-1, 1).
        nu: degrees of freedom.

    Returns:
        The limit, the same in both tails.
    """
    return 2 * student_t.cdf(-jnp.sqrt((nu + 1) * (1 - rho) / (1 + rho)), nu + 1)


def log_lower_moment(
    delta: Float[Array, "*batch"], nu: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """`log E max(-V, 0)^nu` of a skew-normal V: what the lower tail of `V / sqrt(W)` is made of.

    `E = 2 (2 pi)^{-1/2} 2^{(nu-1)/2} Gamma((nu+1)/2) T_{nu+1}(-b sqrt(nu+1))` with
    `b = delta / sqrt(1 - delta^2)`. Source: derived by us.

    Args:
        delta: skewness in (-1, 1).
        nu: degrees of freedom.

    Returns:
        The logarithm of the moment.
    """
    slant = delta / jnp.sqrt((1 - delta) * (1 + delta))
    log_half = gammaln(0.5 * (nu + 1)) + 0.5 * nu * jnp.log(jnp.asarray(2, nu.dtype))
    log_half -= 0.5 * jnp.log(jnp.asarray(jnp.pi, nu.dtype))
    return log_half + student_t.logcdf(-slant * jnp.sqrt(nu + 1), nu + 1)


def common_lower_tail(
    rho: Float[Array, ""],
    nu: Float[Array, ""],
    log_moments: Float[Array, " two"],
    log_skewed: Callable[[Array, Array], Array],
    borders: Float[Array, "border two"],
) -> Float[Array, ""]:
    """Lower tail dependence of `(V_1, V_2) / sqrt(W)` with one W, of a skewed normal pair V.

    It is `E min(A_1 / E A_1, A_2 / E A_2)` with `A_j = max(-V_j, 0)^nu`. In polar coordinates of
    the whitened pair, `V = -R (cos t, cos(t - b))` with `rho = cos b`, the radius integrates out
    and leaves one integral over the angle from `b - pi/2` to `pi/2`, without a peak however near
    rho is to 1. It is cut where both parts of the minimum are the same and where the skewing
    changes, and nodes are denser at cuts. Source: derived by us.

    Args:
        rho: correlation of V, standardised.
        nu: degrees of freedom.
        log_moments: `log E A_1` and `log E A_2`.
        log_skewed: logarithm of what the normal density of V is multiplied with, once the radius
            is integrated out; of both coordinates of V at R = 1.
        borders: coefficients of linear forms of V at whose zeros the skewing changes.

    Returns:
        The limit.
    """
    turn = jnp.arctan2(jnp.sqrt((1 - rho) * (1 + rho)), rho)
    ratio = jnp.exp((log_moments[0] - log_moments[1]) / nu)
    kink = jnp.stack([jnp.ones_like(ratio), -ratio])
    cuts = _zeros(jnp.concatenate([kink[None], borders]), turn)
    lower, upper = turn - 0.5 * jnp.pi, jnp.full_like(turn, 0.5 * jnp.pi)
    inner = jnp.sort(jnp.clip(cuts, lower, upper))
    edges = jax.lax.stop_gradient(jnp.concatenate([lower[None], inner, upper[None]]))
    places, weights = gauss_legendre(NUM_NODES, 0.0, 1.0, dtype=rho.dtype)
    places, weights = places**2 * (3 - 2 * places), weights * 6 * places * (1 - places)
    width = jnp.diff(edges)[:, None]
    angles = (edges[:-1, None] + width * places[None]).reshape(-1)
    tiny = jnp.finfo(rho.dtype).tiny
    first, second = (jnp.maximum(jnp.cos(t), tiny) for t in (angles, angles - turn))
    log_least = jnp.minimum(
        nu * jnp.log(first) - log_moments[0], nu * jnp.log(second) - log_moments[1]
    )
    log_radial = gammaln(0.5 * nu + 1) + (0.5 * nu - 1) * jnp.log(jnp.asarray(2, nu.dtype))
    log_terms = log_least + log_radial + log_skewed(-first, -second)
    return jnp.sum((weights[None] * width).reshape(-1) * jnp.exp(log_terms)) / jnp.pi


def _zeros(forms, turn):
    """Angles at which `a cos t + b cos(t - turn)` is 0, between -pi/2 and pi/2."""
    sines = forms[:, 1] * jnp.sin(turn)
    safe = jnp.where(sines == 0, jnp.finfo(sines.dtype).tiny, sines)
    return jnp.arctan(-(forms[:, 0] + forms[:, 1] * jnp.cos(turn)) / safe)


def tail_with_symmetric(nu: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Tail dependence of `1 / W` with `Z / sqrt(W)`, Z standard normal and independent of W.

    `E min(1, A / E A)` with `A = max(Z, 0)^nu`. Source: derived by us.

    Args:
        nu: degrees of freedom.

    Returns:
        The limit.
    """
    log_moment = log_lower_moment(jnp.zeros_like(nu), nu)
    place = jnp.exp(log_moment / nu)
    return ndtr(-place) + gammainc(0.5 * (nu + 1), 0.5 * place**2)
