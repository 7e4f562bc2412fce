"""The experiments on token auctions, at sizes that take seconds."""

import dataclasses
import html
import io

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import integrate

from jaxpapers import auctions, engine, frames
from jaxpapers.experiments import (
    auctions_bidding,
    auctions_counterexamples,
    auctions_figures,
    auctions_payments,
    auctions_sweep,
    auctions_texts,
    reproduce,
)
from jaxpapers.experiments.auctions_experiments import EXPERIMENTS
from jaxpapers.experiments.files import read_csv
from jaxpapers.experiments.record import read_record

SMALL = {
    "auctions-sweep": {"num_shares": 3, "num_texts": 24, "num_tokens": 12},
    "auctions-counterexamples": {"num_restarts": 8, "num_search_steps": 60, "num_draws": 400},
    "auctions-bidding": {"num_climbs": 400, "num_rounds": 1_500, "num_bids": 21},
    "auctions-payments": {"num_texts": 400, "num_tokens": 4, "vocab_size": 8, "batch_size": 100},
}
FILES = {
    "auctions-sweep": {
        "sweep.csv": 12,
        "texts.csv": 12,
        **dict.fromkeys(["attribution.png", "sweep-partners.png", "sweep-rivals.png"]),
        **dict.fromkeys(["texts-partners-linear.png", "texts-partners-log-linear.png"]),
        "texts-rivals-linear.png": None,
    },
    "auctions-counterexamples": {
        "gallery.csv": None,
        "exponents.csv": 5,
        "gallery.png": None,
        "exponents.png": None,
    },
    "auctions-bidding": {"bids.csv": 6, "paths.png": None},
    "auctions-payments": {"payments.csv": 4, "payments.png": None},
}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory, quick_compiles):
    folder = tmp_path_factory.mktemp("auctions")
    chosen = [
        dataclasses.replace(entry, settings=dict.fromkeys(entry.settings, SMALL[entry.name]))
        for entry in EXPERIMENTS
    ]
    with jax.numpy_rank_promotion("raise"):
        result = reproduce(chosen, scale="quick", output=folder, seed=0, stream=io.StringIO())
    assert [outcome.message for outcome in result.failed] == []
    return result


def rows_of(reproduced, experiment, name):
    folder = reproduced.report.parent / "auctions" / experiment
    columns, rows = read_csv(folder / f"{name}.csv")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def claims_of(reproduced, experiment):
    return read_record(reproduced.report.parent / "auctions" / experiment).claims


def test_registered_settings():
    assert EXPERIMENTS[0].name == "auctions-sweep"  # its strip fills the tile
    for experiment in EXPERIMENTS:
        keys = {scale: set(settings) for scale, settings in experiment.settings.items()}
        assert keys["quick"] == keys["paper"] == keys["full"] == set(SMALL[experiment.name])


@pytest.mark.parametrize("name", SMALL)
def test_tables_figures_and_claims_are_there(reproduced, name):
    folder = reproduced.report.parent / "auctions" / name
    record = read_record(folder)
    assert {**record.tables, **record.figures}.keys() == FILES[name].keys()
    for file, num_rows in FILES[name].items():
        if file.endswith(".png"):
            assert (folder / file).read_bytes().startswith(b"\x89PNG")
        else:
            assert num_rows in (None, len(read_csv(folder / file)[1]))
    (experiment,) = (entry for entry in EXPERIMENTS if entry.name == name)
    assert [claim.text for claim in record.claims] == [claim.text for claim in experiment.claims]
    for claim in record.claims:
        assert claim.verdict in ("reproduced", "short", "observed")
        assert claim.note
        assert claim.here is not None


def test_the_tile_shows_who_moved_each_word(reproduced):
    record = read_record(reproduced.report.parent / "auctions" / "auctions-sweep")
    assert next(iter(record.figures)) == "attribution.png"
    assert record.sentence.startswith("Alpha Airlines and Beta Resort write one advertisement")
    assert record.sentence in html.unescape(reproduced.report.read_text("utf-8"))


# --- the sweep ------------------------------------------------------------------------------------


def test_the_sweep_goes_from_one_brand_to_the_other(reproduced):
    rows = rows_of(reproduced, "auctions-sweep", "sweep")
    for start in range(0, 12, 3):
        first, middle, last = rows[start : start + 3]
        shares = [float(row["first brand"]) for row in (first, middle, last)]
        assert shares == sorted(shares)
        assert shares[2] - shares[0] > 0.5
        assert float(middle["revenue"]) > 0
        for row in (first, last):
            assert float(row["revenue"]) == 0
            assert float(row["-sum b KL(p||q)"]) == pytest.approx(0, abs=1e-9)
    texts = rows_of(reproduced, "auctions-sweep", "texts")
    assert len({row["text"] for row in texts}) > 4


