"""The games benchmarks at tiny sizes: each case runs and checks its answer, and finds defects.

Means may be off by five standard errors: a right contender fails once in 10^5 runs or so.
"""

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import measure, run
from benchmarks.cases import game_answers as answers
from benchmarks.cases import games as cases
from benchmarks.cases.ranks import why_missing
from benchmarks.peers import games_numpy
from jaxpapers import games

HERE = Path(__file__).resolve().parent
PEERS = "numba", "mesa"
NUM_SESSIONS = 608


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(cases, "WORLDS", {100: 64})
    monkeypatch.setattr(cases, "PERIODS", {128: 2_000})
    monkeypatch.setattr(cases, "CHECK_WORLDS", 128)
    monkeypatch.setattr(cases, "why_missing", lambda module: f"{module} is left out")
    with run.ready_process():
        yield


def measured(name, size):
    case = cases.make_case(name, size)
    record = measure.measure_case("games", case, num_repeats=1, with_memory=False)
    return {contender["name"]: contender for contender in record["contenders"]}


def is_missing(module):
    """Whether a peer cannot be run; the benchmark then says so."""
    if importlib.util.find_spec(module):
        return False
    assert why_missing(module) == f"{module} is not installed"
    return True


def check_statuses(found):
    for contender in found.values():
        assert contender["status"] == "ok" or contender["why"].split()[0] in PEERS, contender


# --- evacuation ---------------------------------------------------------------------------------


def test_evacuations_are_right_and_seconds_are_those_of_a_million_steps(monkeypatch):
    monkeypatch.setattr(cases, "_told_by", lambda child: cases.evacuation_job(100, 64)())
    found = measured("evacuation", 100)
    check_statuses(found)
    steps = found["jaxpapers"]["answer"]["million units"]
    assert steps == pytest.approx(64 * 1_425e-6, rel=0.05)  # 51 steps, of 100 agents 28 inside
    work = cases.Work(None, units=2e6, wall=3.0, cpu=5.0)
    assert work.seconds == (1.5, 2.5)


def test_other_moves_are_found(monkeypatch):
    monkeypatch.setattr(games_numpy, "MENU", games_numpy.MENU[:5])
    generator = np.random.default_rng(1)
    curves = [games_numpy.evacuate_by_definition(generator, 100, 51) for _ in range(24)]
    assert answers.curve_error(100, cases._curve_of(curves)) > 1


@pytest.mark.acceptance
def test_a_process_without_the_flag_tells_what_it_took(monkeypatch):
    monkeypatch.setitem(os.environ, "XLA_FLAGS", f"{run.DEVICES}=2 {run.FOLDING}")
    assert cases._flags_without_folding() == f"{run.DEVICES}=2"
    found = measured("evacuation", 100)["jaxpapers, unfolded"]
    assert found["status"] == "ok"
    assert found["compile_seconds"] > 0
    assert found["memory"]["peak_mb"] > found["memory"]["before_mb"]


def test_definition_has_the_curve_of_the_table():
    generator = np.random.default_rng(2)
    curves = [games_numpy.evacuate_by_definition(generator, 100, 51) for _ in range(48)]
    curve = cases._curve_of(curves)
    assert answers.curve_error(100, curve) < 1
    early = dataclasses.replace(curve, mean=np.append(curve.mean[1:], 100))
    assert answers.curve_error(100, early) > 1


def test_a_room_without_a_table_is_held_to_the_definition(monkeypatch):
    monkeypatch.setitem(answers.SCALE, 150, 2)
    monkeypatch.setattr(answers, "DEFINITION_WORLDS", 8)
    generator = np.random.default_rng(3)
    curves = [games_numpy.evacuate_by_definition(generator, 150, 51, 2) for _ in range(8)]
    assert answers.curve_error(150, cases._curve_of(curves)) < 1
    curves = [games_numpy.evacuate_by_definition(generator, 150, 51, 1) for _ in range(8)]
    assert answers.curve_error(150, cases._curve_of(curves)) > 1


