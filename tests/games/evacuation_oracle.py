"""One step of an evacuation as plain Python lists say it, for the tests to compare with."""

import numpy as np

MENU = [(0, 1), (1, 0), (0, -1), (-1, 0), (0, 0), (1, 1), (1, -1), (-1, -1), (-1, 1)]


def square(room, cell, other):
    rows = cell // room.width - other // room.width
    columns = cell % room.width - other % room.width
    return int(rows**2 + columns**2)


def greedy(room, grid, here, target):
    """The free cell of the menu nearest to the target, ties to the first; one may always stay."""
    best, chosen = None, here
    for row, column in MENU:
        cell = here + row * room.width + column
        if cell != here and grid[cell]:
            continue
        left = square(room, cell, target)
        if best is None or left < best:
            best, chosen = left, cell
    # A move that is as good as staying is not made: staying counts as the first of the menu.
    return here if best == square(room, here, target) else chosen


def grid_of(room, positions, inside):
    grid = [0 if walkable else 1 for walkable in np.asarray(room.is_walkable)]
    for cell, is_inside in zip(positions, inside, strict=True):
        if is_inside:
            grid[cell] = 1
    return grid


def sequential_step(room, positions, inside, targets, priority):
    """Positions after the moves of the reference order."""
    positions = [int(x) for x in positions]
    grid = grid_of(room, positions, inside)
    exits = [int(x) for x in np.asarray(room.exit_cells)]
    shuffled = [int(i) for i in np.argsort(priority, kind="stable") if inside[i]]
    groups = list(dict.fromkeys(int(targets[i]) for i in shuffled))
    for group in groups:
        members = [i for i in shuffled if targets[i] == group]
        for agent in sorted(members, key=lambda i: square(room, positions[i], exits[group])):
            here = positions[agent]
            grid[here] = 0
            positions[agent] = greedy(room, grid, here, exits[group])
            grid[positions[agent]] = 1
    return positions


def synchronous_step(room, positions, inside, targets, priority):
    """Positions after everybody has moved at once."""
    positions = [int(x) for x in positions]
    grid = grid_of(room, positions, inside)
    exits = [int(x) for x in np.asarray(room.exit_cells)]
    wishes: dict[int, list[int]] = {}
    for agent, here in enumerate(positions):
        if inside[agent]:
            wish = greedy(room, grid, here, exits[int(targets[agent])])
            wishes.setdefault(wish, []).append(agent)
    after = list(positions)
    for cell, agents in wishes.items():
        winner = min(
            agents,
            key=lambda i: (square(room, positions[i], exits[int(targets[i])]), int(priority[i])),
        )
        after[winner] = cell
    return after
