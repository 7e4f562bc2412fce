"""What a run is made of, in a few hashes: a checkpoint is only continued by the same run."""

import hashlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .steps import Problem

LAYOUT_VERSION = 1  # raise it when the meaning of a saved state changes

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def fingerprint(problem: Problem, state: PyTree | None, layout: PyTree) -> dict[str, str]:
    """Hashes of the parts that fix the result of a run.

    Functions and static fields count by their printed form, without memory addresses: two
    functions of one name are taken for the same.

    Args:
        problem: what stays the same from step to step.
        state: the state that the caller gave to start from, or None.
        layout: state and info of one step: arrays, or their shapes and dtypes.

    Returns:
        For each part of the run, named as in `run`, a SHA-256 in hexadecimal digits.
    """
    layout = jax.tree.map(lambda leaf: f"{leaf.dtype}{leaf.shape}", layout)
    parts = {
        "key": problem.key,
        "algorithm": problem.algorithm,
        "model": problem.model,
        "data": problem.data,
        "starting state": state,
        "first_step": problem.first_step,
        "layout of state and info": (LAYOUT_VERSION, layout),
    }
    return {name: _digest(tree) for name, tree in parts.items()}


def _digest(tree: PyTree) -> str:
    leaves, structure = jax.tree.flatten(tree)
    digest = hashlib.sha256(_printed(structure))
    for leaf in leaves:
        for part in _leaf_bytes(leaf):
            digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _leaf_bytes(leaf: Any) -> tuple[bytes, ...]:
    """Printed form of a leaf's type, and its bytes."""
    if not isinstance(leaf, jax.Array | np.ndarray):
        return (_printed(leaf),)
    kind = f"{leaf.dtype}{leaf.shape}".encode()
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return kind, np.ascontiguousarray(leaf).tobytes()


def _printed(value: Any) -> bytes:
    return _ADDRESS.sub("", repr(value)).encode()
