"""How a crowd escapes over many worlds, beside the tables of our earlier codes."""

import jax
import numpy as np
import pytest

from jaxpapers import games

KEY = jax.random.key(2)
STEPS = np.arange(4, 50, 5)
GREEDY_MEAN = np.array([10.3, 36.0, 62.5, 78.7, 85.1, 90.1, 94.8, 98.2, 99.7, 100.0])
GREEDY_SD = np.array([2.3, 3.2, 3.9, 4.2, 4.6, 4.5, 4.1, 2.7, 1.2, 0.4])
SYNCHRONOUS_MEAN = np.array([9.8, 32.2, 56.0, 72.1, 82.5, 89.7, 94.7, 98.1, 99.6, 99.9])
LOGIT_MEAN = np.array([8.0, 28.0, 49.2, 65.7, 77.9, 87.7, 94.5, 97.7, 99.0, 99.6])
NO_TALK_ROW = np.array([9.4, 31.2, 51.2, 65.6, 78.6, 88.4, 96.6, 99.0, 99.8, 99.8])


def curves(num_worlds, policy=None, moves=None, **settings):
    return games.replicate(
        KEY,
        games.Evacuation(moves=moves or games.Sequential(), **settings),
        policy or games.NearestExit(),
        num_rounds=50,
        num_worlds=num_worlds,
    )


def allowed(num_worlds):
    return 3.5 * GREEDY_SD * np.sqrt(1 / 1024 + 1 / num_worlds) + 0.05


def test_greedy_crowds_escape_as_measured():
    mean = np.asarray(curves(256).mean["escaped"])[STEPS]
    assert (np.abs(mean - GREEDY_MEAN) <= allowed(256)).all()
    # A planted defect: people who do not move sequentially are told apart.
    assert (np.abs(SYNCHRONOUS_MEAN - GREEDY_MEAN) > allowed(256)).any()


@pytest.mark.acceptance
def test_curves_of_many_worlds():
    cloud = curves(4_096)
    mean = np.asarray(cloud.mean["escaped"])[STEPS]
    print("\nsequential greedy", mean.round(2), "table", GREEDY_MEAN)
    assert (np.abs(mean - GREEDY_MEAN) <= allowed(4_096)).all()
    mean = np.asarray(curves(4_096, moves=games.Synchronous()).mean["escaped"])[STEPS]
    print("synchronous greedy", mean.round(2), "table", SYNCHRONOUS_MEAN)
    assert (np.abs(mean - SYNCHRONOUS_MEAN) <= allowed(4_096)).all()
    moves = games.Sequential(games.Greedy(tremble=0.2))
    mean = np.asarray(curves(4_096, games.LogitExit(), moves).mean["escaped"])[STEPS]
    rmse = np.sqrt(np.mean((mean - NO_TALK_ROW) ** 2))
    print("logit", mean.round(2), "table", LOGIT_MEAN, "rmse to no talk", rmse.round(2))
    assert (np.abs(mean - LOGIT_MEAN) <= 1.5).all()
    assert rmse <= 2
