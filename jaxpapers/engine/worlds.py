"""Many worlds of a simulation: each one pure loop, side by side or one after another."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Int32, Key, PyTree

from ..numerics.status import Status
from .algorithm import Algorithm
from .checkpoint import Checkpoint
from .checks import check_key
from .progress import Progress
from .replicates import Replicate, ReplicateData, Replicates, driver_of


class Moments(eqx.Module):
    """Mean and variance over worlds of all that a world reports.

    Attributes:
        mean: over worlds, in the layout of a world's report, as floats.
        variance: of one world around the mean, divisor ``num_worlds - 1``; 0 for one world.
        num_worlds: how many worlds.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import engine
        >>> moments = engine.Moments(jnp.array(1.0), jnp.array(4.0), jnp.array(100))
        >>> print(moments.standard_error)
        0.2
    """

    mean: PyTree
    variance: PyTree
    num_worlds: Int32[Array, ""]

    @property
    def standard_error(self) -> PyTree:
        """Standard error of the mean; `num_worlds` may have axes in front, of a batch."""
        count = jnp.asarray(self.num_worlds)

        def error(variance):
            return jnp.sqrt(
                variance / count.reshape(count.shape + (1,) * (variance.ndim - count.ndim))
            )

        return jax.tree.map(error, self.variance)


class AverageState(eqx.Module):
    """What is known of the worlds so far.

    Attributes:
        mean: over worlds.
        squares: sums of squared deviations from the mean.
        count: number of worlds.
    """

    mean: PyTree
    squares: PyTree
    count: Int32[Array, ""]


class Average(Algorithm):
    """Moments of worlds without keeping them: one step computes one batch and forgets it.

    Attributes:
        worlds: how they are computed.
    """

    worlds: Replicates

    def init(self, key: Key[Array, ""], model: PyTree, data: ReplicateData) -> AverageState:
        """Zeros of the right shape."""
        del key
        one = jax.eval_shape(lambda: self.worlds.one(model, data, jnp.asarray(0, jnp.int32)))
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, _float_of(x.dtype)), one)
        return AverageState(zeros, zeros, jnp.asarray(0, jnp.int32))

    def step(
        self, key: Key[Array, ""], model: PyTree, data: ReplicateData, state: AverageState
    ) -> tuple[AverageState, tuple[()]]:
        """Merges the moments of the next batch. The keys come from `data`, not from the step."""
        del key
        rows = self.worlds.batch(model, data, state.count)
        size = self.worlds.batch_size
        for first in range(0, self.worlds.rows_per_step, size):
            # Device by device, so that their number does not change the order of sums.
            state = self._merge(state, jax.tree.map(lambda x, k=first: x[k : k + size], rows))
        return state, ()

    def _merge(self, state: AverageState, batch: PyTree) -> AverageState:
        """Moments with a batch more; rows past the last world do not count."""
        left = self.worlds.num_replicates - state.count
        rows = jnp.clip(left, 0, self.worlds.batch_size).astype(jnp.int32)
        mean = jax.tree.map(lambda x: _mean_of(x, rows), batch)
        squares = jax.tree.map(lambda x, m: _squares_of(x, m, rows), batch, mean)
        total = state.count + rows
        share = rows.astype(float) / total.astype(float)
        weight = share * state.count.astype(float)
        gap = jax.tree.map(lambda new, old: new - old, mean, state.mean)
        return AverageState(
            jax.tree.map(lambda old, g: old + g * share.astype(g.dtype), state.mean, gap),
            jax.tree.map(
                lambda a, b, g: a + b + g * g * weight.astype(g.dtype), state.squares, squares, gap
            ),
            total.astype(jnp.int32),
        )

    def status(self, state: AverageState, info: tuple[()]) -> Int32[Array, ""]:
        """RUNNING until every world is done, then CONVERGED."""
        done = state.count >= self.worlds.num_replicates
        return jnp.where(done, Status.CONVERGED, Status.RUNNING).astype(jnp.int32)


def simulate(
    key: Key[Array, ""],
    world: Replicate,
    model: PyTree,
    data: PyTree,
    *,
    num_worlds: int,
    batch_size: int,
    mesh: Mesh | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    each: PyTree = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> PyTree:
    """Computes worlds that are one pure loop each, and keeps what each reports.

    On a CPU they run one after another, so that XLA folds a world's loop into one native kernel
    and a world that ends early costs nothing more; on other platforms the worlds of a batch run in
    lock-step. Draws are the same: integers agree, floats up to rounding.

    Args:
        key: random key; world w gets ``fold_in(key, w)``.
        world: ``(key, model, data) -> pytree of arrays``. See `Replicates`.
        model: passed to every world.
        data: passed to every world.
        num_worlds: how many.
        batch_size: how many between two looks at progress and checkpoint, on one device; memory
            grows with it where they run in lock-step.
        mesh: devices to spread them over. See `replicate_mesh`.
        progress: how to show how far it is (in batches); not under tracing.
        checkpoint: where to save; not under tracing.
        each: arrays with a leading axis of worlds; a world is passed its row as a fourth argument.
        compiler_options: options of XLA, such as `loop_options`; None means none. Not used under
            tracing.

    Returns:
        What `world` returns, stacked along a leading axis of `num_worlds`.

    Raises:
        TypeError: an argument of another type, or progress or checkpoint under tracing.
        ValueError: a count < 1, a mesh without the axis, a checkpoint of another run, or `each`
            without one row per world.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import engine
        >>> def first_passage(key, drift, height):
        ...     walk = drift + jax.random.normal(key, (100,))
        ...     return jnp.argmax(jnp.cumsum(walk) > height)
        >>> times = engine.simulate(
        ...     jax.random.key(0), first_passage, 0.5, 5.0, num_worlds=1_000, batch_size=250
        ... )
        >>> print(times.shape, times.dtype)
        (1000,) int32
    """
    algorithm = Replicates(world, num_worlds, batch_size, mesh, _lockstep_is_faster())
    for leaf in jax.tree.leaves(each):
        if jnp.shape(leaf)[:1] != (num_worlds,):
            raise ValueError(
                f"each must have one row per world, {num_worlds}; got shape {jnp.shape(leaf)}."
            )
    task, options = ReplicateData(key, data, each), compiler_options
    state = _drive(task, algorithm, algorithm, model, progress, checkpoint, options)
    return jax.tree.map(lambda rows: rows[:num_worlds], state.values)


def average(
    key: Key[Array, ""],
    world: Replicate,
    model: PyTree,
    data: PyTree,
    *,
    num_worlds: int,
    batch_size: int,
    mesh: Mesh | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Moments:
    """As `simulate`, but keeps mean and variance over worlds alone: memory of one batch.

    Args:
        key: as `simulate`.
        world: as `simulate`.
        model: as `simulate`.
        data: as `simulate`.
        num_worlds: as `simulate`.
        batch_size: as `simulate`; sums are taken batch by batch, so it may change last digits.
        mesh: as `simulate`.
        progress: as `simulate`.
        checkpoint: as `simulate`.

    Returns:
        The moments. In float32 the mean carries a relative error of about 1e-6.

    Raises:
        TypeError: as `simulate`.
        ValueError: as `simulate`.

    Example:
        >>> import jax
        >>> from jaxpapers import engine
        >>> moments = engine.average(
        ...     jax.random.key(0),
        ...     lambda key, model, data: jax.random.normal(key, (2,)) + model,
        ...     3.0,
        ...     None,
        ...     num_worlds=10_000,
        ...     batch_size=1_000,
        ... )
        >>> print(moments.mean.round(1), moments.standard_error.round(3))
        [3. 3.] [0.01 0.01]
    """
    worlds = Replicates(world, num_worlds, batch_size, mesh, _lockstep_is_faster())
    task = ReplicateData(key, data)
    state = _drive(task, Average(worlds), worlds, model, progress, checkpoint)
    variance = jax.tree.map(lambda x: x / max(1, num_worlds - 1), state.squares)
    return Moments(state.mean, variance, state.count)


def _drive(task, algorithm, worlds, model, progress, checkpoint, options=None):
    check_key(task.key)
    rows = worlds.rows_per_step
    drive = driver_of(task, model, worlds.function, rows, progress, checkpoint, options)
    return drive(task.key, algorithm, model, task, num_steps=worlds.num_steps).state


def _lockstep_is_faster() -> bool:
    return jax.default_backend() != "cpu"


def _mean_of(values: Array, num_rows: Int32[Array, ""]) -> Array:
    """Mean of the first rows."""
    values = values.astype(_float_of(values.dtype))
    count = jnp.maximum(num_rows, 1).astype(values.dtype)
    return jnp.where(_counted(values, num_rows), values, 0).sum(axis=0) / count


def _squares_of(values: Array, mean: Array, num_rows: Int32[Array, ""]) -> Array:
    """Sum of squared deviations of the first rows from their mean."""
    deviations = values.astype(mean.dtype) - mean[None]
    return jnp.where(_counted(values, num_rows), deviations**2, 0).sum(axis=0)


def _counted(values: Array, num_rows: Int32[Array, ""]) -> Array:
    index = jnp.arange(values.shape[0], dtype=jnp.int32)
    return index.reshape(-1, *[1] * (values.ndim - 1)) < num_rows


def _float_of(dtype):
    return jnp.promote_types(dtype, jnp.float32) if jnp.issubdtype(dtype, jnp.inexact) else float
