"""Games by name: labelled arrays, tables, summaries, and files that are read back."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray

from jaxpapers import engine, frames, games
from jaxpapers.engine import Status
from jaxpapers.frames.game_settings import GAMES
from jaxpapers.frames.game_summary import _shown_rounds as shown_rounds

pytestmark = pytest.mark.usefixtures("quick_compiles")

MAP = """
######
A....#
#.o..B
######
"""
NUM_ROUNDS = 8


@pytest.fixture(scope="module")
def beauty():
    return frames.play_game(3, "beauty", num_agents=5)


@pytest.fixture(scope="module")
def market():
    return frames.play_game(0, "bertrand", policy="best reply", num_rounds=NUM_ROUNDS)


@pytest.fixture(scope="module")
def crowd():
    return frames.play_game(
        1, "evacuation", room=MAP, num_agents=4, num_rounds=NUM_ROUNDS, policy="nearest exit"
    )


@pytest.fixture(scope="module")
def sessions():
    return frames.calvano(2, num_sessions=6, num_prices=5, decay=0.01, patience=200)


def leaves_on_host(tree):
    return all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(tree))


# --- plays by name --------------------------------------------------------------------------------


def test_a_named_game_is_that_of_the_arrays_layer(beauty):
    with engine.double_precision():
        game = games.BeautyContest(num_agents=5)
        by_hand = games.play(jax.random.key(3), game, games.baseline_talk(), num_rounds=4)
        by_hand = jax.tree.map(np.asarray, by_hand)
    for ours, theirs in zip(jax.tree.leaves(beauty.play), jax.tree.leaves(by_hand), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert leaves_on_host(beauty.play)
    assert beauty.play.actions.dtype == np.float64
    assert repr(beauty) == "<GameResult beauty: 5 agents, 4 rounds, median talk>"


def test_rounds_of_a_beauty_contest(beauty):
    choices = beauty.play.records.choices
    table = beauty.table()
    assert list(table.columns) == ["round", "mean", "variance", "target", "num_winners"]
    np.testing.assert_allclose(table["variance"], np.var(choices, axis=1), rtol=1e-9)
    np.testing.assert_allclose(table["target"], 2 / 3 * choices.mean(axis=1))
    distance = np.abs(choices - 2 / 3 * choices.mean(axis=1, keepdims=True))
    won = np.isclose(distance, distance.min(axis=1, keepdims=True), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(table["num_winners"], won.sum(axis=1))


def test_rounds_of_a_market(market):
    """Best replies by hand: (a (beta - d) + d p + beta c) / (2 beta), from the cartel's price."""
    prices = [8.0]
    for _ in range(NUM_ROUNDS - 1):
        prices.append((14 / 300 + prices[-1] / 300 + 2 / 150) * 75)
    table = market.table()
    np.testing.assert_allclose(table["price"], prices, rtol=1e-12)
    sold = (14 / 300 - np.array(prices) / 300) / (1 / 150**2 - 1 / 300**2)
    profits = (np.array(prices) - 2) * sold
    np.testing.assert_allclose(table["profit"], profits, rtol=1e-9)
    np.testing.assert_allclose(table["collusion_index"], (profits - 3200) / 400, atol=1e-9)
    assert table["price_spread"].eq(0).all()
    assert table["is_talking"].all()


def test_rounds_of_an_evacuation(crowd):
    record, table = crowd.play.records, crowd.table()
    inside = record.is_inside
    np.testing.assert_array_equal(table["step"], np.arange(1, NUM_ROUNDS + 1))
    np.testing.assert_array_equal(table["escaped"], (~inside).sum(axis=1))
    through = table["escaped A"] + table["escaped B"]
    np.testing.assert_array_equal(through, table["escaped"])
    assert table["escaped"].iloc[-1] == 4
    assert (table["num_talking"] == 0).all()


