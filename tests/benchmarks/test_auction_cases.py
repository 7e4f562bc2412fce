"""The auction benchmarks at tiny sizes: each case runs and checks its answer, and finds defects."""

import dataclasses

import numpy as np
import pytest

from benchmarks import measure, run
from benchmarks.cases import auctions as cases
from benchmarks.peers import auction_numpy


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(cases, "NUM_AUCTIONS", 8)
    monkeypatch.setattr(cases, "NUM_TOKENS", 4)
    monkeypatch.setattr(cases, "MARKOV_VOCABULARY", 12)
    with run.ready_process():
        yield


def measured(case):
    record = measure.measure_case("auctions", case, num_repeats=1, with_memory=False)
    return {contender["name"]: contender for contender in record["contenders"]}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("linear", 300),
        pytest.param("log-linear", 300, marks=pytest.mark.acceptance),
        ("markov", 40),
    ],
)
def test_every_contender_is_right(name, size):
    found = measured(cases.make_case(name, size))
    for contender in found.values():
        assert contender["status"] == "ok" or contender["why"] == "torch is not installed"
    assert found["jaxpapers" if name != "log-linear" else "jaxpapers, free"]["status"] == "ok"
    if name == "linear":
        assert found["jaxpapers"]["answer"]["extra memory / inputs"] > 0


def test_a_wrong_price_is_found():
    bids, log_probs = cases.draw_auctions(300, 512)
    wanted = cases.expected_mean(bids, log_probs)
    generator = np.random.default_rng(0)
    tokens, paid = auction_numpy.linear_step(bids, log_probs, *generator.random((2, 512)))
    assert cases.payment_error(wanted, bids, (tokens, paid)) < 1
    own_bid = np.where(paid > 0, bids, 0)  # the agent is charged what it bids
    assert cases.payment_error(wanted, bids, (tokens, own_bid)) > 1
    assert cases.payment_error(wanted, bids, (tokens, 2 * bids)) == np.inf


def test_case_names():
    names = [(case.name, case.size) for case in cases.make_cases(None)]
    assert names[:2] == [("linear", 50_257), ("log-linear", 50_257)]
    with pytest.raises(ValueError, match="needed is one of linear, log-linear, markov, gpu"):
        cases.make_case("other", 3)
    assert dataclasses.asdict(cases.make_case("markov", 7))["size_name"] == "texts"
