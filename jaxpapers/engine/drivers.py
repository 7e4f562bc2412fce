"""The two drivers of an algorithm: `run` on the host in chunks, `unroll` as one pure scan."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, Key, PyTree

from ..numerics.status import Status
from .algorithm import Algorithm
from .checkpoint import Checkpoint, Store
from .checks import check_array, check_count, check_key, is_concrete
from .fingerprint import fingerprint
from .precision import warn_if_truncated
from .progress import Progress, Reporter
from .steps import Position, Problem, begin, take_steps

DEFAULT_CHUNK_SIZE = 100


class RunResult(eqx.Module):
    """What a driver gives back.

    Attributes:
        state: the state after the last step that was kept; pass it to a driver as `state`, with
            ``first_step + num_steps``, to go on.
        info: info of each step, stacked along axis 0. `run` gives `num_steps` rows; `unroll` as
            many as were asked for, zeros where no step was taken.
        num_steps: number of steps taken by this call.
        status: ``Status.OK`` when all steps were taken, else why it stopped. After
            ``Status.NON_FINITE`` the offending step is discarded: state and info are as before it.

    Example:
        >>> import jax
        >>> from jaxpapers import engine
        >>> draws = engine.Replicates(
        ...     lambda key, model, data: model + jax.random.normal(key),
        ...     num_replicates=8,
        ...     batch_size=2,
        ... )
        >>> task = engine.ReplicateData(jax.random.key(0), None)
        >>> result = engine.run(task.key, draws, 5.0, task, num_steps=4)
        >>> print(
        ...     result.num_steps, result.state.values.shape, engine.Status(int(result.status)).name
        ... )
        4 (8,) CONVERGED
    """

    state: PyTree
    info: PyTree
    num_steps: Int32[Array, ""]
    status: Int32[Array, ""]


def run(
    key: Key[Array, ""],
    algorithm: Algorithm,
    model: PyTree,
    data: PyTree,
    *,
    num_steps: int,
    state: PyTree | None = None,
    first_step: int = 0,
    chunk_size: int | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> RunResult:
    """Runs an algorithm: a host loop over one compiled program of `chunk_size` steps.

    Progress, saving and stopping happen between chunks; none of them, nor the chunk size, changes
    a bit of the result. Step t uses ``fold_in(key, t)``, t counted from 0 over all calls. Arrays
    passed in stay valid.

    Args:
        key: random key.
        algorithm: the method.
        model: what is fitted or simulated.
        data: what it is fitted to.
        num_steps: largest number of steps to take in this call.
        state: state to start from; None means ``algorithm.init``.
        first_step: index of the first step; 0 unless `state` comes from an earlier call.
        chunk_size: steps in one compiled program; None means 100.
        progress: how to show how far it is; None means silence.
        checkpoint: where to save. If the directory holds this run already, it goes on from there
            (a larger `num_steps` extends it).
        compiler_options: options of XLA for the program, such as `loop_options`; None means none.
            They may change speed and last digits only.

    Returns:
        The result. See `RunResult`.

    Raises:
        TypeError: called under tracing (use `unroll`), an argument of another type, or a step that
            does not keep the layout of the state.
        ValueError: a count out of range, or a checkpoint of another run.

    Example:
        >>> import jax
        >>> from jaxpapers import engine
        >>> draws = engine.Replicates(
        ...     lambda key, model, data: model + jax.random.normal(key),
        ...     num_replicates=8,
        ...     batch_size=2,
        ... )
        >>> task = engine.ReplicateData(jax.random.key(0), None)
        >>> first = engine.run(task.key, draws, 5.0, task, num_steps=3)
        >>> rest = engine.run(
        ...     task.key, draws, 5.0, task, num_steps=9, state=first.state, first_step=3
        ... )
        >>> print(first.num_steps, rest.num_steps, rest.state.count)
        3 1 8
    """
    chunk_size = DEFAULT_CHUNK_SIZE if chunk_size is None else chunk_size
    check_count("chunk_size", chunk_size)
    _warn_if_truncated(model=model, data=data, state=state)
    problem = _make_problem(key, algorithm, model, data, num_steps, state, first_step)
    position = begin(problem, state)
    if not is_concrete(problem, position):
        raise TypeError("run is a host loop and cannot be traced; use unroll under jit and vmap.")
    run_chunk = _compiled_chunk(tuple(sorted((compiler_options or {}).items())))
    drive = functools.partial(_drive, run_chunk, problem, position, num_steps, chunk_size, progress)
    if checkpoint is None:
        return drive(None)
    layout = _layout(run_chunk, problem, position, chunk_size)
    store = Store(checkpoint, fingerprint(problem, state, layout), layout)
    try:
        return drive(store)
    finally:
        store.close()


def unroll(
    key: Key[Array, ""],
    algorithm: Algorithm,
    model: PyTree,
    data: PyTree,
    *,
    num_steps: int,
    state: PyTree | None = None,
    first_step: int | Int32[Array, ""] = 0,
) -> RunResult:
    """Runs an algorithm as one pure ``scan`` that can be jitted, vmapped, sharded, differentiated.

    On CPU the result is that of `run`, bit for bit.

    Args:
        key: random key.
        algorithm: the method.
        model: what is fitted or simulated.
        data: what it is fitted to.
        num_steps: largest number of steps to take; static.
        state: state to start from; None means ``algorithm.init``.
        first_step: index of the first step; 0 unless `state` comes from an earlier call.

    Returns:
        The result. See `RunResult`.

    Raises:
        TypeError: an argument of another type, or a step that does not keep the layout of the
            state.
        ValueError: a count out of range.
    """
    problem = _make_problem(key, algorithm, model, data, num_steps, state, first_step)
    limit = jnp.asarray(num_steps, jnp.int32)
    position, info = _unroll_steps(problem, limit, begin(problem, state), num_steps)
    return _result(position, info)


_unroll_steps = eqx.filter_jit(take_steps)


def _run_chunk(fixed: tuple[Problem, Int32[Array, ""], int], position: Position):
    problem, limit, chunk_size = fixed
    return take_steps(problem, limit, position, chunk_size)


@functools.cache
def _compiled_chunk(options: tuple[tuple[str, Any], ...]) -> Callable:
    """`_run_chunk` jitted with XLA's options, once for each set of them."""
    jit_options = {"compiler_options": dict(options)} if options else {}
    return eqx.filter_jit(_run_chunk, donate="all-except-first", **jit_options)