def test_rows_of_agents(crowd, market):
    rows = crowd.agents()
    assert len(rows) == NUM_ROUNDS * 4
    third = rows[(rows["round"] == 2) & (rows["agent"] == 3)].iloc[0]
    assert third["positions"] == crowd.play.records.positions[2, 3]
    assert third["reward"] == -float(crowd.play.records.is_inside[2, 3])
    columns = ["round", "agent", "action", "reward", "prices", "quantities", "profits"]
    assert list(market.agents().columns) == columns
    np.testing.assert_array_equal(market.agents()["reward"], market.agents()["profits"])


def test_a_longer_play_begins_with_the_shorter(market):
    key = jax.random.key(0)
    longer = frames.play_game(key, "bertrand", policy="best reply", num_rounds=NUM_ROUNDS + 2)
    np.testing.assert_array_equal(longer.play.actions[:NUM_ROUNDS], market.play.actions)
    assert (longer.settings.seed, market.settings.seed) == (None, 0)


def test_single_precision_stays_single():
    played = frames.play_game(0, "beauty", num_agents=3, policy="level 2", precision="single")
    assert played.play.actions.dtype == np.float32
    assert dict(played.summary().header)["Precision"] == "single"
    np.testing.assert_allclose(played.play.actions, 50 * 4 / 9, rtol=1e-6)


def test_talk_can_be_removed_and_left_out():
    settings = {"num_rounds": 4, "policy": "grim trigger"}
    removed = frames.play_game(0, "bertrand", talk_until=2, **settings)
    assert list(removed.table()["is_talking"]) == [True, True, False, False]
    assert dict(removed.summary().header)["Talk"] == "yes until round 2"
    silent = frames.play_game(0, "bertrand", talk=False, **settings)
    assert not silent.table()["is_talking"].any()
    np.testing.assert_allclose(silent.table()["collusion_index"], 1)
    assert "From round 0 on the mean price is within 5 % of" in str(silent.summary())


def test_a_crowd_that_talks():
    played = frames.play_game(
        0, "evacuation", room=games.Room.from_text(MAP), num_agents=4, num_rounds=2, talk=True
    )
    assert played.table()["num_talking"].iloc[0] == 4
    assert dict(played.summary().header)["Persona"] == "baseline"


@pytest.mark.parametrize("game", GAMES)
def test_every_policy_and_persona_has_a_module(game):
    """Built as `play_game` builds them, and as many as are needed."""
    kind = GAMES[game]
    rules = {
        "beauty": games.BeautyContest(num_agents=2),
        "bertrand": games.Bertrand(),
        "evacuation": games.Evacuation(2, games.Room.from_text(MAP), is_talking=True),
    }[game]
    first = next(iter(kind.policies))
    built = [kind.policies[name](rules, "") for name in kind.policies if name != first]
    personas = [kind.policies[first](rules, persona) for persona in kind.personas]
    for policies in built + personas:
        assert games.population(policies, 2).num_agents == 2
    for one in range(len(personas)):
        assert not any(eqx.tree_equal(personas[one], other) for other in personas[:one])


def test_firms_start_from_the_prices_of_their_market():
    with engine.double_precision():
        first, second = GAMES["bertrand"].policies["tit for tat"](games.Bertrand(), "")
        low, high = (
            np.asarray([getattr(firm, name) for firm in (first, second)])
            for name in ("competitive", "cooperative")
        )
    np.testing.assert_allclose(low, 6)
    np.testing.assert_allclose(high, 8)


# --- in words -------------------------------------------------------------------------------------


def test_summaries_say_what_happened(beauty, market, crowd):
    for played in (beauty, market, crowd):
        text = str(played.summary())
        assert max(map(len, text.splitlines())) <= 100
        assert dict(played.summary().header)["Status"] == "OK"
        assert "<table" in played.summary()._repr_html_()
    assert dict(market.summary().header)["Cartel price"] == "8"
    assert "At the end the mean price is not within 5 % of the cartel's." in str(market.summary())
    rows = crowd.summary().rows
    assert [row[0] for row in rows] == [f"step {step}" for step in range(1, NUM_ROUNDS + 1)]
    last = crowd.table().iloc[-1]
    note = f"4 of 4 escaped, through A {last['escaped A']}, B {last['escaped B']}."
    assert note in crowd.summary().notes
    assert beauty.summary().rows[0][1] == f"{beauty.table()['mean'].iloc[0]:,.4g}"


