"""Playing games: one world, many worlds, and many worlds at each point of a grid."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .. import engine
from ..numerics.varying import vary, varying_axes
from .model import Game, Record, check_kind
from .populations import Policies, Population, population

BATCH_SIZE = 1_024
Report = Callable[["Play"], PyTree]


class Play(eqx.Module):
    """What happened in one world.

    Attributes:
        records: the game's record of each round, with a leading axis of rounds.
        actions: (round, agent).
        rewards: (round, agent).
        state: of the game after the last round.
        memories: of the policies after the last round, by kind.
    """

    records: Record
    actions: Array
    rewards: Float[Array, "round agent"]
    state: PyTree
    memories: PyTree

    def curves(self) -> dict[str, Array]:
        """The numbers that are averaged over worlds, by name, with a leading axis of rounds.

        Returns:
            As `Record.curves`.
        """
        return self.records.curves()


def play(key: PRNGKeyArray, game: Game, policies: Policies, *, num_rounds: int) -> Play:
    """Plays one world.

    Round t draws from `fold_in(key, t)`, so that a longer play begins with the shorter. Draws
    inside are those of a counter generator (`engine.stream`) that the key seeds.

    Args:
        key: a typed key.
        game: the game.
        policies: one for all agents, or a sequence with one per agent.
        num_rounds: how many rounds.

    Returns:
        All rounds.

    Raises:
        TypeError: a key, game or policy that is none.
        ValueError: not one policy per agent, `num_rounds` below 1.

    Example:
        >>> import jax
        >>> from jaxpapers import games
        >>> path = games.play(
        ...     jax.random.key(0), games.Bertrand(), games.BestReply(start=8.0), num_rounds=30
        ... )
        >>> print(path.records.prices[-1].round(3).tolist())
        [6.0, 6.0]
    """
    world, players = make_world(key, game, policies, num_rounds, _everything)
    return _play(key, world, game, players)


def replicate(
    key: PRNGKeyArray,
    game: Game,
    policies: Policies,
    *,
    num_rounds: int,
    num_worlds: int,
    batch_size: int = BATCH_SIZE,
    report: Report | None = None,
    mesh: Mesh | None = None,
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> engine.Moments:
    """Plays many worlds and keeps mean and variance of what each reports, not the worlds.

    On a CPU worlds run one after another, elsewhere those of a batch in lock-step
    (`engine.simulate`); memory does not grow with `num_worlds`.

    Args:
        key: a typed key; world w draws from `fold_in(key, w)`.
        game: the game.
        policies: one for all agents, or a sequence with one per agent.
        num_rounds: how many rounds each.
        num_worlds: how many worlds.
        batch_size: worlds between two looks at progress and checkpoint; in lock-step at once.
        report: `(play) -> pytree of arrays`, what is averaged; `Play.curves` by default.
        mesh: devices to spread the worlds over; None for one device.
        progress: shown while it runs; None for silence.
        checkpoint: where it saves itself; None for nowhere.

    Returns:
        Moments over worlds: `.mean`, `.variance` and `.standard_error` in the report's layout.

    Raises:
        TypeError: as `play`.
        ValueError: as `play`, or counts below 1.

    Example:
        >>> import jax
        >>> from jaxpapers import games
        >>> cloud = games.replicate(
        ...     jax.random.key(0),
        ...     games.BeautyContest(),
        ...     games.MedianTalk(),
        ...     num_rounds=4,
        ...     num_worlds=2_000,
        ... )
        >>> print(cloud.mean["variance"].round(-1))
        [150.  50.  20.  10.]
    """
    world, players = make_world(key, game, policies, num_rounds, report)
    return engine.average(
        key,
        world,
        game,
        players,
        num_worlds=num_worlds,
        batch_size=fitting_batch(batch_size, num_worlds),
        mesh=mesh,
        progress=progress,
        checkpoint=checkpoint,
    )


def collect(
    key: PRNGKeyArray,
    game: Game,
    policies: Policies,
    *,
    num_rounds: int,
    num_worlds: int,
    report: Report,
    batch_size: int = BATCH_SIZE,
    mesh: Mesh | None = None,
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> PyTree:
    """Plays many worlds and keeps what each reports, world by world.

    Args:
        key: as `replicate`.
        game: as `replicate`.
        policies: as `replicate`.
        num_rounds: as `replicate`.
        num_worlds: as `replicate`.
        report: `(play) -> pytree of arrays`, what is kept of a world; keep it small.
        batch_size: as `replicate`.
        mesh: as `replicate`.
        progress: as `replicate`.
        checkpoint: as `replicate`.

    Returns:
        The reports, stacked along a leading axis of worlds.

    Raises:
        TypeError: as `replicate`.
        ValueError: as `replicate`.
    """
    world, players = make_world(key, game, policies, num_rounds, report)
    return engine.simulate(
        key,
        world,
        game,
        players,
        num_worlds=num_worlds,
        batch_size=fitting_batch(batch_size, num_worlds),
        mesh=mesh,
        progress=progress,
        checkpoint=checkpoint,
    )


def play_round(
    key: PRNGKeyArray, game: Game, players: Population, state: PyTree, memories: PyTree
) -> tuple[PyTree, PyTree, tuple[Record, Array, Float[Array, " agent"]]]:
    """One round: talk, decisions, moves.

    Args:
        key: a typed key of this round.
        game: the game.
        players: the population.
        state: of the game.
        memories: of the population.

    Returns:
        State and memories after the round; and its record, actions and rewards.
    """
    keys = [jax.random.fold_in(key, index) for index in range(4)]
    state = _talk(keys[0], keys[1], game, players, state, memories)
    actions, memories = players.decide(keys[2], game.observe(state), memories)
    state, rewards, record = game.step(keys[3], state, actions)
    return state, memories, (record, actions, rewards)


def begin(key: PRNGKeyArray, game: Game, players: Population) -> tuple[PyTree, PyTree]:
    """State and memories before the first round.

    Args:
        key: a typed key.
        game: the game.
        players: the population.

    Returns:
        The game's state and the population's memories.
    """
    state = game.reset(jax.random.fold_in(key, 0))
    return state, players.init(jax.random.fold_in(key, 1), game.observe(state))


class World(eqx.Module):
    """A world as a function of its key: one pure loop."""

    num_rounds: int = eqx.field(static=True)
    report: Report = eqx.field(static=True)

    def __call__(self, key, game, players):
        """What the world reports."""
        axes = varying_axes((jax.random.key_data(key), game, players))
        stream, game, players = vary((engine.stream(key), game, players), axes)

        def one_round(carry, time):
            state, memories, report = play_round(
                jax.random.fold_in(stream, time + 1), game, players, *carry
            )
            return vary(((state, memories), report), axes)

        start = vary(begin(jax.random.fold_in(stream, 0), game, players), axes)
        times = jnp.arange(self.num_rounds, dtype=jnp.uint32)
        (state, memories), (records, actions, rewards) = jax.lax.scan(one_round, start, times)
        return self.report(Play(records, actions, rewards, state, memories))


def _talk(order_key, key, game, players, state, memories):
    """Those whose turn it is speak, one after another, and are heard."""
    turns = game.turns(order_key, state)

    def take(index, state):
        agent = turns.agents[index]

        def speak(state):
            observation = game.view(state, agent)
            own_key = jax.random.fold_in(key, index)
            return game.hear(state, agent, players.speak(own_key, agent, observation, memories))

        return jax.lax.cond(turns.is_taken[index], speak, lambda state: state, state)

    if not turns.agents.shape[0]:
        return state
    return jax.lax.fori_loop(0, turns.agents.shape[0], take, state)


def make_world(
    key: PRNGKeyArray, game: Game, policies: Policies, num_rounds: int, report: Report | None
) -> tuple[World, Population]:
    """Checks everything before anything runs.

    Args:
        key: a typed key.
        game: the game.
        policies: one for all agents, or a sequence with one per agent.
        num_rounds: how many rounds.
        report: what a world reports; None for `Play.curves`.

    Returns:
        The world, and the population.

    Raises:
        TypeError: a key, game or policy that is none.
        ValueError: not one policy per agent, `num_rounds` below 1.
    """
    engine.check_key(key)
    check_kind("game", game, Game)
    engine.check_count("num_rounds", num_rounds)
    return World(num_rounds, report or _curves), population(policies, game.num_agents)


@eqx.filter_jit
def _play(key, world, game, players):
    return world(key, game, players)


def _everything(play: Any) -> Any:
    return play


def _curves(play: Play) -> dict[str, Array]:
    return play.curves()


def fitting_batch(batch_size: int, num_worlds: int) -> int:
    """Checks the counts of a simulation.

    Args:
        batch_size: worlds at once.
        num_worlds: how many worlds.

    Returns:
        A batch size that is not above the number of worlds.

    Raises:
        TypeError: a count that is not an int.
        ValueError: a count below 1.
    """
    engine.check_count("num_worlds", num_worlds)
    engine.check_count("batch_size", batch_size)
    return min(batch_size, num_worlds)
