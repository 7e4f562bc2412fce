"""Evacuation: each rule against plain Python, and conservation."""

import equinox as eqx
import evacuation_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import games
from jaxpapers.engine import ReplicateData, Replicates, run
from jaxpapers.games.moves import order_by_insertion, order_by_sorting
from jaxpapers.games.simulate import make_world

KEY = jax.random.key(2)
MAP = """
    ##########
    A........#
    A.oo.....#
    #.o......B
    #........#
    #....oo..B
    #....o...#
    ##CC######
"""
ROOM = games.Room.from_text(MAP)
NUM_AGENTS = 24


def small_game(moves=None, **settings):
    return games.Evacuation(NUM_AGENTS, ROOM, moves or games.Sequential(), **settings)


class AnyExit(games.Policy):
    """Chooses an exit at random."""

    def init(self, key, observation):
        return ()

    def speak(self, key, observation, memory):
        return jnp.asarray(0, jnp.int32)

    def decide(self, key, observation, memory):
        size = observation.distance.shape[0]
        return jax.random.randint(key, (), 0, size, jnp.int32), memory


def states_of(game, num_rounds, policy=None):
    """States before each step, actions, and records, of one world."""
    players = games.population(policy or AnyExit(), game.num_agents)

    @jax.jit
    def one(key, state, memories):
        actions, memories = players.decide(key, game.observe(state), memories)
        after, _, record = game.step(key, state, actions)
        return actions, after, memories, record

    state, memories = games.begin(KEY, game, players)
    found = []
    for time in range(num_rounds):
        actions, after, memories, record = one(jax.random.fold_in(KEY, time), state, memories)
        found.append(jax.tree.map(np.asarray, (state, actions, record)))
        state = after
    return found


@pytest.mark.parametrize(
    ("moves", "step"),
    [
        (games.Sequential, oracle.sequential_step),
        (games.Synchronous, oracle.synchronous_step),
    ],
)
def test_moves_are_those_of_plain_python(moves, step):
    num_moved = 0
    for state, actions, record in states_of(small_game(moves(), decision_rate=0.5), 25):
        before = state.crowd
        exits = np.where(state.is_deciding, actions, state.exits)
        fresh = np.asarray(ROOM.nearest_cell)[before.positions, exits]
        targets = np.where(state.is_deciding, fresh, before.targets)
        expected = step(ROOM, before.positions, before.is_inside, targets, before.priority)
        inside = before.is_inside
        assert record.positions[inside].tolist() == np.asarray(expected)[inside].tolist()
        num_moved += int((record.positions != before.positions)[inside].sum())
    assert num_moved > 50


@pytest.mark.parametrize("moves", [games.Sequential, games.Synchronous])
def test_nobody_is_lost_and_no_cell_holds_two(moves):
    walkable = np.asarray(ROOM.is_walkable)
    for state, _, record in states_of(small_game(moves()), 25):
        inside = state.crowd.is_inside
        cells = state.crowd.positions[inside]
        assert len(set(cells.tolist())) == len(cells)
        assert walkable[cells].all()
        people = np.where(walkable, state.crowd.occupied, 0)
        assert sorted(np.flatnonzero(people).tolist()) == sorted(cells.tolist())
        assert int(record.escaped) + int(inside.sum()) == NUM_AGENTS
        assert int(record.escaped_by_cell.sum()) == int(record.escaped)
        assert int(record.escaped_by_trait.sum()) == int(record.escaped)
        assert (state.times_chosen.sum(axis=1) >= (state.round > 0)).all()


def test_one_agent_leaves_through_a_cell_in_a_step():
    records = [record for _, _, record in states_of(small_game(), 25, games.NearestExit())]
    by_cell = np.stack([record.escaped_by_cell for record in records])
    assert np.diff(by_cell, axis=0).max() == 1
    assert records[0].escaped == 0  # nobody starts on an exit
    arrived = np.isin(records[0].positions, np.asarray(ROOM.exit_cells))
    assert records[1].escaped == arrived.sum()


def test_the_last_step_leaves_those_on_exits_inside():
    record = states_of(small_game(), 3, games.NearestExit())[-1][2]
    on_exit = record.is_inside & np.isin(record.positions, np.asarray(ROOM.exit_cells))
    assert on_exit.any()
    assert record.escaped == NUM_AGENTS - record.is_inside.sum()


