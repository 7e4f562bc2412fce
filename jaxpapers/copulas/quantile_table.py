"""One table of all skew-t quantiles, as Chebyshev series in the normal score and both parameters.

For normal scores z, `Y = asinh F^{-1}(Phi(z); delta, nu)` and `H = log f(F^{-1}(Phi(z)))` are
series in `z / 6`, `atanh(delta) / 5` and `4 / nu - 1`; the last contains the skew-normal at its
end, nu at infinity. By `F^{-1}(1 - u; -delta) = -F^{-1}(u; delta)` every other coefficient is
zero. The series is shipped with the package (`quantile_table.npz`) and made by `build`:

    python -m jaxpapers.copulas.quantile_table OUTPUT.npz

Source: derived by us.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Float

from ..numerics import skew_t

MOST_SCORE = 6.0
"""Largest normal score of the table."""
MOST_SLANT = 5.0
"""Largest `atanh(delta)` of the table."""
SIZES = (160, 80, 20)
"""Number of terms in the score, the skewness and the degrees of freedom."""
NEGLIGIBLE = 1e-10
"""Coefficients below this are left out; what is kept is rounded to a fifth of it."""
RESOLUTION = NEGLIGIBLE / 5
NUM_KNOTS = 193
STEP = 2 * MOST_SCORE / (NUM_KNOTS - 1)
FILE = Path(__file__).with_name("quantile_table.npz")


def build(sizes: tuple[int, int, int] = SIZES) -> dict[str, np.ndarray]:
    """Computes the series by quadrature, in float64; x64 must be on.

    Args:
        sizes: number of terms in the score, the skewness (even) and the degrees of freedom.

    Returns:
        `quantile` and `density`: coefficients, shape `sizes`.
    """
    num_scores, num_slants, num_tails = sizes
    scores = MOST_SCORE * _roots(num_scores)
    slants = MOST_SLANT * _roots(num_slants)[: num_slants // 2]  # the positive ones
    nu = 4 / (_roots(num_tails) + 1)
    quantile, density = np.zeros(sizes), np.zeros(sizes)
    grid, grid_nu = np.meshgrid(scores, nu, indexing="ij")
    for place, slant in enumerate(slants):
        values = _values(grid, np.full_like(grid, np.tanh(slant)), grid_nu)
        mirror = num_slants - 1 - place
        quantile[:, place], density[:, place] = values
        quantile[:, mirror], density[:, mirror] = -quantile[::-1, place], density[::-1, place]
    return {"quantile": _series(quantile), "density": _series(density)}


@jax.jit
def _values(scores, delta, nu):
    """Y and H at normal scores, from the tail on the side of the score."""
    side = jnp.where(scores > 0, -1.0, 1.0)
    x = side * skew_t.ppf(ndtr(-jnp.abs(scores)), side * delta, nu)
    return jnp.arcsinh(x), skew_t.logpdf(x, delta, nu)


def _roots(size):
    """Roots of the Chebyshev polynomial, decreasing."""
    return np.cos(np.pi * (np.arange(size) + 0.5) / size)


def _series(values):
    """Chebyshev coefficients of values at the roots, along every axis."""
    for axis, size in enumerate(values.shape):
        angles = np.pi * np.outer(np.arange(size), np.arange(size) + 0.5) / size
        transform = np.cos(angles) * (2 / size)
        transform[0] /= 2
        values = np.moveaxis(np.tensordot(transform, values, axes=(1, axis)), 0, axis)
    return values


def save(path: Path, series: dict[str, np.ndarray]) -> None:
    """Writes the coefficients that matter and where they stand.

    Args:
        path: file to write.
        series: as from `build`.
    """
    parts = {}
    for name, coefficients in series.items():
        places = np.flatnonzero(np.abs(coefficients) > NEGLIGIBLE).astype(np.int32)
        parts[f"{name}_gaps"] = np.diff(places, prepend=0).astype(np.uint16)
        steps = np.round(coefficients.ravel()[places] / RESOLUTION).astype(np.int64)
        parts[f"{name}_high"] = (steps >> 16).astype(np.int32)
        parts[f"{name}_low"] = (steps & 0xFFFF).astype(np.uint16)
    np.savez_compressed(path, sizes=np.asarray(SIZES, np.int32), **parts)


@functools.cache
def knot_tables() -> tuple[Float[np.ndarray, "two knot slant tail"], ...]:
    """Y and H at the knots in z, and their slopes in z, as series in the parameters.

    Returns:
        Two float64 arrays on the host, of the quantile and of the density: first axis value and
        slope; then knots, uniform on [-6, 6]; then terms in `atanh(delta) / 5` and `4 / nu - 1`.
    """
    knots = np.linspace(-1, 1, NUM_KNOTS)
    degrees = np.arange(SIZES[0])
    angle = np.arccos(knots)[:, None]
    values = np.cos(degrees * angle)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = degrees * np.sin(degrees * angle) / np.sin(angle)
    slopes[0], slopes[-1] = (-1.0) ** (degrees + 1) * degrees**2, degrees**2
    evaluate = np.stack([values, slopes / MOST_SCORE])
    with np.load(FILE) as stored:
        sizes = tuple(stored["sizes"])
        return tuple(
            np.tensordot(evaluate, _dense(stored, name, sizes), axes=(2, 0))
            for name in ("quantile", "density")
        )


def _dense(stored, name, sizes):
    coefficients = np.zeros(int(np.prod(sizes)))
    places = np.cumsum(stored[f"{name}_gaps"].astype(np.int64))
    steps = (stored[f"{name}_high"].astype(np.int64) << 16) + stored[f"{name}_low"]
    coefficients[places] = steps * RESOLUTION
    return coefficients.reshape(sizes)


if __name__ == "__main__":
    import sys

    from .. import engine

    with engine.double_precision():
        save(Path(sys.argv[1]), build())
