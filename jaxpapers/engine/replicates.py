"""Monte Carlo over replicates, as an algorithm whose step is one batch."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int32, Key, PyTree

from ..numerics.status import Status
from .algorithm import Algorithm
from .batching import batched_map, mesh_size, sharded_map
from .checkpoint import Checkpoint
from .checks import check_count, check_key, is_concrete
from .drivers import RunResult, run, unroll
from .progress import Progress
from .steps import as_arrays

ROWS_PER_CHUNK = 50
Replicate = Callable[..., PyTree]


class ReplicateData(eqx.Module):
    """Data of a Monte Carlo run.

    Attributes:
        key: replicate r draws from ``fold_in(key, r)``.
        data: passed to every replicate as it is.
        each: arrays with a leading axis of replicates, of which each is passed its row after
            `data`; None for none.
    """

    key: Key[Array, ""]
    data: PyTree
    each: PyTree = None


class ReplicateState(eqx.Module):
    """What has been computed so far.

    Attributes:
        values: results by replicate along axis 0; rows from `count` on are zeros. There are whole
            batches of rows: those past the number of replicates repeat the last one.
        count: number of rows computed.
    """

    values: PyTree
    count: Int32[Array, ""]


class Replicates(Algorithm):
    """Monte Carlo over replicates: one step computes one batch (with a mesh, one per device).

    The draws of a replicate depend on its index alone: neither on the batch size, nor on the
    number of devices, nor on how many replicates there are. Every batch has the same shape. A
    replicate that is NaN stops nothing: it is the caller's to judge.

    Attributes:
        function: ``(key, model, data) -> pytree of arrays``; a module with arrays in it is traced,
            a plain function is static and must not close over arrays that change.
        num_replicates: how many.
        batch_size: how many at once on one device.
        mesh: devices to spread them over; None means no sharding.
        in_lockstep: whether those of a batch are computed side by side, or one after another.

    Raises:
        TypeError: a count that is not an int.
        ValueError: a count < 1, or a mesh without the axis ``replicate``.
    """

    function: Replicate
    num_replicates: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    mesh: Mesh | None = eqx.field(static=True, default=None)
    in_lockstep: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        """Checks the counts and the mesh."""
        check_count("num_replicates", self.num_replicates)
        check_count("batch_size", self.batch_size)
        mesh_size(self.mesh)

    @property
    def rows_per_step(self) -> int:
        """Number of replicates in one step."""
        return self.batch_size * mesh_size(self.mesh)

    @property
    def num_steps(self) -> int:
        """Number of steps that all replicates take."""
        return -(-self.num_replicates // self.rows_per_step)

    def init(self, key: Key[Array, ""], model: PyTree, data: ReplicateData) -> ReplicateState:
        """Zeros of the right shape."""
        del key
        one = jax.eval_shape(lambda: self.one(model, data, jnp.asarray(0, jnp.int32)))
        num_rows = self.num_steps * self.rows_per_step
        values = jax.tree.map(lambda x: jnp.zeros((num_rows, *x.shape), x.dtype), one)
        return ReplicateState(self._on_all_devices(values), jnp.asarray(0, jnp.int32))

    def step(
        self, key: Key[Array, ""], model: PyTree, data: ReplicateData, state: ReplicateState
    ) -> tuple[ReplicateState, tuple[()]]:
        """Computes the next batch. The keys come from `data`, not from the step."""
        del key
        batch = self.batch(model, data, state.count)
        values = jax.tree.map(
            lambda all_rows, new: jax.lax.dynamic_update_slice_in_dim(
                all_rows, new, state.count, axis=0
            ),
            state.values,
            self._on_all_devices(batch),
        )
        return ReplicateState(values, state.count + self.rows_per_step), ()

    def batch(self, model: PyTree, data: ReplicateData, first: Int32[Array, ""]) -> PyTree:
        """Results of the `rows_per_step` replicates from `first` on.

        Args:
            model: passed to every replicate.
            data: passed to every replicate.
            first: index of the first of them.

        Returns:
            The results by replicate along axis 0; rows past the last replicate repeat it.
        """
        rows = jnp.arange(self.rows_per_step, dtype=jnp.int32) + first
        index = jnp.minimum(rows, self.num_replicates - 1)
        return self._map(lambda r: self.one(model, data, r), index)

    def one(self, model: PyTree, data: ReplicateData, index: Int32[Array, ""]) -> PyTree:
        """Result of the replicate of an index.

        Args:
            model: passed to it.
            data: passed to it.
            index: its index.

        Returns:
            What `function` returns, as arrays.
        """
        key = jax.random.fold_in(data.key, index)
        own = () if data.each is None else (jax.tree.map(lambda x: x[index], data.each),)
        return as_arrays("the result of function", self.function(key, model, data.data, *own))

    def status(self, state: ReplicateState, info: tuple[()]) -> Int32[Array, ""]:
        """RUNNING until every replicate is done, then CONVERGED."""
        done = state.count >= self.num_replicates
        return jnp.where(done, Status.CONVERGED, Status.RUNNING).astype(jnp.int32)

    def _map(self, function: Callable, xs: PyTree) -> PyTree:
        batch_size = self.batch_size if self.in_lockstep else 1
        if self.mesh is None:
            return batched_map(function, xs, batch_size=batch_size)
        return sharded_map(function, xs, mesh=self.mesh, batch_size=batch_size)

    def _on_all_devices(self, tree: PyTree) -> PyTree:
        """Copies of a tree on all devices, so that every chunk of a run sees one layout."""
        if self.mesh is None:
            return tree
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, PartitionSpec()))


def replicate(
    key: Key[Array, ""],
    function: Replicate,
    model: PyTree,
    data: PyTree,
    *,
    num_replicates: int,
    batch_size: int,
    mesh: Mesh | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> PyTree:
    """Computes a function once per replicate, each with a key of its own.

    Concrete arguments are driven by `run`, one compiled batch at a time (several, where they are
    small and nobody watches); under tracing it is one pure scan. Compiles once for given shapes,
    function and counts.

    Args:
        key: random key; replicate r gets ``fold_in(key, r)``.
        function: ``(key, model, data) -> pytree of arrays``. See `Replicates`.
        model: passed to every replicate.
        data: passed to every replicate.
        num_replicates: how many.
        batch_size: how many at once on one device; memory grows with it.
        mesh: devices to spread them over. See `replicate_mesh`.
        progress: how to show how far it is (in batches); not under tracing.
        checkpoint: where to save; not under tracing.

    Returns:
        What `function` returns, stacked along a leading axis of `num_replicates`.

    Raises:
        TypeError: an argument of another type, or progress or checkpoint under tracing.
        ValueError: a count < 1, a mesh without the axis, or a checkpoint of another run.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import engine
        >>> def mean_of_sample(key, model, data):
        ...     return jax.random.choice(key, data, data.shape).mean()
        >>> sample = jnp.arange(10.0)
        >>> means = engine.replicate(
        ...     jax.random.key(0),
        ...     mean_of_sample,
        ...     None,
        ...     sample,
        ...     num_replicates=1_000,
        ...     batch_size=100,
        ... )
        >>> print(means.shape, means.mean())
        (1000,) 4.4923
    """
    check_key(key)
    algorithm = Replicates(function, num_replicates, batch_size, mesh)
    task = ReplicateData(key, data)
    rows_per_step, num_steps = algorithm.rows_per_step, algorithm.num_steps
    drive = driver_of(task, model, function, rows_per_step, progress, checkpoint)
    values = drive(key, algorithm, model, task, num_steps=num_steps).state.values
    return jax.tree.map(lambda rows: rows[:num_replicates], values)


def driver_of(
    task: ReplicateData,
    model: PyTree,
    function: Replicate,
    rows_per_step: int,
    progress: Progress | None,
    checkpoint: Checkpoint | None,
    compiler_options: Mapping[str, Any] | None = None,
) -> Callable[..., RunResult]:
    """The driver of a Monte Carlo run: `run` where all is concrete, `unroll` under tracing.

    Args:
        task: key and data.
        model: passed to every replicate.
        function: what is computed.
        rows_per_step: replicates in one step; small ones share a compiled chunk.
        progress: how to show how far it is.
        checkpoint: where to save.
        compiler_options: options of XLA for `run`.

    Returns:
        `run` with its settings, or `unroll`.

    Raises:
        TypeError: progress or checkpoint under tracing.
    """
    probe = jax.random.key_data(task.key)  # traced inside jit, even where all else is constant
    is_watched = progress is not None or checkpoint is not None
    if is_concrete(probe, function, model, task.data, task.each):
        return functools.partial(
            run,
            chunk_size=1 if is_watched else max(1, ROWS_PER_CHUNK // rows_per_step),
            progress=progress,
            checkpoint=checkpoint,
            compiler_options=compiler_options,
        )
    if is_watched:
        raise TypeError("replicates show progress and save themselves only outside jit and vmap.")
    return unroll