def test_everybody_decides_first_and_then_with_the_rate():
    found = states_of(games.Evacuation(400, decision_rate=0.3), 12, games.NearestExit())
    assert found[0][0].is_deciding.all()
    decided = np.concatenate([s.is_deciding[s.crowd.is_inside] for s, _, _ in found[1:]])
    # Two-sided at 1e-4.
    assert abs(decided.mean() - 0.3) < 3.9 * np.sqrt(0.21 / decided.size)
    assert not any((s.is_deciding & ~s.crowd.is_inside).any() for s, _, _ in found)


def test_agents_start_on_distinct_floor_cells_with_equal_odds():
    game = games.Evacuation(5, ROOM)
    starts = np.asarray(
        jax.jit(jax.vmap(lambda k: game.reset(k).crowd.positions))(jax.random.split(KEY, 4_000))
    )
    floor = np.asarray(ROOM.floor_cells)
    assert np.isin(starts, floor).all()
    assert (np.diff(np.sort(starts, axis=1), axis=1) > 0).all()
    counts = np.bincount(starts.reshape(-1), minlength=ROOM.num_cells)[floor]
    expected = starts.size / floor.size
    # Normal bound at 1e-4 over all cells.
    assert np.abs(counts - expected).max() < 4.8 * np.sqrt(expected)
    first = np.bincount(starts[:, 0], minlength=ROOM.num_cells)[floor]
    assert np.abs(first - 4_000 / floor.size).max() < 4.8 * np.sqrt(4_000 / floor.size)


def test_both_orders_are_one():
    generator = np.random.default_rng(4)
    forms = [
        jax.jit(form, static_argnames="num_groups")
        for form in (order_by_insertion, order_by_sorting)
    ]
    for _ in range(30):
        group = generator.integers(0, 3, 16, np.int32)
        distance = generator.integers(0, 6, 16, np.int32)
        inside = generator.random(16) < 0.7
        priority = generator.integers(0, 4, 16, np.uint32)  # ties in everything but the number
        queue = generator.permutation(16).astype(np.int32)
        first = [priority[inside & (group == g)].min(initial=4) for g in range(3)]
        rank = np.argsort(np.argsort(first, kind="stable"))
        count, seen = int(inside.sum()), np.int32(generator.choice([0, 16]))
        orders = [
            form(group, distance, inside, priority, queue, seen, num_groups=3)[0][:count]
            for form in forms
        ]
        keys = sorted(
            np.flatnonzero(inside), key=lambda i: (rank[group[i]], distance[i], priority[i], i)
        )
        assert orders[0].tolist() == orders[1].tolist() == [int(i) for i in keys]


def test_worlds_in_lockstep_are_those_one_after_another():
    game, policy = small_game(is_talking=True), games.LogitExit(heard_weight=-0.5)
    world, players = make_world(KEY, game, policy, 12, lambda play: play.records)
    found = []
    for in_lockstep in (False, True):
        algorithm = Replicates(world, 6, 6, in_lockstep=in_lockstep)
        task = ReplicateData(KEY, players)
        found.append(run(KEY, algorithm, game, task, num_steps=1).state.values)
    for one, other in zip(jax.tree.leaves(found[0]), jax.tree.leaves(found[1]), strict=True):
        assert one.tolist() == other.tolist()


def test_a_greedy_agent_trembles_at_the_rate_and_uniformly():
    walk, room = games.Greedy(tremble=0.5), ROOM
    here, target = 4 * ROOM.width + 4, int(ROOM.exit_cells[0])
    grid = np.where(np.asarray(room.is_walkable), 0, 1).astype(np.uint8)
    grid[here + 1] = 1

    @jax.jit
    @jax.vmap
    def draw(key):
        return walk.pick(
            walk.plan(key, room, jnp.asarray(here), jnp.asarray(target)),
            room,
            jnp.asarray(grid),
            jnp.asarray(here),
        )

    drawn = np.asarray(draw(jax.random.split(KEY, 20_000)))
    best = oracle.greedy(room, grid, here, target)
    cells = [here + r * room.width + c for r, c in oracle.MENU]
    free = [cell for cell in cells if cell == here or not grid[cell]]
    share = {cell: 0.5 / len(free) + 0.5 * (cell == best) for cell in free}
    assert set(drawn.tolist()) == set(free)
    for cell, expected in share.items():
        error = np.sqrt(expected * (1 - expected) / drawn.size)
        assert abs((drawn == cell).mean() - expected) < 4.5 * error


