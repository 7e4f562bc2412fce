"""Mapping a function over many rows: in batches on one device, and over several devices."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec
from jaxtyping import PyTree

from .checks import check_count, is_concrete

AXIS = "replicate"
CACHED_ENTRIES = 2**16
BUSY_ENTRIES = 2**24


def replicate_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Mesh with one axis, called ``replicate``.

    Args:
        devices: the devices to use; None means all.

    Returns:
        The mesh.
    """
    devices = jax.devices() if devices is None else devices
    return Mesh(np.asarray(devices), (AXIS,), axis_types=(AxisType.Auto,))


def batched_map(function: Callable[[PyTree], PyTree], xs: PyTree, *, batch_size: int) -> PyTree:
    """Maps over the leading axis, `batch_size` rows at a time.

    Memory grows with the batch, not with the number of rows. Every batch has the same shape: the
    last is filled up with copies of the last row, which are cut off again. Outside jit it compiles
    once for a function (the same one, not a new lambda), the shapes and the batch size.

    Args:
        function: takes one row (a pytree without the leading axis), gives a pytree of arrays. A
            module with arrays in it is traced, a plain function is static.
        xs: pytree of arrays that share their leading axis.
        batch_size: rows computed at once.

    Returns:
        The results, stacked along a new leading axis.

    Raises:
        TypeError: `batch_size` is not an int.
        ValueError: `batch_size` < 1, no rows, or leaves with different numbers of rows.
    """
    return _mapped(function, xs, None, batch_size)


def sharded_map(
    function: Callable[[PyTree], PyTree], xs: PyTree, *, mesh: Mesh, batch_size: int
) -> PyTree:
    """`batched_map` with the rows spread over the devices of a mesh.

    Every device computes batches of the same shape, so at one `batch_size` the bytes of the result
    do not depend on the number of devices (on GPUs floats may differ in the last digits).

    Args:
        function: as in `batched_map`.
        xs: pytree of arrays that share their leading axis.
        mesh: a mesh with an axis ``replicate`` of type Auto, such as `replicate_mesh` makes.
        batch_size: rows that one device computes at once.

    Returns:
        The results, stacked along a new leading axis.

    Raises:
        TypeError: `batch_size` is not an int.
        ValueError: `batch_size` < 1, no rows, leaves with different numbers of rows, or a mesh
            without the axis.
    """
    return _mapped(function, xs, mesh, batch_size)


def fitting_batch_size(num_entries: int) -> int:
    """A batch size for rows whose largest arrays have `num_entries` entries each.

    On a CPU a batch's arrays stay in a core's cache (2^16 entries each; larger batches were up to
    twice as slow), on an accelerator they keep it busy (2^24).

    Args:
        num_entries: entries of an array of one row.

    Returns:
        The batch size, at least 1.
    """
    most = CACHED_ENTRIES if jax.default_backend() == "cpu" else BUSY_ENTRIES
    return max(1, most // max(1, num_entries))


def mesh_size(mesh: Mesh | None) -> int:
    """Number of devices along the axis ``replicate``.

    Args:
        mesh: the mesh, or None.

    Returns:
        The number; 1 without a mesh.

    Raises:
        ValueError: a mesh without that axis, or with one that is not of type Auto.
    """
    if mesh is None:
        return 1
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if types.get(AXIS) != AxisType.Auto:
        raise ValueError(
            f"mesh must have an axis '{AXIS}' of type Auto, as replicate_mesh makes it; got {mesh}."
        )
    return mesh.shape[AXIS]


def _mapped(function, xs, mesh, batch_size):
    """Checks, then maps: by one compiled program where all is known, inside jit as it stands."""
    check_count("batch_size", batch_size)
    num_rows, multiple = _num_rows(xs), batch_size * mesh_size(mesh)
    compute = _map_compiled if is_concrete(function, xs) else _map_rows
    return compute(function, xs, mesh, batch_size, num_rows, multiple)


def _map_rows(function, xs, mesh, batch_size, num_rows, multiple):
    def map_batches(xs):
        if batch_size == 1:
            return jax.lax.map(function, xs)  # loops inside `function` then end on their own
        batches = jax.tree.map(lambda x: x.reshape(-1, batch_size, *x.shape[1:]), xs)
        results = jax.lax.map(jax.vmap(function), batches)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), results)

    if mesh is not None:
        map_batches = jax.shard_map(
            map_batches,
            mesh=mesh,
            in_specs=PartitionSpec(AXIS),
            out_specs=PartitionSpec(AXIS),
            check_vma=False,  # else a scan inside `function` would have to know of the mesh
        )
    return _cut(map_batches(_pad(xs, num_rows, multiple)), num_rows)


_map_compiled = eqx.filter_jit(_map_rows)


def _num_rows(xs: PyTree) -> int:
    sizes = {leaf.shape[0] if leaf.shape else 0 for leaf in jax.tree.leaves(xs)}
    if len(sizes) != 1 or 0 in sizes:
        shapes = ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(xs)) or "no array"
        raise ValueError(f"xs must hold arrays with one common leading axis of rows, got {shapes}.")
    return sizes.pop()


def _pad(xs: PyTree, num_rows: int, multiple: int) -> PyTree:
    missing = -num_rows % multiple
    if not missing:
        return xs
    return jax.tree.map(
        lambda x: jnp.concatenate([x, jnp.broadcast_to(x[-1:], (missing, *x.shape[1:]))]), xs
    )


def _cut(xs: PyTree, num_rows: int) -> PyTree:
    return jax.tree.map(lambda x: x[:num_rows], xs)
