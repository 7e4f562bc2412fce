"""Quantiles of symmetric and skewed distributions from the log of their distribution function."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .roots import find_root
from .status import Status


def quantile(
    logcdf: Callable, logpdf: Callable, u: Float[Array, "*batch"], *params: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Solves `logcdf(x, *params) = log u` for x, in `asinh(x)`, with implicit derivatives.

    In `asinh(x)` the log of a tail of any power is nearly a line, so that a few Newton steps reach
    it from anywhere.

    Args:
        logcdf: log of the distribution function, differentiable.
        logpdf: log of the density.
        u: probability in (0, 1); best at most one half, where its logarithm has all its digits.
        *params: what the distribution depends on, of the same shape as u.

    Returns:
        The quantiles; NaN where u is not in (0, 1), where the distribution is not defined, and
        where the quantile is no floating-point number.
    """

    @jax.custom_jvp
    def solve(u, *params):
        return jnp.vectorize(search)(u, *params)

    def search(u, *params):
        def residual(y, args):
            log_u, params = args
            return logcdf(jnp.sinh(y), *params) - log_u

        most = 0.98 * math.log(float(jnp.finfo(u.dtype).max))
        tolerance = 16 * float(jnp.finfo(u.dtype).eps)  # the noise of logcdf hides smaller steps
        inside = (u > 0) & (u < 1)
        log_u = jnp.log(jnp.where(inside, u, 0.5))
        root = find_root(residual, -most, most, (log_u, params), tolerance=tolerance)
        is_found = inside & (root.status == int(Status.CONVERGED))
        return jnp.where(is_found, jnp.sinh(root.value), jnp.nan)

    @solve.defjvp
    def solve_jvp(primals, tangents):
        u, *params = primals
        x = solve(*primals)
        log_u, moved = jax.jvp(logcdf, (x, *params), (jnp.zeros_like(x), *tangents[1:]))
        # u = F(x), so dx = (du - dF) / f = (du / u - d log F) u / f
        return x, jnp.exp(log_u - logpdf(x, *params)) * (tangents[0] / u - moved)

    return solve(u, *params)
