"""The cases of the games benchmark: evacuation, pricing by Q-learning, guesses, price competition.

Seconds are those of a million steps of an agent or periods of a world, so that contenders of very
different speed can do as many worlds as each needs for a clear time.
"""

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks import run as harness
from benchmarks.cases.game_answers import (
    CHECK_DECAY,
    CHECK_PERIODS,
    CHECK_WORLDS,
    HIGHEST_START,
    LOWEST_START,
    MARKET_ROUNDS,
    SCALE,
    SEED,
    Curve,
    curve_error,
    greedy_error,
    price_error,
    variance_error,
)
from benchmarks.cases.games_child import Child
from benchmarks.cases.ranks import late, why_missing
from benchmarks.contenders import Case, Contender
from benchmarks.formulations import worlds_in_step
from benchmarks.peers import games_numpy
from jaxpapers import engine, games

NUM_STEPS = 51
WORLDS = {100: 4_096, 400: 1_024, 10_000: 32}
"""Worlds of an evacuation by number of agents."""
FEWER = {"Mesa": 64, "jaxpapers, unfolded": 8, "JAX, in step": 16}
"""Slow contenders do one of so many worlds of an evacuation."""
LARGEST_MESA = 400
PERIODS = {64: 200_000, 1_024: 20_000, 16_384: 2_000}
"""Periods of Q-learning by number of worlds."""
SLOW_SHARE = 10
"""Slow contenders do one of so many periods of Q-learning."""
CONTESTS, CONTEST_ROUNDS, NUM_PLAYERS = 50_000, 4, 24
MARKETS = 20_000
GPU_WORLDS, GPU_PERIODS = 131_072, 2_000


@dataclass(frozen=True)
class Work:
    """What a job gave and took.

    Attributes:
        answer: What it gave.
        units: Steps of agents or periods of worlds that it did.
        wall: Wall seconds.
        cpu: CPU seconds of all threads, or processes.
        told: What a job in another process says of itself, ready for the record.
    """

    answer: Any
    units: float
    wall: float
    cpu: float
    told: dict[str, Any] | None = None

    @property
    def seconds(self):
        """Wall and CPU seconds of a million units."""
        return self.wall / self.units * 1e6, self.cpu / self.units * 1e6


def make_cases(sizes):
    """Return all cases in the order in which they are run.

    Args:
        sizes: Not used.
    """
    del sizes
    names = [("evacuation", size) for size in WORLDS]
    names += [("calvano", size) for size in PERIODS]
    names += [("beauty", CONTESTS), ("bertrand", MARKETS)]
    if jax.default_backend() == "gpu":
        names += [("gpu-evacuation", GPU_WORLDS), ("gpu-calvano", GPU_WORLDS)]
    return [make_case(name, size) for name, size in names]


def make_case(name, size):
    """Return the case of a name at a size.

    Args:
        name: One of BUILDERS.
        size: Number of agents of an evacuation, else of worlds.

    Raises:
        ValueError: If there is no case of this name.
    """
    if name not in BUILDERS:
        raise ValueError(f"case is {name!r}; needed is one of {', '.join(BUILDERS)}")
    build, size_name, others = BUILDERS[name]
    return Case(name, size, "float32", partial(build, size), size_name, others(size))


def worked(job: Callable[[], Any], units: Callable[[Any], float]) -> Work:
    """Do a job in single precision, wait until it is done, and take its time.

    Args:
        job: The job.
        units: Takes what it gave; returns how many units it did.
    """
    cpu, wall = time.process_time(), time.perf_counter()
    with jax.enable_x64(False):
        answer = jax.block_until_ready(job())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Work(answer, units(answer), wall, cpu)


# --- evacuation ---------------------------------------------------------------------------------


