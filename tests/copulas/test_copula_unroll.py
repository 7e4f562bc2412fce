"""Every algorithm that iterates is one scan: mapped over data sets it gives what it gives alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import copulas, engine
from jaxpapers.copulas import NUTS, FactorGaussianVI, FullRankVI, HybridVI, SkewTFactorModel
from jaxpapers.copulas.mode import ModeSearch, SearchData

pytestmark = pytest.mark.usefixtures("quick_compiles")
MODEL = SkewTFactorModel(3, 1)
NUM_OBS, NUM_SETS, NUM_STEPS = 40, 2, 4


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def search(data):
    numbers = (jnp.asarray(value) for value in (0.08, 0.05, 0.03))
    start = data.whitening.center + 0.1
    return ModeSearch(*numbers), SearchData(data.observed, start, jnp.asarray(2, jnp.int32))


def steps(make, key, u):
    size = MODEL.num_params
    whitening = copulas.Whitening(jnp.zeros(size), 0.1 * jnp.eye(size), jnp.asarray(1e3))
    data = copulas.VIData(copulas.observe(u), whitening, jnp.asarray(NUM_STEPS, jnp.int32))
    algorithm, inputs = make(data)
    return engine.unroll(key, algorithm, MODEL, inputs, num_steps=NUM_STEPS)


@pytest.mark.parametrize(
    "make",
    [
        lambda data: (FactorGaussianVI(rank=1), data),
        pytest.param(lambda data: (FullRankVI(), data), marks=pytest.mark.acceptance),
        pytest.param(lambda data: (HybridVI(rank=1), data), marks=pytest.mark.acceptance),
        pytest.param(
            lambda data: (NUTS(num_warmup=10, num_chains=1, max_tree_depth=3), data),
            marks=pytest.mark.acceptance,
        ),
        search,
    ],
    ids=["factor", "full rank", "hybrid", "NUTS", "mode"],
)
def test_mapped_over_data_sets(make):
    keys = jax.random.split(jax.random.key(1), NUM_SETS)
    copula = MODEL.copula(jnp.zeros(MODEL.num_params))
    u = copula.sample(jax.random.key(2), NUM_SETS * NUM_OBS).reshape(NUM_SETS, NUM_OBS, -1)

    @jax.jit
    def both(keys, u):
        mapped = jax.vmap(lambda key, u: steps(make, key, u))(keys, u)
        return mapped, steps(make, keys[1], u[1])

    mapped, alone = both(keys, u)
    for got, expected in zip(jax.tree.leaves(mapped), jax.tree.leaves(alone), strict=True):
        if jnp.issubdtype(got.dtype, jax.dtypes.prng_key):
            got, expected = jax.random.key_data(got), jax.random.key_data(expected)
        np.testing.assert_allclose(got[1], expected, rtol=1e-7, atol=1e-9)
    first = jax.tree.leaves(mapped.info)[0]
    assert not np.allclose(first[0], first[1])  # the data sets and keys differ, so do the steps
