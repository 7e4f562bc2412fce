"""Data of the copula benchmarks: drawn by key from a skew-t factor copula that is known."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxpapers import copulas

SEED = 20_250_418
NUM_OBS = 1_040
NUM_FACTORS = {5: 1, 17: 2, 30: 5, 93: 15}
"""K by d, as in the paper's applications; 1 elsewhere."""
SLANT = 2.0
"""Standard deviation of the true slants."""
NU = 10.0
"""True degrees of freedom."""


@dataclass(frozen=True)
class Sample:
    """A sample and what it was drawn from.

    Attributes:
        model: The factor model.
        params: The true parameters, unconstrained, shape (param,).
        u: Copula data in (0, 1), shape (obs, asset), float64.
    """

    model: copulas.SkewTFactorModel
    params: jax.Array
    u: jax.Array


def num_factors(num_assets: int) -> int:
    """Return the number of factors at a number of assets."""
    return NUM_FACTORS.get(num_assets, 1)


def sizes(num_assets: int) -> dict[str, int]:
    """Return the sizes of a sample by name, for the record."""
    model = copulas.SkewTFactorModel(num_assets, num_factors(num_assets))
    return {"n": NUM_OBS, "K": model.num_factors, "parameters": model.num_params}


def draw_sample(num_assets: int) -> Sample:
    """Draw a sample; x64 must be on.

    Args:
        num_assets: Number of assets; settles the number of factors and the key.

    Returns:
        The sample.
    """
    model = copulas.SkewTFactorModel(num_assets, num_factors(num_assets))
    key = jax.random.fold_in(jax.random.key(SEED), num_assets)
    loading_key, slant_key, data_key = jax.random.split(key, 3)
    shape = num_assets, model.num_factors
    loadings = jnp.tril(jax.random.normal(loading_key, shape, jnp.float64))
    places = jnp.arange(model.num_factors)
    loadings = loadings.at[places, places].set(0.5 + jnp.abs(loadings[places, places]))
    alpha = SLANT * jax.random.normal(slant_key, (num_assets,), jnp.float64)
    truth = copulas.FactorParams(loadings, alpha, jnp.asarray(NU, jnp.float64))
    u = model.copula_of(truth).sample(data_key, NUM_OBS)
    return Sample(model, model.pack(truth), jax.block_until_ready(u))


def points_near(sample: Sample, num_points: int) -> Any:
    """Return parameters around the true ones, shape (point, param)."""
    key = jax.random.key(SEED)
    noise = jax.random.normal(key, (num_points, sample.params.size), jnp.float64)
    return sample.params[None] + 0.01 * noise
