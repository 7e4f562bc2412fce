"""The experiments on agent games, at sizes that take seconds."""

import dataclasses
import html
import io
import types

import jax
import numpy as np
import pytest

from jaxpapers import engine, games
from jaxpapers.experiments import (
    games_beauty,
    games_bertrand,
    games_calvano,
    games_evacuation,
    games_runs,
    reproduce,
)
from jaxpapers.experiments.context import Context
from jaxpapers.experiments.files import read_csv
from jaxpapers.experiments.games_experiments import EXPERIMENTS
from jaxpapers.experiments.record import read_record

SMALL = {
    "games-evacuation": {"num_worlds": 40, "num_checked": 40, "num_at_once": 8},
    "games-beauty": {"num_worlds": 400, "num_checked": 400},
    "games-bertrand": {"num_worlds": 12},
    "games-calvano": {
        "decay": 1e-3,
        "num_sessions": 8,
        "num_controls": 6,
        "more_firms": (),
        "map_rates": (0.15,),
        "map_decays": (1e-3, 2e-3),
        "num_map_sessions": 4,
        "batch_size": 22,
    },
}
FILES = {
    "games-evacuation": {
        "effects.csv": 10,
        "escaped.csv": 11,
        "deviations.csv": 8,
        **dict.fromkeys(["effects.png", "escaped.png", "room.png"]),
    },
    "games-beauty": {"variance.csv": 12, "variance.png": None},
    "games-bertrand": {"prices.csv": 4, "collusion.csv": 4, "prices.png": None},
    "games-calvano": {
        "sessions.csv": 4,
        "response.csv": 16,
        **dict.fromkeys(["response.png", "sessions.png", "map.png"]),
    },
}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory, quick_compiles):
    folder = tmp_path_factory.mktemp("games")
    chosen = [
        dataclasses.replace(entry, settings=dict.fromkeys(entry.settings, SMALL[entry.name]))
        for entry in EXPERIMENTS
    ]
    with jax.numpy_rank_promotion("raise"):
        result = reproduce(chosen, scale="quick", output=folder, seed=0, stream=io.StringIO())
    assert [outcome.message for outcome in result.failed] == []
    return result


def rows_of(reproduced, experiment, name):
    folder = reproduced.report.parent / "games" / experiment
    columns, rows = read_csv(folder / f"{name}.csv")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def claims_of(reproduced, experiment):
    return read_record(reproduced.report.parent / "games" / experiment).claims


def verdicts(claims):
    return [claim.verdict for claim in claims]


def context_of(tmp_path, experiment, scale="quick"):
    name = experiment.name
    return Context(name, scale, 0, SMALL[name], tmp_path, tmp_path / "saved", io.StringIO())


def test_registered_settings():
    assert EXPERIMENTS[0].name == "games-evacuation"  # the effects of talk fill the tile
    for experiment in EXPERIMENTS:
        keys = {scale: set(settings) for scale, settings in experiment.settings.items()}
        assert keys["quick"] == keys["paper"] == keys["full"] == set(SMALL[experiment.name])


@pytest.mark.parametrize("name", SMALL)
def test_tables_figures_and_claims_are_there(reproduced, name):
    folder = reproduced.report.parent / "games" / name
    record = read_record(folder)
    assert {**record.tables, **record.figures}.keys() == FILES[name].keys()
    for file, num_rows in FILES[name].items():
        if file.endswith(".png"):
            assert (folder / file).read_bytes().startswith(b"\x89PNG")
        else:
            assert len(read_csv(folder / file)[1]) == num_rows
    (experiment,) = (entry for entry in EXPERIMENTS if entry.name == name)
    assert [claim.text for claim in record.claims] == [claim.text for claim in experiment.claims]
    for claim in record.claims:
        assert claim.verdict in ("reproduced", "short", "observed", "stand-in")
        assert claim.note
        assert claim.here is not None or claim.verdict == "observed"


def test_the_tile_says_what_five_runs_cannot_show(reproduced):
    folder = reproduced.report.parent / "games" / "games-evacuation"
    record = read_record(folder)
    assert next(iter(record.figures)) == "effects.png"
    assert record.sentence.startswith("Five runs cannot show what talk does: ")
    assert record.sentence in html.unescape(reproduced.report.read_text("utf-8"))
    assert (folder / "evacuation.gif").read_bytes().startswith(b"GIF89a")