def test_models_of_one_size_say_what_they_said():
    with engine.double_precision():
        brands = auctions_texts.all_brands()
        sizes = {bidder.log_rows.shape for own in brands.values() for bidder in own.bidders}
        assert len(sizes) == 1
        tokenizer, bidders = auctions.brand_bidders(auctions.PARTNERS)
        text = jnp.asarray(tokenizer.encode("Fly to Hawaii with Alpha Airlines today."))
        own = brands["partners"]
        padded = auctions.read(own.bidders, own.prompt, text)
        np.testing.assert_array_equal(padded, auctions.read(bidders, own.prompt, text))


def test_owners_are_words_of_one_brand_only():
    own = auctions_texts.all_brands()["rivals"]
    whose = dict(zip(own.tokenizer.words, own.owners.tolist(), strict=True))
    assert (whose["Gamma"], whose["Theta"], whose["Hawaii"]) == (0, 1, -1)
    assert whose["Alpha"] == -1  # a word of the other pair


def test_shares_of_brand_words():
    owners = np.array([-1, 0, 1])
    tokens = np.array([[1, 1, 2, 0], [0, 0, 0, 0], [2, 2, 0, 0]])
    sold = sold_texts(tokens=tokens)
    np.testing.assert_allclose(sold.first_share(owners), [2 / 3, 1 / 2, 0])


def sold_texts(**parts):
    """Texts of which only some parts matter."""
    size = len(parts["tokens"]) if "tokens" in parts else 3
    filler = {"tokens": np.zeros((size, 4), int), "pretraining": np.zeros(size)}
    shape = (size, 4, 2)
    filler |= {"is_moved": np.zeros(shape, bool), "counterfactuals": np.zeros(shape, int)}
    filler |= {"payments": np.zeros(shape), "rlhf": np.zeros(size)}
    return auctions_texts.Sold(**{**filler, **parts})


def test_words_are_written_with_capitals():
    own = auctions_texts.all_brands()["partners"]
    tokens = own.tokenizer.encode("Fly today. Book now <end> Fly".replace("now", "today"))
    written = auctions_texts.written(own, tokens)
    assert written == ["Fly", "today", ".", "Book", "today", "¶", "Fly"]
    stay = np.full(7, own.tokenizer.encode("stay")[0])
    assert auctions_texts.written(own, tokens, stay)[:2] == ["Stay", "stay"]


class TwoWords:
    """Brands whose words are 0 and 1, as the claims need them."""

    owners = np.array([0, 1])


def planted_sweep(shares):
    """Texts of sixteen words in which the share of the first brand is as given."""
    texts = []
    for share in shares:
        tokens = np.ones((30, 16), int)
        tokens[:, : round(16 * share)] = 0
        texts.append(sold_texts(tokens=tokens))
    return {("partners", rule): texts for rule in auctions_sweep.RULES}


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        (np.linspace(0, 1, 9), "reproduced"),
        ([0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1], "reproduced"),
        ([0, 0.25, 0.5, 0.25, 0.5, 0.75, 0.75, 0.75, 1], "short"),  # falls once
        (np.full(9, 0.5), "short"),  # goes nowhere
        ([0, 0, 0, 0, 1, 1, 1, 1, 1], "short"),  # jumps
    ],
)
def test_only_a_smooth_way_from_one_to_the_other_is_one(shares, verdict):
    claims = auctions_sweep._smooth_claims({"partners": TwoWords()}, planted_sweep(shares))
    assert set(verdicts(claims)) == {verdict}


def judged(violation, pretraining=0.0, rlhf=0.0):
    return auctions_texts.Judged(*(np.array([0, x]) for x in (violation, pretraining, rlhf)))


def test_planted_violations_and_a_rule_that_is_not_best_are_seen():
    good = {"linear": judged(1e-16, 0.1, 0.0), "log-linear": judged(0.1, 0.0, 0.1)}
    assert verdicts(auctions_sweep._monotone_claims(good)) == ["reproduced", "reproduced"]
    assert auctions_sweep._best_claim(good).verdict == "reproduced"
    bad = {"linear": judged(1e-6, 0.1, 0.01), "log-linear": judged(1e-16, 0.0, 0.0)}
    assert verdicts(auctions_sweep._monotone_claims(bad)) == ["short", "short"]
    assert auctions_sweep._best_claim(bad).verdict == "short"


def verdicts(claims):
    return [claim.verdict for claim in claims]


# --- counter-examples -----------------------------------------------------------------------------


