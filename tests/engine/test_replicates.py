import io

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import tree_bytes
from jaxtyping import Array

from jaxpapers.engine import (
    Checkpoint,
    Progress,
    ReplicateData,
    Replicates,
    Status,
    replicate,
    replicate_mesh,
    run,
)

KEY = jax.random.key(11)


def draw(key, model, data):
    bits = jax.random.bits(key, (4,))
    return {"bits": bits, "mean": model * data[bits % data.size].mean()}


def problem():
    dtype = jnp.result_type(float)
    return KEY, draw, jnp.asarray(2.0, dtype), jnp.linspace(0, 1, 10, dtype=dtype)


def test_replicate_r_uses_the_key_folded_with_r(x64):
    key, function, model, data = problem()
    values = replicate(key, function, model, data, num_replicates=23, batch_size=5)
    one = jax.jit(lambda r: function(jax.random.fold_in(key, r), model, data))
    for r in (0, 4, 5, 22):
        expected = one(r)
        assert values["bits"][r].tolist() == expected["bits"].tolist()
        np.testing.assert_allclose(values["mean"][r], expected["mean"], rtol=1e-6)
    assert values["mean"].dtype == (np.float64 if x64 else np.float32)


def test_draws_do_not_depend_on_batches_or_on_how_many_there_are():
    few = replicate(*problem(), num_replicates=23, batch_size=5)
    many = replicate(*problem(), num_replicates=31, batch_size=40)
    assert few["bits"].tolist() == many["bits"][:23].tolist()
    np.testing.assert_allclose(few["mean"], many["mean"][:23], rtol=1e-6)


def test_tracing_changes_no_bit():
    key, function, model, data = problem()
    concrete = replicate(key, function, model, data, num_replicates=23, batch_size=5)
    traced = jax.jit(
        lambda model: replicate(key, function, model, data, num_replicates=23, batch_size=5)
    )(model)
    assert tree_bytes(traced) == tree_bytes(concrete)
    constant = jax.jit(
        lambda: replicate(key, function, model, data, num_replicates=23, batch_size=5)
    )()
    assert tree_bytes(constant) == tree_bytes(concrete)


def test_vmap_and_grad():
    key, function, model, data = problem()

    def total(model):
        values = replicate(key, function, model, data, num_replicates=23, batch_size=5)
        return values["mean"].sum()

    slopes = jax.jit(jax.vmap(jax.grad(total)))(jnp.stack([model, model * 3]))
    np.testing.assert_allclose(slopes, [total(model) / model] * 2, rtol=1e-5)


class Shifted(eqx.Module):
    shift: Array

    def __call__(self, key, model, data):
        return self.shift + model * data[jax.random.bits(key) % data.size]


def test_a_module_is_a_function_whose_numbers_do_not_recompile(count_compiles):
    _, _, model, data = problem()
    with count_compiles() as compiles:
        for value in (1.0, 2.0, 3.0):
            function = Shifted(jnp.asarray(value, jnp.float32))
            values = replicate(
                jax.random.key(int(value)), function, model * value, data * value,
                num_replicates=13, batch_size=5,
            )  # fmt: skip
            assert values.shape == (13,)
    assert compiles.count("_run_chunk") == 1
    assert compiles.count("begin") == 1


def test_a_replicate_that_is_not_a_number_stops_nothing():
    def sometimes(key, model, data):
        return jnp.where(jax.random.bits(key) % 2 == 0, jnp.nan, 1.0)

    values = replicate(KEY, sometimes, None, None, num_replicates=40, batch_size=4)
    assert 0 < np.isnan(values).sum() < 40


def test_padding_never_leaves_and_extra_steps_do_nothing():
    key, function, model, data = problem()
    algorithm = Replicates(function, num_replicates=23, batch_size=5)
    assert algorithm.num_steps == 5
    result = run(key, algorithm, model, ReplicateData(key, data), num_steps=50, chunk_size=1)
    assert (int(result.num_steps), int(result.status)) == (5, Status.CONVERGED)
    padded = np.asarray(result.state.values["bits"])
    assert padded.shape == (25, 4)
    assert (padded[23:] == padded[22]).all()
    values = replicate(key, function, model, data, num_replicates=23, batch_size=5)
    assert np.array_equal(values["bits"], padded[:23])


def test_a_mesh_of_one_device_keeps_the_bytes():
    alone = replicate(*problem(), num_replicates=23, batch_size=5)
    meshed = replicate(*problem(), num_replicates=23, batch_size=5, mesh=replicate_mesh())
    assert tree_bytes(alone) == tree_bytes(meshed)


def test_progress_counts_batches():
    stream = io.StringIO()
    progress = Progress("draws", unit="batches", stream=stream, seconds_between=0.0)
    replicate(*problem(), num_replicates=23, batch_size=5, progress=progress)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("draws: 1/5 batches")
    assert lines[-1].startswith("draws: 5/5 batches")


@pytest.mark.parametrize(
    "setting", [{"progress": Progress("draws")}, {"checkpoint": Checkpoint("never")}]
)
def test_no_progress_and_no_checkpoint_under_tracing(setting):
    key, function, model, data = problem()
    with pytest.raises(
        TypeError, match="show progress and save themselves only outside jit and vmap"
    ):
        jax.jit(
            lambda data: replicate(
                key, function, model, data, num_replicates=3, batch_size=2, **setting
            )
        )(data)


@pytest.mark.parametrize(
    ("error", "message", "settings"),
    [
        (ValueError, "num_replicates must be at least 1", {"num_replicates": 0, "batch_size": 1}),
        (TypeError, "batch_size must be a Python int", {"num_replicates": 3, "batch_size": 1.0}),
    ],
)
def test_counts_out_of_range_are_named(error, message, settings):
    with pytest.raises(error, match=message):
        replicate(*problem(), **settings)


def test_results_must_be_arrays():
    with pytest.raises(TypeError, match=r"the result of function\['name'\] must be an array"):
        replicate(KEY, lambda *_: {"name": "text"}, None, None, num_replicates=3, batch_size=2)


def test_replicate_wants_a_typed_key():
    with pytest.raises(TypeError, match="key must be a typed random key"):
        replicate(0, draw, None, None, num_replicates=3, batch_size=2)
