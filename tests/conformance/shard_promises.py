"""Runs verbs sharded over two forced CPU devices and compares with one device; prints the verbs."""

import os

os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    " --xla_cpu_use_fusion_emitters=false"
)
os.environ["JAX_PLATFORMS"] = "cpu"

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
from algorithms import tree_bytes
from jax.sharding import PartitionSpec
from promise_cases import MESH_CASES, Pair, batch
from test_promises import TRACED, assert_same, cases

from jaxpapers import engine


def by_sample(system, mesh):
    """Verbs inside the caller's `shard_map`, one sample a device."""
    y, x = batch(2)
    spec = PartitionSpec("replicate")
    one_by_one = jax.vmap(cases(system, "shard"))
    spread = jax.shard_map(one_by_one, mesh=mesh, in_specs=spec, out_specs=spec)
    results = jax.jit(spread)(y, x)
    assert_same(results, jax.jit(one_by_one)(y, x))
    return list(results)


def by_argument(system, mesh):
    """Verbs that take a mesh: the same bytes on two devices as on one."""
    y, x = batch(1)
    pair = Pair(y[0], x[0])
    alone = engine.replicate_mesh(jax.devices()[:1])
    verbs = MESH_CASES.get(system, {})
    for verb, case in verbs.items():
        results = case(pair, mesh)
        assert all(len(leaf.devices()) == 2 for leaf in jax.tree.leaves(results)[:1]), verb
        assert tree_bytes(results) == tree_bytes(case(pair, alone)), verb
    return list(verbs)


def main():
    mesh = engine.replicate_mesh(jax.devices())
    assert mesh.size == 2
    for system in TRACED:
        for verb in by_sample(system, mesh) + by_argument(system, mesh):
            print(f"{system}.{verb}")


if __name__ == "__main__":
    main()
