"""References for distributions: the stored mpmath table, an angle integral, central differences."""

import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

BATCH = 56
GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "skew_t_mpmath.json").read_text("utf-8")
)


def stored(name):
    """One column of the stored points in float64."""
    return np.asarray([float(point[name]) for point in GOLDEN["points"]])


def stored_log(name):
    """Its logarithm, also where the number itself is below the smallest of float64."""
    return np.asarray([float(mp.log(mp.mpf(point[name]))) for point in GOLDEN["points"]])


def relative(got, exact, floor=0.0):
    """Largest error relative to `max(|exact|, floor)`."""
    error = np.abs(np.asarray(got, np.float64) - exact)
    return np.max(error / np.maximum(np.abs(exact), floor))


def panels(cuts, num_nodes=16):
    """Nodes and weights of Gauss-Legendre rules between neighbours of sorted cuts (last axis)."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    low, high = cuts[..., :-1, None], cuts[..., 1:, None]
    half = (high - low) / 2
    shape = (*cuts.shape[:-1], -1)
    return ((low + high) / 2 + half * nodes).reshape(shape), (half * weights).reshape(shape)


def angle_tail(q, delta, nu):
    """`(1/pi) int_{v0}^inf sech v (1 + q^2 cosh^2 v / nu)^{-nu/2} dv`, `tanh v0 = delta`.

    No trick for negative angles, 60 panels on either side of 0.
    """
    start = np.arctanh(delta)
    base = np.maximum(start, 0.0)

    def exponent(v):
        log_cosh = np.abs(v) + np.log1p(np.exp(-2 * np.abs(v))) - np.log(2)
        growth = np.exp(2 * log_cosh) * (q * q / nu)[:, None]
        return log_cosh + 0.5 * nu[:, None] * np.log1p(growth)

    low, high = base[:, None], base[:, None] + 60.0
    for _ in range(60):
        middle = (low + high) / 2
        is_far = exponent(middle) - exponent(base[:, None]) > 45.0
        low, high = np.where(is_far, low, middle), np.where(is_far, middle, high)
    places = np.linspace(0.0, 1.0, 61) ** 2
    total = 0.0
    for cuts in (
        base[:, None] + (high - base[:, None]) * places,
        places * np.minimum(start, 0)[:, None],
    ):
        nodes, weights = panels(cuts)
        total = total + np.sum(np.abs(weights) * np.exp(-exponent(nodes)), axis=-1)
    return total / np.pi


def student_cdf(x, nu):
    """By scipy; the normal distribution function where nu is infinite."""
    return np.where(
        np.isinf(nu), scipy.special.ndtr(x), scipy.special.stdtr(np.minimum(nu, 1e9), x)
    )


@functools.cache
def student_constant(nu):
    """Log of the density at 0 by mpmath; that of scipy is off by 2e-12 at nu = 1e4."""
    with mp.workdps(30):
        half = mp.mpf(float(nu)) / 2
        ratio = mp.loggamma(half + mp.mpf(1) / 2) - mp.loggamma(half)
        return float(ratio - mp.log(2 * half * mp.pi) / 2)


def student_log_density(x, nu):
    """Of one number of degrees of freedom, infinite for the normal distribution."""
    if np.isinf(nu):
        return scipy.stats.norm.logpdf(x)
    return student_constant(nu) - 0.5 * (nu + 1) * np.log1p(x * x / nu)


def evaluate(function, *columns):
    """A compiled function of columns, in batches of one size so that it is compiled once.

    Args:
        function: of columns, to an array whose first axis is theirs.
        *columns: arrays or numbers that broadcast together.

    Returns:
        The values in NumPy.
    """
    columns = np.broadcast_arrays(*np.atleast_1d(*columns))
    size = columns[0].size
    padded = [np.resize(column, -(-size // BATCH) * BATCH) for column in columns]
    batches = zip(*(column.reshape(-1, BATCH) for column in padded), strict=True)
    return np.concatenate([function(*batch) for batch in batches])[:size]


def differences(function, points, steps):
    """Derivatives by central differences of five points.

    Args:
        function: as `evaluate` takes it.
        points: (point, argument).
        steps: of the same shape.

    Returns:
        Derivatives (point, ..., argument).
    """
    moves = np.asarray([-2.0, -1.0, 1.0, 2.0])[:, None, None, None]
    moved = points[:, None] + moves * steps[:, None] * np.eye(points.shape[1])
    values = evaluate(function, *moved.reshape(-1, points.shape[1]).T)
    values = values.reshape(4, *steps.shape, *values.shape[1:])
    slopes = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12
    return np.moveaxis(slopes / steps.reshape(*steps.shape, *(1,) * (slopes.ndim - 2)), 1, -1)


@functools.cache
def gradient(function, num_arguments):
    """Compiled derivatives of an elementwise function by each argument, on a new last axis."""
    slopes = jax.vmap(jax.grad(function, tuple(range(num_arguments))))
    return jax.jit(lambda *columns: jnp.stack(slopes(*columns), axis=-1))


@functools.cache
def hessian(function, num_arguments):
    """Compiled second derivatives of an elementwise function, on two new last axes."""
    curvatures = jax.vmap(jax.hessian(lambda row: function(*row)))
    return jax.jit(lambda *columns: curvatures(jnp.stack(columns, axis=-1)))


def curvature_error(got, exact):
    """Largest error of second derivatives, in units of those by the two arguments alone."""
    alone = np.sqrt(np.abs(np.diagonal(exact, axis1=-2, axis2=-1)) + 1e-3)
    return np.max(np.abs(got - exact) / (alone[..., :, None] * alone[..., None, :]))
