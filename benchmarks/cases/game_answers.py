"""Right answers of the games benchmark, and how far contenders are off."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.peers import games_numpy

SEED = 20_240_219
SCALE = {10_000: 5}
"""Of the room by number of agents; 1 for others."""
MARKET_ROUNDS = 100
LOWEST_START, HIGHEST_START = 5.0, 9.0
"""Of first prices, too low for a firm to shut the other out."""
LARGEST_Z = 5.0
"""Standard errors that a mean may be off."""
CURVES = {
    100: (10.3, 36.0, 62.5, 78.7, 85.1, 90.1, 94.8, 98.2, 99.7, 100.0),
    400: (22.4, 55.9, 89.8, 123.6, 157.1, 189.8, 218.3, 241.3, 261.0, 280.2),
}
"""Mean number of those who have left after 5, 10, ... 50 steps, and of how many worlds it is."""
CURVE_WORLDS = 1_024
SPREADS = {100: (2.3, 3.2, 3.9, 4.2, 4.6, 4.5, 4.1, 2.7, 1.2, 0.4)}
"""Standard deviations of one world; elsewhere the contender's own."""
ROUNDING = 0.05
DEFINITION_WORLDS = 2
CHECK_DECAY, CHECK_WORLDS, CHECK_PERIODS = 1e-3, 512, 4_000
"""Sessions in which exploration ends, to compare answers."""
SMALLEST_SHARE = 1e-4
"""Of states in which a price is greedy: what differs by less is equal."""
VARIANCES = (153.18, 54.0, 19.0, 7.0)
"""Expected by round; the first is (23/24) (2500 (e^(-5/9) - e^(-2/3)) + 9)."""
VARIANCE_TOLERANCE = 1.0
PRICE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Curve:
    """Those who have left a room, by step.

    Attributes:
        mean: Over worlds.
        variance: Of one world.
        num_worlds: How many worlds.
    """

    mean: Any
    variance: Any
    num_worlds: int


def curve_error(num_agents, curve):
    """Return how far a curve is off in tolerated standard errors, at the worst of ten steps."""
    mean, variance = (np.asarray(x)[4:50:5] for x in (curve.mean, curve.variance))
    wanted, num_worlds = _wanted_curve(num_agents)
    spread = np.asarray(SPREADS.get(num_agents, np.sqrt(variance)))
    error = LARGEST_Z * spread * np.sqrt(1 / num_worlds + 1 / curve.num_worlds) + ROUNDING
    return np.max(np.abs(mean - wanted) / error)


@functools.cache
def _wanted_curve(num_agents):
    """A table of 1,024 worlds, else two worlds by definition; and of how many worlds it is."""
    if num_agents in CURVES:
        return np.array(CURVES[num_agents]), CURVE_WORLDS
    generator = np.random.default_rng(SEED)
    curves = [
        games_numpy.evacuate_by_definition(generator, num_agents, 50, SCALE.get(num_agents, 1))
        for _ in range(DEFINITION_WORLDS)
    ]
    return np.mean(curves, axis=0)[4::5], DEFINITION_WORLDS


def greedy_error(greedy, states):
    """Return how far greedy prices at the end of exploration are off, over what is tolerated.

    Args:
        greedy: Greedy prices `(world, firm, state)`.
        states: Last states.
    """
    mean, error = _greedy_summary(np.asarray(greedy), np.asarray(states))
    wanted, wanted_error = _wanted_summary()
    return np.max(
        np.abs(mean - wanted) / (SMALLEST_SHARE + LARGEST_Z * np.hypot(error, wanted_error))
    )


def _greedy_summary(greedy, states):
    """Mean over worlds of the share of each price and of Delta, and standard errors."""
    market = games_numpy.make_market(CHECK_DECAY)
    shares = [(greedy == price).mean(axis=(1, 2)) for price in range(games_numpy.NUM_PRICES)]
    numbers = np.stack([*shares, games_numpy.collusion_indices(market, greedy, states)])
    return numbers.mean(axis=1), numbers.std(axis=1) / np.sqrt(len(greedy))


@functools.cache
def _wanted_summary():
    generator = np.random.default_rng(SEED + 1)
    market = games_numpy.make_market(CHECK_DECAY)
    return _greedy_summary(*games_numpy.q_sessions(generator, market, CHECK_WORLDS, CHECK_PERIODS))


def variance_error(answer):
    """Return how far the mean variance of choices is off by round, over what is tolerated."""
    mean, error = (np.asarray(x) for x in answer)
    return np.max(np.abs(mean - VARIANCES) / (VARIANCE_TOLERANCE + LARGEST_Z * error))


def price_error(answer):
    """Return how far mean prices are from `6 + (start - 6) / 4^t`, over what is tolerated."""
    mean, error = (np.asarray(x) for x in answer)
    middle = (LOWEST_START + HIGHEST_START) / 2
    exact = 6 + (middle - 6) * 0.25 ** np.arange(MARKET_ROUNDS)
    return np.max(np.abs(mean - exact) / (PRICE_TOLERANCE * exact + LARGEST_Z * error))