def test_known_and_found_counterexamples(reproduced):
    rows = rows_of(reproduced, "auctions-counterexamples", "gallery")
    known, *found = rows
    assert float(known["largest q"]) == pytest.approx(0.321731, abs=5e-7)
    assert (float(known["lambda"]), known["p1"], known["p2"]) == (0.5, "0.09", "0.09")
    assert found
    claims = claims_of(reproduced, "auctions-counterexamples")
    expected = ["reproduced"] * 3 + ["observed"] + ["reproduced"] * 2
    assert verdicts(claims) == expected
    assert claims[0].here == pytest.approx(0.321731, abs=5e-7)
    rows = rows_of(reproduced, "auctions-counterexamples", "exponents")
    assert [row["r"] for row in rows] == ["0.3", "0.8", "0.95", "1.0", "1.2"]
    assert [row["stated"] for row in rows] == ["0.6", "0.22", "0.05", "", "0.22"]


def test_broken_auctions_are_counted_as_in_numpy():
    """Power means again in NumPy, on a grid of their own."""
    with engine.double_precision():
        own = np.random.default_rng(0).dirichlet(np.ones(4), size=(300, 2))
        rule = auctions.CalledRule(auctions_counterexamples.PowerMean(0.8))
        found = np.asarray(auctions_counterexamples._broken(rule, jnp.log(jnp.asarray(own))))
    ratios = np.logspace(-6, 6, 301)
    shares = np.concatenate([[0], ratios / (1 + ratios)])[None, :, None]
    mixtures = (shares * own[:, :1] ** 0.8 + (1 - shares) * own[:, 1:] ** 0.8) ** (1 / 0.8)
    mixtures /= mixtures.sum(axis=2, keepdims=True)
    gaps = np.abs(mixtures - own[:, :1])
    is_broken = (np.diff(gaps, axis=1) > 1e-9).any(axis=(1, 2))
    assert np.mean(is_broken == found) > 0.98
    assert 0.1 < found.mean() < 0.35


def test_shares_that_are_off_fall_short():
    rows = [
        {"r": r, "stated": s, "here": (0.0 if s is None else s), "s.e.": 0.001}
        for r, s in auctions_counterexamples.STATED.items()
    ]
    often, linear = auctions_counterexamples._share_claims(rows, 100)
    assert (often.here, often.verdict, linear.verdict) == (0, "observed", "reproduced")
    rows[0]["here"], rows[3]["here"] = 0.5, 0.01
    often, linear = auctions_counterexamples._share_claims(rows, 100)
    assert (round(often.here, 6), linear.verdict) == (-0.1, "short")
    assert "at r = 0.3" in often.note


# --- bidding --------------------------------------------------------------------------------------


def test_closed_forms_are_equilibria():
    """No agent gains by another bid, in NumPy: utilities of two agents at total variation .6."""
    own = np.linspace(1e-4, 4, 40_001)
    for name, mechanism in auctions_bidding.mechanisms().items():
        for agent in range(2):
            other, value = mechanism.equilibrium[1 - agent], mechanism.values[agent]
            moved = 0.6 * own / (own + other)
            paid = {
                "second price": 0.6 * (other * np.log1p(own / other) - own * other / (own + other)),
                "first price": own * moved,
                "all-pay": own,
            }[name]
            best = own[np.argmax(value * moved - paid)]
            assert best == pytest.approx(mechanism.equilibrium[agent], abs=1e-3)


def test_learners_come_to_the_closed_forms(reproduced):
    claims = claims_of(reproduced, "auctions-bidding")
    assert [claim.verdict for claim in claims] == ["reproduced"] * 7
    rows = rows_of(reproduced, "auctions-bidding", "bids")
    second = next(row for row in rows if row["payment"] == "second price")
    assert float(second["bid of the second"]) == pytest.approx(2, abs=1e-5)


def test_bids_that_are_off_and_regret_above_its_bound_fall_short():
    rows = [
        {"payment": name, "learning": how, "distance": 0.2}
        for name in auctions_bidding.CLOSED
        for how in (auctions_bidding.GRADIENT, auctions_bidding.HEDGE)
    ]
    assert set(verdicts(auctions_bidding._claims(rows))) == {"short"}
    claim = auctions_bidding._regret_claim(1.01, SMALL["auctions-bidding"])
    assert claim.verdict == "short"


def test_means_over_rounds_before():
    bids = np.arange(100.0)[:, None]
    found = auctions_bidding._smoothed(bids)[:, 0]
    np.testing.assert_allclose(found[[0, 1, 50]], [0, 0.5, 49.5])


# --- payments -------------------------------------------------------------------------------------