def build_evacuation(num_agents):
    """Return the contenders for the evacuation of a room by a number of agents."""
    sizes = num_agents, WORLDS[num_agents], NUM_STEPS
    few = {name: max(1, WORLDS[num_agents] // share) for name, share in FEWER.items()}
    scale = SCALE.get(num_agents, 1)
    unfolded, in_step, mesa = "jaxpapers, unfolded", "JAX, in step", "Mesa"
    child = Child((num_agents, few[unfolded]), _flags_without_folding())

    def entry(name, note, job, **settings):
        error = partial(curve_error, num_agents)
        return _contender(name, note, job, error, **settings)

    return [
        entry(
            "jaxpapers",
            "games.replicate, worlds on all cores, loops folded by XLA's flag",
            evacuation_job(num_agents, WORLDS[num_agents]),
            compiler="jax",
        ),
        entry(unfolded, "the same without the flag, fewer worlds", partial(_told_by, child)),
        entry(
            in_step,
            "other formulation: all worlds side by side, XLA's sort; fewer worlds",
            partial(_curve_in_step, num_agents, few[in_step]),
            compiler="jax",
        ),
        entry(
            "numba",
            "one integer a key, kept sorted; steps by table; worlds on all cores",
            partial(_peer_curve, late("games_numba", "evacuate", SEED, *sizes, scale)),
            compiler="numba",
            why_missing=why_missing("numba"),
        ),
        entry(
            "numba, plain",
            "shuffle, sort, look at nine cells; worlds on all cores",
            partial(_peer_curve, late("games_numba", "evacuate_plainly", SEED, *sizes, scale)),
            compiler="numba",
            why_missing=why_missing("numba"),
        ),
        entry(
            mesa,
            "Mesa 3, cells and agents, a process for each core; steps alone are timed",
            partial(
                _mesa_curve,
                late("games_mesa", "evacuate", SEED, num_agents, few[mesa], NUM_STEPS),
            ),
            why_missing=why_missing("mesa")
            or (f"slow: up to {LARGEST_MESA} only" if num_agents > LARGEST_MESA else None),
        ),
    ]


def evacuation_job(num_agents, num_worlds, moves=None):
    """Return our evacuation as a job that gives a `Curve`; worlds are spread over all devices.

    Args:
        num_agents: How many agents.
        num_worlds: How many worlds.
        moves: The rule of moving; None for the sequential one.
    """

    def run():
        mesh = engine.replicate_mesh()
        found = games.replicate(
            jax.random.key(SEED),
            _evacuation(num_agents, moves),
            games.NearestExit(),
            num_rounds=NUM_STEPS,
            num_worlds=num_worlds,
            batch_size=_batch(num_worlds, mesh),
            mesh=mesh,
        )
        mean, variance = (np.asarray(x["escaped"], float) for x in (found.mean, found.variance))
        return Curve(mean, variance, num_worlds)

    return lambda: worked(run, lambda curve: live_steps(curve, num_agents))


def _curve_in_step(num_agents, num_worlds):
    settings = {"num_rounds": NUM_STEPS, "num_worlds": num_worlds}
    players = _evacuation(num_agents, None), games.NearestExit()

    def run():
        return _curve_of(worlds_in_step.escaped(jax.random.key(SEED), *players, **settings))

    return worked(run, lambda curve: live_steps(curve, num_agents))


def live_steps(curve, num_agents):
    """Return how many agents were inside at the start of a step, summed over steps and worlds."""
    return float((num_agents - curve.mean).sum() * curve.num_worlds)


@functools.cache
def _game(num_agents):
    if SCALE.get(num_agents, 1) == 1:
        return games.Evacuation(num_agents)
    return games.Evacuation(num_agents, games.large_room(scale=SCALE[num_agents]))


def _evacuation(num_agents, moves):
    game = _game(num_agents)
    return game if moves is None else games.Evacuation(num_agents, game.room, moves)


def _peer_curve(job):
    work = worked(job, lambda answer: answer[1])
    return Work(_curve_of(work.answer[0]), work.units, work.wall, work.cpu)


def _mesa_curve(job):
    curves, live, wall, cpu = job()
    return Work(_curve_of(curves), live, wall, cpu)


def _curve_of(escaped):
    escaped = np.asarray(escaped, float)
    return Curve(escaped.mean(axis=0), escaped.var(axis=0), len(escaped))


def _told_by(child):
    told = child.ask()
    return Work(
        Curve(told["mean"], told["variance"], told["num_worlds"]),
        *(told[name] for name in ("units", "wall", "cpu")),
        told={name: told[name] for name in ("compile_seconds", "memory")},
    )


def _flags_without_folding():
    return " ".join(f for f in os.environ.get("XLA_FLAGS", "").split() if f != harness.FOLDING)


# --- pricing by Q-learning ----------------------------------------------------------------------


def build_calvano(num_worlds):
    """Return the contenders for Q-learning firms in a number of worlds."""
    num_periods = PERIODS[num_worlds]

    def entry(name, note, sessions, num_periods=num_periods, **settings):
        job = partial(_sessions_work, sessions, num_worlds, num_periods)
        return _contender(name, note, job, partial(sessions_error, sessions), **settings)

    return [
        entry(
            "jaxpapers",
            "games.q_learning_sessions, worlds on all cores",
            our_sessions,
            compiler="jax",
        ),
        entry(
            "JAX, in step",
            f"other formulation: all worlds side by side, one of {SLOW_SHARE} periods",
            sessions_in_step,
            num_periods=max(1, num_periods // SLOW_SHARE),
            compiler="jax",
        ),
        entry(
            "numba",
            "greedy prices kept, a row searched only below its bound; worlds on all cores",
            partial(_numba_sessions, "q_sessions"),
            compiler="numba",
            why_missing=why_missing("numba"),
        ),
        entry(
            "numba, plain",
            "rows searched in each period; worlds on all cores",
            partial(_numba_sessions, "q_sessions_plainly"),
            compiler="numba",
            why_missing=why_missing("numba"),
        ),
        entry(
            "NumPy",
            f"all worlds in step, one of {SLOW_SHARE} periods",
            numpy_sessions,
            num_periods=max(1, num_periods // SLOW_SHARE),
        ),
    ]


def our_sessions(decay, num_worlds, num_periods):
    """Return our greedy prices and last states after a number of periods."""
    mesh = engine.replicate_mesh()
    found = games.q_learning_sessions(
        jax.random.key(SEED),
        games.QLearningMarket(decay=decay),
        num_sessions=num_worlds,
        max_periods=num_periods,
        patience=num_periods + 1,
        batch_size=_batch(num_worlds, mesh),
        mesh=mesh,
    )
    if not (np.asarray(found.num_periods) == num_periods).all():
        raise ValueError(f"num_periods is {np.unique(found.num_periods)}; asked for {num_periods}")
    return found.strategies, found.state


def sessions_in_step(decay, num_worlds, num_periods):
    """Return the greedy prices and last states of the other formulation."""
    return worlds_in_step.sessions(
        jax.random.key(SEED),
        games.QLearningMarket(decay=decay),
        num_sessions=num_worlds,
        num_periods=num_periods,
    )


def numpy_sessions(decay, num_worlds, num_periods):
    """Return NumPy's greedy prices and last states after a number of periods."""
    generator = np.random.default_rng(SEED)
    return games_numpy.q_sessions(
        generator, games_numpy.make_market(decay), num_worlds, num_periods
    )


def _numba_sessions(function, decay, num_worlds, num_periods):
    market = games_numpy.make_market(decay)
    return late("games_numba", function, SEED, market, num_worlds, num_periods)()


def _sessions_work(sessions, num_worlds, num_periods):
    job = partial(sessions, games_numpy.Market.decay, num_worlds, num_periods)
    return worked(job, lambda answer: num_worlds * num_periods)


def sessions_error(sessions, answer):
    """Return how far a contender is off where exploration ends, over what is tolerated.

    Compared with NumPy's are Delta and the shares of states in which each price is greedy. The
    timed job itself must have learnt.

    Args:
        sessions: Takes decay, worlds and periods; returns greedy prices and states.
        answer: Of the timed job.
    """
    greedy = np.asarray(answer[0])
    is_price = ((greedy >= 0) & (greedy < games_numpy.NUM_PRICES)).all()
    if not is_price or (greedy == greedy[0, 0, 0]).all():
        return float("inf")
    with jax.enable_x64(False):
        found = sessions(CHECK_DECAY, CHECK_WORLDS, CHECK_PERIODS)
    return greedy_error(*found)


# --- the beauty contest, and price competition --------------------------------------------------


def build_beauty(num_worlds):
    """Return the contenders for beauty contests with talk."""
    units = num_worlds * CONTEST_ROUNDS * NUM_PLAYERS

    def ours():
        found = _replicated(games.BeautyContest(), games.MedianTalk(), CONTEST_ROUNDS, num_worlds)
        return found.mean["variance"], found.standard_error["variance"]

    def peer():
        generator = np.random.default_rng(SEED)
        variances = games_numpy.beauty_contests(generator, num_worlds, CONTEST_ROUNDS)[0]
        return variances.mean(axis=0), variances.std(axis=0) / np.sqrt(num_worlds)

    note = "games.replicate of MedianTalk, a player speaks after the other"
    return [
        _contender(
            "jaxpapers", note, lambda: worked(ours, lambda _: units), variance_error, compiler="jax"
        ),
        _contender(
            "NumPy",
            "all worlds at once; all know what all said",
            lambda: worked(peer, lambda _: units),
            variance_error,
        ),
    ]


class RandomStart(games.Policy):
    """Best replies from a random first price, so that no world is like another."""

    def init(self, key, observation):
        """Draw the first price, which is the memory."""
        del observation
        return jax.random.uniform(key, minval=LOWEST_START, maxval=HIGHEST_START)

    def speak(self, key, observation, memory):
        """Say nothing that counts: there is no talk."""
        return games.BestReply(memory).speak(key, observation, ())

    def decide(self, key, observation, memory):
        """Reply to the rival's last price."""
        return games.BestReply(memory).decide(key, observation, ())[0], memory


def build_bertrand(num_worlds):
    """Return the contenders for price competition by best replies."""
    units = num_worlds * MARKET_ROUNDS * 2

    def ours():
        game = games.Bertrand(num_exchanges=0)
        found = _replicated(game, RandomStart(), MARKET_ROUNDS, num_worlds)
        return found.mean["price"], found.standard_error["price"]

    def peer():
        generator = np.random.default_rng(SEED)
        starts = generator.uniform(LOWEST_START, HIGHEST_START, (num_worlds, 2))
        prices = games_numpy.best_replies(starts.astype(np.float32), MARKET_ROUNDS)[0]
        return prices.mean(axis=0, dtype=float), prices.std(axis=0) / np.sqrt(num_worlds)

    note = "games.replicate of best replies, without talk"
    return [
        _contender(
            "jaxpapers", note, lambda: worked(ours, lambda _: units), price_error, compiler="jax"
        ),
        _contender(
            "NumPy", "all worlds at once", lambda: worked(peer, lambda _: units), price_error
        ),
    ]


def _replicated(game, policy, num_rounds, num_worlds):
    mesh = engine.replicate_mesh()
    return games.replicate(
        jax.random.key(SEED),
        game,
        policy,
        num_rounds=num_rounds,
        num_worlds=num_worlds,
        batch_size=_batch(num_worlds, mesh),
        mesh=mesh,
    )


# --- all of them --------------------------------------------------------------------------------


def build_gpu_evacuation(num_worlds):
    """Return our contender for very many worlds of an evacuation on a GPU."""
    job, error = evacuation_job(100, num_worlds), partial(curve_error, 100)
    return [_contender("jaxpapers", "games.replicate in lock-step", job, error, compiler="jax")]


def build_gpu_calvano(num_worlds):
    """Return our contender for very many worlds of Q-learning firms on a GPU."""
    job = partial(_sessions_work, our_sessions, num_worlds, GPU_PERIODS)
    error = partial(sessions_error, our_sessions)
    note = "games.q_learning_sessions in lock-step"
    return [_contender("jaxpapers", note, job, error, compiler="jax")]


def _batch(num_worlds, mesh):
    return -(-num_worlds // mesh.size)


def _contender(name, note, job, error, **settings):
    """A contender whose job gives `Work`; seconds are those of a million units."""
    return Contender(
        name,
        note,
        job,
        lambda work: error(work.answer),
        seconds=lambda work: work.seconds,
        facts=lambda work: {"answer": {"million units": work.units / 1e6}} | (work.told or {}),
        **settings,
    )


BUILDERS = {
    "evacuation": (build_evacuation, "agents", lambda size: {"steps": NUM_STEPS}),
    "calvano": (build_calvano, "worlds", lambda size: {"periods": PERIODS[size]}),
    "beauty": (build_beauty, "worlds", lambda size: {"rounds": CONTEST_ROUNDS}),
    "bertrand": (build_bertrand, "worlds", lambda size: {"rounds": MARKET_ROUNDS}),
    "gpu-evacuation": (build_gpu_evacuation, "worlds", lambda size: {"agents": 100}),
    "gpu-calvano": (build_gpu_calvano, "worlds", lambda size: {"periods": GPU_PERIODS}),
}
"""What each case builds, what its size is, and the sizes that it does not vary."""
