"""Pareto-smoothed importance sampling: how far an approximation can be trusted."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def pareto_k(log_weights: Float[Array, " draw"]) -> Float[Array, ""]:
    """Shape k of a generalised Pareto fitted to the largest importance weights, k-hat.

    Below .5 importance weights have a variance and the approximation is good; below .7 weights may
    correct means; above, the approximation is unreliable. Source: Zhang and Stephens (2009),
    Vehtari, Simpson, Gelman, Yao and Gabry (2024).

    Args:
        log_weights: `log posterior - log q` of draws of q; those that are not finite count as
            weight 0. At least 100 draws.

    Returns:
        The shape, with the usual weak prior towards .5.
    """
    excess, _, _ = _tail(log_weights)
    return _pareto(excess)[0]


def smoothed(log_weights: Float[Array, " draw"]) -> Float[Array, " draw"]:
    """Pareto-smoothed importance weights, normalised.

    The largest weights are replaced by expected order statistics of the Pareto fitted to them, none
    above the largest that came. Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024).

    Args:
        log_weights: as `pareto_k`.

    Returns:
        Weights that sum to 1; right for means where k-hat is below .7.
    """
    excess, cutoff, places = _tail(log_weights)
    shape, scale = _pareto(excess)
    size = excess.shape[0]
    below = (jnp.arange(size, dtype=excess.dtype) + 0.5) / size
    is_flat = jnp.abs(shape) < 1e-6
    safe = jnp.where(is_flat, 1, shape)
    growth = jnp.where(is_flat, -jnp.log1p(-below), jnp.expm1(-safe * jnp.log1p(-below)) / safe)
    sound = jnp.where(jnp.isfinite(log_weights), log_weights, -jnp.inf)
    weights = jnp.exp(sound - jnp.max(sound))
    weights = weights.at[places].set(jnp.minimum(cutoff + scale * growth, 1))
    return weights / jnp.sum(weights)


def _tail(log_weights):
    """Excesses of the largest weights over the next, increasing; the next; where they stand."""
    num_draws = log_weights.shape[0]
    size = math.ceil(min(num_draws / 5, 3 * num_draws**0.5))
    sound = jnp.where(jnp.isfinite(log_weights), log_weights, -jnp.inf)
    order = jnp.argsort(sound)
    highest = sound[order[-1]]
    cutoff = jnp.exp(sound[order[-size - 1]] - highest)
    excess = jnp.exp(sound[order[-size:]] - highest) - cutoff
    return jnp.maximum(excess, jnp.finfo(excess.dtype).tiny), cutoff, order[-size:]


def _pareto(excess):
    """Shape and scale by profile-posterior means over a grid; excesses increase."""
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
    mean = jnp.sum(theta * weights)
    shape = shape_of(mean)
    return (size * shape + 5) / (size + 10), -shape / mean


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