def test_quadrature_is_the_definition():
    """Against adaptive quadrature of the influence."""
    own = np.random.default_rng(0).dirichlet(np.ones(5), size=(1, 3))
    bids = np.array([1.0, 2.0, 0.5])
    found = auctions_payments.quadrature(own, bids)[0]

    def moved(bid):
        mixture = (bid * own[0, 0] + 2 * own[0, 1] + 0.5 * own[0, 2]) / (bid + 2.5)
        return 0.5 * np.abs(mixture - (2 * own[0, 1] + 0.5 * own[0, 2]) / 2.5).sum()

    expected = moved(1.0) - integrate.quad(moved, 0, 1, epsabs=1e-13)[0]
    assert found[0] == pytest.approx(expected, rel=1e-10)


def test_visits_are_those_of_a_chain():
    own = np.array([[[0.0, 1.0]], [[0.5, 0.5]]])
    np.testing.assert_allclose(auctions_payments.visits(own, np.ones(1), 3), [1.5, 1.5])
    np.testing.assert_allclose(auctions_payments.visits(own, np.ones(1), 2), [1, 1])


def test_payments_three_ways(reproduced):
    rows = rows_of(reproduced, "auctions-payments", "payments")
    assert [row["agent"] for row in rows] == ["1", "2", "3", "all"]
    for row in rows:
        assert float(row["closed form"]) == pytest.approx(float(row["quadrature"]), rel=1e-9)
        assert abs(float(row["gap / s.e."])) < 4.5
    sums = [sum(float(row[name]) for row in rows[:3]) for name in ("simulated", "closed form")]
    assert sums[0] == pytest.approx(float(rows[3]["simulated"]), rel=1e-9)
    assert sums[1] == pytest.approx(float(rows[3]["closed form"]), rel=1e-9)
    claims = claims_of(reproduced, "auctions-payments")
    assert [claim.verdict for claim in claims] == ["reproduced"] * 4
    assert claims[3].here == pytest.approx(0.2162166, abs=1e-6)


def test_payments_that_are_off_fall_short():
    row = {"simulated": 1.1, "closed form": 1.0, "s.e.": 0.01, "gap / s.e.": 10.0}
    assert auctions_payments._simulated_claim([row]).verdict == "short"
    claim = auctions_payments._integrated_claim(np.ones((2, 3)), np.full((2, 3), 1.001))
    assert claim.verdict == "short"


def test_cases_are_means_by_context():
    contexts = np.array([[0, 1], [0, 1]])
    payments = np.arange(12.0).reshape(2, 2, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auctions_payments, "LEAST_VISITS", 2)
        cases = auctions_payments._by_context(auctions_payments.Simulation(contexts, payments), 3)
    np.testing.assert_array_equal(cases.used, [True] * 6 + [False] * 3)
    np.testing.assert_allclose(cases.means, payments.mean(axis=0).ravel())
    np.testing.assert_allclose(cases.errors, (payments.std(axis=0, ddof=1) / np.sqrt(2)).ravel())


# --- figures of the friendly layer ----------------------------------------------------------------


def planted_generation():
    """Three tokens of two agents, of which the first moved the second token."""
    shape = (3, 2)
    counterfactuals = np.array([[1, 1], [0, 2], [0, 0]], np.int32)
    payments = np.array([[0, 0], [0.25, 0], [0, 0]])
    return auctions.Generation(
        tokens=np.array([1, 2, 0], np.int32),
        bids=np.ones(shape),
        probabilities=np.full(shape, 0.5),
        probability=np.full(3, 0.5),
        payments=payments,
        influence=np.full(shape, 0.1),
        switch_bids=payments,
        counterfactuals=counterfactuals,
        is_expected=np.zeros(3, bool),
        status=np.zeros(3, np.int32),
        switch_status=np.zeros(shape, np.int32),
    )


def test_a_labelled_generation_is_drawn():
    tokenizer = auctions.WordTokenizer(("<end>", "fly", "high"))
    sold = frames.label_generation(planted_generation(), tokenizer, ["A", "B"], prompt="where to?")
    figure = auctions_figures.attribution_figure(sold)
    assert figure.get_suptitle() == "“where to?”: who moved each word, and what it paid"
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == ["fly", "high", "0.25", "¶", "¶"]


def test_a_sweep_is_drawn():
    rows = [
        {"rule": rule, "lambda": share, "revenue": share + number, "welfare": 1.0}
        for number, rule in enumerate(("linear", "log-linear"))
        for share in (0.0, 0.5, 1.0)
    ]
    table = pd.DataFrame(rows).assign(**{"revenue s.e.": 0.1, "welfare s.e.": 0.1})
    revenue, welfare = auctions_figures.sweep_figure(table).axes
    lines = [container[0].get_ydata() for container in revenue.containers]
    np.testing.assert_array_equal(lines, [[0, 0.5, 1], [1, 1.5, 2]])
    assert welfare.get_title(loc="left") == "welfare"
