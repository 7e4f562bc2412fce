"""Modified Bessel function of the second kind and real order, times a power, as a logarithm."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .mixing import exponential_reach

NUM_NODES = 96
CUT = 40.0


def log_power_bessel(
    order: Float[Array, "*batch"],
    square: Float[Array, "*batch"],
    crossed: Float[Array, "*batch"],
    excess: Float[Array, "*batch"],
) -> Float[Array, "*batch"]:
    """`log(s^m K_m(s)) + c`, smooth in `s^2` also at zero, where it is `log(2^{m-1} Gamma(m)) + c`.

    `s^m K_m(s) = 1/2 int exp(m v - (e^v + s^2 e^{-v}) / 2) dv`, by the trapezoid rule around the
    peak of the integrand. Source: `K_m(s) = int_0^inf exp(-s cosh t) cosh(m t) dt` with
    `v = t + log s`. For large s it is `c - s` plus a logarithm, and where c is nearly s this
    difference is `(s^2 - c^2) / (s + c)`. Accuracy: absolute 1e-12 in float64 and 1e-5 in float32,
    times `1 + |value|`, for orders of 1 or more; derivatives likewise.

    Args:
        order: m, at least 1.
        square: `s^2`, at least 0.
        crossed: c, at most s.
        excess: `s^2 - c^2`, with the digits that the difference of the two has lost.

    Returns:
        The logarithm.
    """
    fixed = jax.lax.stop_gradient(square)
    root = jnp.sqrt(fixed)
    size = jnp.hypot(order, root)
    peak = jax.lax.stop_gradient(jnp.log(order + size))
    rising, falling = 0.5 * (size + order), 0.5 * fixed / (size + order)
    below, above = exponential_reach(CUT / rising)
    _, below_too = exponential_reach(CUT / jnp.maximum(falling, jnp.finfo(order.dtype).tiny * CUT))
    below = jnp.minimum(below, below_too)
    places = jnp.linspace(0, 1, NUM_NODES, dtype=order.dtype).reshape((1,) * order.ndim + (-1,))
    step = jax.lax.stop_gradient(below + above)[..., None] / (NUM_NODES - 1)
    nodes = peak[..., None] + jax.lax.stop_gradient(
        (below + above)[..., None] * places - below[..., None]
    )
    half = jnp.exp(0.5 * nodes)
    # -(e^v + s^2 e^{-v}) / 2 + s; the second term is 0 and has the derivative
    decay = -0.5 * (half - root[..., None] / half) ** 2
    decay -= 0.5 * (square - fixed)[..., None] * jnp.exp(-nodes)
    total = jax.nn.logsumexp(order[..., None] * nodes + decay, axis=-1)
    tilt, gap = jax.lax.stop_gradient((crossed, excess))
    near = jnp.where(tilt > 0, -gap / jnp.maximum(root + tilt, jnp.finfo(root.dtype).tiny), 0)
    shift = jnp.where(tilt > 0, near, tilt - root) + (crossed - tilt)
    return total + shift + jnp.log(0.5 * step[..., 0])