def test_long_runs_are_saved_and_quick_ones_are_not(tmp_path):
    quick, paper = (
        games_runs.drive(context_of(tmp_path, games_beauty.BEAUTY, scale), "baseline")
        for scale in ("quick", "paper")
    )
    assert quick["checkpoint"] is None
    assert paper["checkpoint"] is not None
    assert (quick["mesh"] is None) == (jax.device_count() == 1)


# --- beauty contest -------------------------------------------------------------------------------


def test_variance_before_talk_is_that_of_a_poisson_power():
    """Against sums over levels, in plain Python."""
    talk = games.MedianTalk(depth=1.7, noise=4.0)
    levels = np.arange(60)
    weights = np.cumprod(np.concatenate([[1.0], 1.7 / levels[1:]])) * np.exp(-1.7)
    powers = 50 * (2 / 3) ** levels
    variance = weights @ powers**2 - (weights @ powers) ** 2 + 16
    assert games_beauty.first_variance(talk) == pytest.approx(variance * 23 / 24, rel=1e-6)


def test_talk_in_numpy():
    curve = games_beauty.simulate_in_numpy(
        np.random.default_rng(0), games.MedianTalk(weight=1.0), 300
    )
    assert curve.mean[0] == pytest.approx(games_beauty.first_variance(games.MedianTalk()), rel=0.1)
    np.testing.assert_array_equal(curve.mean[1:], 0)


def test_beauty_contest(reproduced):
    rows = rows_of(reproduced, "games-beauty", "variance")
    assert [row["published"] for row in rows[:4]] == ["158", "50", "30", "18"]
    assert [row["here"] for row in rows[5:8]] == ["0.0"] * 3
    assert verdicts(claims_of(reproduced, "games-beauty")) == ["stand-in"] * 4 + ["reproduced"] * 2


def planted_curves(**changes):
    """Variances as they are in the mean, with standard errors of one."""
    means = {
        "baseline": (153.3, 54.0, 19.0, 7.0),
        "cooperative": (153.3, 0.0, 0.0, 0.0),
        "uncooperative": (191.7, 142.0, 107.0, 80.0),
    }
    return {
        name: games_beauty.Curve(np.array(changes.get(name, mean)), np.ones(4))
        for name, mean in means.items()
    }


def test_planted_curves_that_are_off_fall_short():
    good = planted_curves()
    assert games_beauty._closed_form_claim(good).verdict == "reproduced"
    assert games_beauty._again_claim(good, good).verdict == "reproduced"
    assert games_beauty._ordered_claim(good).note.startswith("The order holds")
    bad = planted_curves(baseline=(165.0, 160.0, 10.0, 7.0))
    assert games_beauty._closed_form_claim(bad).verdict == "short"
    assert games_beauty._again_claim(bad, good).verdict == "short"
    assert games_beauty._ordered_claim(bad).note.startswith("The order does not hold")
    baseline, *_ = games_beauty._after_claims(bad)
    assert "the largest difference is in round 1, 110 above the figure" in baseline.note


# --- Bertrand market ------------------------------------------------------------------------------


def test_prices_with_talk_without_and_after_it(reproduced):
    rows = {row["setting"]: row for row in rows_of(reproduced, "games-bertrand", "prices")}
    last = {name: float(row["round 600"]) for name, row in rows.items()}
    assert last["talk"] > last["talk until 400"] > last["no talk"] > last["talk, no cooperation"]
    for shown in ("round 20", "round 350", "round 400"):  # the same draws until talk ends
        assert rows["talk"][shown] == rows["talk until 400"][shown]
    assert rows["no talk"]["published, round 350"] == "7.1"
    assert rows["no talk"]["published, round 600"] == ""
    (control,) = (
        row
        for row in rows_of(reproduced, "games-bertrand", "collusion")
        if row["setting"] == "talk, no cooperation"
    )
    assert abs(float(control["collusion index"])) < 0.05
    assert control["share near the cartel"] == ""
    assert verdicts(claims_of(reproduced, "games-bertrand")) == ["stand-in"] * 6 + ["reproduced"]