def test_a_room_with_many_exits_has_no_column_for_each(crowd):
    room = games.Room.from_text("#ABCDEFGH#\n#........#\n##########")
    cells = np.zeros((NUM_ROUNDS, 8), int)
    cells[:, 3] = 4
    play = eqx.tree_at(lambda p: p.records.escaped_by_cell, crowd.play, cells)
    wide = dataclasses.replace(crowd, play=play, room=room).summary()
    assert wide.columns == ("escaped", "switches", "speakers")
    assert "D 4" in wide.notes[0]


@pytest.mark.parametrize(
    ("num_rounds", "starts_at_one", "expected"),
    [
        (4, False, [0, 1, 2, 3]),
        (51, True, [4, 9, 14, 19, 24, 29, 34, 39, 44, 49, 50]),
        (600, False, [0, 100, 200, 300, 400, 500, 599]),
        (1, True, [0]),
    ],
)
def test_of_many_rounds_some_are_shown(num_rounds, starts_at_one, expected):
    assert shown_rounds(num_rounds, starts_at_one=starts_at_one) == expected


def test_what_went_wrong_is_told(market):
    status = np.array([0, int(Status.NON_FINITE), *[0] * (NUM_ROUNDS - 2)])
    play = eqx.tree_at(lambda p: p.records.status, market.play, status)
    broken = dataclasses.replace(market, play=play)
    assert broken.status == Status.NON_FINITE
    assert dict(broken.summary().header)["Status"] == "NON_FINITE (see below)"
    assert f"NON_FINITE: {broken.status_message}" in broken.summary().notes


# --- labelled arrays ------------------------------------------------------------------------------


def test_axes_of_plays(beauty, market, crowd):
    found = crowd.to_dataset()
    assert found.sizes == {
        **{"round": NUM_ROUNDS, "agent": 4, "exit_cell": 2},
        **{"capability": 2, "mental": 2},
    }
    assert found.positions.dims == ("round", "agent")
    assert found.escaped_by_trait.dims == ("round", "capability", "mental")
    assert found.escaped_by_cell.sel(exit_cell=1).exit.item() == "B"
    assert found.escaped.attrs["units"] == "agents"
    assert found.attrs["room"] == MAP.strip()
    assert market.to_dataset().prices.dims == ("round", "agent")
    assert market.to_dataset().price_spread.attrs["units"] == "price units"
    variables = beauty.to_dataset().variables.values()
    assert {values.data.__class__ for values in variables} == {np.ndarray}
    meanings = beauty.to_dataset().status.attrs
    assert meanings["flag_meanings"].split()[meanings["flag_values"].index(0)] == "OK"


def test_fields_of_a_record_of_ones_own():
    class Own(games.Record):
        shares: jax.Array
        pairs: eqx.Module

        def curves(self):
            return {}

    own = Own(np.zeros((3, 2)), np.zeros((3, 2, 2)))
    play = games.Play(own, np.zeros((3, 2)), np.zeros((3, 2)), None, None)
    found = frames.to_dataset(play)
    assert found.shares.dims == ("round", "shares_axis_0")
    assert found.pairs.dims == ("round", "pairs_axis_0", "pairs_axis_1")


def moments(**reported):
    values = {name: jnp.asarray(value) for name, value in reported.items()}
    squares = {name: value**2 for name, value in values.items()}
    return engine.Moments(values, squares, jnp.asarray(25, jnp.int32))


