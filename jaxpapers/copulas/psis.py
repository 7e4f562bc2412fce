"""Pareto-smoothed importance sampling: how far an approximation can be trusted."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def pareto_k(log_weights: Float[Array, " draw"]) -> Float[Array, ""]:
    """Shape k of a generalised Pareto fitted to the largest importance weights.

    Below .5 importance weights have a variance and the approximation is good; below .7 weights may
    correct means; above, the approximation is unreliable. Source: Zhang and Stephens (2009),
    Vehtari, Simpson, Gelman, Yao and Gabry (2024).

    Args:
        log_weights: `log posterior - log q` of draws of q; those that are not finite count as
            weight 0. At least 100 draws.

    Returns:
        k-hat, with the usual weak prior towards .5.
    """
    num_draws = log_weights.shape[0]
    size = int(min(num_draws / 5, 3 * num_draws**0.5))
    ordered = jnp.sort(jnp.where(jnp.isfinite(log_weights), log_weights, -jnp.inf))
    highest = ordered[-1]
    cutoff = jnp.exp(ordered[-size - 1] - highest)
    excess = jnp.exp(ordered[-size:] - highest) - cutoff
    tiny = jnp.finfo(excess.dtype).tiny
    return _pareto_shape(jnp.maximum(excess, tiny))


def _pareto_shape(excess):
    """Profile-posterior mean of the shape over a grid of scales; excesses increase."""
    size = excess.shape[0]
    num_points = 30 + int(size**0.5)
    places = jnp.arange(1, num_points + 1, dtype=excess.dtype)
    quartile = excess[int(size / 4 + 0.5) - 1]
    theta = 1 / excess[-1] + (1 - jnp.sqrt(num_points / (places - 0.5))) / (3 * quartile)

    def shape_of(theta):
        return jnp.mean(jnp.log1p(-theta * excess))

    shapes = jax.vmap(shape_of)(theta)
    log_profile = size * (jnp.log(-theta / shapes) - shapes - 1)
    weights = jax.nn.softmax(log_profile)
    shape = shape_of(jnp.sum(theta * weights))
    return (size * shape + 5) / (size + 10)


def log_evidence(log_weights: Float[Array, " draw"]) -> Float[Array, ""]:
    """Importance-sampling estimate of the log evidence, `log mean exp`; right where k < .7.

    Args:
        log_weights: `log posterior - log q` of draws of q.

    Returns:
        The estimate, in nats.
    """
    sound = jnp.where(jnp.isfinite(log_weights), log_weights, -jnp.inf)
    return jax.scipy.special.logsumexp(sound) - jnp.log(
        jnp.asarray(log_weights.shape[0], log_weights.dtype)
    )
