"""How a crowd moves in one step: one after another on a changing grid, or all at once."""

import abc
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int, PRNGKeyArray, UInt8, UInt32

from .rooms import Room, squared_distance
from .walks import Greedy, Walk


class Crowd(eqx.Module):
    """Where everybody is and wants to go.

    Attributes:
        positions: (agent,) the cell of each agent; of those outside the one they left from.
        targets: (agent,) the exit cell each walks to, as its number among all exit cells.
        is_inside: (agent,) whether an agent is in the room.
        occupied: (cell,) 0 where a cell is free, uint8; walls and obstacles are not.
        priority: (agent,) random words; agents in their order are the shuffled list of a step.
        queue: (agent,) agents in the order of the last step: those who then were inside come first.
        num_queued: how many they were; 0 before the first step, and when all have left.
    """

    positions: Int[Array, " agent"]
    targets: Int[Array, " agent"]
    is_inside: Bool[Array, " agent"]
    occupied: UInt8[Array, " cell"]
    priority: UInt32[Array, " agent"]
    queue: Int[Array, " agent"]
    num_queued: Int[Array, ""]


class Moves(eqx.Module):
    """A rule of moving; who gets a cell that several want is its business."""

    @abc.abstractmethod
    def move(self, key: PRNGKeyArray, room: Room, crowd: Crowd) -> Crowd:
        """Moves everybody who is inside by at most one cell.

        Args:
            key: a typed key.
            room: the room.
            crowd: everybody; nobody inside stands on an exit cell.

        Returns:
            The crowd with new positions, occupied cells and queue.
        """


class Sequential(Moves):
    """Agents move one after another, on the grid as it then is.

    They are grouped by the exit cell they walk to; groups in the order in which the shuffled list
    first meets them; within a group the nearest to the target goes first, ties in the order of
    the list. A cell that was left in this step is free.
    Source: the code of Wu et al. (2024).

    Attributes:
        walk: how one agent steps.
    """

    walk: Walk = eqx.field(default_factory=Greedy)

    def move(self, key, room, crowd):
        """Moves everybody who is inside."""
        order, queue, num_inside = _order_of_moves(room, crowd)
        plans = _plans(key, self.walk, room, crowd)

        def move_next(place, carry):
            positions, occupied = carry
            agent = order[place]
            here = positions[agent]
            occupied = put(occupied, 0, here)
            plan = jax.tree.map(lambda x: x[agent], plans)
            there = self.walk.pick(plan, room, occupied, here)
            return put(positions, there, agent), put(occupied, 1, there)

        start = crowd.positions, crowd.occupied
        positions, occupied = jax.lax.fori_loop(0, num_inside, move_next, start)
        return eqx.tree_at(
            lambda c: (c.positions, c.occupied, c.queue, c.num_queued),
            crowd,
            (positions, occupied, queue, num_inside),
        )


class Synchronous(Moves):
    """All agents choose at once, on the grid as it was before anybody moved.

    A cell that is occupied then is not free, though it may be left in this step. Of several who
    want one cell the nearest to its own target gets it, of equally near ones a random one; the
    others stay.

    Attributes:
        walk: how one agent steps.
    """

    walk: Walk = eqx.field(default_factory=Greedy)

    def move(self, key, room, crowd):
        """Moves everybody who is inside."""
        plans = _plans(key, self.walk, room, crowd)
        pick = jax.vmap(lambda plan, here: self.walk.pick(plan, room, crowd.occupied, here))
        wanted = jnp.where(crowd.is_inside, pick(plans, crowd.positions), crowd.positions)
        wins = crowd.is_inside & _wins(room, crowd, wanted)
        positions = jnp.where(wins, wanted, crowd.positions)
        occupied = set_where(crowd.occupied, crowd.is_inside, crowd.positions, 0)
        occupied = set_where(occupied, crowd.is_inside, positions, 1)
        return eqx.tree_at(lambda c: (c.positions, c.occupied), crowd, (positions, occupied))


def put(values: Array, value: ArrayLike, index: Int[ArrayLike, ""]) -> Array:
    """An array with one entry replaced.

    Args:
        values: the array.
        value: the entry.
        index: its place along the first axis.

    Returns:
        The array.
    """
    value = jnp.asarray(value, values.dtype)
    return jax.lax.dynamic_update_index_in_dim(values, value, index, 0)


