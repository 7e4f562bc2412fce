"""How one agent steps: the move it makes on a grid of free and occupied cells."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, UInt8

from .demand import as_number
from .parameters import check_within
from .rooms import MENU_COLUMNS, MENU_ROWS, Room, offset, squared_distance

LARGEST_SENSITIVITY = 50.0
"""Weights are relative to those of staying, and exp(50 sqrt(2)) still is a float32."""

Grid = UInt8[Array, " cell"]


class Walk(eqx.Module):
    """A rule that picks a free cell of the Moore neighbourhood, or stays.

    What does not depend on who has moved before is planned for all agents at once; picking is what
    has to be done one after another.
    """

    @abc.abstractmethod
    def plan(
        self, key: PRNGKeyArray, room: Room, here: Int[Array, ""], target: Int[Array, ""]
    ) -> PyTree:
        """What an agent can settle before anybody moves.

        Args:
            key: a typed key.
            room: the room.
            here: the agent's cell.
            target: the cell it walks to.

        Returns:
            Arrays, as few as possible.
        """

    @abc.abstractmethod
    def pick(
        self, plan: PyTree, room: Room, occupied: Grid, here: Int[Array, ""]
    ) -> Int[Array, ""]:
        """Where an agent goes.

        Args:
            plan: as `plan` gives.
            room: the room.
            occupied: 0 where a cell is free; walls and obstacles never are. The agent may stay
                whatever it says of its own cell.
            here: the agent's cell.

        Returns:
            A free neighbour of `here`, or `here`.
        """


class GreedyPlan(eqx.Module):
    """What a greedy agent has settled.

    Attributes:
        first: where its moves begin in the room's table.
        place: in [0, 1) where it trembles: which free cell it takes; -1 where it does not.
    """

    first: Int[Array, ""]
    place: Float[Array, ""]


class Greedy(Walk):
    """The free cell nearest to the target, ties first in the order of the menu; now and then any.

    Source: the greedy move of rule-based evacuation models, with the order of moves E, S, W, N,
    stay, SE, SW, NW, NE of the code of Wu et al. (2024).

    Attributes:
        tremble: probability in [0, 1] of a move drawn from all free neighbours and staying.

    Raises:
        TypeError: `tremble` is not a number.
        ValueError: `tremble` is no probability.
    """

    tremble: Float[Array, ""] = eqx.field(converter=as_number, default=0.0)

    def __check_init__(self):
        """Checks the probability where it is known."""
        check_within("tremble", self.tremble, 0, 1)

    def plan(self, key, room, here, target):
        """Which moves lead nearer, and whether the agent trembles."""
        uniforms = jax.random.uniform(key, (2,), self.tremble.dtype)
        place = jnp.where(uniforms[0] < self.tremble, uniforms[1], -1)
        return GreedyPlan(first_move(room, here, target), place)

    def pick(self, plan, room, occupied, here):
        """Where an agent goes."""
        return jax.lax.cond(
            plan.place >= 0,
            lambda: _draw(plan.place, room, occupied, here, lambda cell: 1),
            lambda: _nearest_free(plan.first, room, occupied, here),
        )


class FloorPlan(eqx.Module):
    """What an agent on a floor field has settled.

    Attributes:
        target: the cell it walks to.
        place: in [0, 1), which free cell it takes.
    """

    target: Int[Array, ""]
    place: Float[Array, ""]


class FloorField(Walk):
    """A cell drawn with odds that fall with its distance to the target.

    The static floor field of Burstedde, Klauck, Schadschneider and Zittartz (2001): weights
    ``exp(-sensitivity * distance)`` over the free neighbours and staying; no dynamic field.

    Attributes:
        sensitivity: in [0, 50], per cell of distance; 0 is a random walk.

    Raises:
        TypeError: `sensitivity` is not a number.
        ValueError: `sensitivity` is out of range.
    """

    sensitivity: Float[Array, ""] = eqx.field(converter=as_number, default=5.0)

    def __check_init__(self):
        """Checks the sensitivity where it is known."""
        check_within("sensitivity", self.sensitivity, 0, LARGEST_SENSITIVITY)

    def plan(self, key, room, here, target):
        """Which of the cells it will take, as a number."""
        del room, here
        return FloorPlan(target, jax.random.uniform(key, (), self.sensitivity.dtype))

    def pick(self, plan, room, occupied, here):
        """Where an agent goes."""
        dtype = plan.place.dtype
        stay = squared_distance(room, here, plan.target).astype(dtype)

        def weight(cell):
            # Relative to staying: a move changes the distance by at most sqrt(2).
            square = squared_distance(room, cell, plan.target).astype(dtype)
            gain = (stay - square) / jnp.maximum(jnp.sqrt(stay) + jnp.sqrt(square), 1)
            return jnp.exp(self.sensitivity.astype(dtype) * gain)

        return _draw(plan.place, room, occupied, here, weight)


def menu_steps(room: Room) -> Int[np.ndarray, " move"]:
    """Differences of flat indices that the moves of the menu make.

    Args:
        room: the room.

    Returns:
        Nine integers.
    """
    return (MENU_ROWS * room.width + MENU_COLUMNS).astype(np.int32)


def first_move(room: Room, here: Int[Array, ""], target: Int[Array, ""]) -> Int[Array, ""]:
    """Where in the room's table, read as one sequence, the moves towards a target begin.

    Args:
        room: the room.
        here: a cell.
        target: another.

    Returns:
        Index into `Room.moves.reshape(-1)`; nine entries belong to it.
    """
    rows, columns = offset(room, here, target)
    return 9 * ((rows + room.height - 1) * (2 * room.width - 1) + columns + room.width - 1)


def _nearest_free(first, room, occupied, here):
    """The first free cell along the moves that bring the agent nearer; the last of them is here."""
    moves, steps = jnp.asarray(room.moves).reshape(-1), jnp.asarray(menu_steps(room))

    def cell(rank):
        return here + steps[moves[first + rank]]

    def is_blocked(rank):
        place = cell(rank)
        return (occupied[place] > 0) & (place != here)

    return cell(jax.lax.while_loop(is_blocked, lambda rank: rank + 1, jnp.asarray(0, jnp.int32)))


def _draw(uniform, room, occupied, here, weight):
    """A free cell of the menu with probability proportional to its weight.

    Move by move, without an array: XLA then folds the loop around it into one kernel.
    """
    steps = [int(step) for step in menu_steps(room)]

    def weight_of(step):
        cell = jnp.clip(here + step, 0, room.num_cells - 1)
        is_free = (occupied[cell] == 0) if step else jnp.asarray(True)
        return jnp.where(is_free, weight(cell), 0).astype(uniform.dtype)

    weights = [weight_of(step) for step in steps]
    place = uniform * sum(weights)
    chosen, passed = here, jnp.zeros_like(uniform)
    for step, own in zip(steps, weights, strict=True):
        is_here = (passed <= place) & (own > 0)
        chosen = jnp.where(is_here, here + step, chosen)
        passed = passed + own
    return chosen