def test_numba_peers_are_right_uncompiled():
    if is_missing("numba"):
        return
    done = subprocess.run(
        [sys.executable, str(HERE / "uncompiled_game_peers.py")],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the numba peers of games are right\n"


def test_mesa_is_right():
    if is_missing("mesa"):
        return
    from benchmarks.peers import games_mesa

    curves, live, wall, cpu = games_mesa.run_worlds(range(12), 100, 51)
    curve = cases._curve_of(curves)
    assert answers.curve_error(100, curve) < 1
    assert live == cases.live_steps(curve, 100)
    assert min(wall, cpu) > 0


# --- pricing by Q-learning ----------------------------------------------------------------------


def sessions_by_definition(market, random, num_periods, here):
    """Greedy prices of two firms, one number after another, from given random numbers."""
    values = np.tile(market.initial_values, (2, 225, 1))
    for period in range(num_periods):
        is_random, drawn = random(period)
        played = [
            drawn[firm] if is_random[firm] else int(np.argmax(values[firm, here]))
            for firm in range(2)
        ]
        there = played[0] * 15 + played[1]
        future = [values[firm, there].max() for firm in range(2)]
        for firm in range(2):
            paid = market.payoffs[played[firm], played[1 - firm]]
            target = paid + np.float32(market.discount) * future[firm]
            old = values[firm, here, played[firm]]
            values[firm, here, played[firm]] = old + np.float32(market.learning_rate) * (
                target - old
            )
        here = there
    return values.argmax(axis=2), here


def test_numpy_sessions_are_those_of_the_definition():
    market, num_periods, num_worlds = games_numpy.make_market(5e-3), 500, 3
    found, last = games_numpy.q_sessions(np.random.default_rng(4), market, num_worlds, num_periods)
    generator = np.random.default_rng(4)
    starts = generator.integers(225, size=num_worlds)
    draws = []
    for first in range(0, num_periods, games_numpy.BLOCK):
        shape = min(games_numpy.BLOCK, num_periods - first), num_worlds, 2
        rates = np.exp(-market.decay * (first + np.arange(shape[0])))
        is_random = generator.random(shape, np.float32) < rates[:, None, None]
        draws += zip(is_random, generator.integers(15, size=shape, dtype=np.int64), strict=True)
    for world in range(num_worlds):
        greedy, state = sessions_by_definition(
            market,
            lambda period, world=world: [x[world] for x in draws[period]],
            num_periods,
            starts[world],
        )
        assert (found[world] == greedy).all()
        assert last[world] == state


def test_sessions_are_right():
    check_statuses(measured("calvano", 128))


@pytest.mark.parametrize("defect", [{"discount": 0.9}, {"learning_rate": 0.2}, {"decay": 2e-3}])
def test_other_rules_of_learning_are_found(defect):
    market = dataclasses.replace(games_numpy.make_market(answers.CHECK_DECAY), **defect)
    sizes = answers.CHECK_WORLDS // 4, answers.CHECK_PERIODS
    found = games_numpy.q_sessions(np.random.default_rng(5), market, *sizes)
    assert answers.greedy_error(*found) > 1


def test_prices_that_none_has_learnt_are_found():
    still = np.full((4, 2, 225), 7), np.zeros(4, int)
    assert cases.sessions_error(cases.numpy_sessions, still) == np.inf
    assert cases.sessions_error(cases.numpy_sessions, (still[0] + 8, still[1])) == np.inf


def test_market_is_that_of_the_paper():
    market = games_numpy.make_market()
    assert market.competitive == pytest.approx(0.22292666, rel=1e-7)
    assert market.collusive == pytest.approx(0.33749046, rel=1e-7)
    low, high = 1.42772123, 1.97018634
    odds = [np.exp((2 - price) / 0.25) for price in (low, high)]
    share = odds[0] / (sum(odds) + 1)
    assert market.payoffs[0, -1] == pytest.approx((low - 1) * share, rel=1e-6)
    first = market.payoffs[0].astype(float).mean() / 0.05
    assert market.initial_values[0] == pytest.approx(first, rel=1e-6)


# --- the beauty contest, and price competition --------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("beauty", 500), ("bertrand", 200)])
def test_contests_and_markets_are_right(name, size):
    check_statuses(measured(name, size))


def test_talk_that_nobody_believes_is_found():
    generator = np.random.default_rng(6)
    for weight, is_right in ((0.65, True), (0.5, False)):
        found = games_numpy.beauty_contests(generator, 5_000, 4, weight=weight)[0]
        error = answers.variance_error((found.mean(axis=0), found.std(axis=0) / 5_000**0.5))
        assert (error < 1) == is_right


def test_another_demand_is_found(monkeypatch):
    starts = np.full((4, 2), 7, np.float32)
    for cross, is_right in ((1 / 300, True), (1 / 290, False)):
        monkeypatch.setattr(games_numpy, "CROSS_SLOPE", cross)
        prices = games_numpy.best_replies(starts, answers.MARKET_ROUNDS)[0]
        assert (answers.price_error((prices.mean(axis=0), np.zeros(100))) < 1) == is_right


def test_best_replies_are_best_at_corners_too():
    rivals = np.array([[3.0, 9.5], [11.0, 13.0], [14.5, 6.0]], np.float32)
    found = games_numpy._best_prices(rivals)
    grid = np.linspace(2, 14, 24_001, dtype=np.float32)
    for price, rival in zip(found.ravel(), rivals.ravel(), strict=True):
        pairs = np.stack([grid, np.full_like(grid, rival)], axis=1)
        profits = (grid - 2) * games_numpy._quantities(pairs)[:, 0]
        own = (price - 2) * games_numpy._quantities(np.array([[price, rival]], np.float32))[0, 0]
        assert own >= profits.max() * (1 - 1e-5)


# --- the suite ----------------------------------------------------------------------------------


def test_case_names_and_sizes(monkeypatch):
    names = [(case.name, case.size) for case in cases.make_cases(None)]
    assert names[:2] == [("evacuation", 100), ("calvano", 128)]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert [case.name for case in cases.make_cases(None)][-2:] == ["gpu-evacuation", "gpu-calvano"]
    with pytest.raises(ValueError, match="needed is one of evacuation, calvano, beauty, bertrand"):
        cases.make_case("other", 3)


def test_flags_are_those_of_the_suite_and_of_the_user(monkeypatch):
    monkeypatch.setitem(os.environ, "XLA_FLAGS", f"{run.DEVICES}=7")
    run.set_flags(run.flags_of("ranks"))
    assert os.environ["XLA_FLAGS"] == f"{run.DEVICES}=7"
    run.set_flags(run.flags_of("games"))
    assert os.environ["XLA_FLAGS"] == f"{run.DEVICES}=7 {run.FOLDING}"


def test_every_suite_has_a_process_of_its_own(monkeypatch):
    calls = []
    monkeypatch.setattr(
        subprocess, "run", lambda command, check: calls.append((command[2:], check))
    )
    run.main(["--quick", "all", "--repeats", "1"])
    assert calls == [([suite, "--quick", "--repeats", "1"], True) for suite in run.SUITES]


@pytest.mark.acceptance
def test_firms_that_look_less_far_ahead_are_those_of_numba():
    """The rule as it is written first, by generators of its own; 4.5 standard errors: 7e-6."""
    if is_missing("numba"):
        return
    from benchmarks.peers import games_numba

    market = games_numpy.make_market(discount=0.5)
    peer = games_numpy.collusion_indices(
        market, *games_numba.q_sessions_plainly(1, market, NUM_SESSIONS, 3_000_000)
    )
    with jax.enable_x64(False):
        found = games.q_learning_sessions(
            jax.random.key(1), games.QLearningMarket(discount=0.5), num_sessions=NUM_SESSIONS
        )
    means = np.array([peer.mean(), found.mean_collusion_index])
    errors = np.array([peer.std() / NUM_SESSIONS**0.5, found.standard_error])
    print(
        "\ndiscount .5, Delta of numba and ours", means.round(4), "standard errors", errors.round(4)
    )
    assert abs(means[0] - means[1]) < 4.5 * np.hypot(*errors)
    assert (means < 0.5).all()  # a discount of .95 has .85
