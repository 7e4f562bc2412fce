"""Laws that every algorithm obeys under both drivers. New algorithms are added to CASES."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import Exploding, Halving, regression_problem, tree_bytes

from jaxpapers import ranks
from jaxpapers.engine import ReplicateData, Replicates, Status, run, unroll
from jaxpapers.ranks.bootstrap import Resample, presort
from jaxpapers.ranks.multiplier import PerturbedError
from jaxpapers.ranks.simulate import SimulatedFit

NUM_STEPS = 23
CHUNK_SIZES = {False: (1, 7), True: (100,)}  # by x64: compiling is what takes time here


def resampled_mean(key, model, data):
    bits = jax.random.bits(key, data.shape)
    return {"mean": model * data[bits % data.size].mean(), "bits": bits[:2]}


def adam():
    return regression_problem()


def halving():
    tolerance, start = jnp.asarray([1e-3, 1.0], jnp.result_type(float))
    return jax.random.key(1), Halving(tolerance), None, start


def exploding():
    return jax.random.key(2), Exploding(), None, jnp.asarray([1.5, 0.5], jnp.result_type(float))


def replicates():
    key, dtype = jax.random.key(3), jnp.result_type(float)
    data = jnp.linspace(0, 1, 30, dtype=dtype)
    algorithm = Replicates(resampled_mean, num_replicates=101, batch_size=5)
    return key, algorithm, jnp.asarray(2.0, dtype), ReplicateData(key, data)


def sample():
    """A key, a model and twelve observations with ties, in JAX's default precision."""
    dtype = jnp.result_type(float)
    pair = np.random.default_rng(5).normal(size=(2, 12)).round(1)
    return jax.random.key(4), ranks.RankRegression().cast(dtype), *jnp.asarray(pair, dtype)


def draws_of(key, function, model, data):
    """Eleven replicates in batches of two: the last batch is padded."""
    algorithm = Replicates(function, num_replicates=11, batch_size=2)
    return key, algorithm, model, ReplicateData(key, data)


def bootstrap():
    key, model, *pair = sample()
    sorted_pair = presort(model, *pair, None, None, None, num_groups=1)
    return draws_of(key, Resample(True), sorted_pair, None)


def multipliers():
    key, _, *pair = sample()
    function = PerturbedError(ranks.GaussianMultiplier())
    return draws_of(key, function, jnp.stack(pair, axis=1), None)


def simulated_fits():
    key, model, outcome, _ = sample()
    population = ranks.Flip(jnp.asarray(0.3, outcome.dtype))
    return draws_of(key, SimulatedFit(12), model, population)


CASES = {
    "adam": (adam, NUM_STEPS, Status.OK),
    "halving": (halving, 10, Status.CONVERGED),
    "exploding": (exploding, None, Status.NON_FINITE),
    "replicates": (replicates, 21, Status.CONVERGED),
    "bootstrap": (bootstrap, 6, Status.CONVERGED),
    "multipliers": (multipliers, 6, Status.CONVERGED),
    "simulated fits": (simulated_fits, 6, Status.CONVERGED),
}


@pytest.fixture(params=CASES, scope="module")
def case(request):
    return CASES[request.param]


def taken_rows(result):
    """The result with the rows of info that no step filled cut off."""
    rows = int(result.num_steps)
    return eqx.tree_at(lambda r: r.info, result, jax.tree.map(lambda x: x[:rows], result.info))


def test_run_equals_unroll_bit_for_bit_whatever_the_chunk_size(case, x64):
    make, taken, status = case
    unrolled = unroll(*make(), num_steps=NUM_STEPS)
    expected = tree_bytes(taken_rows(unrolled))
    for chunk_size in CHUNK_SIZES[x64]:
        result = run(*make(), num_steps=NUM_STEPS, chunk_size=chunk_size)
        assert tree_bytes(result) == expected
    assert result.status == status
    if taken is not None:
        assert result.num_steps == taken
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(result))


def test_unroll_inside_jit_keeps_the_bits(case):
    make, _, _ = case
    jitted = eqx.filter_jit(lambda *args: unroll(*args, num_steps=NUM_STEPS))(*make())
    assert tree_bytes(jitted) == tree_bytes(unroll(*make(), num_steps=NUM_STEPS))


def test_state_keeps_its_layout(case, x64):
    make, _, _ = case
    key, algorithm, model, data = make()
    first = eqx.filter_eval_shape(algorithm.init, key, model, data)
    result = run(key, algorithm, model, data, num_steps=2, chunk_size=100 if x64 else 7)
    layout = jax.tree.map(lambda x: (x.shape, x.dtype), result.state)
    assert layout == jax.tree.map(lambda x: (x.shape, x.dtype), first)


def test_two_runs_are_one_long_run(case):
    make, _, _ = case
    whole = run(*make(), num_steps=NUM_STEPS, chunk_size=7)
    first = run(*make(), num_steps=4, chunk_size=7)
    taken = int(first.num_steps)
    rest = run(
        *make(), num_steps=NUM_STEPS - taken, state=first.state, first_step=taken, chunk_size=7
    )
    assert tree_bytes(rest.state) == tree_bytes(whole.state)
    joined = jax.tree.map(lambda a, b: np.concatenate([a, b]), first.info, rest.info)
    assert tree_bytes(joined) == tree_bytes(jax.tree.map(np.asarray, whole.info))
