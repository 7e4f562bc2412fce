"""One small data set of a skew-t factor copula, simulated by key, for all tests of inference."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxpapers.copulas import CopulaFit, FactorParams, SkewTFactorModel

NUM_OBS, NUM_ASSETS, NUM_FACTORS = 300, 4, 1
LOADINGS = ((1.2,), (0.8,), (0.6,), (1.0,))
SLANT = (2.0, 0.0, 1.0, -1.0)
NU = 6.0


def model():
    return SkewTFactorModel(NUM_ASSETS, NUM_FACTORS)


def truth(dtype=None):
    dtype = jnp.result_type(float) if dtype is None else dtype
    return FactorParams(
        jnp.asarray(LOADINGS, dtype), jnp.asarray(SLANT, dtype), jnp.asarray(NU, dtype)
    )


@functools.cache
def sample():
    """Copula data as NumPy, float64."""
    with jax.enable_x64(True):
        copula = model().copula_of(truth(jnp.float64))
        return np.asarray(copula.sample(jax.random.key(2025), NUM_OBS))


def posterior(num_draws, spread=0.1):
    """A fit that knows its model and draws around the truth only."""
    center = model().pack(truth())
    noise = jax.random.normal(jax.random.key(8), (num_draws, center.shape[0]), center.dtype)
    nothing = {field.name: None for field in dataclasses.fields(CopulaFit)}
    return CopulaFit(**nothing | {"model": model(), "draws": center[None] + spread * noise})