def test_means_have_their_errors():
    found = frames.to_dataset(moments(variance=[4.0, 3.0], escaped_by_cell=np.ones((2, 7))))
    assert found.variance.dims == ("round",)
    assert found.escaped_by_cell_standard_error.dims == ("round", "exit_cell")
    np.testing.assert_allclose(found.variance, [4, 3])
    np.testing.assert_allclose(found.variance_standard_error, [0.8, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found.variance_standard_deviation, [4, 3], rtol=1e-6)
    assert found.attrs["num_worlds"] == 25
    assert found.variance_standard_error.attrs["units"] == "squared units of choices"


def test_means_of_ones_own_report():
    report = moments(own=np.ones((2, 3)))
    found = frames.to_dataset(report)
    assert found.own.dims == ("own_axis_0", "own_axis_1")
    assert frames.to_dataset(report, axes={"own": ("round", "bin")}).own.dims == ("round", "bin")
    bare = engine.Moments(jnp.ones(2), jnp.ones(2), jnp.asarray(4, jnp.int32))
    np.testing.assert_array_equal(frames.to_dataset(bare).value_standard_error, 0.5)
    nested = engine.Moments({"a": {"b": jnp.ones(2)}}, {"a": {"b": jnp.ones(2)}}, bare.num_worlds)
    assert "a_b" in frames.to_dataset(nested)


@pytest.mark.filterwarnings("ignore:A JAX array is being set as static")
def test_axes_of_a_sweep():
    grid = moments(variance=np.arange(12.0).reshape(2, 3, 2))
    counts = jnp.full((2, 3), 25, jnp.int32)
    grid = eqx.tree_at(lambda m: m.num_worlds, grid, counts)
    axes = {"noise": (1.0, 3.0), "rule": (games.Complete(), "b", np.float32(2))}
    found = frames.to_dataset(games.Sweep(axes, grid))
    assert found.variance.dims == ("noise", "rule", "round")
    np.testing.assert_array_equal(found.noise, [1, 3])
    assert found.rule.item(0).startswith("Complete")
    np.testing.assert_allclose(found.variance.sel(noise=3.0).isel(rule=0), [6, 7])
    np.testing.assert_allclose(found.variance_standard_error, found.variance / 5, rtol=1e-6)
    assert frames.to_dataset(games.Sweep({"n": (1, 2), "m": (1, 2, 3)}, grid)).n.dtype == int


def test_sessions_and_impulse_responses(sessions):
    found = sessions.to_dataset()
    assert found.prices.dims == ("session", "agent")
    assert found.strategies.dims == ("session", "agent", "state")
    assert found.sizes["state"] == 25
    assert found.attrs["decay"] == 0.01
    again = games.mean_impulse_response(jax.tree.map(jnp.asarray, sessions.sessions))
    response = frames.to_dataset(again)
    np.testing.assert_array_equal(response.price, again.mean.prices)
    assert response.price_standard_error.dims == ("period", "agent")
    assert response.before.dims == ("agent",)
    assert response.undisturbed_price.attrs["units"] == "price units"


@pytest.mark.parametrize(
    ("result", "axes", "kind", "message"),
    [
        ({}, None, TypeError, "result is a dict; needed is one of Play, Moments, Sweep, Sessions"),
        (moments(a=[1.0]), {"b": ("x",)}, ValueError, "axes names 'b', which is not reported: a"),
        (moments(a=[1.0]), {"a": ("x", "y")}, ValueError, "axes has 2 names for 'a', which has 1"),
        (
            games.Sweep({"round": (1, 2)}, moments(variance=np.ones((2, 4)))),
            None,
            ValueError,
            "the axis 'round' of the sweep has the name of a reported quantity or its axis",
        ),
        (
            games.Play(None, np.ones((2, 3, 4)), None, None, None),
            None,
            ValueError,
            r"result must be one play, got actions of shape \(2, 3, 4\)",
        ),
    ],
)
def test_results_that_have_no_labels(result, axes, kind, message):
    with pytest.raises(kind, match=message):
        frames.to_dataset(result, axes=axes)


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["beauty", "market", "crowd", "sessions"])
def test_files_are_read_back(name, request, tmp_path):
    result = request.getfixturevalue(name)
    folder = tmp_path / "new"
    result.to_netcdf(folder / "found.nc")
    result.to_parquet(folder / "found.parquet")
    result.to_csv(folder / "found.csv")
    assert sorted(path.suffix for path in folder.iterdir()) == [".csv", ".nc", ".parquet"]
    with xarray.open_dataset(folder / "found.nc", engine="h5netcdf") as file:
        again = file.load()
    xarray.testing.assert_equal(again, result.to_dataset())
    assert again.attrs["precision"] == result.settings.precision
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "found.parquet"), result.table())
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "found.csv"), result.table(), check_dtype=False, rtol=1e-6
    )