def planted_play():
    """Prices that come within 5 % of 8 for a block of 20 rounds, and single rounds before."""
    prices = np.full((600, 2), 7.0, np.float32)
    prices[30] = 8.0
    prices[45:] = 7.7
    profits = np.broadcast_to(np.array([3_200.0, 3_600.0], np.float32), (600, 2))
    ends = [
        types.SimpleNamespace(
            prices=np.full(2, price, np.float32), profits=np.full(2, profit, np.float32)
        )
        for price, profit in ((6.0, 3_200.0), (8.0, 3_600.0))
    ]
    return types.SimpleNamespace(
        records=types.SimpleNamespace(prices=prices, profits=profits, price_spread=prices[:, 0]),
        state=types.SimpleNamespace(competitive=ends[0], collusive=ends[1]),
    )


def test_what_a_market_reports():
    report = games_bertrand._report(planted_play())
    assert report["first"] == 60  # of the block from 40 on the first five prices are 7
    assert report["share"] == 1
    np.testing.assert_allclose(report["last_price"], 7.7, rtol=1e-6)
    np.testing.assert_allclose(report["index"], 0.5, rtol=1e-6)


def planted_market(price):
    ends = dict.fromkeys(("index", "spread", "first", "share"), (0.0, 0.01))
    path = np.full(600, price)
    return games_bertrand.Market(path, path, path, (price, 0.01), **ends)


def test_firms_that_do_not_come_down_to_the_equilibrium_fall_short():
    found = [games_bertrand._competes_claim(planted_market(price)) for price in (6.02, 6.1)]
    assert verdicts(found) == ["reproduced", "short"]


# --- evacuation -----------------------------------------------------------------------------------


def test_evacuations(reproduced):
    rows = {row["setting"]: row for row in rows_of(reproduced, "games-evacuation", "escaped")}
    assert rows["published, talk"]["step 30"] == "92.2"
    for name, row in rows.items():
        counts = [float(row[f"step {step}"]) for step in range(5, 55, 5)]
        assert counts == sorted(counts)
        assert counts[0] > 5
        assert counts[-1] > 95, name
    effects = rows_of(reproduced, "games-evacuation", "effects")
    assert float(effects[5]["published, talk"]) == pytest.approx(3.8)
    gap = float(rows["h = 1"]["step 30"]) - float(rows["no talk"]["step 30"])
    assert float(effects[5]["h = 1"]) == pytest.approx(gap)
    kinds = verdicts(claims_of(reproduced, "games-evacuation"))
    assert kinds[2:5] == ["stand-in"] * 3


def escapes(mean, count=400, deviation=3.0):
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(count, 10)) * deviation
    return games_evacuation.Escapes(np.asarray(mean) + noise - noise.mean(axis=0))


def test_chance_of_an_effect_counts_all_looks():
    """Ten independent looks at a normal difference: 1 - (1 - p)^10."""
    found = escapes(np.zeros(10), count=2_000)
    effect = np.zeros(10)
    effect[3] = 2.0 * games_evacuation.noise_of_runs(found)[3]
    chance = games_evacuation.chance_of(effect, found, np.random.default_rng(1))
    assert chance == pytest.approx(1 - (1 - 0.0455) ** 10, abs=0.03)
    assert games_evacuation.chance_of(3 * effect, found, np.random.default_rng(1)) < 1e-3


def test_noise_that_is_too_small_for_the_published_effects_falls_short(tmp_path):
    context = context_of(tmp_path, games_evacuation.EVACUATION)
    for deviation, verdict in ((4.0, "reproduced"), (0.5, "short")):
        rules = {games_evacuation.NO_TALK: escapes(np.zeros(10), deviation=deviation)}
        claims = list(games_evacuation._noise_claims(context, rules))
        assert set(verdicts(claims)) == {verdict}
        assert "Largest at step 30: +3.8" in claims[0].note


def test_rules_that_are_off_fall_short():
    good = {name: escapes(mean) for name, mean in games_evacuation.MEASURED.items()}
    assert games_evacuation._agrees_claim(good).verdict == "reproduced"
    shifted = np.array(games_evacuation.MEASURED[games_evacuation.GREEDY]) + 1.5
    bad = {**good, games_evacuation.GREEDY: escapes(shifted)}
    claim = games_evacuation._agrees_claim(bad)
    assert claim.verdict == "short"
    assert claim.note.startswith("Largest for nearest exit")


