"""Random parts that draws from copulas share."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..numerics.varying import vary, varying_axes
from .correlation import Correlation


def skew_normal_draws(
    key: PRNGKeyArray, correlation: Correlation, alpha: Float[Array, " asset"], num_draws: int
) -> Float[Array, "draw asset"]:
    """Skew-normal draws: normal ones, turned where an independent normal exceeds their slant.

    Source: Azzalini and Capitanio (2003).

    Args:
        key: a typed key.
        correlation: Omega.
        alpha: slant.
        num_draws: how many.

    Returns:
        The draws.
    """
    normal_key, side_key = jax.random.split(key)
    normal = correlation.sample(normal_key, num_draws)
    slant = jnp.sum(normal * alpha[None], axis=1)
    is_kept = jax.random.normal(side_key, (num_draws,), normal.dtype) < slant
    return jnp.where(is_kept[:, None], normal, -normal)


def mixing_draws(
    key: PRNGKeyArray, nu: Float[Array, ""], num_draws: int
) -> Float[Array, "draw one"]:
    """Draws of `W ~ Gamma(nu/2, rate nu/2)`.

    Args:
        key: a typed key.
        nu: degrees of freedom.
        num_draws: how many.

    Returns:
        The draws as a column.
    """
    # JAX's loop for gamma draws wants key and shape to vary over the same mesh axes.
    data = vary(jax.random.key_data(key), varying_axes(nu))
    key = jax.random.wrap_key_data(data, impl=jax.random.key_impl(key))
    return (jax.random.gamma(key, nu / 2, (num_draws,), nu.dtype) / (nu / 2))[:, None]


def inside_unit(u: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Probabilities held off 0 and 1, where no quantile is finite.

    Args:
        u: in [0, 1].

    Returns:
        The nearest value inside.
    """
    info = jnp.finfo(u.dtype)
    return jnp.clip(u, info.tiny, 1 - info.epsneg)
