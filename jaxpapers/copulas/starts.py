"""Where a search for the posterior mode begins: a factor analysis of the normal scores."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics import matmul
from .model import FactorModel, FactorParams

NUM_SWEEPS = 200
LEAST_UNIQUENESS = 0.005
FIRST_NU = 10.0


def factor_start(model: FactorModel, scores: Float[Array, "obs asset"]) -> Float[Array, " param"]:
    """Start in signed coordinates: principal-axis factors of the normal scores, no skewness.

    `G = Lambda / sqrt(psi)`, rotated to lower triangular. Source: derived by us.

    Args:
        model: the model.
        scores: normal scores of the data.

    Returns:
        A vector in signed coordinates, slant 0, nu = 10.
    """
    centred = scores - jnp.mean(scores, axis=0, keepdims=True)
    centred = centred / jnp.sqrt(jnp.mean(centred**2, axis=0, keepdims=True))
    correlation = matmul(centred.T, centred) / scores.shape[0]
    loadings = lower_triangular(principal_axes(correlation, model.num_factors))
    rows, columns = model.places()
    parts = [jnp.arcsinh(loadings[rows, columns])]
    if model.has_skewness:
        parts.append(jnp.zeros(model.num_assets, scores.dtype))
    if model.has_tails:
        parts.append(jnp.log(jnp.asarray([FIRST_NU - 2], scores.dtype)))
    return jnp.concatenate(parts)


def principal_axes(
    correlation: Float[Array, "asset asset"], num_factors: int
) -> Float[Array, "asset factor"]:
    """Unscaled loadings `Lambda / sqrt(psi)` by iterated principal-axis factoring.

    Args:
        correlation: a correlation matrix; may be singular.
        num_factors: how many.

    Returns:
        The loadings, finite however close to 1 a communality comes.
    """
    identity = jnp.eye(correlation.shape[0], dtype=correlation.dtype)

    def loadings_of(communality):
        reduced = correlation - identity * (1 - communality)[:, None]
        values, vectors = jnp.linalg.eigh(reduced)
        roots = jnp.sqrt(jnp.maximum(values[-num_factors:], 1e-6))
        return vectors[:, -num_factors:] * roots[None]

    def sweep(_, communality):
        loadings = loadings_of(communality)
        return jnp.clip(jnp.sum(loadings**2, axis=1), 0.02, 1 - LEAST_UNIQUENESS)

    first = 0.5 * jnp.ones_like(jnp.diagonal(correlation))
    communality = jax.lax.fori_loop(0, NUM_SWEEPS, sweep, first)
    return loadings_of(communality) / jnp.sqrt(1 - communality)[:, None]


def lower_triangular(loadings: Float[Array, "asset factor"]) -> Float[Array, "asset factor"]:
    """Rotates loadings so that they are zero above the diagonal and positive on it.

    Args:
        loadings: any loadings; the correlation stays the same.

    Returns:
        The rotated loadings.
    """
    num_factors = loadings.shape[1]
    rotation, _ = jnp.linalg.qr(loadings[:num_factors].T)
    rotated = matmul(loadings, rotation)
    signs = jnp.where(jnp.diagonal(rotated) < 0, -1, 1).astype(loadings.dtype)
    return jnp.tril(rotated * signs[None])


def with_slants(
    model: FactorModel, params: Float[Array, " param"], slants: Float[Array, "start asset"]
) -> Float[Array, "start param"]:
    """Copies of a vector with other slants.

    Args:
        model: the model.
        params: a vector.
        slants: one row per copy.

    Returns:
        The copies.
    """
    first = model.num_loadings
    copies = jnp.broadcast_to(params[None], (slants.shape[0], params.shape[0]))
    return copies.at[:, first : first + model.num_assets].set(slants)


def turned_positive(
    model: FactorModel, params: Float[Array, " param"]
) -> tuple[Float[Array, " param"], FactorParams]:
    """From signed coordinates to the unconstrained vector of the model.

    Args:
        model: the model.
        params: a vector in signed coordinates.

    Returns:
        The vector and its parameters.
    """
    given = model.unpack_signed(params)
    vector = model.pack(given)
    return vector, model.unpack(vector)
