"""Comparing settings: two of them world by world, or a whole grid."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray, PyTree

from .. import engine
from .model import Game
from .populations import Policies
from .simulate import BATCH_SIZE, Report, World, fitting_batch, make_world, replicate

Setting = tuple[Game, Policies]


class Sweep(eqx.Module):
    """Moments over worlds at each point of a grid.

    Attributes:
        axes: values of each axis by name, in the order of the axes of `moments`; static.
        moments: over worlds, every array with one leading axis per axis of the grid.
    """

    axes: dict[str, tuple[Any, ...]] = eqx.field(static=True)
    moments: engine.Moments

    @property
    def mean(self) -> PyTree:
        """Mean over worlds, with the axes of the grid in front."""
        return self.moments.mean

    @property
    def standard_error(self) -> PyTree:
        """Standard error of the mean, with the axes of the grid in front."""
        return self.moments.standard_error


class _Difference(eqx.Module):
    """What two settings report in a world, the second less the first."""

    first: World
    second: World

    def __call__(self, key, model, data):
        """The difference, from the same draws."""
        reports = [
            world(key, *setting)
            for world, setting in zip((self.first, self.second), data, strict=True)
        ]
        return jax.tree.map(_less, reports[1], reports[0])


def contrast(
    key: PRNGKeyArray,
    baseline: Setting,
    treated: Setting,
    *,
    num_rounds: int,
    num_worlds: int,
    batch_size: int = BATCH_SIZE,
    report: Report | None = None,
    mesh: Mesh | None = None,
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> engine.Moments:
    """Difference between two settings, world by world from the same draws.

    Common random numbers: both play in world w with the same key, so that the standard error is
    that of the difference and not of two independent means.

    Args:
        key: a typed key; world w draws from `fold_in(key, w)`.
        baseline: game and policies.
        treated: game and policies.
        num_rounds: how many rounds each.
        num_worlds: how many worlds.
        batch_size: as `replicate`.
        report: as `replicate`; both settings must report the same shapes.
        mesh: as `replicate`.
        progress: as `replicate`.
        checkpoint: as `replicate`.

    Returns:
        Moments over worlds of treated less baseline.

    Raises:
        TypeError: as `replicate`.
        ValueError: as `replicate`.

    Example:
        >>> import jax
        >>> from jaxpapers import games
        >>> game = games.BeautyContest()
        >>> gap = games.contrast(
        ...     jax.random.key(0),
        ...     (game, games.baseline_talk()),
        ...     (game, games.cooperative_talk()),
        ...     num_rounds=4,
        ...     num_worlds=500,
        ... )
        >>> print(gap.mean["variance"].round(), gap.standard_error["variance"].round(1))
        [  0. -54. -20.  -7.] [0.  1.1 0.7 0.5]
    """
    made = [make_world(key, *setting, num_rounds, report) for setting in (baseline, treated)]
    settings = tuple(
        (game, players) for (game, _), (_, players) in zip((baseline, treated), made, strict=True)
    )
    return engine.average(
        key,
        _Difference(made[0][0], made[1][0]),
        None,
        settings,
        num_worlds=num_worlds,
        batch_size=fitting_batch(batch_size, num_worlds),
        mesh=mesh,
        progress=progress,
        checkpoint=checkpoint,
    )


def sweep(
    key: PRNGKeyArray,
    build: Callable[..., Setting],
    axes: Mapping[str, Sequence[Any]],
    *,
    num_rounds: int,
    num_worlds: int,
    batch_size: int = BATCH_SIZE,
    report: Report | None = None,
    mesh: Mesh | None = None,
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> Sweep:
    """Many worlds at every point of a grid of parameters.

    Points whose games and policies differ in numbers alone share one compiled program, and all
    points share the draws of their worlds.

    Args:
        key: a typed key; at every point world w draws from `fold_in(key, w)`.
        build: takes one value of each axis by name, gives game and policies.
        axes: values by name.
        num_rounds: how many rounds each.
        num_worlds: how many worlds at each point.
        batch_size: as `replicate`.
        report: as `replicate`.
        mesh: as `replicate`.
        progress: shown for every point.
        checkpoint: where it saves itself: one directory per point inside the one given.

    Returns:
        The moments on the grid; `frames.to_dataset` labels them.

    Raises:
        TypeError: as `replicate`, or `build` does not give game and policies.
        ValueError: as `replicate`, or no axis, or one without values.

    Example:
        >>> import jax
        >>> from jaxpapers import games
        >>> def build(noise):
        ...     return games.BeautyContest(), games.MedianTalk(noise=noise)
        >>> grid = games.sweep(
        ...     jax.random.key(0), build, {"noise": [1.0, 3.0]}, num_rounds=4, num_worlds=100
        ... )
        >>> print(grid.mean["variance"].shape)
        (2, 4)
    """
    values = {name: tuple(points) for name, points in axes.items()}
    if not values or not all(values.values()):
        raise ValueError(f"axes must hold one or more values by name, got {dict(axes)!r}.")
    found = []
    for index, point in enumerate(itertools.product(*values.values())):
        game, policies = _built(build, dict(zip(values, point, strict=True)))
        found.append(
            replicate(
                key,
                game,
                policies,
                num_rounds=num_rounds,
                num_worlds=num_worlds,
                batch_size=batch_size,
                report=report,
                mesh=mesh,
                progress=progress,
                checkpoint=_of_point(checkpoint, index),
            )
        )
    sizes = tuple(len(points) for points in values.values())
    moments = jax.tree.map(lambda *rows: _on_grid(rows, sizes), *found)
    return Sweep(values, moments)


def _built(build, point):
    setting = build(**point)
    if not (isinstance(setting, tuple) and len(setting) == 2):
        raise TypeError(
            f"build must give a pair of game and policies, got {type(setting).__name__} at {point}."
        )
    return setting


def _of_point(checkpoint, index):
    if checkpoint is None:
        return None
    directory = Path(checkpoint.directory) / f"point-{index:04d}"
    return dataclasses.replace(checkpoint, directory=directory)


def _on_grid(rows, sizes):
    rows = jnp.asarray(np.stack([np.asarray(row) for row in rows]))
    return rows.reshape(*sizes, *rows.shape[1:])


def _less(value, other):
    """A difference of floats, also where both are counts."""
    dtype = jnp.result_type(value, float)
    return value.astype(dtype) - other.astype(dtype)