def set_where(
    grid: UInt8[Array, " cell"],
    is_meant: Bool[Array, " agent"],
    positions: Int[Array, " agent"],
    value: int,
) -> UInt8[Array, " cell"]:
    """A grid with the cells of some agents set to a value, one after another.

    Args:
        grid: the grid.
        is_meant: which agents.
        positions: cells of all agents.
        value: what is set.

    Returns:
        The grid.
    """

    def settle(agent, grid):
        cell = positions[agent]
        return put(grid, jnp.where(is_meant[agent], value, grid[cell]), cell)

    return jax.lax.fori_loop(0, positions.shape[0], settle, grid)


def _plans(key, walk, room, crowd):
    """What each agent can settle before anybody moves."""
    agents = jnp.arange(crowd.positions.shape[0], dtype=jnp.uint32)
    goals = jnp.asarray(room.exit_cells)[crowd.targets]

    def plan(agent, here, goal):
        return walk.plan(jax.random.fold_in(key, agent), room, here, goal)

    return jax.vmap(plan)(agents, crowd.positions, goals)


def _wins(room, crowd, wanted):
    """Which agents get the cell that they want."""
    goals = jnp.asarray(room.exit_cells)[crowd.targets]
    distance = squared_distance(room, crowd.positions, goals)

    def compete(agent, winner):
        cell = wanted[agent]
        other = winner[cell]
        is_nearer = _comes_before(distance, crowd.priority, agent, jnp.maximum(other, 0))
        takes = crowd.is_inside[agent] & ((other < 0) | is_nearer)
        return put(winner, jnp.where(takes, agent, other), cell)

    size = wanted.shape[0]
    nobody = jnp.full(room.num_cells, -1, jnp.int32)
    winner = jax.lax.fori_loop(0, size, compete, nobody)
    return winner[wanted] == jnp.arange(size, dtype=jnp.int32)


def _order_of_moves(room, crowd):
    """Agents in the order in which they move, the queue sorted for the next step, and how many.

    On a CPU the queue, nearly sorted from the step before, is sorted by insertion, which XLA folds
    into the loop around it; elsewhere by XLA's sort. The order is the same.
    """
    goals = jnp.asarray(room.exit_cells)[crowd.targets]
    distance = squared_distance(room, crowd.positions, goals)
    order, queue = jax.lax.platform_dependent(
        *(crowd.targets, distance, crowd.is_inside, crowd.priority, crowd.queue, crowd.num_queued),
        cpu=partial(order_by_insertion, num_groups=room.num_exit_cells),
        default=partial(order_by_sorting, num_groups=room.num_exit_cells),
    )
    return order, queue, jnp.sum(crowd.is_inside, dtype=jnp.int32)


def order_by_insertion(group, distance, is_inside, priority, queue, num_queued, *, num_groups):
    """Order of moves by an insertion sort of a queue that is nearly sorted.

    A queue that never was sorted is sorted roughly before, by insertion at distances (Shell).

    Args:
        group: (agent,) the group of each agent.
        distance: (agent,) squared distance to the target.
        is_inside: (agent,) who is sorted.
        priority: (agent,) decides ties; groups are in the order of their least.
        queue: (agent,) agents in the order of the step before.
        num_queued: how many of the queue were sorted then; 0 where it never was.
        num_groups: how many groups there are; static.

    Returns:
        Agents in the order of groups and distances; and the queue in the order of group numbers
        and distances. Only the first entries count, as many as there are agents inside.
    """
    code = group * LARGEST_SQUARE + distance
    is_unsorted = (num_queued == 0) & jnp.any(is_inside)
    queue = _sort_roughly(code, priority, queue, jnp.where(is_unsorted, queue.shape[0], 0))
    num_queued = jnp.where(is_unsorted, queue.shape[0], num_queued)

    def insert(place, carry):
        queue, count, first, sizes = carry
        agent = queue[place]
        is_kept = is_inside[agent]
        own = group[agent]
        leads = is_kept & (priority[agent] < first[own])
        first = put(first, jnp.where(leads, priority[agent], first[own]), own)
        sizes = put(sizes, sizes[own] + is_kept.astype(jnp.int32), own)
        hole, queue = _sink(code, priority, queue, agent, jnp.where(is_kept, count, 0), 1)
        # Who is outside is written where the next one will be.
        hole = jnp.where(is_kept, hole, count)
        return put(queue, agent, hole), count + is_kept.astype(jnp.int32), first, sizes

    none = jnp.zeros(num_groups, jnp.int32)
    start = queue, none[0], jnp.full(num_groups, LAST, jnp.uint32), none
    queue, count, first, sizes = jax.lax.fori_loop(0, num_queued, insert, start)
    rank = _ranks(first)
    before = jnp.sum(jnp.where(rank[None] < rank[:, None], sizes[None], 0), axis=1)
    offset = (before - (jnp.cumsum(sizes) - sizes)).astype(jnp.int32)

    def arrange(place, order):
        agent = queue[place]
        return put(order, agent, place + offset[group[agent]])

    return jax.lax.fori_loop(0, count, arrange, jnp.zeros_like(queue)), queue


