"""The one loop: a compiled scan over steps, shared by `run` and `unroll`."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, Key, PyTree

from ..numerics.status import Status
from ..numerics.varying import vary, varying_axes
from .algorithm import Algorithm

INIT_INDEX = np.uint32(0xFFFFFFFF)  # no step reaches it, so `init` shares its draws with none


class Problem(eqx.Module):
    """What stays the same from step to step."""

    key: Key[Array, ""]
    algorithm: Algorithm
    model: PyTree
    data: PyTree
    first_step: Int32[Array, ""]


class Position(eqx.Module):
    """Where a run stands: the state, why it stopped, and the steps it has taken."""

    state: PyTree
    status: Int32[Array, ""]
    num_steps: Int32[Array, ""]


@eqx.filter_jit
def begin(problem: Problem, state: PyTree | None) -> Position:
    """Position before the first step, in buffers of its own that may be donated."""
    if state is None:
        key = jax.random.fold_in(problem.key, INIT_INDEX)
        state = problem.algorithm.init(key, problem.model, problem.data)
    return Position(
        state=jax.tree.map(jnp.copy, as_arrays("state", state)),
        status=jnp.asarray(Status.RUNNING, jnp.int32),
        num_steps=jnp.asarray(0, jnp.int32),
    )


def take_steps(
    problem: Problem, limit: Int32[Array, ""], position: Position, num_slots: int
) -> tuple[Position, PyTree]:
    """Takes steps until `limit` are taken, the status says stop, or the slots are used up.

    The step is a branch of a `cond`, so that XLA compiles it apart from the loop around it: its
    bits do not depend on the number of slots.

    Args:
        problem: what stays the same.
        limit: largest `Position.num_steps`.
        position: where to start.
        num_slots: static length of the scan.

    Returns:
        The new position, and the info of each step in the first rows; the rest are zeros.
    """
    axes = varying_axes((problem, position))
    # All that the branches read, too: under vmap JAX cannot type what they would vary themselves.
    problem, position = vary((problem, position), axes)
    take = eqx.filter_closure_convert(functools.partial(_take_step, problem, axes), position)
    _, info = jax.eval_shape(take, position)
    no_info = vary(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), info), axes)

    def slot(position, _):
        active = (position.num_steps < limit) & (position.status == Status.RUNNING)
        return jax.lax.cond(active, lambda here: take(here), lambda here: (here, no_info), position)

    return jax.lax.scan(slot, position, None, length=num_slots)


def _take_step(
    problem: Problem, axes: frozenset[str], position: Position
) -> tuple[Position, PyTree]:
    algorithm = problem.algorithm
    key = jax.random.fold_in(problem.key, problem.first_step + position.num_steps)
    state, info = algorithm.step(key, problem.model, problem.data, position.state)
    state, info = as_arrays("state", state), as_arrays("info", info)
    _check_layout(algorithm, position.state, state)
    status = jnp.asarray(algorithm.status(state, info), jnp.int32)
    if status.shape:
        raise TypeError(f"{_name(algorithm)}.status must be a scalar, got shape {status.shape}.")
    discard = status == Status.NON_FINITE
    state = jax.tree.map(lambda old, new: jnp.where(discard, old, new), position.state, state)
    info = jax.tree.map(lambda leaf: jnp.where(discard, jnp.zeros_like(leaf), leaf), info)
    num_steps = position.num_steps + jnp.where(discard, 0, 1).astype(jnp.int32)
    return vary((Position(state, status, num_steps), info), axes)


def as_arrays(name: str, tree: PyTree) -> PyTree:
    """The same tree with JAX arrays of explicit dtype as leaves; a TypeError for other leaves."""
    return jax.tree_util.tree_map_with_path(functools.partial(_as_array, name), tree)


def _as_array(name: str, path: tuple, leaf: Any) -> Array:
    where = name + jax.tree_util.keystr(path)
    if not eqx.is_array_like(leaf):
        raise TypeError(f"{where} must be an array, got {type(leaf).__name__} {leaf!r:.60}.")
    dtype = jnp.result_type(leaf)
    if jnp.issubdtype(dtype, jax.dtypes.extended):
        raise TypeError(
            f"{where} is a random key. Keep keys out of it: each step is given its own key."
        )
    return jnp.asarray(leaf, dtype)


def _check_layout(algorithm: Algorithm, old: PyTree, new: PyTree) -> None:
    """Raises unless a step kept structure, shapes and dtypes of the state."""
    before, after = jax.tree.structure(old), jax.tree.structure(new)
    if before != after:
        raise TypeError(
            f"{_name(algorithm)}.step changed the structure of the state from {before} to {after}; "
            "it must stay the same."
        )
    for (path, was), now in zip(
        jax.tree_util.tree_leaves_with_path(old), jax.tree.leaves(new), strict=True
    ):
        if (was.shape, was.dtype) != (now.shape, now.dtype):
            raise TypeError(
                f"{_name(algorithm)}.step changed state{jax.tree_util.keystr(path)} from "
                f"{was.dtype}{list(was.shape)} to {now.dtype}{list(now.shape)}; "
                "shape and dtype must stay the same."
            )


def _name(algorithm: Algorithm) -> str:
    return type(algorithm).__name__