def _drive(
    run_chunk: Callable,
    problem: Problem,
    position: Position,
    num_steps: int,
    chunk_size: int,
    progress: Progress | None,
    store: Store | None,
) -> RunResult:
    """The host loop: compiled chunks, and between them everything that touches the world."""
    history: list[PyTree] = []
    if store is not None and not store.is_empty:
        position, info = store.restore(num_steps)
        history.append(info)
    taken, status = int(position.num_steps), int(position.status)
    reporter = Reporter(progress, num_steps, taken)
    while taken < num_steps and status == Status.RUNNING:
        stop = min(num_steps, taken + chunk_size)
        if store is not None:
            stop = min(stop, store.next_stop(num_steps))
        position, info = run_chunk(_fixed(problem, stop, chunk_size), position)
        done, status, info = jax.device_get((position.num_steps, position.status, info))
        history.append(jax.tree.map(lambda rows, count=done - taken: rows[:count], info))
        taken, status = int(done), int(status)
        if store is not None and store.is_due(taken):
            store.save(position, _stack(history), taken)
        reporter.update(taken)
    reporter.finish(taken, status)
    info = _stack(history)
    if store is not None:
        store.save(position, info, taken)
    return _result(position, jax.device_put(info))


def _fixed(problem: Problem, limit: int, chunk_size: int) -> tuple[Problem, Int32[Array, ""], int]:
    return problem, jnp.asarray(limit, jnp.int32), chunk_size


def _layout(
    run_chunk: Callable, problem: Problem, position: Position, chunk_size: int
) -> tuple[PyTree, PyTree]:
    """The state, and shapes and dtypes of the info of one step."""
    _, info = eqx.filter_eval_shape(run_chunk, _fixed(problem, 0, chunk_size), position)
    row = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), info)
    return position.state, row


def _stack(history: list[PyTree]) -> PyTree:
    """One tree of rows out of those of the chunks, on the host: joining compiles nothing."""
    return jax.tree.map(lambda *rows: np.concatenate(rows), *history)


def _result(position: Position, info: PyTree) -> RunResult:
    status = jnp.where(position.status == Status.RUNNING, Status.OK, position.status)
    return RunResult(position.state, info, position.num_steps, status.astype(jnp.int32))


def _make_problem(
    key: Any,
    algorithm: Any,
    model: PyTree,
    data: PyTree,
    num_steps: Any,
    state: PyTree | None,
    first_step: Any,
) -> Problem:
    check_key(key)
    check_count("num_steps", num_steps)
    check_array("first_step", first_step, (), kind="integer")
    if not isinstance(algorithm, Algorithm):
        raise TypeError(f"algorithm must be an engine.Algorithm, got {type(algorithm).__name__}.")
    if state is None and not (isinstance(first_step, int | np.integer) and first_step == 0):
        raise ValueError("first_step needs the state that the step before it left; give state.")
    problem = Problem(key, algorithm, model, data, jnp.asarray(first_step, jnp.int32))
    return jax.tree.map(_on_device, problem)


def _on_device(leaf: Any) -> Any:
    """A NumPy array as a JAX array, so that it moves to the device once and not with each chunk."""
    return jax.device_put(leaf) if isinstance(leaf, np.ndarray | np.generic) else leaf


def _warn_if_truncated(**trees: PyTree) -> None:
    for name, tree in trees.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            warn_if_truncated(name + jax.tree_util.keystr(path), leaf)