def order_by_sorting(group, distance, is_inside, priority, queue, num_queued, *, num_groups):
    """Order of moves by XLA's sort; the same as `order_by_insertion`.

    Args:
        group: as there.
        distance: as there.
        is_inside: as there.
        priority: as there.
        queue: not used.
        num_queued: not used.
        num_groups: as there.

    Returns:
        Agents in the order of moves, twice: this form needs no queue.
    """
    del queue, num_queued
    is_member = (group[None] == jnp.arange(num_groups)[:, None]) & is_inside[None]
    rank = _ranks(jnp.min(jnp.where(is_member, priority[None], jnp.uint32(LAST)), axis=1))
    agents = jnp.arange(group.shape[0], dtype=jnp.int32)
    keys = jnp.where(is_inside, rank[group], num_groups), distance, priority, agents
    order = jax.lax.sort(keys, num_keys=4)[3]
    return order, order


def shuffled(is_meant: Bool[Array, " agent"], priority: UInt32[Array, " agent"]):
    """Some agents in the order of their priority, as `order_by_insertion` sorts them.

    Args:
        is_meant: which agents.
        priority: random words.

    Returns:
        (agent,); the first entries are those meant, the others count for nothing.
    """
    agents = jnp.arange(priority.shape[0], dtype=jnp.int32)
    alike = jnp.zeros_like(agents)
    return jax.lax.platform_dependent(
        *(alike, alike, is_meant, priority, agents, jnp.asarray(0, jnp.int32)),
        cpu=partial(order_by_insertion, num_groups=1),
        default=partial(order_by_sorting, num_groups=1),
    )[0]


def _ranks(first):
    """Place of each group in the order of their first members, empty ones last."""
    groups = jnp.arange(first.shape[0], dtype=jnp.int32)
    is_tied = first[None] == first[:, None]
    is_earlier = (first[None] < first[:, None]) | (is_tied & (groups[None] < groups[:, None]))
    return jnp.sum(is_earlier, axis=1, dtype=jnp.int32)


def _sort_roughly(code, priority, queue, num_queued):
    """A queue with the first of its agents sorted at distances of the gaps, the largest first."""

    def sort(index, queue):
        gap = jnp.asarray(GAPS, jnp.int32)[index]

        def insert(place, queue):
            agent = queue[place]
            hole, queue = _sink(code, priority, queue, agent, place, gap)
            return put(queue, agent, hole)

        return jax.lax.fori_loop(gap, num_queued, insert, queue)

    return jax.lax.fori_loop(0, jnp.where(num_queued > 0, len(GAPS), 0), sort, queue)


def _sink(code, priority, queue, agent, hole, gap):
    """Where an agent belongs among those at multiples of a gap before it, who make room."""

    def goes_on(state):
        hole, queue = state
        before = queue[jnp.maximum(hole - gap, 0)]
        return (hole >= gap) & _comes_before(code, priority, agent, before)

    def shift(state):
        hole, queue = state
        return hole - gap, put(queue, queue[hole - gap], hole)

    return jax.lax.while_loop(goes_on, shift, (hole, queue))


LAST = jnp.iinfo(jnp.uint32).max
"""Above every priority, or as high."""

GAPS = (3548, 1577, 701, 301, 132, 57, 23, 10, 4)
"""Distances of a rough sort before an insertion sort: those of Ciura (2001), times 9/4 beyond."""

LARGEST_SQUARE = 1 << 20
"""Above every squared distance in a room, so that group and distance make one number."""


def _comes_before(code, priority, agent, other):
    """Whether an agent sorts before another: by code, then priority, then number."""
    mine, theirs = code[agent], code[other]
    first, second = priority[agent], priority[other]
    is_tie_won = (first < second) | ((first == second) & (agent < other))
    return (mine < theirs) | ((mine == theirs) & is_tie_won)
