"""Laws that every public result obeys, alone and as a batch made by `vmap`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import Exploding, tree_bytes
from promise_cases import KEY, MODEL, NUM_OBS, Pair, batch

from jaxpapers import engine, numerics, ranks
from jaxpapers.engine import Status

pytestmark = pytest.mark.usefixtures("quick_compiles")
SYSTEMS = (engine, numerics, ranks)
NUM_SAMPLES = 2
FINE = (Status.OK, Status.RUNNING, Status.CONVERGED)


def _draws(d):
    return ranks.bootstrap(
        KEY, MODEL, d.child, d.parent, num_replicates=6, batch_size=3, studentize=True
    )


def _errors(d):
    return ranks.multiplier_bootstrap(KEY, d.fit, num_replicates=6, batch_size=3)


def _samples(d):
    errors = jnp.sqrt(d.parent**2 - 0.01)  # NaN where the regressor is next to nothing
    return ranks.CoverageDraws(d.child, errors, errors, errors, d.child[0])


def _scaled(key, model, data):
    return model * jax.random.normal(key)


RESULTS = {
    engine.RunResult: lambda d: engine.unroll(KEY, Exploding(), None, d.child, num_steps=3),
    engine.Moments: lambda d: engine.average(
        KEY, _scaled, d.child, None, num_worlds=5, batch_size=2
    ),
    numerics.GroupedQR: lambda d: numerics.qr_by_group(d.rows, d.groups, 3),
    numerics.QuadratureRule: lambda d: numerics.gauss_legendre(4, d.child[0], d.parent[0]),
    numerics.RankOrder: lambda d: numerics.rank_order(d.child),
    numerics.Root: lambda d: numerics.find_root(lambda v, a: v**3 - a, -9.0, 9.0, d.child[0]),
    numerics.TieBlocks: lambda d: d.blocks,
    ranks.BootstrapDraws: _draws,
    ranks.CoverageDraws: _samples,
    ranks.Estimate: lambda d: ranks.absolute_mobility(d.smooth_fit),
    ranks.MultiplierDraws: _errors,
    ranks.Prediction: lambda d: ranks.predict(d.smooth_fit, d.parent, d.child[:3]),
    ranks.RankRegressionFit: lambda d: d.fit,
    ranks.WaldTest: lambda d: ranks.wald_test(d.smooth_fit, jnp.eye(2, dtype=d.child.dtype)),
}
OTHERS = {
    *(engine.Average, engine.AverageState),
    *(engine.Algorithm, engine.ReplicateData, engine.ReplicateState, engine.Replicates),
    *(ranks.GaussianMultiplier, ranks.Multiplier, ranks.Population, ranks.RademacherMultiplier),
    *(ranks.RankRegression, ranks.Regions),
}
CARRY_A_STATUS = [
    cls for cls in RESULTS if cls.__module__.startswith("jaxpapers.ranks") or hasattr(cls, "status")
]
NAMES = {cls.__name__: cls for cls in RESULTS}

FLAT, RAMP = jnp.ones(NUM_OBS), jnp.arange(NUM_OBS, dtype=jnp.float32)
DEGENERATE = {
    "constant regressor": (RAMP, FLAT),
    "constant outcome": (FLAT, RAMP),
    "all tied": (FLAT, FLAT),
    "one to one": (RAMP, RAMP),
    "one apart": (RAMP == 7, RAMP == 9),
    "huge": (RAMP**2 * 1e35, RAMP * 1e35),
}


@jax.jit
def compute(y, x):
    pair = Pair(y, x)
    return {name: RESULTS[cls](pair) for name, cls in NAMES.items()}


@pytest.fixture(scope="module")
def alone():
    """All results of each sample by itself."""
    return [compute(y, x) for y, x in zip(*batch(NUM_SAMPLES), strict=True)]


@pytest.fixture(scope="module")
def mapped():
    """All results of all samples at once."""
    return jax.jit(jax.vmap(compute))(*batch(NUM_SAMPLES))


@pytest.fixture(scope="module")
def degenerate():
    """All results of samples that do not identify something."""
    return {
        name: compute(y.astype(jnp.float32), x.astype(jnp.float32))
        for name, (y, x) in DEGENERATE.items()
    }


def properties(cls):
    return [name for name in dir(cls) if isinstance(getattr(cls, name), property)]


def assert_same(got, expected, message):
    for left, right in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.shape(left) == np.shape(right), message
        np.testing.assert_allclose(left, right, rtol=2e-4, atol=2e-5, err_msg=message)


def has_nan(tree):
    leaves = map(np.asarray, jax.tree.leaves(tree))
    return any(np.isnan(leaf).any() for leaf in leaves if leaf.dtype.kind == "f")


def test_every_result_is_here():
    public = {getattr(system, name) for system in SYSTEMS for name in system.__all__}
    modules = {thing for thing in public if isinstance(thing, type)}
    modules = {m for m in modules if issubclass(m, eqx.Module) or hasattr(m, "_fields")}
    results = {m for m in modules if not issubclass(m, ranks.Population)}
    assert results == set(RESULTS) | OTHERS - {ranks.Population}


@pytest.mark.parametrize("name", NAMES)
def test_is_a_pytree_of_arrays(name, alone):
    result = alone[0][name]
    leaves, structure = jax.tree.flatten(result)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    again = jax.tree.unflatten(structure, leaves)
    assert type(again) is NAMES[name]
    assert tree_bytes(again) == tree_bytes(result)
    on_host = jax.tree.map(np.asarray, result)
    assert tree_bytes(on_host) == tree_bytes(result)
    for attribute in properties(NAMES[name]):
        assert_same(getattr(on_host, attribute), getattr(result, attribute), attribute)


@pytest.mark.parametrize("name", NAMES)
def test_keeps_its_layout_under_vmap(name, alone, mapped):
    one, many = alone[0][name], mapped[name]
    assert jax.tree.structure(many) == jax.tree.structure(one)
    assert [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(many)] == [
        ((NUM_SAMPLES, *leaf.shape), leaf.dtype) for leaf in jax.tree.leaves(one)
    ]
    for number, one in enumerate(alone):
        row = jax.tree.map(lambda leaf, number=number: leaf[number], many)
        assert_same(row, one[name], name)


@pytest.mark.parametrize("name", NAMES)
def test_properties_of_a_batch_are_batches_of_properties(name, alone, mapped):
    for attribute in properties(NAMES[name]):
        several = getattr(mapped[name], attribute)
        values = [getattr(one[name], attribute) for one in alone]
        if isinstance(values[0], int):
            assert [several] * NUM_SAMPLES == values, attribute
        else:
            assert_same(several, np.stack(values), attribute)


@pytest.mark.parametrize("cls", CARRY_A_STATUS, ids=lambda cls: cls.__name__)
def test_status_is_a_small_integer_of_each_case(cls, alone, mapped):
    assert alone[0][cls.__name__].status.dtype == np.int32
    assert mapped[cls.__name__].status.dtype == np.int32
    assert mapped[cls.__name__].status.shape[:1] == (NUM_SAMPLES,)
    assert set(np.ravel(mapped[cls.__name__].status)) <= set(map(int, Status))


@pytest.mark.parametrize("cls", CARRY_A_STATUS, ids=lambda cls: cls.__name__)
def test_what_is_not_a_number_has_a_status_that_says_so(cls, alone, degenerate):
    results = {"ordinary": alone[0]} | degenerate
    for sample, result in results.items():
        result = result[cls.__name__]
        if has_nan([result, [getattr(result, attribute) for attribute in properties(cls)]]):
            assert not set(np.ravel(result.status)) <= set(FINE), f"{sample}: NaN is not explained"


def test_degenerate_samples_do_give_what_is_not_a_number(degenerate):
    for cls in set(CARRY_A_STATUS) - {engine.RunResult, numerics.Root}:
        assert any(has_nan(results[cls.__name__]) for results in degenerate.values()), cls
