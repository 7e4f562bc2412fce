"""Hold the numba peers of games to the rules; run with NUMBA_DISABLE_JIT=1, as numba compiles long.

The benchmark itself checks the compiled peers at full size before it times them.
"""

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numba
import numpy as np

from benchmarks.cases import game_answers as answers
from benchmarks.peers import games_numba, games_numpy

NUM_WORLDS = 16
NUM_PERIODS = 3_000


def check_evacuation(evacuate):
    """The curve is that of the table, within standard errors, and agents inside are counted."""
    escaped, live = evacuate(3, 100, NUM_WORLDS, 51)
    curve = answers.Curve(escaped.mean(axis=0), escaped.var(axis=0), NUM_WORLDS)
    assert answers.curve_error(100, curve) < 1, (evacuate.__name__, curve.mean)
    assert live == (100 - escaped).sum()


def check_session():
    """Greedy prices are those with the largest values, and bounds are none below the others."""
    market = games_numpy.make_market(2e-3)
    values, greedy = np.empty((2, 225 * 16), np.float32), np.empty((2, 225), np.uint8)
    numbers = games_numba.numbers_of(market)
    games_numba.tuned_session(np.uint64(5), NUM_PERIODS, numbers, values, greedy)
    tables = values.reshape(2, 225, 16)
    assert (tables[..., :15].argmax(axis=2) == greedy).all()
    others = np.where(np.arange(15) == greedy[..., None], -np.inf, tables[..., :15])
    assert (others.max(axis=2) <= tables[..., 15]).all()
    assert (tables[..., :15] != market.initial_values).any()


def check_sessions():
    """Both forms end in the same prices, within standard errors."""
    market = games_numpy.make_market(5e-3)
    found = []
    for sessions in (games_numba.q_sessions, games_numba.q_sessions_plainly):
        greedy, _ = sessions(7, market, 16, 800)
        found.append(greedy.mean(axis=(1, 2)))
    error = np.sqrt(sum(x.var() for x in found) / 16)
    assert abs(found[0].mean() - found[1].mean()) < answers.LARGEST_Z * error


def main():
    """Check all of them."""
    assert numba.config.DISABLE_JIT
    warnings.simplefilter("ignore", RuntimeWarning)  # integers of the generator wrap around
    check_evacuation(games_numba.evacuate)
    check_evacuation(games_numba.evacuate_plainly)
    check_session()
    check_sessions()
    print("the numba peers of games are right")


if __name__ == "__main__":
    main()