# --- Q-learning firms -----------------------------------------------------------------------------


def test_sessions_are_those_of_the_arrays_layer(sessions):
    market = games.QLearningMarket(num_prices=5, decay=0.01)
    by_hand = games.q_learning_sessions(jax.random.key(2), market, num_sessions=6, patience=200)
    for ours, theirs in zip(
        jax.tree.leaves(sessions.sessions), jax.tree.leaves(by_hand), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(sessions.collusion_index, by_hand.collusion_index)
    assert leaves_on_host(sessions.sessions)
    assert sessions.sessions.prices.dtype == np.float32


def test_double_precision_on_request(sessions):
    settings = {"num_prices": 5, "decay": 0.01, "patience": 200, "precision": "double"}
    found = frames.calvano(2, num_sessions=1, **settings)
    assert found.sessions.prices.dtype == np.float64
    assert found.settings.precision == "double"
    grid, single = found.sessions.grid, sessions.sessions.grid
    np.testing.assert_allclose(grid.prices, single.prices, rtol=1e-6)
    assert abs(grid.competitive[0] - 0.22292666) < 5e-9
    assert found.to_dataset().attrs["precision"] == "double"


def test_table_and_mean_of_sessions(sessions):
    table = sessions.table()
    assert list(table.columns) == [
        *("session", "num_periods", "cycle_length", "collusion_index"),
        *("price 1", "price 2", "profit 1", "profit 2", "status"),
    ]
    profits = table[["profit 1", "profit 2"]].mean(axis=1)
    nash, cartel = 0.22292666, 0.33749046
    np.testing.assert_allclose(table["collusion_index"], (profits - nash) / (cartel - nash), 1e-6)
    assert sessions.mean_collusion_index == pytest.approx(table["collusion_index"].mean())
    error = table["collusion_index"].std() / math.sqrt(6)
    assert sessions.standard_error == pytest.approx(error)
    assert (sessions.share_converged, sessions.status) == (1, Status.CONVERGED)
    assert set(table["status"]) == {"CONVERGED"}
    assert repr(sessions).startswith("<CalvanoResult 6 sessions of 2 firms: collusion index 0.")


def test_published_values_stand_beside_the_baseline_alone(sessions):
    assert sessions.published is None
    assert sessions.summary().columns == ("mean", "s.e.")
    baseline = dataclasses.replace(sessions.settings, decay=4e-6, num_prices=15)
    for num_firms, stated in ((2, 0.85), (3, 0.64), (4, 0.56), (1, None)):
        settings = dataclasses.replace(baseline, num_firms=num_firms)
        assert dataclasses.replace(sessions, settings=settings).published == stated
    summary = dataclasses.replace(sessions, settings=baseline).summary()
    mean, error = f"{sessions.mean_collusion_index:.4f}", f"{sessions.standard_error:.4f}"
    assert summary.rows[0] == ("collusion index", mean, error, "0.85")
    assert "Published: Calvano" in str(summary)


def test_sessions_that_did_not_end_are_told(sessions):
    status = np.full(6, int(Status.CONVERGED))
    status[2] = int(Status.MAX_STEPS)
    held = eqx.tree_at(lambda s: s.status, sessions.sessions, status)
    cut = dataclasses.replace(sessions, sessions=held)
    assert cut.status == Status.MAX_STEPS
    assert cut.share_converged == pytest.approx(5 / 6)
    assert f"MAX_STEPS: {cut.status_message}" in cut.summary().notes
    assert dict(cut.summary().header)["Converged"] == "83 %"


def test_single_sessions_have_no_error(sessions):
    alone = dataclasses.replace(sessions, collusion_index=sessions.collusion_index[:1])
    assert alone.standard_error == 0