def test_a_floor_field_draws_by_distance():
    walk = games.FloorField(sensitivity=2.0)
    here, target = 4 * ROOM.width + 4, int(ROOM.exit_cells[0])
    grid = np.where(np.asarray(ROOM.is_walkable), 0, 1).astype(np.uint8)

    @jax.jit
    @jax.vmap
    def draw(key):
        plan = walk.plan(key, ROOM, jnp.asarray(here), jnp.asarray(target))
        return walk.pick(plan, ROOM, jnp.asarray(grid), jnp.asarray(here))

    drawn = np.asarray(draw(jax.random.split(KEY, 20_000)))
    cells = [here + r * ROOM.width + c for r, c in oracle.MENU]
    free = np.array([cell for cell in cells if cell == here or not grid[cell]])
    weights = np.exp(-2 * np.sqrt([oracle.square(ROOM, cell, target) for cell in free]))
    weights /= weights.sum()
    shares = np.array([(drawn == cell).mean() for cell in free])
    assert (np.abs(shares - weights) < 4.5 * np.sqrt(weights * (1 - weights) / drawn.size)).all()
    assert set(drawn.tolist()) <= set(free.tolist())


def observation(**fields):
    base = games.Evacuation(NUM_AGENTS, ROOM)
    view = base.view(base.reset(KEY), jnp.asarray(0))
    for name, value in fields.items():
        view = eqx.tree_at(lambda o, n=name: getattr(o, n), view, jnp.asarray(value))
    return view


def test_logit_exits_are_drawn_by_their_utilities():
    policy = games.LogitExit(temperature=2.0, crowd_weight=0.5, heard_weight=-0.7, trust=0.5)
    view = observation(distance=[3.0, 4.0, 5.0], crowd=[4, 2, 0], heard=[0, 0, 2])
    utilities = (
        -(np.array([3.0, 4.0, 5.0]) + 0.5 * np.array([4, 2, 0]) - 0.35 * np.array([0, 0, 2])) / 2
    )
    odds = np.exp(utilities) / np.exp(utilities).sum()
    keys = jax.random.split(KEY, 20_000)
    for draw in (
        lambda key: policy.decide(key, view, ())[0],
        lambda key: policy.speak(key, view, ()),
    ):
        drawn = np.asarray(jax.jit(jax.vmap(draw))(keys))
        shares = np.bincount(drawn, minlength=3) / drawn.size
        assert (np.abs(shares - odds) < 4.5 * np.sqrt(odds * (1 - odds) / drawn.size)).all()
    selfish = games.LogitExit(honesty=0.0)
    named = jax.vmap(lambda key: selfish.speak(key, view, ()))(keys[:50])
    assert set(named.tolist()) == {int(np.argmin(np.asarray(selfish.utilities(view))))}


def test_the_nearest_exit_is_by_the_mean_distance_and_ties_go_to_the_first():
    policy = games.NearestExit()
    for distance, expected in (([3.0, 2.0, 2.5], 1), ([2.0, 2.0, 3.0], 0)):
        view = observation(distance=distance)
        assert policy.decide(KEY, view, ())[0] == expected
        assert policy.speak(KEY, view, ()) == expected


def test_talk_is_heard_by_others_near_and_by_later_speakers():
    game = small_game(is_talking=True, talk_radius=3.0)
    state = game.reset(KEY)
    turns = game.turns(KEY, state)
    assert turns.is_taken.all()
    order = np.argsort(np.asarray(state.crowd.priority), kind="stable")
    assert turns.agents.tolist() == order.tolist()
    speaker = int(order[0])
    state = game.hear(state, turns.agents[0], jnp.asarray(2))
    positions = np.asarray(state.crowd.positions)
    for agent in range(NUM_AGENTS):
        near = oracle.square(ROOM, positions[agent], positions[speaker]) <= 9 and agent != speaker
        assert game.view(state, jnp.asarray(agent)).heard.tolist() == [0, 0, int(near)]
    every = game.observe(state).heard
    views = [game.view(state, jnp.asarray(i)).heard.tolist() for i in range(NUM_AGENTS)]
    assert every.tolist() == views
    after, _, record = game.step(KEY, state, jnp.zeros(NUM_AGENTS, jnp.int32))
    assert record.num_talking == 1
    assert (after.named == -1).all()  # nothing heard is kept


