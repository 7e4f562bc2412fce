"""Quantiles beyond the reach of the table: by quadrature, for the few values that need it."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..numerics import student_t
from ..numerics.angle import bounded, log1p_square, log_angle_t
from ..numerics.slopes import exp_difference
from ..numerics.varying import vary, varying_axes
from .densities import inside_one

MOST_STEPS = 60
LONGEST_STEP = 1.0


class Margins(NamedTuple):
    """Quantiles and log-densities of data of one asset, with their slopes.

    Attributes:
        x: quantiles.
        by_slant: slope of x in `atanh(delta)`.
        by_inverse: slope of x in `4 / nu`.
        log_density: log-densities at x.
        log_by_slant: slope of the log-density in `atanh(delta)`, x moving along.
        log_by_inverse: slope of the log-density in `4 / nu`, x moving along.
    """

    x: Float[Array, " obs"]
    by_slant: Float[Array, " obs"]
    by_inverse: Float[Array, " obs"]
    log_density: Float[Array, " obs"]
    log_by_slant: Float[Array, " obs"]
    log_by_inverse: Float[Array, " obs"]


class MarginSums(NamedTuple):
    """Quantiles of data and what their log-densities sum to, with their slopes.

    Attributes:
        x: quantiles.
        by_slant: slope of x in `atanh(delta)`.
        by_inverse: slope of x in `4 / nu`.
        log_density: sum over the observations of each asset.
        log_by_slant: its slope in `atanh(delta)`, x moving along.
        log_by_inverse: its slope in `4 / nu`, x moving along.
    """

    x: Float[Array, "obs asset"]
    by_slant: Float[Array, "obs asset"]
    by_inverse: Float[Array, "obs asset"]
    log_density: Float[Array, " asset"]
    log_by_slant: Float[Array, " asset"]
    log_by_inverse: Float[Array, " asset"]


def with_beyond(
    u: Float[Array, "obs asset"],
    is_beyond: Bool[Array, "obs asset"],
    slant: Float[Array, " asset"],
    inverse: Float[Array, ""],
    table: MarginSums,
) -> MarginSums:
    """Replaces what lies beyond the table, by bracketed Newton steps on the log of the tail.

    A loop of at most one turn: where nothing lies beyond it costs nothing, also under vmap. What
    it carries is stored, so that quantiles are not computed anew at each of their uses. Source:
    derived by us.

    Args:
        u: copula data.
        is_beyond: where the table does not reach.
        slant: `atanh(delta)` of each asset.
        inverse: `4 / nu`.
        table: what the table gives, held to its border, sums without what lies beyond.

    Returns:
        The same with values beyond replaced and added to the sums.
    """
    axes = varying_axes((u, slant, inverse))

    def is_open(carry):
        return carry[0]

    def solve(asset):
        u, is_beyond, slant, x = asset
        return _solved(u, is_beyond, slant, x, inverse)

    def replace(carry):
        _, held = carry
        found = jax.lax.map(solve, (u.T, is_beyond.T, slant, held.x.T))
        kept = [
            jnp.where(is_beyond, new.T, old) for new, old in zip(found[:3], held[:3], strict=True)
        ]
        added = [
            old + jnp.sum(jnp.where(is_beyond, new.T, 0), axis=0)
            for new, old in zip(found[3:], held[3:], strict=True)
        ]
        return vary((jnp.zeros((), bool), MarginSums(*kept, *added)), axes)

    return jax.lax.while_loop(is_open, replace, vary((jnp.any(is_beyond), table), axes))[1]


def _solved(u, is_beyond, slant, x, inverse):
    """Quantiles of one asset, where the table does not reach, from x."""
    is_upper = u > 0.5
    side = jnp.where(is_upper, -1, 1).astype(u.dtype)
    log_tail = jnp.log(jnp.where(is_upper, 1 - u, u))
    delta = side * inside_one(jnp.tanh(slant))
    stretch = side * ((1 - delta) * (1 + delta))  # of the skewness on the side, in the slant
    nu = 4 / jnp.maximum(inverse, jnp.asarray(1e-8, u.dtype))
    by_nu_inverse = -(nu**2) / 4
    tolerance = 64 * float(jnp.finfo(u.dtype).eps)
    axes = varying_axes((u, slant, inverse))

    def is_running(carry):
        count, is_open, *_ = carry
        return jnp.any(is_open) & (count < MOST_STEPS)

    def improve(carry):
        count, is_open, lower, upper, place, _ = carry
        gap, step, slopes = _newton(jnp.sinh(place), delta, nu, log_tail)
        lower, upper = jnp.where(gap > 0, place, lower), jnp.where(gap > 0, upper, place)
        moved = place + jnp.clip(step, -LONGEST_STEP, LONGEST_STEP)
        slack = tolerance * (1 + jnp.abs(place))  # ends of the bracket are roots, but for rounding
        is_inside = (moved >= lower - slack) & (moved <= upper + slack)
        moved = jnp.where(is_inside, moved, 0.5 * lower + 0.5 * upper)
        moved = jnp.where(is_open, moved, place)
        found = Margins(
            x=side * jnp.sinh(moved),
            by_slant=side * slopes.by_slant * stretch,
            by_inverse=side * slopes.by_inverse * by_nu_inverse,
            log_density=slopes.log_density,
            log_by_slant=slopes.log_by_slant * stretch,
            log_by_inverse=slopes.log_by_inverse * by_nu_inverse,
        )
        is_open &= jnp.abs(moved - place) > slack
        return vary((count + 1, is_open, lower, upper, moved, found), axes)

    most = jnp.full_like(u, 0.98 * math.log(float(jnp.finfo(u.dtype).max)))
    held = Margins(x, *[jnp.zeros_like(u)] * 5)
    start = jnp.zeros((), jnp.int32), is_beyond, -most, most, jnp.arcsinh(side * x), held
    return jax.lax.while_loop(is_running, improve, vary(start, axes))[-1]


def _newton(x, delta, nu, log_tail):
    """Gap in the log of the tail, the step in `asinh x` that closes it, and slopes at x.

    Slopes of `log f = log 2 + log t_nu(x) + log T_{nu+1}(q)` are written out, and all tails come
    from one quadrature: compiled by `jvp`, this was most of every program that holds the density.
    """
    near, cosine2 = bounded(x), (1 - delta) * (1 + delta)
    square = nu + near**2
    tilt = student_t.slant(delta) * jnp.sqrt((nu + 1) / square)
    q = tilt * near
    (value, value_by_nu), (skewed, skewed_by_nu) = _log_tails(x, q, delta, nu)
    log_t, log_t_by_nu = jax.jvp(partial(student_t.logpdf, x), (nu,), (jnp.ones_like(nu),))
    hazard = exp_difference(student_t.logpdf(q, nu + 1), skewed)
    density = math.log(2) + log_t + skewed
    by_x = hazard * tilt * (nu / square) - (nu + 1) * (near / square)
    by_delta = hazard * near * jnp.sqrt((nu + 1) / (cosine2 * square)) / cosine2
    by_nu = log_t_by_nu + skewed_by_nu + 0.5 * hazard * q * (1 / (nu + 1) - 1 / square)
    log_by_delta = -0.5 * (nu * log1p_square(x, nu * cosine2) + jnp.log(cosine2 * jnp.pi**2))
    ratio = jnp.exp(value - density)  # F / f
    x_by_delta, x_by_nu = jnp.exp(log_by_delta - density), -value_by_nu * ratio
    slopes = Margins(
        x=x,
        by_slant=x_by_delta,
        by_inverse=x_by_nu,
        log_density=density,
        log_by_slant=by_delta + by_x * x_by_delta,
        log_by_inverse=by_nu + by_x * x_by_nu,
    )
    gap = log_tail - value
    return gap, gap * ratio / jnp.hypot(x, 1), slopes


def _log_tails(x, q, delta, nu):
    """`log F(x; delta, nu)` and `log T_{nu+1}(q)`, each with its slope in its last argument."""
    angle = jnp.where(x <= 0, delta, -delta)
    none, freedom = jnp.zeros_like(x), jnp.broadcast_to(nu, x.shape)
    (far, half, other), (far_by_nu, half_by_nu, other_by_nu) = log_angle_t(
        jnp.stack([x, x, q]),
        jnp.stack([jnp.abs(angle), none, none]),
        jnp.stack([freedom, freedom, freedom + 1]),
    )
    share = jnp.exp(far - half)
    near, near_by_nu = half + jnp.log(2 - share), (2 * half_by_nu - share * far_by_nu) / (2 - share)
    tail, tail_by_nu = (
        jnp.where(angle >= 0, *pair) for pair in ((far, near), (far_by_nu, near_by_nu))
    )
    return _of_side(x <= 0, tail, tail_by_nu), _of_side(q <= 0, other, other_by_nu)


def _of_side(is_lower, log_tail, by_nu):
    value = student_t.log_of_side(is_lower, log_tail)
    return value, jnp.where(is_lower, 1, -1) * by_nu * jnp.exp(log_tail - value)
