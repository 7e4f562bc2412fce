"""Rooms of the evacuation game: cells, exits, and the tables of distances and moves."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, UInt8

from .. import engine

# The menu of moves: E, S, W, N, stay, SE, SW, NW, NE.
MENU_ROWS = np.array([0, 1, 0, -1, 0, 1, 1, -1, -1], np.int32)
MENU_COLUMNS = np.array([1, 0, -1, 0, 0, 1, -1, -1, 1], np.int32)
STAY = 4

WALL, FLOOR, OBSTACLE = "#", ".", "o"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PAPER_SIZE = 33
OBSTACLE_ROWS = (2, 4, 6, 8, 10, 12, 19, 21, 23, 25, 27, 29)
OBSTACLE_COLUMNS = (*range(4, 15), *range(18, 29))


class Room(eqx.Module):
    """A grid of cells with walls, obstacles and exits, and what follows from them.

    A cell is a flat index, row * width + column; rows count from the top, columns from the left,
    both from 0. An exit is one or several cells, and the cells of all exits are numbered in one
    sequence: exit by exit, within an exit by cell. Distances are Euclidean, between the centres
    of cells in units of a cell's side, also where obstacles stand in the way. Made by
    `Room.from_text` on the host; the tables are NumPy arrays and leaves, so that rooms of the
    same sizes (height, width, number of exits, exit cells and floor cells) share one program.

    Attributes:
        height: number of rows; static.
        width: number of columns; static.
        is_walkable: whether agents may stand on a cell: floor and exits, not walls and obstacles.
        is_obstacle: whether a cell is an obstacle.
        exit_of_cell: number of the exit cell that a cell is, -1 elsewhere.
        exit_cells: the cell of each exit cell.
        exit_group: the exit that each exit cell belongs to.
        middle_cells: the middle one of each exit's cells in their order; of an even number the
            one before the middle.
        mean_distance: (cell, exit), mean distance from a cell to the exit's cells, rounded once
            to float32, so that distances equal by symmetry are equal.
        nearest_cell: (cell, exit), number of the exit cell of that exit nearest to a cell; of
            several the first.
        floor_cells: cells where agents may start: walkable, and no exits.
        moves: (offset, 9), for an offset from a cell to its target the moves that bring an agent
            nearer, as indices into the menu (`MENU_ROWS`, `MENU_COLUMNS`): by the distance left
            after the move, equal ones in the order of the menu; filled up with staying. The row
            of an offset is what `moves_towards` looks up.

    Example:
        >>> from jaxpapers.games.rooms import Room
        >>> room = Room.from_text('''
        ...     #####
        ...     A...#
        ...     #.o.B
        ...     #####
        ... ''')
        >>> room.height, room.width, room.num_exits, room.num_floor
        (4, 5, 2, 5)
    """

    height: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    is_walkable: Bool[Array, " cell"]
    is_obstacle: Bool[Array, " cell"]
    exit_of_cell: Int[Array, " cell"]
    exit_cells: Int[Array, " exit_cell"]
    exit_group: Int[Array, " exit_cell"]
    middle_cells: Int[Array, " exit"]
    mean_distance: Float[Array, "cell exit"]
    nearest_cell: Int[Array, "cell exit"]
    floor_cells: Int[Array, " floor"]
    moves: UInt8[Array, "offset move"]

    @property
    def num_cells(self) -> int:
        """Number of cells, walls included; static."""
        return self.height * self.width

    @property
    def num_exits(self) -> int:
        """Number of exits; static."""
        return self.middle_cells.shape[-1]

    @property
    def num_exit_cells(self) -> int:
        """Number of cells of all exits; static."""
        return self.exit_cells.shape[-1]

    @property
    def num_floor(self) -> int:
        """Number of cells where agents may start; static."""
        return self.floor_cells.shape[-1]

    @classmethod
    def from_text(cls, text: str) -> "Room":
        """Reads a room from a map with one character per cell.

        Args:
            text: rows from top to bottom, of equal length, blanks around them ignored. ``#`` is
                wall, ``.`` floor, ``o`` an obstacle, and a capital letter a cell of an exit: all
                cells of one letter are one exit, and exits are in the order of their letters.
                The outermost cells are walls or exits.

        Returns:
            The room.

        Raises:
            TypeError: not a string.
            ValueError: no rows, rows of several lengths, another character, an opening in the
                outer wall, no exit, no floor, or floor from which no exit can be reached by
                moves to the eight neighbours.
        """
        return cls(**_tables(_read(text)))

    def to_text(self) -> str:
        """Draws the map that `from_text` reads; exits have the letters A, B, ... in their order.

        Returns:
            One line per row, without blanks and without a last line break.
        """
        cells = np.where(self.is_walkable, FLOOR, WALL)
        cells = np.where(self.is_obstacle, OBSTACLE, cells)
        cells[np.asarray(self.exit_cells)] = np.array(list(LETTERS))[np.asarray(self.exit_group)]
        return _join(cells.reshape(self.height, self.width))


def reference_room(*, obstacles: bool = False) -> Room:
    """The room of the paper: 33 x 33 cells, exits at the left, at the bottom and at the right.

    Source: Wu et al. (2024), case study 3; sizes and places as in the paper's code. The exits are
    rows 15-17 of column 0, columns 15-17 of row 32, and the one cell (17, 32).

    Args:
        obstacles: whether the twelve broken rows of obstacles stand in it.

    Returns:
        The room; the exits are 0 (left), 1 (bottom) and 2 (right).
    """
    cells = _paper_map(1)
    if obstacles:
        cells[np.ix_(OBSTACLE_ROWS, OBSTACLE_COLUMNS)] = OBSTACLE
    return Room.from_text(_join(cells))


def large_room(*, scale: int = 5) -> Room:
    """The room of the paper with every length multiplied, exits included, and no obstacles.

    Made up here for crowds that the paper's room cannot hold: at 5 it has 165 x 165 cells, and
    exits of 15, 15 and 5 cells.

    Args:
        scale: by how much; at 1 it is the paper's room.

    Returns:
        The room; the exits are 0 (left), 1 (bottom) and 2 (right).

    Raises:
        TypeError: `scale` is not an int.
        ValueError: `scale` is less than 1.
    """
    engine.check_count("scale", scale)
    return Room.from_text(_join(_paper_map(scale)))


def offset(
    room: Room, cell: Int[ArrayLike, "..."], other: Int[ArrayLike, "..."]
) -> tuple[Int[Array, "..."], Int[Array, "..."]]:
    """Rows and columns from one cell to another.

    Args:
        room: the room.
        cell: flat index, or an array of them.
        other: flat index, or an array of them of the same shape.

    Returns:
        Row of `other` minus row of `cell`, and the same for columns; int32.
    """
    cell, other = jnp.asarray(cell, jnp.int32), jnp.asarray(other, jnp.int32)
    rows = other // room.width - cell // room.width
    return rows, other % room.width - cell % room.width


def squared_distance(
    room: Room, cell: Int[ArrayLike, "..."], other: Int[ArrayLike, "..."]
) -> Int[Array, "..."]:
    """Squared Euclidean distance between two cells.

    Args:
        room: the room.
        cell: flat index, or an array of them.
        other: flat index, or an array of them of the same shape.

    Returns:
        The square, int32 and exact.
    """
    rows, columns = offset(room, cell, other)
    return rows * rows + columns * columns


def moves_towards(
    room: Room, cell: Int[ArrayLike, "..."], target: Int[ArrayLike, "..."]
) -> UInt8[Array, "... move"]:
    """Moves that bring an agent nearer to a target, the best first.

    Args:
        room: the room.
        cell: where the agent stands: flat index, or an array of them.
        target: flat index, or an array of them of the same shape.

    Returns:
        Nine indices into the menu, of which all after the last improving one are `STAY`. Whether
        a cell is free, or walkable, is not asked.
    """
    rows, columns = offset(room, cell, target)
    row = (rows + room.height - 1) * (2 * room.width - 1) + columns + room.width - 1
    return jnp.asarray(room.moves)[row]


# --- from text to tables ------------------------------------------------------------------------


def _read(text: str) -> np.ndarray:
    """The characters of a map as an array (row, column), with all that can be wrong checked."""
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}.")
    lines = [line.strip() for line in text.strip().splitlines()]
    if not lines:
        raise ValueError("text must hold the rows of a room, got none.")
    for row, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise ValueError(
                "text must have rows of equal length, "
                f"got {len(lines[0])} characters in row 0 and {len(line)} in row {row}."
            )
    cells = np.array([list(line) for line in lines])
    _refuse(
        ~np.isin(cells, [WALL, FLOOR, OBSTACLE, *LETTERS]),
        cells,
        "text may hold '#' (wall), '.' (floor), 'o' (obstacle) and 'A' to 'Z' (exits), got",
    )
    is_ring = np.ones(cells.shape, bool)
    is_ring[1:-1, 1:-1] = False
    is_open = is_ring & np.isin(cells, [FLOOR, OBSTACLE])
    _refuse(is_open, cells, "the outermost cells of text must be walls or exits, got")
    _check_ways_out(cells)
    return cells


def _refuse(is_wrong: np.ndarray, cells: np.ndarray, message: str) -> None:
    if is_wrong.any():
        row, column = np.argwhere(is_wrong)[0]
        found = str(cells[row, column])
        raise ValueError(f"{message} {found!r} at row {row}, column {column}.")


def _check_ways_out(cells: np.ndarray) -> None:
    is_exit, is_floor = np.isin(cells, list(LETTERS)), cells == FLOOR
    if not is_exit.any():
        raise ValueError("text must have an exit: a cell with a letter 'A' to 'Z', got none.")
    if not is_floor.any():
        raise ValueError("text must have a floor cell '.', got none.")
    is_shut = _is_shut_in(is_floor | is_exit, is_exit)
    if is_shut.any():
        row, column = np.argwhere(is_shut)[0]
        raise ValueError(
            f"every floor cell of text must have a way to an exit, got {is_shut.sum()} without, "
            f"the first at row {row}, column {column}."
        )


def _is_shut_in(is_walkable: np.ndarray, is_exit: np.ndarray) -> np.ndarray:
    """Walkable cells that a breadth-first search from all exits does not reach."""
    is_left = np.pad(is_walkable & ~is_exit, 1)
    steps = MENU_ROWS * is_left.shape[1] + MENU_COLUMNS
    frontier = np.flatnonzero(np.pad(is_exit, 1))
    flat = is_left.reshape(-1)
    while frontier.size:
        around = np.unique(frontier[:, None] + steps[None])
        frontier = around[flat[around]]
        flat[frontier] = False
    return is_left[1:-1, 1:-1]


def _tables(cells: np.ndarray) -> dict[str, Any]:
    """The fields of a room."""
    height, width = cells.shape
    flat = cells.reshape(-1)
    is_exit = np.isin(flat, list(LETTERS))
    groups = [np.flatnonzero(flat == letter) for letter in np.unique(flat[is_exit])]
    exit_cells = np.concatenate(groups).astype(np.int32)
    exit_of_cell = np.full(flat.shape, -1, np.int32)
    exit_of_cell[exit_cells] = np.arange(exit_cells.size, dtype=np.int32)
    mean_distance, nearest_cell = _distances(height, width, groups)
    return {
        "height": height,
        "width": width,
        "is_walkable": is_exit | (flat == FLOOR),
        "is_obstacle": flat == OBSTACLE,
        "exit_of_cell": exit_of_cell,
        "exit_cells": exit_cells,
        "exit_group": np.repeat(np.arange(len(groups)), [g.size for g in groups]).astype(np.int32),
        "middle_cells": np.array([g[(g.size - 1) // 2] for g in groups], np.int32),
        "mean_distance": mean_distance,
        "nearest_cell": nearest_cell,
        "floor_cells": np.flatnonzero(flat == FLOOR).astype(np.int32),
        "moves": _moves(height, width),
    }


def _distances(height: int, width: int, groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance to the cells of each exit, and the number of the nearest one."""
    rows, columns = np.divmod(np.arange(height * width), width)
    means, nearest, first = [], [], 0
    for group in groups:
        squares = (rows[:, None] - group // width) ** 2 + (columns[:, None] - group % width) ** 2
        nearest.append(first + squares.argmin(axis=1))
        # Sorted, so that equal distances are summed in one order and their means are equal.
        means.append(np.sqrt(np.sort(squares, axis=1)).mean(axis=1))
        first += group.size
    return np.stack(means, 1).astype(np.float32), np.stack(nearest, 1).astype(np.int32)


def _moves(height: int, width: int) -> np.ndarray:
    """Improving moves for each offset to a target, by the distance left."""
    rows, columns = np.divmod(np.arange((2 * height - 1) * (2 * width - 1)), 2 * width - 1)
    rows, columns = rows[:, None] - (height - 1), columns[:, None] - (width - 1)
    left = (rows - MENU_ROWS) ** 2 + (columns - MENU_COLUMNS) ** 2
    is_better = left < left[:, STAY, None]
    order = np.argsort(np.where(is_better, left, left.max() + 1), axis=1, kind="stable")
    return np.where(np.take_along_axis(is_better, order, 1), order, STAY).astype(np.uint8)


def _paper_map(scale: int) -> np.ndarray:
    """The paper's room without obstacles, each cell of an exit made `scale` cells wide."""
    size = PAPER_SIZE * scale
    cells = np.full((size, size), WALL)
    cells[1:-1, 1:-1] = FLOOR
    cells[15 * scale : 18 * scale, 0] = "A"
    cells[-1, 15 * scale : 18 * scale] = "B"
    cells[17 * scale : 18 * scale, -1] = "C"
    return cells


def _join(cells: np.ndarray) -> str:
    return "\n".join("".join(row) for row in cells)
