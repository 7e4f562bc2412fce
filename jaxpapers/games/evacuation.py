"""Emergency evacuation: agents choose exits, may talk about them, and walk on a grid."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .. import engine
from .demand import as_number
from .model import Game, Record, Turns, check_kind, no_turns
from .moves import Crowd, Moves, Sequential, put, set_where, shuffled
from .parameters import check_within
from .rooms import Room, reference_room, squared_distance
from .vision import cone_counts, crowd_counts

NOBODY = -1
NUM_TRAITS = 4


class EvacuationState(eqx.Module):
    """The room as those see it who decide next: who stood on an exit has left.

    Attributes:
        round: number of rounds played.
        crowd: where everybody is and walks to.
        exits: (agent,) the exit each has chosen.
        is_deciding: (agent,) who decides in this round.
        named: (agent,) the exit that an agent has named in this round; -1 before it has spoken.
        times_chosen: (agent, exit) how often each has chosen each exit.
        escaped_by_cell: (exit_cell,) how many left through each cell.
        num_switches: how often somebody has changed its exit.
    """

    round: Int[Array, ""]
    crowd: Crowd
    exits: Int[Array, " agent"]
    is_deciding: Bool[Array, " agent"]
    named: Int[Array, " agent"]
    times_chosen: Int[Array, "agent exit"]
    escaped_by_cell: Int[Array, " exit_cell"]
    num_switches: Int[Array, ""]


class EvacuationObservation(eqx.Module):
    """What an agent knows when it speaks or chooses an exit.

    Attributes:
        round: number of rounds played.
        agent: its number.
        cell: where it stands, a flat index.
        is_inside: whether it still is in the room.
        is_deciding: whether it decides in this round; else its action is ignored.
        exit: the exit it chose last; 0 before the first round.
        distance: (exit,) mean Euclidean distance to the exit's cells, in cells.
        crowd: (exit,) other agents within distance 10 and 45 degrees of the exit's middle.
        visible: (exit,) agents and obstacles seen on rays towards the exit (`cone_counts`).
        heard: (exit,) how many speakers within the talk radius have named the exit.
        times_chosen: (exit,) how often it has chosen each exit.
        capability: trait, 0 or 1.
        mental: trait, 0 or 1.
    """

    round: Int[Array, ""]
    agent: Int[Array, ""]
    cell: Int[Array, ""]
    is_inside: Bool[Array, ""]
    is_deciding: Bool[Array, ""]
    exit: Int[Array, ""]
    distance: Float[Array, " exit"]
    crowd: Int[Array, " exit"]
    visible: Float[Array, " exit"]
    heard: Int[Array, " exit"]
    times_chosen: Int[Array, " exit"]
    capability: Int[Array, ""]
    mental: Int[Array, ""]


class EvacuationRecord(Record):
    """What a round left behind.

    Attributes:
        escaped: cumulative number of those who have left.
        escaped_by_cell: (exit_cell,) the same through each exit cell.
        escaped_by_trait: (capability, mental) the same by trait.
        num_switches: cumulative number of changes of an exit.
        num_talking: speakers in this round.
        positions: (agent,) cells after the moves.
        is_inside: (agent,) who was in the room in this round.
        exits: (agent,) the exits they walk to.
    """

    escaped: Int[Array, ""]
    escaped_by_cell: Int[Array, " exit_cell"]
    escaped_by_trait: Int[Array, "2 2"]
    num_switches: Int[Array, ""]
    num_talking: Int[Array, ""]
    positions: Int[Array, " agent"]
    is_inside: Bool[Array, " agent"]
    exits: Int[Array, " agent"]

    def curves(self) -> dict[str, Array]:
        """The numbers of a round without those of single agents."""
        names = "escaped", "escaped_by_cell", "escaped_by_trait", "num_switches", "num_talking"
        return {name: getattr(self, name) for name in names}


class Evacuation(Game):
    """A crowd leaves a room through exits that let out one agent per cell and round.

    A round: who stands on an exit cell leaves; the others are shuffled; all decide in round 0,
    later each with a probability; deciders speak one after another, heard within a radius; they
    choose exits and head for the exit's nearest cell; everybody moves. An action is the number of
    an exit; that of somebody who does not decide is ignored.
    Source: Wu et al. (2024), case study 3, in the order of its code. Traits are
    ``capability = (agent mod 4) // 2`` and ``mental = agent mod 2``, as there; here they change
    nothing but what policies make of them.

    Attributes:
        num_agents: how many agents; static.
        room: the room, `reference_room()` by default.
        moves: `Sequential()` by default.
        decision_rate: probability in [0, 1] of deciding again.
        talk_radius: Euclidean distance within which speakers are heard, in cells.
        is_talking: whether deciders speak; static.

    Raises:
        TypeError: a room or moves of another kind, a number of agents that is none.
        ValueError: more agents than floor cells, a rate or a radius out of range.

    Example:
        >>> import jax
        >>> from jaxpapers import games
        >>> room = games.Room.from_text('''
        ...     ######
        ...     A....#
        ...     #....B
        ...     ######
        ... ''')
        >>> game = games.Evacuation(4, room)
        >>> path = games.play(jax.random.key(0), game, games.NearestExit(), num_rounds=6)
        >>> print(path.records.escaped)
        [0 2 4 4 4 4]
    """

    num_agents: int = eqx.field(static=True, default=100)
    room: Room = eqx.field(default_factory=reference_room)
    moves: Moves = eqx.field(default_factory=Sequential)
    decision_rate: Float[Array, ""] = eqx.field(converter=as_number, default=0.2)
    talk_radius: Float[Array, ""] = eqx.field(converter=as_number, default=5.0)
    is_talking: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        """Checks everything that is known."""
        engine.check_count("num_agents", self.num_agents)
        check_kind("room", self.room, Room)
        check_kind("moves", self.moves, Moves)
        check_within("decision_rate", self.decision_rate, 0, 1)
        check_within("talk_radius", self.talk_radius, 0)
        if self.num_agents > self.room.num_floor:
            raise ValueError(
                f"num_agents is {self.num_agents}, more than the {self.room.num_floor} floor cells "
                "of the room; give a larger room or fewer agents."
            )

    def reset(self, key: PRNGKeyArray) -> EvacuationState:
        """Everybody on a floor cell of its own, uniformly at random; all will decide.

        Args:
            key: a typed key.

        Returns:
            The state.
        """
        size, exits = self.num_agents, self.room.num_exits
        positions = _place(jax.random.fold_in(key, 0), jnp.asarray(self.room.floor_cells), size)
        agents = jnp.arange(size, dtype=jnp.int32)
        zeros, inside = jnp.zeros(size, jnp.int32), jnp.ones(size, bool)
        occupied = jnp.where(jnp.asarray(self.room.is_walkable), 0, 1).astype(jnp.uint8)
        occupied = set_where(occupied, inside, positions, 1)
        priority = jax.random.bits(jax.random.fold_in(key, 1), (size,), jnp.uint32)
        return EvacuationState(
            round=jnp.asarray(0, jnp.int32),
            crowd=Crowd(positions, zeros, inside, occupied, priority, agents, zeros[0]),
            exits=zeros,
            is_deciding=inside,
            named=jnp.full(size, NOBODY, jnp.int32),
            times_chosen=jnp.zeros((size, exits), jnp.int32),
            escaped_by_cell=jnp.zeros(self.room.num_exit_cells, jnp.int32),
            num_switches=jnp.asarray(0, jnp.int32),
        )

    def view(self, state: EvacuationState, agent: Int[Array, ""]) -> EvacuationObservation:
        """What one agent knows.

        Args:
            state: of the game.
            agent: its number.

        Returns:
            Its observation.
        """
        return self._view(state, agent, self._looks(state, agent), self._heard(state, agent))

    def observe(self, state: EvacuationState) -> EvacuationObservation:
        """What every agent knows; `crowd`, `visible` and `heard` of deciders alone, else 0.

        Args:
            state: of the game.

        Returns:
            Observations with a leading axis of agents.
        """
        agents = jnp.arange(self.num_agents, dtype=jnp.int32)
        # Each in a loop of its own, so that what no policy asks for is not computed.
        looks = tuple(
            _each_decider(state.is_deciding, lambda i, k=k: self._look(k, state, i))
            for k in range(2)
        )
        heard = jnp.zeros((self.num_agents, self.room.num_exits), jnp.int32)
        if self.is_talking:
            heard = _each_decider(state.is_deciding, lambda i: self._heard(state, i))
        return jax.vmap(lambda i, *rest: self._view(state, i, *rest))(agents, looks, heard)

    def turns(self, key: PRNGKeyArray, state: EvacuationState) -> Turns:
        """Deciders speak in the order of the shuffled list.

        Args:
            key: not used: the order is drawn with the state.
            state: of the game.

        Returns:
            One turn per agent, taken by deciders; none without talk.
        """
        del key
        if not self.is_talking:
            return no_turns()
        order = shuffled(state.is_deciding, state.crowd.priority)
        places = jnp.arange(self.num_agents, dtype=jnp.int32)
        return Turns(order, places < jnp.sum(state.is_deciding, dtype=jnp.int32))

    def hear(
        self, state: EvacuationState, agent: Int[Array, ""], message: Int[Array, ""]
    ) -> EvacuationState:
        """An agent has named an exit.

        Args:
            state: of the game.
            agent: who.
            message: the exit's number.

        Returns:
            The state in which those near have heard it.
        """
        message = jnp.clip(message.astype(jnp.int32), 0, self.room.num_exits - 1)
        return eqx.tree_at(lambda s: s.named, state, put(state.named, message, agent))

    def step(
        self, key: PRNGKeyArray, state: EvacuationState, actions: Int[Array, " agent"]
    ) -> tuple[EvacuationState, Float[Array, " agent"], EvacuationRecord]:
        """Choices are taken, everybody moves; who then stands on an exit has left the next state.

        Args:
            key: a typed key.
            state: of the game.
            actions: (agent,) exits; numbers out of range are taken as the nearest in range.

        Returns:
            The state, rewards (-1 for each round in the room), and the record.
        """
        state, crowd = self._choose(state, actions)
        crowd = self.moves.move(jax.random.fold_in(key, 0), self.room, crowd)
        record = self._record(state, crowd)
        rewards = -crowd.is_inside.astype(self.decision_rate.dtype)
        return self._leave(key, state, crowd), rewards, record

    def _choose(self, state, actions):
        """Deciders set out for the nearest cell of the exit they chose."""
        chosen = jnp.clip(actions.astype(jnp.int32), 0, self.room.num_exits - 1)
        decides = state.is_deciding
        exits = jnp.where(decides, chosen, state.exits)
        nearest = jnp.asarray(self.room.nearest_cell)[state.crowd.positions, exits]
        targets = jnp.where(decides, nearest, state.crowd.targets)
        switched = decides & (exits != state.exits) & (state.round > 0)
        marks = jnp.arange(self.room.num_exits, dtype=jnp.int32)[None] == exits[:, None]
        state = eqx.tree_at(
            lambda s: (s.exits, s.times_chosen, s.num_switches),
            state,
            (
                exits,
                state.times_chosen + (marks & decides[:, None]).astype(jnp.int32),
                state.num_switches + jnp.sum(switched, dtype=jnp.int32),
            ),
        )
        return state, eqx.tree_at(lambda c: c.targets, state.crowd, targets)

    def _record(self, state, crowd):
        has_left = ~crowd.is_inside
        capability, mental = traits(self.num_agents)
        pairs = jnp.arange(2, dtype=jnp.int32)
        is_of = (capability[None, None] == pairs[:, None, None]) & (
            mental[None, None] == pairs[None, :, None]
        )
        return EvacuationRecord(
            escaped=jnp.sum(has_left, dtype=jnp.int32),
            escaped_by_cell=state.escaped_by_cell,
            escaped_by_trait=jnp.sum(is_of & has_left[None, None], axis=2, dtype=jnp.int32),
            num_switches=state.num_switches,
            num_talking=jnp.sum(state.named != NOBODY, dtype=jnp.int32),
            positions=crowd.positions,
            is_inside=crowd.is_inside,
            exits=state.exits,
        )

    def _leave(self, key, state, crowd):
        """Who stands on an exit cell leaves; the next deciders and the next shuffle are drawn."""
        leaves = crowd.is_inside & (jnp.asarray(self.room.exit_of_cell)[crowd.positions] >= 0)
        exit_cells = jnp.asarray(self.room.exit_cells)
        through = crowd.occupied[exit_cells].astype(jnp.int32)

        def clear(index, occupied):
            return put(occupied, 0, exit_cells[index])

        occupied = jax.lax.fori_loop(0, self.room.num_exit_cells, clear, crowd.occupied)
        inside = crowd.is_inside & ~leaves
        keys = [jax.random.fold_in(key, index) for index in (1, 2)]
        decides = jax.random.uniform(keys[0], inside.shape) < self.decision_rate
        priority = jax.random.bits(keys[1], inside.shape, jnp.uint32)
        crowd = eqx.tree_at(
            lambda c: (c.is_inside, c.occupied, c.priority), crowd, (inside, occupied, priority)
        )
        return EvacuationState(
            round=state.round + 1,
            crowd=crowd,
            exits=state.exits,
            is_deciding=decides & inside,
            named=jnp.full_like(state.named, NOBODY),
            times_chosen=state.times_chosen,
            escaped_by_cell=state.escaped_by_cell + through,
            num_switches=state.num_switches,
        )

    def _view(self, state, agent, looks, heard):
        position = state.crowd.positions[agent]
        capability, mental = traits(self.num_agents)
        return EvacuationObservation(
            round=state.round,
            agent=agent,
            cell=position,
            is_inside=state.crowd.is_inside[agent],
            is_deciding=state.is_deciding[agent],
            exit=state.exits[agent],
            distance=jnp.asarray(self.room.mean_distance)[position],
            crowd=looks[0],
            visible=looks[1],
            heard=heard,
            times_chosen=state.times_chosen[agent],
            capability=capability[agent],
            mental=mental[agent],
        )

    def _looks(self, state, agent):
        return tuple(self._look(kind, state, agent) for kind in range(2))

    def _look(self, kind, state, agent):
        crowd = state.crowd
        if kind == 0:
            return crowd_counts(self.room, crowd.positions, crowd.is_inside, agent)
        people = jnp.where(jnp.asarray(self.room.is_walkable), crowd.occupied, 0)
        return cone_counts(self.room, people, crowd.positions[agent])

    def _heard(self, state, agent):
        """How many of those within the talk radius have named each exit."""
        positions = state.crowd.positions
        squares = squared_distance(
            self.room, positions, jnp.broadcast_to(positions[agent], positions.shape)
        )
        is_near = squares.astype(self.talk_radius.dtype) <= self.talk_radius**2
        others = jnp.arange(self.num_agents, dtype=jnp.int32) != agent
        exits = jnp.arange(self.room.num_exits, dtype=jnp.int32)
        named = (state.named[None] == exits[:, None]) & (is_near & others)[None]
        return jnp.sum(named, axis=1, dtype=jnp.int32)


def traits(num_agents: int) -> tuple[Int[Array, " agent"], Int[Array, " agent"]]:
    """Traits of agents by their number.

    Args:
        num_agents: how many.

    Returns:
        ``capability = (agent mod 4) // 2`` and ``mental = agent mod 2``.
    """
    agents = jnp.arange(num_agents, dtype=jnp.int32)
    return agents % 4 // 2, agents % 2


def _place(key, cells, size):
    """The first cells of a random permutation (Fisher and Yates), as far as they are needed."""
    uniforms = jax.random.uniform(key, (size,))
    count = cells.shape[0]

    def swap(place, cells):
        left = count - place
        jump = (uniforms[place] * left.astype(uniforms.dtype)).astype(jnp.int32)
        other = place + jnp.minimum(jump, left - 1)
        here, there = cells[place], cells[other]
        return put(put(cells, there, place), here, other)

    return jax.lax.fori_loop(0, size, swap, cells)[:size]


def _each_decider(is_deciding, function):
    """A function of every decider's number, zeros for the others, one after another."""
    one = jax.eval_shape(function, jnp.asarray(0, jnp.int32))
    none = jnp.zeros(one.shape, one.dtype)
    agents = jnp.arange(is_deciding.shape[0], dtype=jnp.int32)
    return jax.lax.map(lambda i: jax.lax.cond(is_deciding[i], function, lambda _: none, i), agents)
