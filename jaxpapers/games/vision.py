"""What an agent sees on its way to an exit: the cells of a cone, and the crowd ahead."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Shaped

from .rooms import Room, offset

RADIUS = 10
NUM_RAYS = 100
WINDOW = 2 * RADIUS + 1


def _directions() -> np.ndarray:
    """Unit vectors (ray, 2) of the rays; those along the axes are exact."""
    angles = 2 * np.pi * np.arange(NUM_RAYS) / NUM_RAYS
    return np.round(np.stack([np.cos(angles), np.sin(angles)], axis=1), 15)


def _lines() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (ray, step) of the Bresenham lines from a cell to the rays' end points.

    Along the longer side a line takes one cell per step; along the other it is rounded to the
    nearest, a half towards the start, as in the paper's code. Shorter lines repeat their last.
    """
    ends = np.rint(RADIUS * _directions()).astype(np.int32)[:, None]
    longest = np.abs(ends).max(axis=2, keepdims=True)
    steps = np.minimum(np.arange(RADIUS + 1)[None, :, None], longest)
    cells = np.sign(ends) * ((2 * steps * np.abs(ends) + longest - 1) // (2 * longest))
    return cells[..., 0].astype(np.int32), cells[..., 1].astype(np.int32)


def _edges() -> tuple[np.ndarray, np.ndarray]:
    """Two digits (edge, ray, 2) to the base 2^15 of the rays turned by 45 degrees either way.

    Turned by 45 degrees and stretched by sqrt(2) a unit vector is the sum or the difference of
    the vector and the one at right angles to it, so that diagonals are exact.
    """
    rows, columns = _directions().T
    right = np.stack([rows - columns, rows + columns], axis=1)
    left = np.stack([rows + columns, columns - rows], axis=1)
    units = np.rint(np.stack([right, left]) * 2.0**30).astype(np.int64)
    high, low = np.divmod(units, 2**15)
    return high.astype(np.int32), low.astype(np.int32)


LINE_ROWS, LINE_COLUMNS = _lines()
LINE_WINDOW = (LINE_ROWS + RADIUS) * WINDOW + LINE_COLUMNS + RADIUS
EDGES_HIGH, EDGES_LOW = _edges()


def rays_towards(
    rows: Int[ArrayLike, " target"], columns: Int[ArrayLike, " target"]
) -> Bool[Array, "target ray"]:
    """Which of the 100 rays point within 45 degrees, inclusive, of the direction to a target.

    Integer arithmetic: the ray's vector is held to 2^-30, which decides every target within
    1,000 rows and columns rightly, and on the diagonals the four rays along the axes are exact.

    Args:
        rows: rows from the agent to the target, at most 10,000 either way.
        columns: columns from the agent to the target.

    Returns:
        One row per target; all False where the target is the agent's own cell, which has no
        direction.
    """
    rows, columns = jnp.asarray(rows, jnp.int32), jnp.asarray(columns, jnp.int32)

    def along(digit):
        by_row, by_column = jnp.asarray(digit[..., 0]), jnp.asarray(digit[..., 1])
        return rows[None, :, None] * by_row[:, None] + columns[None, :, None] * by_column[:, None]

    is_beyond = along(EDGES_HIGH) + (along(EDGES_LOW) >> 15) >= 0
    has_direction = (rows != 0) | (columns != 0)
    return jnp.all(is_beyond, axis=0) & has_direction[:, None]


def cone_counts(
    room: Room, occupied: Shaped[ArrayLike, " cell"], cell: Int[ArrayLike, ""]
) -> Float[Array, " exit"]:
    """Agents and obstacles that an agent sees on its way to each exit, means over exit cells.

    For one exit cell: of 100 rays of length 10 around the agent those within 45 degrees of the
    direction to the exit cell; the distinct cells on their Bresenham lines, each line up to its
    first obstacle, that one included; of these cells those that hold an agent, the one who looks
    included, or an obstacle. People and walls do not block the view.

    Source: Wu et al. (2024), case study 3, the paper's code. It draws 101 rays, of which the last
    is the first again, and its test of 45 degrees is one of rounded angles; here it is exact.

    Args:
        room: the room.
        occupied: not 0 where an agent stands.
        cell: where the agent who looks stands.

    Returns:
        One mean per exit, in the dtype of the room's distances: exact sums, divided with an error
        of one rounding. An exit cell on which the agent
        itself stands counts 0.
    """
    cell, occupied = jnp.asarray(cell, jnp.int32), jnp.asarray(occupied)
    rows, columns = cell // room.width + LINE_ROWS, cell % room.width + LINE_COLUMNS
    is_inside = (rows >= 0) & (rows < room.height) & (columns >= 0) & (columns < room.width)
    index = jnp.where(is_inside, rows * room.width + columns, 0)
    is_obstacle = is_inside & jnp.asarray(room.is_obstacle)[index]
    is_behind = jnp.cumsum(is_obstacle, axis=1, dtype=jnp.int32) > is_obstacle
    holds = is_inside & ~is_behind & (is_obstacle | (occupied[index] != 0))

    exit_cells = jnp.asarray(room.exit_cells)
    is_ray = rays_towards(*offset(room, jnp.broadcast_to(cell, exit_cells.shape), exit_cells))
    is_seen = jnp.zeros((room.num_exit_cells, WINDOW * WINDOW), bool)
    is_seen = is_seen.at[:, LINE_WINDOW].max(is_ray[:, :, None] & holds[None])
    return _mean_by_exit(room, jnp.sum(is_seen, axis=1, dtype=jnp.int32))


def crowd_counts(
    room: Room,
    positions: Int[Array, " agent"],
    is_present: Bool[Array, " agent"],
    agent: Int[ArrayLike, ""],
) -> Int[Array, " exit"]:
    """Other agents near and ahead of one agent on its way to each exit.

    Ahead is within 45 degrees of the direction to the exit's middle cell, near within Euclidean
    distance 10, both inclusive; neither people nor obstacles block. Derived here from
    `cone_counts`, without the lines. Integers only: `dot >= |cross|` is the test
    `2 dot^2 >= |a|^2 |b|^2` of two vectors with `dot > 0`.

    Args:
        room: the room.
        positions: cell of each agent; of one who is gone anything.
        is_present: whether an agent is in the room.
        agent: the one who looks.

    Returns:
        One count per exit, int32 and exact. 0 for an exit on whose middle cell the agent stands:
        it has no direction.
    """
    positions = jnp.asarray(positions, jnp.int32)
    own = positions[agent]
    middle = jnp.asarray(room.middle_cells)
    exit_rows, exit_columns = offset(room, jnp.broadcast_to(own, middle.shape), middle)
    rows, columns = offset(room, jnp.broadcast_to(own, positions.shape), positions)
    is_near = jnp.asarray(is_present) & (rows * rows + columns * columns <= RADIUS * RADIUS)
    is_near &= jnp.arange(positions.shape[0], dtype=jnp.int32) != agent
    dot = exit_rows[:, None] * rows[None] + exit_columns[:, None] * columns[None]
    cross = exit_rows[:, None] * columns[None] - exit_columns[:, None] * rows[None]
    is_ahead = (dot > 0) & (dot >= jnp.abs(cross))
    return jnp.sum(is_ahead & is_near[None], axis=1, dtype=jnp.int32)


def _mean_by_exit(room, counts):
    groups, exits = jnp.asarray(room.exit_group), jnp.arange(room.num_exits, dtype=jnp.int32)
    is_own = exits[:, None] == groups[None]
    totals = jnp.sum(jnp.where(is_own, counts[None], 0), axis=1, dtype=jnp.int32)
    sizes = jnp.sum(is_own, axis=1, dtype=jnp.int32)
    dtype = jnp.asarray(room.mean_distance).dtype
    return totals.astype(dtype) / sizes.astype(dtype)
