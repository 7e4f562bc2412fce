"""Runs verbs sharded over two forced CPU devices and compares with one device; prints the verbs."""

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np
from jax.sharding import PartitionSpec

from jaxpapers import engine
from promise_cases import CASES, batch


def main():
    mesh = engine.replicate_mesh(jax.devices())
    assert mesh.size == 2
    y, x = batch(2)
    for name in sys.argv[1:]:
        system, verb = name.split(".")
        case = jax.vmap(CASES[system][verb])
        spec = PartitionSpec("replicate")
        spread = jax.jit(jax.shard_map(case, mesh=mesh, in_specs=spec, out_specs=spec))(y, x)
        alone = jax.jit(case)(y, x)
        for left, right in zip(jax.tree.leaves(spread), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(
                np.asarray(left), np.asarray(right), rtol=2e-4, atol=2e-5, err_msg=name
            )
        print(name)


if __name__ == "__main__":
    main()