def test_only_deciders_speak_and_without_talk_nobody():
    game = small_game(is_talking=True)
    state = states_of(game, 4)[-1][0]
    turns = game.turns(KEY, jax.tree.map(jnp.asarray, state))
    speakers = np.asarray(turns.agents)[np.asarray(turns.is_taken)]
    assert sorted(speakers.tolist()) == np.flatnonzero(state.is_deciding).tolist()
    assert 0 < len(speakers) < NUM_AGENTS
    assert small_game().turns(KEY, state).agents.shape == (0,)


def test_views_count_people_as_the_functions_of_vision_do():
    game = small_game()
    state = jax.tree.map(jnp.asarray, states_of(game, 3)[-1][0])
    every = game.observe(state)
    people = np.where(np.asarray(ROOM.is_walkable), state.crowd.occupied, 0)
    for agent in np.flatnonzero(np.asarray(state.is_deciding))[:4]:
        cell = state.crowd.positions[agent]
        crowd = games.crowd_counts(ROOM, state.crowd.positions, state.crowd.is_inside, agent)
        assert every.crowd[agent].tolist() == crowd.tolist()
        np.testing.assert_allclose(
            every.visible[agent], games.cone_counts(ROOM, people, cell), rtol=1e-6
        )
    waiting = int(np.flatnonzero(~np.asarray(state.is_deciding))[0])
    assert every.crowd[waiting].tolist() == [0, 0, 0]


def test_traits_follow_the_number():
    capability, mental = games.traits(6)
    assert capability.tolist() == [0, 0, 1, 1, 0, 0]
    assert mental.tolist() == [0, 1, 0, 1, 0, 1]


def test_switches_are_counted_from_the_second_round_on():
    found = states_of(small_game(), 6)
    count = 0
    for state, actions, record in found:
        if state.round > 0:
            count += int((state.is_deciding & (actions != state.exits)).sum())
        assert record.num_switches == count
    assert count > 0


def test_an_empty_room_stays_as_it_is():
    game = games.Evacuation(2, ROOM)
    play = games.play(KEY, game, games.NearestExit(), num_rounds=40)
    assert play.records.escaped[-1] == 2
    last = int(np.argmax(np.asarray(play.records.escaped) == 2))
    assert (play.rewards[last:] == 0).all()
    assert (play.records.positions[last:] == play.records.positions[-1][None]).all()


def test_mixed_crowds_play_by_their_own_policies():
    crowd = [AnyExit() if i % 2 else games.LogitExit(temperature=1.0 + i) for i in range(8)]
    mixed = games.population(crowd, 8)
    assert [kind.agents for kind in mixed.kinds] == [(0, 2, 4, 6), (1, 3, 5, 7)]
    play = games.play(KEY, games.Evacuation(8, ROOM, is_talking=True), crowd, num_rounds=6)
    assert play.actions.shape == (6, 8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: games.Evacuation(99, ROOM),
            ValueError,
            "num_agents is 99, more than the 42 floor",
        ),
        (lambda: games.Evacuation(0, ROOM), ValueError, "num_agents must be at least 1"),
        (lambda: games.Evacuation(3, MAP), TypeError, "room must be a Room, got str"),
        (lambda: games.Evacuation(3, ROOM, "sequential"), TypeError, "moves must be a Moves"),
        (lambda: small_game(decision_rate=1.5), ValueError, "decision_rate must be finite and in"),
        (lambda: small_game(talk_radius=-1.0), ValueError, "talk_radius must be finite and at"),
        (lambda: games.Greedy(tremble=2.0), ValueError, "tremble must be finite and in"),
        (lambda: games.FloorField(sensitivity=-1.0), ValueError, "sensitivity must be finite"),
        (lambda: games.LogitExit(temperature=0.0), ValueError, "temperature must be finite and"),
        (lambda: games.LogitExit(honesty=1.1), ValueError, "honesty must be finite and in"),
        (lambda: games.LogitExit(crowd_weight=np.nan), ValueError, "crowd_weight must be finite"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
