"""The evacuation in Mesa 3, in its best idiom: agents of cells on a grid, worlds in processes."""

import functools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from mesa import Model
from mesa.discrete_space import CellAgent, OrthogonalMooreGrid

from benchmarks.peers.games_room import DECISION_RATE, make_room


class Person(CellAgent):
    """Somebody who leaves the room."""

    def __init__(self, model, cell):
        """Stand on a cell.

        Args:
            model: The world.
            cell: Of its grid.
        """
        super().__init__(model)
        self.cell = cell
        self.goal = (0, 0)

    def distance(self):
        """Return the squared distance to the exit cell it walks to."""
        rows, columns = self.difference()
        return rows * rows + columns * columns

    def difference(self):
        """Return rows and columns to the exit cell it walks to."""
        cell: Any = self.cell  # None only for people who have left
        (row, column), (goal_row, goal_column) = cell.coordinate, self.goal
        return goal_row - row, goal_column - column

    def move(self):
        """Step to the first free cell of those that are nearer."""
        cell: Any = self.cell
        world: Any = self.model
        for direction in world.ways[self.difference()]:
            there = cell.connections.get(direction)
            if there is not None and there.is_empty:
                self.cell = there
                return


class Evacuation(Model):
    """A crowd leaves a room."""

    def __init__(self, num_agents, seed):
        """Place everybody at random.

        Args:
            num_agents: How many agents.
            seed: Of the random numbers.
        """
        super().__init__(seed=seed)
        room = make_room()
        self.exits, self.aims, self.ways = _tables()
        shape = (room.size, room.size)
        self.grid = OrthogonalMooreGrid(shape, torus=False, capacity=1, random=self.random)
        for cell in list(self.grid):
            if not room.is_walkable[_number(cell.coordinate, room)]:
                self.grid.remove_cell(cell)
        floor = [cell for cell in self.grid if cell.coordinate not in self.exits]
        for cell in self.random.sample(floor, num_agents):
            Person(self, cell)
        self.num_steps = 0

    def step(self):
        """Leave, shuffle, decide, and move group by group, the nearest first."""
        people = list(self.agents)
        inside = []
        for person in people:
            if person.cell.coordinate in self.exits:
                person.remove()
            else:
                inside.append(person)
        self.random.shuffle(inside)
        groups = {}
        for person in inside:
            if self.num_steps == 0 or self.random.random() < DECISION_RATE:
                person.goal = self.aims[person.cell.coordinate]
            groups.setdefault(person.goal, []).append(person)
        for group in groups.values():
            for person in sorted(group, key=Person.distance):
                person.move()
        self.num_steps += 1


def evacuate(seed, num_agents, num_worlds, num_steps):
    """Leave the room in many worlds, spread over a process for each core.

    Args:
        seed: Of the random numbers.
        num_agents: How many agents.
        num_worlds: How many worlds.
        num_steps: How many steps.

    Returns:
        Cumulative number of those who left, by world and step; agents inside, summed over steps;
        wall seconds of the slowest process and CPU seconds of all, both of steps alone.
    """
    num_processes = min(os.cpu_count() or 1, num_worlds)
    shares = [range(seed + k, seed + num_worlds, num_processes) for k in range(num_processes)]
    jobs = [(list(share), num_agents, num_steps) for share in shares]
    parts = list(_processes(num_processes).map(run_worlds, *zip(*jobs, strict=True)))
    escaped = [curve for part in parts for curve in part[0]]
    live = sum(part[1] for part in parts)
    return escaped, live, max(part[2] for part in parts), sum(part[3] for part in parts)


def run_worlds(seeds, num_agents, num_steps):
    """Leave the room in some worlds, in this process; makes all worlds, then starts the clocks.

    Args:
        seeds: One for each world.
        num_agents: How many agents.
        num_steps: How many steps.

    Returns:
        Curves, agents inside summed over steps, wall and CPU seconds of the steps.
    """
    worlds = [Evacuation(num_agents, seed) for seed in seeds]
    curves, live = [], 0
    wall, cpu = time.perf_counter(), time.process_time()
    for world in worlds:
        curve = []
        for _ in range(num_steps):
            world.step()
            inside = len(world.agents)
            live += inside
            curve.append(num_agents - inside)
        curves.append(curve)
    return curves, live, time.perf_counter() - wall, time.process_time() - cpu


@functools.cache
def _processes(num_processes):
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_processes, mp_context=context)


@functools.cache
def _tables():
    """Return exits, the exit cell to walk to by cell, and directions by difference to it."""
    room = make_room()
    exits = [divmod(int(cell), room.stride) for cell in room.exit_cells]
    inside = range(1, room.size - 1)
    aims = {(r, c): exits[room.aim[_number((r, c), room)]] for r in inside for c in inside}
    ways = {}
    for rows in range(1 - room.size, room.size):
        for columns in range(1 - room.size, room.size):
            steps = room.ways[rows * room.stride + columns + room.middle].tolist()
            found = [divmod(step + room.size - 1, room.stride) for step in steps if step]
            ways[rows, columns] = [(row, column - (room.size - 1)) for row, column in found]
    return set(exits), aims, ways


def _number(coordinate, room):
    row, column = coordinate
    return row * room.stride + column
