"""The room that all peers of an evacuation leave: cells, exits, and the steps that lead nearer.

A cell is a number, row * stride + column, with a stride so wide that the difference of the numbers
of two cells tells both differences of rows and columns: tables go by that difference.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

SIZE = 33
EXITS = (
    ((15, 0), (16, 0), (17, 0)),
    ((32, 15), (32, 16), (32, 17)),
    ((17, 32),),
)
"""Cells (row, column) of each exit of the room of 33 x 33 cells."""
MENU = ((0, 1), (1, 0), (0, -1), (-1, 0), (0, 0), (1, 1), (1, -1), (-1, -1), (-1, 1))
"""Steps an agent may take, in the order that decides between equally good ones."""
DECISION_RATE = 0.2


@dataclass(frozen=True)
class Room:
    """A room and its tables.

    Attributes:
        size: Rows, and columns.
        stride: Difference of the numbers of two cells below each other.
        is_walkable: By cell: whether agents may stand there, floor and exits.
        is_exit: By cell.
        floor: The cells where agents may start.
        exit_cells: The cells of all exits.
        aim: By cell: which of the exit cells an agent that stands there walks to.
        middle: Place of the difference 0 in the tables by difference.
        squares: By difference of cells: squared distance.
        ways: By difference of an exit cell and a cell: the steps that lead nearer as differences,
            the best first, then 0.
    """

    size: int
    stride: int
    is_walkable: np.ndarray
    is_exit: np.ndarray
    floor: np.ndarray
    exit_cells: np.ndarray
    aim: np.ndarray
    middle: int
    squares: np.ndarray
    ways: np.ndarray


@cache
def make_room(scale=1):
    """Return the room of 33 x 33 cells, every length times a scale, walls one cell thick.

    Args:
        scale: By how much all lengths, exits included, are multiplied.
    """
    size = SIZE * scale
    stride = 2 * size - 1
    exits = [_scaled(cells, scale, size) for cells in EXITS]
    exit_cells = np.concatenate(exits)
    inside = np.arange(1, size - 1)
    numbers = exit_cells[:, 0] * stride + exit_cells[:, 1]
    floor = (inside[:, None] * stride + inside).reshape(-1)
    is_exit = np.zeros(size * stride, bool)
    is_exit[numbers] = True
    is_walkable = is_exit.copy()
    is_walkable[floor] = True
    middle, squares, ways = _by_difference(size, stride)
    aim = _aims(size, stride, exits)
    return Room(size, stride, is_walkable, is_exit, floor, numbers, aim, middle, squares, ways)


def _scaled(cells, scale, size):
    """Cells of an exit in the room that is `scale` times as large, still in the outer wall."""
    cells, last = np.array(cells), SIZE - 1
    wide = np.repeat(cells * scale, scale, axis=0)
    along = np.tile(np.arange(scale), len(cells))
    is_side = (cells[0, 1] == 0) or (cells[0, 1] == last)
    wide[:, 0 if is_side else 1] += along
    wide[:, 1 if is_side else 0] = np.where(cells[0, 1 if is_side else 0] == 0, 0, size - 1)
    return wide


def _aims(size, stride, exits):
    """The cell nearest to an agent of the exit that has the smallest mean distance."""
    rows, columns = np.divmod(np.arange(size * stride), stride)
    means, nearest, first = [], [], 0
    for cells in exits:
        squares = (rows[:, None] - cells[:, 0]) ** 2 + (columns[:, None] - cells[:, 1]) ** 2
        # Sorted, so that distances that are equal by symmetry have equal sums.
        means.append(np.sqrt(np.sort(squares, axis=1)).mean(axis=1).astype(np.float32))
        nearest.append(first + squares.argmin(axis=1))
        first += len(cells)
    return np.choose(np.argmin(means, axis=0), nearest).astype(np.int32)


def _by_difference(size, stride):
    middle = (size - 1) * (stride + 1)
    rows, columns = np.divmod(np.arange(2 * middle + 1), stride)
    rows, columns = rows - (size - 1), columns - (size - 1)
    squares = rows**2 + columns**2
    steps = np.array(MENU)
    after = (rows[:, None] - steps[:, 0]) ** 2 + (columns[:, None] - steps[:, 1]) ** 2
    is_better = after < squares[:, None]
    order = np.argsort(np.where(is_better, after, after.max() + 1), axis=1, kind="stable")
    differences = steps[order, 0] * stride + steps[order, 1]
    ways = np.where(np.take_along_axis(is_better, order, axis=1), differences, 0)
    return middle, squares.astype(np.int32), ways.astype(np.int16)
