"""Saving a run between chunks, and taking it up again."""

import contextlib
import dataclasses
import logging
import os
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .checks import check_count
from .extras import require_extra
from .steps import Position

_KEPT_SAVES = 2


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Asks `run` to save itself, and to take up again what it finds saved.

    Saves happen between chunks and at the end, through orbax-checkpoint (extra ``ckpt``); the last
    two are kept. A save that was cut short is ignored. A directory belongs to one run: the same
    key, algorithm, model and data. Code is not part of that comparison, so delete the directory
    after changing what a function computes.

    Attributes:
        directory: where to save; made if missing.
        every_steps: number of steps from save to save; None for no such rule.
        every_seconds: seconds from save to save; None for no such rule. With both rules the
            earlier one counts, with none only the end is saved.

    Raises:
        TypeError: `every_steps` is not an int.
        ValueError: a rule is not positive.
    """

    directory: str | os.PathLike[str]
    every_steps: int | None = None
    every_seconds: float | None = 30.0

    def __post_init__(self):
        """Checks the rules."""
        if self.every_steps is not None:
            check_count("every_steps", self.every_steps)
        if self.every_seconds is not None and not self.every_seconds > 0:
            raise ValueError(f"every_seconds must be positive, got {self.every_seconds}.")


class Store:
    """The saves of one run.

    Args:
        settings: where and when to save.
        fingerprint: hashes of the parts of the run.
        layout: a state, and shapes and dtypes of the info of one step.
    """

    def __init__(
        self, settings: Checkpoint, fingerprint: dict[str, str], layout: tuple[PyTree, PyTree]
    ):
        self._orbax = require_extra("orbax.checkpoint", "ckpt")
        self._settings = settings
        self._fingerprint = fingerprint
        self._state, self._row = layout
        self._directory = Path(settings.directory).absolute()
        self._saved_steps: int | None = None
        self._saved_time = time.monotonic()
        options = self._orbax.CheckpointManagerOptions(
            max_to_keep=_KEPT_SAVES,
            enable_async_checkpointing=False,
            cleanup_tmp_directories=True,
            create=True,
        )
        with _quiet():
            self._manager = self._orbax.CheckpointManager(self._directory, options=options)

    @property
    def is_empty(self) -> bool:
        """True if nothing has been saved."""
        return self._manager.latest_step() is None

    def restore(self, num_steps: int) -> tuple[Position, PyTree]:
        """The last save.

        Args:
            num_steps: number of steps asked for.

        Returns:
            The saved position, and info of all steps so far as NumPy arrays.

        Raises:
            ValueError: the save is of another run, or of a longer one.
        """
        step = self._manager.latest_step()
        args = self._orbax.args
        with _quiet():
            header = self._manager.restore(step, args=args.Composite(run=args.JsonRestore())).run
            self._check_same_run(header, num_steps)
            items = self._manager.restore(
                step, args=args.Composite(arrays=args.StandardRestore())
            ).arrays
        self._saved_steps = taken = header["num_steps"]
        empty = jax.tree.map(lambda leaf: np.zeros((taken, *leaf.shape), leaf.dtype), self._row)
        state = jax.tree.map(_placed_like, _unpack("state", self._state, items), self._state)
        status, steps = (jnp.asarray(header[n], jnp.int32) for n in ("status", "num_steps"))
        return Position(state, status, steps), _unpack("info", empty, items)

    def next_stop(self, num_steps: int) -> int:
        """Number of steps at which the rule on steps asks for the next save; else `num_steps`."""
        every = self._settings.every_steps
        return num_steps if every is None else (self._saved_steps or 0) + every

    def is_due(self, taken: int) -> bool:
        """True if a rule asks for a save after `taken` steps."""
        steps, seconds = self._settings.every_steps, self._settings.every_seconds
        waited = time.monotonic() - self._saved_time
        return (steps is not None and taken >= (self._saved_steps or 0) + steps) or (
            seconds is not None and waited >= seconds
        )

    def save(self, position: Position, info: PyTree, taken: int) -> None:
        """Saves, unless this number of steps is saved already."""
        if taken == self._saved_steps:
            return
        args = self._orbax.args
        header = {
            "fingerprint": self._fingerprint,
            "num_steps": taken,
            "status": int(position.status),
        }
        arrays = _pack("state", position.state) | _pack("info", info)
        with _quiet():
            self._manager.save(
                taken,
                args=args.Composite(run=args.JsonSave(header), arrays=args.StandardSave(arrays)),
            )
        self._saved_steps, self._saved_time = taken, time.monotonic()

    def close(self) -> None:
        """Lets go of the directory."""
        with _quiet():
            self._manager.close()

    def _check_same_run(self, header: dict[str, Any], num_steps: int) -> None:
        saved = header["fingerprint"]
        differing = [name for name, part in self._fingerprint.items() if saved.get(name) != part]
        if differing:
            raise ValueError(
                f"checkpoint directory {self._directory} holds another run: "
                f"{', '.join(differing)} differ{'s' if len(differing) == 1 else ''}. "
                "Give this run a directory of its own, or delete that one to start afresh."
            )
        if header["num_steps"] > num_steps:
            raise ValueError(
                f"checkpoint directory {self._directory} holds {header['num_steps']} steps of this "
                f"run, and num_steps={num_steps} asks for fewer. Ask for at least as many, or "
                "delete the directory to start afresh."
            )


def _pack(prefix: str, tree: PyTree) -> dict[str, np.ndarray]:
    """Leaves as NumPy arrays, so that float64 is kept whatever the precision at restoring.

    Empty arrays, which orbax refuses, are left out.
    """
    leaves = map(np.asarray, jax.tree.leaves(tree))
    return {f"{prefix}_{index}": leaf for index, leaf in enumerate(leaves) if leaf.size}


def _unpack(prefix: str, like: PyTree, items: dict[str, np.ndarray]) -> PyTree:
    leaves, structure = jax.tree.flatten(like)
    found = [items[f"{prefix}_{index}"] if leaf.size else leaf for index, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, found)


def _placed_like(leaf: np.ndarray, like: Array) -> Array:
    """A copy of `leaf`, on the devices of `like` if these are several."""
    several = len(like.sharding.device_set) > 1
    return jax.device_put(leaf, like.sharding) if several else jnp.array(leaf)


@contextlib.contextmanager
def _quiet():
    """Keeps orbax from logging what is none of the user's business."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
