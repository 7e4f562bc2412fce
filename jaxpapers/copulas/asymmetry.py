"""How asymmetric a pair can be: the largest `UR - LL` that a skew-t family allows."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from ..numerics import Status
from .checks import check_family, check_level, check_nu
from .copula import Copula
from .correlation import DenseCorrelation
from .densities import skewness_of_slant
from .families import SkewTCopula

NUM_PLACES = 9
NUM_ROUNDS = 30
SHRINKAGE = 0.78
NUM_QUARTERS = 4
RHO_REACH = 6.0
SLANT_REACH = 8.0
SKEWNESS_REACH = 5.0
TOLERANCE = 1e-5
NEAR_BORDER = 0.02


class MaximalAsymmetry(eqx.Module):
    """The most asymmetric pair of a family, at one level or in the limit.

    Attributes:
        value: the largest `UR - LL`.
        rho: correlation of the pair that has it.
        skewness: of its two margins, in the family's own terms.
        is_at_border: whether the pair lies at the border of what was searched; then the value is
            approached only, as skewness grows or the correlation tends to -1 or 1.
        status: CONVERGED, MAX_STEPS where the last rounds of the search still gained, NON_FINITE.

    Example:
        >>> from jaxpapers import copulas
        >>> found = copulas.maximal_tail_asymmetry(copulas.GHSkewTCopula, 5.0)
        >>> print(found.value)
        1.0
    """

    value: Float[Array, ""]
    rho: Float[Array, ""]
    skewness: Float[Array, " two"]
    is_at_border: Bool[Array, ""]
    status: Int[Array, ""]


def maximal_asymmetry(family: type[Copula], level: float, nu: float) -> MaximalAsymmetry:
    """Largest `UR(u) - LL(u)` over the correlation and both skewnesses of a pair.

    A grid over `atanh(rho)` in [-6, 6] and `asinh` of the skewness in [-5, 5] (of the slant, in
    [-8, 8], for `SkewTCopula`), refined around its best place.
    Source: Deng, Smith and Maneesoonthorn (2025) compare families by it; derived by us how.
    Accuracy: the value to 1e-5 in float64 and 1e-3 in float32 over what is searched; where
    `is_at_border`, the supremum is higher by up to 1e-3 at levels of 0.01 or more. Takes .5 to
    1.5 s of CPU.

    Args:
        family: `SkewTCopula`, `GHSkewTCopula` or `SahuSkewTCopula`.
        level: u in (0, 1/2].
        nu: degrees of freedom, above 2.

    Returns:
        The value, the pair that has it, and how the search ended.

    Raises:
        TypeError: another family; a level or degrees of freedom that are not real numbers.
        ValueError: a level outside (0, 1/2]; degrees of freedom not above 2 and finite.

    Example:
        >>> from jaxpapers import copulas
        >>> found = copulas.maximal_asymmetry(copulas.SkewTCopula, 0.05, 5.0)
        >>> print(f"{found.value:.2f}")
        0.78
    """
    check_family(family)
    check_level(level)
    return _largest(family, level, check_nu(nu, _like(level, nu)))


def maximal_tail_asymmetry(family: type[Copula], nu: float) -> MaximalAsymmetry:
    """Largest difference of upper and lower tail dependence over a pair's parameters.

    As `maximal_asymmetry` in the limit of level 0. It is 1 for the GH skew-t, where any two
    positive skewnesses attain it; the skew-t of Azzalini and Capitanio approaches 1 as the slant
    grows and the correlation tends to 1, the value at the border of what is searched being above
    .99. Accuracy: the value over what is searched to 1e-5 in float64 and 1e-3 in float32.

    Args:
        family: `SkewTCopula`, `GHSkewTCopula` or `SahuSkewTCopula`.
        nu: degrees of freedom, above 2.

    Returns:
        The value, the pair that has it, and how the search ended.

    Raises:
        TypeError: another family; degrees of freedom that are not a real number.
        ValueError: degrees of freedom not above 2 and finite.
    """
    check_family(family)
    return _largest(family, None, check_nu(nu, _like(nu)))


def _like(*values: ArrayLike) -> DenseCorrelation:
    """Two independent assets in the dtype of numbers."""
    return DenseCorrelation(jnp.eye(2, dtype=jnp.result_type(*values, 1.0)))


@functools.partial(jax.jit, static_argnums=0)
def _largest(family: Any, level, nu):
    dtype = nu.dtype
    level = None if level is None else jax.lax.stop_gradient(jnp.asarray(level, dtype))
    nu = jax.lax.stop_gradient(nu)
    independent = jnp.eye(2, dtype=dtype)
    copula = family(DenseCorrelation(independent), independent[0] * 0, nu)

    def asymmetry(place):
        """At a place in the cube [-1, 1]^3; `-inf` where there is no number."""
        rho, skewness = _pair(family, place)
        turned = jnp.stack([-skewness, skewness])
        rho = jnp.broadcast_to(rho, (2,))
        if level is None:
            upper, lower = copula.lower_tail(rho, turned[:, 0], turned[:, 1])
        else:
            upper, lower = copula.lower(level, rho, turned[:, 0], turned[:, 1]) / level
        return jnp.nan_to_num(upper - lower, nan=-jnp.inf)

    def look(carry, turn):
        """At 27 places for each quarter: of the grid, later around its best."""
        value, place = carry
        is_near, offsets = turn
        places = jnp.clip(offsets + jnp.where(is_near, place[:, None], 0), -1, 1)
        found = jax.vmap(asymmetry)(places.reshape(-1, 3)).reshape(places.shape[:-1])
        best = jnp.argmax(found, axis=1)[:, None]
        highest = jnp.take_along_axis(found, best, axis=1)[:, 0]
        chosen = jnp.take_along_axis(places, best[..., None], axis=1)[:, 0]
        is_better = highest > value
        place = jnp.where(is_better[:, None], chosen, place)
        value = jnp.where(is_better, highest, value)
        return (value, place), jnp.max(value)

    is_near, offsets = _turns()
    turns = is_near, jnp.asarray(offsets, dtype)
    nowhere = jnp.full(NUM_QUARTERS, -jnp.inf, dtype), jnp.zeros((NUM_QUARTERS, 3), dtype)
    (value, place), history = jax.lax.scan(look, nowhere, turns)
    place, value = place[jnp.argmax(value)], history[-1]
    rho, skewness = _pair(family, place)
    is_settled = value - history[-5] <= max(TOLERANCE, 1e3 * float(jnp.finfo(dtype).eps))
    status = jnp.where(is_settled, int(Status.CONVERGED), int(Status.MAX_STEPS))
    status = jnp.where(jnp.isfinite(value), status, int(Status.NON_FINITE))
    is_at_border = jnp.any(jnp.abs(place) > 1 - NEAR_BORDER)
    return MaximalAsymmetry(value, rho, skewness, is_at_border, status.astype(jnp.int32))


def _pair(family, place):
    """Correlation and skewness of a place; of the skew-t (AC) its coordinates are the slant."""
    rho = jnp.tanh(RHO_REACH * place[0])
    if family is not SkewTCopula:
        return rho, jnp.sinh(SKEWNESS_REACH * place[1:])
    root = jnp.stack([jnp.sqrt((1 + rho) / 2), jnp.sqrt((1 - rho) / 2)])
    pair = DenseCorrelation(jnp.asarray([[1, 1], [1, -1]], rho.dtype) * root[None])
    return rho, skewness_of_slant(pair, jnp.sinh(SLANT_REACH * place[1:]))


def _turns():
    """Whether a turn looks around the best place, and from there or from 0 where to.

    First the grid, as many places at a time as later around the best ones, so that the objective
    is compiled once; then cubes that shrink.
    """
    grid, near = _quarters(_half_cube()), _cube(3)
    missing = -grid.shape[1] % len(near)
    grid = np.concatenate([grid, grid[:, :missing]], axis=1)
    grid = grid.reshape(NUM_QUARTERS, -1, len(near), 3).swapaxes(0, 1)
    widths = 1 / (NUM_PLACES - 1) * SHRINKAGE ** np.arange(NUM_ROUNDS)
    around = np.broadcast_to(near, (NUM_QUARTERS, *near.shape)) * widths[:, None, None, None]
    is_near = np.arange(len(grid) + NUM_ROUNDS) >= len(grid)
    return is_near, np.concatenate([grid, around])


def _cube(num_places):
    """A grid over [-1, 1]^3."""
    axis = np.linspace(-1, 1, num_places)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def _half_cube():
    """The coarse grid but for pairs that another one is with its assets exchanged."""
    cube = _cube(NUM_PLACES)
    return cube[cube[:, 1] <= cube[:, 2]]


def _quarters(places):
    """Places by the sign of the correlation and by whether the skewnesses agree, all from 0 on.

    The four hold the local maxima that were found; the best of each is refined.
    """
    rho, agreement = places[:, 0], places[:, 1] * places[:, 2]
    parts = [places[(s * rho >= 0) & (t * agreement >= 0)] for s in (-1, 1) for t in (-1, 1)]
    size = max(len(part) for part in parts)
    return np.stack([np.resize(part, (size, 3)) for part in parts])
