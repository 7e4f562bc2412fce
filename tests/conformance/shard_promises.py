"""Runs verbs sharded over two forced CPU devices and compares with one device; prints the verbs."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
from jax.sharding import PartitionSpec
from promise_cases import CASES, batch
from test_promises import assert_same, cases

from jaxpapers import engine


def main():
    mesh = engine.replicate_mesh(jax.devices())
    assert mesh.size == 2
    y, x = batch(2)
    spec = PartitionSpec("replicate")
    for system in CASES:
        verbs = cases(system, "shard")
        one_by_one = jax.vmap(verbs)
        spread = jax.shard_map(one_by_one, mesh=mesh, in_specs=spec, out_specs=spec)
        results = jax.jit(spread)(y, x)
        assert_same(results, jax.jit(one_by_one)(y, x))
        for verb in results:
            print(f"{system}.{verb}")


if __name__ == "__main__":
    main()
