"""Worlds one after another and in lock-step: one result; moments without keeping the worlds."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.engine import (
    Checkpoint,
    Moments,
    Progress,
    ReplicateData,
    Replicates,
    average,
    replicate_mesh,
    run,
    simulate,
    stream,
)

KEY = jax.random.key(8)
LIMIT = 500


def walk(key, model, data):
    """Steps until a random walk with a drift leaves an interval, and where it then is."""
    key = stream(key)

    def step(state):
        time, place = state
        move = model + jax.random.uniform(jax.random.fold_in(key, time), minval=-1.0)
        return time + 1, place + move

    def inside(state):
        return (jnp.abs(state[1]) < data) & (state[0] < LIMIT)

    start = jnp.asarray(0, jnp.int32), jnp.zeros_like(model)
    time, place = jax.lax.while_loop(inside, step, start)
    return {"time": time, "place": place}


def numbers():
    dtype = jnp.result_type(float)
    return jnp.asarray(0.1, dtype), jnp.asarray(3.0, dtype)


def worlds(**settings):
    return simulate(KEY, walk, *numbers(), **{"num_worlds": 21, "batch_size": 8, **settings})


def test_worlds_one_after_another_and_in_lockstep_agree():
    found = []
    for in_lockstep in (False, True):
        algorithm = Replicates(walk, 16, 8, in_lockstep=in_lockstep)
        task = ReplicateData(KEY, numbers()[1])
        found.append(run(KEY, algorithm, numbers()[0], task, num_steps=2).state.values)
    assert found[0]["time"].tolist() == found[1]["time"].tolist()
    np.testing.assert_allclose(found[0]["place"], found[1]["place"], rtol=1e-6)
    assert len(set(found[0]["time"].tolist())) > 3


def test_a_world_depends_on_its_index_alone():
    every = worlds()
    assert every["time"].tolist() == worlds(batch_size=5)["time"].tolist()
    assert every["time"][:9].tolist() == worlds(num_worlds=9)["time"].tolist()
    mesh = replicate_mesh(jax.devices()[:1])
    assert every["time"].tolist() == worlds(mesh=mesh)["time"].tolist()
    one = walk(jax.random.fold_in(KEY, 13), *numbers())
    assert every["time"][13] == one["time"]


def test_moments_are_those_of_the_worlds(x64):
    every = worlds()
    moments = average(KEY, walk, *numbers(), num_worlds=21, batch_size=8)
    assert isinstance(moments, Moments)
    assert moments.num_worlds == 21
    tolerance = 1e-12 if x64 else 1e-5
    for name, values in every.items():
        values = np.asarray(values, float)
        np.testing.assert_allclose(moments.mean[name], values.mean(), rtol=tolerance)
        np.testing.assert_allclose(moments.variance[name], values.var(ddof=1), rtol=tolerance)
        error = values.std(ddof=1) / np.sqrt(21)
        np.testing.assert_allclose(moments.standard_error[name], error, rtol=tolerance)


def test_moments_far_from_zero_keep_their_variance():
    def far(key, model, data):
        return model + jax.random.normal(key)

    moments = average(KEY, far, jnp.asarray(1e4), None, num_worlds=4_000, batch_size=100)
    assert abs(moments.variance - 1) < 0.1
    assert abs(moments.mean - 1e4) < 0.1


def test_moments_of_one_world_have_no_variance():
    moments = average(KEY, walk, *numbers(), num_worlds=1, batch_size=4)
    assert moments.variance["time"] == 0


def test_tuples_and_single_arrays_are_reports_too():
    def pair(key, model, data):
        return jax.random.uniform(key), (jax.random.bits(key, (3,)) > 0,)

    moments = average(KEY, pair, None, None, num_worlds=10, batch_size=4)
    assert moments.mean[1][0].shape == (3,)


def test_moments_go_on_where_they_were_saved(tmp_path):
    settings = {"num_worlds": 21, "batch_size": 8}
    whole = average(KEY, walk, *numbers(), **settings)
    save = Checkpoint(tmp_path / "run", every_steps=1)
    for _ in range(2):
        saved = average(KEY, walk, *numbers(), **settings, checkpoint=save)
        assert saved.mean["place"] == whole.mean["place"]
    with pytest.raises(ValueError, match="another run"):
        average(KEY, walk, numbers()[0] + 1, numbers()[1], **settings, checkpoint=save)


def test_progress_is_for_the_host_alone():
    shown = io.StringIO()
    worlds(progress=Progress("worlds", stream=shown))
    assert shown.getvalue()
    with pytest.raises(TypeError, match="only outside jit and vmap"):
        jax.jit(
            lambda x: simulate(
                KEY, walk, x, 3.0, num_worlds=3, batch_size=2, progress=Progress("worlds")
            )
        )(numbers()[0])


def test_tracing_changes_no_draw():
    traced = jax.jit(lambda m, d: simulate(KEY, walk, m, d, num_worlds=21, batch_size=8))
    assert traced(*numbers())["time"].tolist() == worlds()["time"].tolist()


@pytest.mark.parametrize(("name", "value"), [("num_worlds", 0), ("batch_size", 0)])
def test_counts_are_checked(name, value):
    with pytest.raises(ValueError, match="at least 1"):
        worlds(**{name: value})


def test_the_key_is_checked():
    with pytest.raises(TypeError, match="typed random key"):
        simulate(0, walk, *numbers(), num_worlds=1, batch_size=1)


def test_each_world_is_given_its_row():
    def add(key, model, data, own):
        return model + data + own["number"]

    rows = {"number": jnp.arange(7.0)}
    found = simulate(KEY, add, 1.0, 2.0, num_worlds=7, batch_size=3, each=rows)
    assert found.tolist() == (3.0 + np.arange(7)).tolist()
    with pytest.raises(ValueError, match=r"one row per world, 8; got shape \(7,\)"):
        simulate(KEY, add, 1.0, 2.0, num_worlds=8, batch_size=3, each=rows)