@pytest.mark.slow
def test_effects_are_the_contrast_to_agents_that_do_not_talk(tmp_path):
    """Weight 0 is no talk: the same differences as `games.contrast` with a silent game."""
    with engine.double_precision():
        context = context_of(tmp_path, games_evacuation.EVACUATION)
        gap = games_evacuation._talk(context, -1.0).less(games_evacuation._talk(context, 0.0))
        moves = games.Sequential(games.Greedy(tremble=0.2))
        silent, talking = (
            games.Evacuation(100, moves=moves, is_talking=is_talking)
            for is_talking in (False, True)
        )
        moments = games.contrast(
            context.key,
            (silent, games.LogitExit(3.0, 1.0)),
            (talking, games.LogitExit(3.0, 1.0, heard_weight=-1.0)),
            num_rounds=51,
            num_worlds=40,
            report=games_evacuation._escaped,
        )
        mean, error = jax.device_get((moments.mean, moments.standard_error))
    np.testing.assert_allclose(gap.mean, mean, atol=1e-9)
    np.testing.assert_allclose(gap.error, error, atol=1e-9)


# --- Q-learning -----------------------------------------------------------------------------------


def test_sessions_are_told_apart(reproduced):
    rows = rows_of(reproduced, "games-calvano", "sessions")
    assert [row["sessions"] for row in rows] == ["8", "6", "4", "4"]
    assert [row["delta"] for row in rows] == ["0.95", "0.0", "0.95", "0.95"]
    assert [float(row["beta"]) for row in rows] == pytest.approx([1e-3, 1e-3, 1e-3, 2e-3])
    assert {row["converged"] for row in rows} == {"1.0"}
    periods = [float(row["periods"]) for row in rows]
    assert min(periods) > 1e5
    assert periods[3] < periods[2]  # exploration dies out twice as fast
    claims = claims_of(reproduced, "games-calvano")
    assert verdicts(claims[:4]) == ["observed"] * 4
    assert "Nothing was measured at beta = 0.001" in claims[3].note


def test_parts_of_sessions_are_their_rows():
    groups = [games_calvano.Group(name, 0.15, 1e-3, 0.95, 2) for name in "ab"]
    numbers = np.arange(4)
    sessions = games.Sessions(
        numbers, numbers, numbers, numbers, numbers, None, types.SimpleNamespace(), numbers
    )
    first, second = games_calvano._parts(sessions, groups)
    np.testing.assert_array_equal(first.num_periods, [0, 1])
    np.testing.assert_array_equal(second.status, [2, 3])
    assert second.strategies is None


def summary(mean, count=400):
    indices = mean + 0.1 * np.where(np.arange(count) % 2, 1, -1)
    return games_calvano.Summary(indices, 2e6, np.ones(count), 1.0)


def test_indices_that_are_off_fall_short():
    settings = {"decay": games_calvano.PAPER_DECAY}
    good = {3: summary(0.64), 4: summary(0.55)}
    claims = list(games_calvano._collude_claims(summary(0.85), good, settings))
    assert verdicts(claims) == ["reproduced"] * 3
    claims = list(games_calvano._collude_claims(summary(0.70), good, settings))
    assert verdicts(claims) == ["short", "reproduced", "reproduced"]
    few = list(games_calvano._collude_claims(summary(0.85, 100), {}, settings))
    assert verdicts(few) == ["observed"] * 3
    assert few[1].note.startswith("Not run at this scale")
    agree = [games_calvano._agrees_claim(summary(mean), 2e-5) for mean in (0.80, 0.75)]
    assert verdicts(agree) == ["reproduced", "short"]


def test_patient_firms_collude_more():
    pairs = ((0.8, 0.2), (0.5, 0.5))
    found = [
        games_calvano._myopia_claim({"baseline": summary(high), "no future": summary(low)})
        for high, low in pairs
    ]
    assert verdicts(found) == ["reproduced", "short"]


def response(falls):
    prices = np.full((16, 2), 1.75)
    prices[:, 1] -= falls
    undisturbed = np.full((16, 2), 1.75)
    mean = types.SimpleNamespace(prices=prices, undisturbed=undisturbed)
    error = types.SimpleNamespace(prices=np.full((16, 2), 0.005))
    return types.SimpleNamespace(mean=mean, standard_error=error)


def test_a_cut_that_is_not_punished_or_not_forgiven_falls_short():
    punished = 0.15 * 0.6 ** np.arange(-1, 15)
    claims = games_calvano._response_claims(response(punished))
    assert verdicts(claims) == ["reproduced", "reproduced"]
    assert verdicts(games_calvano._response_claims(response(np.zeros(16))))[0] == "short"
    assert verdicts(games_calvano._response_claims(response(np.full(16, 0.15))))[1] == "short"
