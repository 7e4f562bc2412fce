"""Quadrature over the mixing variable of t distributions, `W ~ Gamma(nu/2, rate nu/2)`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics import gauss_legendre

NUM_NODES = 20
NUM_PANELS = 8
CUT = 45.0


def mixing_rule(
    nu: Float[Array, "*batch"], breaks: Float[Array, "*batch break"] | None = None
) -> tuple[Float[Array, "*batch node"], Float[Array, "*batch node"]]:
    """Nodes in `log W` and weights of expectations over W: Gauss-Legendre in panels.

    Expectations of functions that change over one unit of `log W` are right to 1e-10 (1e-7 towards
    nu = 2) of their value, of those that change faster where there are breaks around the change.
    The lower tail of W is cut where it has `exp(-45)` of the probability. Source: derived by us.

    Args:
        nu: degrees of freedom, above 2.
        breaks: further places in `log W` at which panels end; they take no part in derivatives.

    Returns:
        Nodes, and weights that sum to 1.
    """
    below, above = exponential_reach(2 * CUT / nu)
    shares = jnp.linspace(0, 1, NUM_PANELS + 1, dtype=nu.dtype).reshape((1,) * nu.ndim + (-1,))
    edges = (below + above)[..., None] * shares - below[..., None]
    if breaks is not None:
        inner = jnp.clip(breaks, -below[..., None], above[..., None])
        edges = jnp.sort(jnp.concatenate([edges, inner], axis=-1), axis=-1)
    edges = jax.lax.stop_gradient(edges)
    rule = gauss_legendre(NUM_NODES, 0.0, 1.0, dtype=nu.dtype)
    places, weights = (part.reshape((1,) * edges.ndim + (-1,)) for part in rule)
    width = jnp.diff(edges, axis=-1)[..., None]
    nodes = edges[..., :-1, None] + width * places
    # the density relative to its peak, at W = 1
    density = jnp.exp(0.5 * nu[..., None, None] * (nodes - jnp.expm1(nodes)))
    nodes, weights = (part.reshape(*nu.shape, -1) for part in (nodes, weights * width * density))
    return nodes, weights / jnp.sum(weights, axis=-1, keepdims=True)


def exponential_reach(
    height: Float[Array, "*batch"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """How far `exp(t) - 1 - t` may stay below a height, to either side.

    Args:
        height: positive.

    Returns:
        Bounds of -t and of t.
    """
    below = 0.5 * height + jnp.sqrt(0.25 * height**2 + 2 * height)
    above = jnp.minimum(jnp.sqrt(2 * height), 1 + jnp.log1p(2 * height))
    return below, above
