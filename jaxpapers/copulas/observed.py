"""Copula data arranged for the quantile table: where each value lies, and what margins sum to."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero, zero_from_primal
from jax.scipy.special import ndtri
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from ..numerics import matmul, skew_t
from .beyond import MarginSums, with_beyond
from .densities import inside_one
from .quantile_table import MOST_SCORE, MOST_SLANT, NUM_KNOTS, STEP, knot_tables

REACHES = (3.5, 4.5, MOST_SCORE)
"""Normal scores up to which tables are cut: few sizes, so that few programs are compiled."""


class Observed(eqx.Module):
    """Copula data and everything about them that no parameter changes.

    Attributes:
        u: the data in (0, 1).
        cells: number of the knot below the normal score of each value.
        weights: of value and slope at that knot, and at the next: cubic Hermite.
        quantiles: the table of quantiles at the knots.
        margins: sums of the table of log-densities over the data of each asset, as series in the
            parameters; of the data within the table.
        is_beyond: values whose normal score is beyond the table.
    """

    u: Float[Array, "obs asset"]
    cells: Int[Array, "obs asset"]
    weights: Float[Array, "obs asset 4"]
    quantiles: Float[Array, "knot two slant tail"]
    margins: Float[Array, "asset slant tail"]
    is_beyond: Bool[Array, "obs asset"]

    @property
    def num_obs(self) -> int:
        """Number of observations."""
        return self.u.shape[0]

    @property
    def num_assets(self) -> int:
        """Number of assets."""
        return self.u.shape[1]

    @property
    def scores(self) -> Float[Array, "obs asset"]:
        """Normal scores."""
        return ndtri(self.u)


def observe(u: Float[Array, "obs asset"]) -> Observed:
    """Arranges copula data; outside jit tables are cut to the range of the data.

    Args:
        u: data in (0, 1).

    Returns:
        The arranged data.
    """
    reach = MOST_SCORE
    if engine.is_concrete(u):
        largest = float(jnp.max(jnp.abs(ndtri(u))))
        reach = next((reach for reach in REACHES if largest <= reach), MOST_SCORE)
    skipped = round((MOST_SCORE - reach) / STEP)
    kept = slice(skipped, NUM_KNOTS - skipped)
    quantiles, density = (np.moveaxis(table[:, kept], 0, 1) for table in knot_tables())
    return _arranged(u, jnp.asarray(quantiles, u.dtype), jnp.asarray(density, u.dtype))


@jax.jit
def _arranged(u, quantiles, density):
    num_knots = quantiles.shape[0]
    first = -0.5 * (num_knots - 1)
    place = jnp.clip(ndtri(u) / STEP - first, 0, num_knots - 1)
    is_beyond = jnp.abs(ndtri(u)) > MOST_SCORE
    cells = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, num_knots - 2)
    t = place - cells
    value, slope = (1 + 2 * t) * (1 - t) ** 2, STEP * t * (1 - t) ** 2
    next_value, next_slope = t**2 * (3 - 2 * t), -STEP * t**2 * (1 - t)
    weights = jnp.stack([value, slope, next_value, next_slope], axis=-1)

    def asset_sums(cells, weights):
        sums = jnp.zeros((num_knots, 2), u.dtype)
        sums = sums.at[cells].add(weights[:, :2])
        return sums.at[cells + 1].add(weights[:, 2:])

    within = jnp.where(is_beyond[..., None], 0, weights)
    sums = jax.vmap(asset_sums, in_axes=1)(cells, within)
    size = quantiles.shape[2:]
    series = matmul(sums.reshape(u.shape[1], -1), density.reshape(num_knots * 2, -1))
    return Observed(u, cells, weights, quantiles, series.reshape(-1, *size), is_beyond)


def quantiles_of(
    observed: Observed, delta: Float[Array, " asset"] | None, nu: Float[Array, ""] | None
) -> tuple[Float[Array, "obs asset"], Float[Array, ""]]:
    """Quantiles of all data and the sum of their log-densities, by the table.

    Beyond the table, normal scores of 6 and `atanh(delta)` of 5, by quadrature. Source: derived by
    us.

    Args:
        observed: the arranged data.
        delta: skewness of each margin; None for symmetric ones.
        nu: degrees of freedom; None for infinitely many.

    Returns:
        `x_ij = F^{-1}(u_ij; delta_j, nu)` and `sum_ij log f(x_ij; delta_j, nu)`.
    """
    if delta is None and nu is None:
        scores = observed.scores
        return scores, jnp.sum(jax.scipy.stats.norm.logpdf(scores))
    dtype = observed.u.dtype
    if delta is None:
        delta = jnp.zeros(observed.num_assets, dtype)
    inverse = jnp.zeros((), dtype) if nu is None else 4 / nu
    return _by_table(observed, jnp.arctanh(delta), inverse)


@jax.custom_jvp
def _by_table(observed, slant, inverse):
    found = _with_slopes(observed, slant, inverse)
    return found.x, jnp.sum(found.log_density)


@partial(_by_table.defjvp, symbolic_zeros=True)
def _by_table_jvp(primals, tangents):
    """Slopes in the parameters; in the data too where they are asked for, by `1 / f`."""
    observed, slant, inverse = primals
    found = _with_slopes(observed, slant, inverse)
    d_observed, d_slant, d_inverse = tangents
    d_slant, d_inverse = _dense(d_slant, slant), _dense(d_inverse, inverse)
    dx = found.by_slant * d_slant[None] + found.by_inverse * d_inverse
    d_total = jnp.sum(found.log_by_slant * d_slant) + jnp.sum(found.log_by_inverse) * d_inverse
    if type(d_observed.u) is not SymbolicZero:
        log_density, by_x = _margins_at(found.x, slant, inverse)
        moved = jnp.exp(-log_density) * d_observed.u
        dx, d_total = dx + moved, d_total + jnp.sum(by_x * moved)
    return (found.x, jnp.sum(found.log_density)), (dx, d_total)


def _dense(tangent, primal):
    return zero_from_primal(primal) if type(tangent) is SymbolicZero else tangent


def _margins_at(x, slant, inverse):
    """Log-densities of margins at quantiles, and their slopes."""
    delta = jnp.broadcast_to(inside_one(jnp.tanh(slant))[None], x.shape)
    nu = 4 / jnp.maximum(inverse, jnp.asarray(1e-8, x.dtype))

    def log_density(x):
        return skew_t.logpdf(x, delta, nu)

    return jax.jvp(log_density, (x,), (jnp.ones_like(x),))


def _with_slopes(observed, slant, inverse):
    """Quantiles and total log-density with their slopes in `atanh(delta)` and `4 / nu`."""
    num_knots, _, num_slants, num_tails = observed.quantiles.shape
    slants, slants_slope = chebyshev(slant / MOST_SLANT, num_slants)
    tails, tails_slope = chebyshev(inverse - 1, num_tails)
    slants_slope = slants_slope / MOST_SLANT
    both = jnp.stack([tails, tails_slope], axis=1)
    series = matmul(observed.quantiles.reshape(-1, num_tails), both)
    series = series.reshape(num_knots * 2, num_slants, 2)
    table = matmul(series[..., 0], jnp.concatenate([slants, slants_slope], axis=1))
    by_inverse = matmul(series[..., 1], slants)
    num_assets = slant.shape[0]
    table = jnp.stack([table[:, :num_assets], table[:, num_assets:], by_inverse], axis=-1)
    table = table.reshape(num_knots, 2, num_assets, 3).transpose(0, 2, 1, 3)
    y, y_slant, y_inverse = _interpolated(observed, table)
    grown, shrunk = jnp.exp(y), jnp.exp(-y)
    x, stretch = 0.5 * (grown - shrunk), 0.5 * (grown + shrunk)
    is_steep = jnp.abs(slant) > MOST_SLANT
    margins = matmul(observed.margins, both)  # asset, slant, (value, slope)
    margins = jnp.where(is_steep[:, None, None], 0, margins)
    within = MarginSums(
        x=x,
        by_slant=stretch * y_slant,
        by_inverse=stretch * y_inverse,
        log_density=jnp.sum(margins[..., 0] * slants.T, axis=1),
        log_by_slant=jnp.sum(margins[..., 0] * slants_slope.T, axis=1),
        log_by_inverse=jnp.sum(margins[..., 1] * slants.T, axis=1),
    )
    is_beyond = observed.is_beyond | is_steep[None]
    return with_beyond(observed.u, is_beyond, slant, inverse, within)


def _interpolated(observed, table):
    """Cubic Hermite interpolation of a table (knot, asset, value and slope, field)."""
    num_knots, num_assets = table.shape[:2]
    rows = table.reshape(num_knots * num_assets, -1)
    places = observed.cells * num_assets + jnp.arange(num_assets, dtype=jnp.int32)[None]
    here = rows.at[places].get(mode="promise_in_bounds")
    there = rows.at[places + num_assets].get(mode="promise_in_bounds")
    size = table.shape[3]
    return tuple(
        observed.weights[..., 0] * here[..., f]
        + observed.weights[..., 1] * here[..., size + f]
        + observed.weights[..., 2] * there[..., f]
        + observed.weights[..., 3] * there[..., size + f]
        for f in range(size)
    )


def chebyshev(
    argument: Float[Array, "*batch"], size: int
) -> tuple[Float[Array, "term *batch"], Float[Array, "term *batch"]]:
    """Chebyshev polynomials and their derivatives, by degree.

    Args:
        argument: in [-1, 1]; values outside are taken to the border.
        size: number of polynomials.

    Returns:
        `T_k` and `T_k'`, degree first.
    """
    edge = 1 - 10 * float(jnp.finfo(argument.dtype).eps)
    angle = jnp.arccos(jnp.clip(argument, -edge, edge))[None]
    degrees = jnp.arange(size, dtype=argument.dtype).reshape((-1,) + (1,) * argument.ndim)
    return jnp.cos(degrees * angle), degrees * jnp.sin(degrees * angle) / jnp.sin(angle)
