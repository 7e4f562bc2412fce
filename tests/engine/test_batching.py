import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import Halving, tree_bytes
from jax.sharding import AxisType, Mesh, PartitionSpec

from jaxpapers.engine import batched_map, replicate, replicate_mesh, sharded_map, unroll

DEVICE_COUNTS = (1, 2, 4, 8)


def rows(num_rows):
    x = np.linspace(-1, 2, num_rows * 9).reshape(num_rows, 9)
    return {"x": jnp.asarray(x, jnp.result_type(float)), "n": jnp.arange(num_rows)}


def wave(row):
    """A row at a time, with a reduction and a scan whose carry starts as a constant."""

    def fold(carry, x):
        return carry * 0.9 + jnp.sin(x), carry

    last, path = jax.lax.scan(fold, jnp.zeros((), row["x"].dtype), row["x"])
    return {"last": last, "dot": path @ jnp.cos(row["x"]), "twice": row["n"] * 2}


def draw(key, model, data):
    bits = jax.random.bits(key, (7,))
    return {"bits": bits, "mean": model * jnp.sin(data[bits % data.size]).mean()}


@pytest.mark.parametrize("num_rows", [1, 13])
def test_batched_map_is_vmap(num_rows, x64):
    result = jax.jit(lambda xs: batched_map(wave, xs, batch_size=4))(rows(num_rows))
    expected = jax.jit(jax.vmap(wave))(rows(num_rows))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12 if x64 else 1e-5), result, expected
    )
    assert jax.tree.map(jnp.shape, result) == jax.tree.map(jnp.shape, expected)


def test_every_batch_has_the_same_shape():
    shapes = []

    def look(x):
        shapes.append(x.shape)
        return x

    batched_map(lambda x: jax.vmap(look)(x), jnp.zeros((13, 2, 3)), batch_size=4)
    assert shapes == [(3,)]


def test_batched_map_takes_keys():
    keys = jax.random.split(jax.random.key(0), 5)
    result = batched_map(jax.random.key_data, keys, batch_size=2)
    assert result.tolist() == jax.random.key_data(keys).tolist()


@pytest.mark.parametrize(
    "make_map",
    [
        lambda function, xs: batched_map(function, xs, batch_size=4),
        lambda function, xs: sharded_map(function, xs, mesh=replicate_mesh(), batch_size=4),
    ],
    ids=["batched", "sharded"],
)
def test_maps_are_traced_vmapped_differentiated(make_map):
    def total(scale):
        return make_map(lambda row: jnp.sum(jnp.sin(row["x"] * scale)), rows(13)).sum()

    scale = jnp.asarray([0.5, 1.5], jnp.float32)
    expected = jax.vmap(lambda s: jnp.sum(rows(13)["x"] * jnp.cos(rows(13)["x"] * s)))(scale)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(total)))(scale), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("error", "message", "xs", "batch_size"),
    [
        (TypeError, "batch_size must be a Python int", np.ones(3), 2.0),
        (ValueError, "batch_size must be at least 1", np.ones(3), 0),
        (ValueError, r"one common leading axis of rows, got \(0, 2\)", np.ones((0, 2)), 2),
        (ValueError, r"rows, got \(3,\), \(2,\)", [np.ones(3), np.ones(2)], 2),
        (ValueError, r"rows, got \(\)", np.ones(()), 2),
        (ValueError, "rows, got no array", {}, 2),
    ],
)
def test_maps_name_their_mistakes(error, message, xs, batch_size):
    with pytest.raises(error, match=message):
        batched_map(jnp.sin, xs, batch_size=batch_size)
    with pytest.raises(error, match=message):
        sharded_map(jnp.sin, xs, mesh=replicate_mesh(), batch_size=batch_size)


@pytest.mark.parametrize(
    ("name", "axis_type"), [("batch", AxisType.Auto), ("replicate", AxisType.Explicit)]
)
def test_a_mesh_needs_the_axis(name, axis_type):
    mesh = Mesh(np.asarray(jax.devices()[:1]), (name,), axis_types=(axis_type,))
    with pytest.raises(ValueError, match="mesh must have an axis 'replicate' of type Auto"):
        sharded_map(jnp.sin, jnp.ones(3), mesh=mesh, batch_size=2)


def test_replicate_mesh_has_one_automatic_axis():
    mesh = replicate_mesh(jax.devices()[:1])
    assert (mesh.axis_names, mesh.axis_types) == (("replicate",), (AxisType.Auto,))
    assert replicate_mesh().shape["replicate"] == len(jax.devices())


def halvings(start):
    """Drivers inside a ``shard_map`` of the caller's, where types tell what varies."""
    key, tolerance = jax.random.key(1), jnp.asarray(1.0, jnp.float32)
    result = unroll(key, Halving(tolerance), None, start, num_steps=5)
    batches = batched_map(lambda shift: jnp.sin(start + shift), jnp.arange(3.0), batch_size=2)
    return result.state, result.info, result.num_steps, batches


def compute_on(num_devices, results):
    """In a child: bytes of all that can be spread over devices, and what was compiled."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={num_devices}"
    compiled = []

    def listen(event, duration, **details):
        if "backend_compile" in event:
            compiled.append(details["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(listen)
    mesh = replicate_mesh()
    mapped = sharded_map(wave, rows(61), mesh=mesh, batch_size=4)
    values = [
        replicate(
            jax.random.key(3), draw, jnp.asarray(scale, jnp.float32), rows(13)["x"][0],
            num_replicates=53, batch_size=4, mesh=mesh,
        )
        for scale in (1.0, 2.0)
    ]  # fmt: skip
    halved = jax.jit(
        jax.shard_map(
            lambda starts: jax.lax.map(halvings, starts),
            mesh=mesh,
            in_specs=PartitionSpec("replicate"),
            out_specs=PartitionSpec("replicate"),
        )
    )(jnp.linspace(0.2, 9.0, 8))
    chunks = compiled.count("jit(_run_chunk)")
    results.send((len(jax.devices()), tree_bytes((mapped, values, halved)), chunks))


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_number_of_devices(forkserver):
    found = {}
    for num_devices in DEVICE_COUNTS:
        reader, writer = forkserver.Pipe(duplex=False)
        child = forkserver.Process(target=compute_on, args=(num_devices, writer))
        child.start()
        writer.close()
        actual, found[num_devices], compiled = reader.recv()
        child.join()
        assert (actual, compiled) == (num_devices, 1)
    assert len(set(found.values())) == 1
