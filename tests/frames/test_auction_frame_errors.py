"""Mistakes in what is to be sold: each message names what came and what is needed."""

import numpy as np
import pytest

from jaxpapers import frames

TEXTS = {"Sun Hotel": ["Stay in the sun."], "Sky Line": ["Fly to the sun."]}


def refused(kind, message, *, seed=0, brands=None, bids=(1, 2), **settings):
    with pytest.raises(kind, match=message):
        frames.token_auction(seed, TEXTS if brands is None else brands, bids, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "log linear"}, "no rule 'log linear'; did you mean 'log-linear' or 'linear'"),
        ({"rule": "harmonic"}, "there is no rule 'harmonic'; there are linear, log-linear"),
        ({"payment": "second"}, "there is no payment 'second'; did you mean 'second price'"),
        ({"precision": "half"}, "precision is 'half'; needed is one of 'double', 'single'"),
        ({"num_tokens": 0}, "num_tokens must be at least 1"),
        ({"num_texts": 0}, "num_texts must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"brands": "partner"}, "there is no pair 'partner'; did you mean 'partners'"),
        ({"brands": {}}, "brands has no agents"),
        ({"brands": {" ": ["Fly."], "B": ["Go."]}}, "an agent has the name ' '"),
        ({"brands": {"A": [], "B": ["Go."]}}, "there are no texts of 'A'"),
        ({"brands": {"A": ["Fly.", "  "], "B": ["Go."]}}, "text 2 of 'A' is empty; leave it out"),
        ({"brands": {"A": ["<end>"], "B": ["Go."]}}, "text 1 of 'A' is empty"),
        ({"brands": "rivals", "prompt": "flights to Mars"}, "'Mars' is not in the vocabulary"),
    ],
)
def test_choices_and_texts(settings, message):
    refused(ValueError, message, **settings)


@pytest.mark.parametrize(
    ("bids", "message"),
    [
        ([1], "bids has 1 numbers for 2 agents; needed is one for each of Sun Hotel, Sky Line"),
        ([1, 2, 3], "bids has 3 numbers for 2 agents"),
        (np.ones((2, 2)), r"bids has shape \(2, 2\) for 2 agents"),
        ([1, -2.5], "the bid of 'Sky Line' is -2.5; bids are finite and at least 0"),
        ([np.nan, 1], "the bid of 'Sun Hotel' is nan"),
        ([np.inf, 1], "the bid of 'Sun Hotel' is inf"),
        ({"Sun Hotels": 1, "Sky Line": 2}, "no agent 'Sun Hotels'; did you mean 'Sun Hotel'"),
        ({"Sun Hotel": 1}, "bids has no number for Sky Line"),
    ],
)
def test_bids(bids, message):
    refused(ValueError, message, bids=bids)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bids": "12"}, "bids is '12'; needed is one number per agent: Sun Hotel, Sky Line"),
        ({"bids": 3.0}, "bids is 3.0; needed is one number per agent"),
        ({"bids": [1, "2"]}, "the bid of 'Sky Line' is '2'; needed is a number"),
        ({"bids": [1, True]}, "the bid of 'Sky Line' is True; needed is a number"),
        ({"brands": ["Fly."]}, "brands is a list; needed is 'partners', 'rivals', or a dict"),
        ({"brands": {"A": "Fly.", "B": ["Go."]}}, "texts of 'A' must be a list of texts, got 'Fly"),
        ({"brands": {"A": [7], "B": ["Go."]}}, "text 1 of 'A' is 7; needed is a string"),
        ({"prompt": 7}, "prompt is a int; needed is a text"),
        ({"seed": 1.5}, "seed must be"),
    ],
)
def test_kinds(settings, message):
    refused(TypeError, message, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rules": "linear"}, "rules must be a list of at least one rule, got 'linear'"),
        ({"rules": []}, "rules must be a list of at least one rule"),
        ({"rules": ["lineal"]}, "there is no rule 'lineal'; did you mean 'linear'"),
        ({"num_shares": 1}, "num_shares must be at least 2"),
        ({"num_texts": 1}, "num_texts must be at least 2"),
        ({"brands": {"A": ["Fly."]}}, "brands has 1 agents; a sweep is between two"),
    ],
)
def test_sweeps(settings, message):
    brands = settings.pop("brands", TEXTS)
    with pytest.raises(ValueError, match=message):
        frames.sweep_bids(0, brands, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "logarithmic"}, "there is no rule 'logarithmic'; there are linear, log-linear"),
        ({"num_agents": 1}, "num_agents must be at least 2"),
        ({"vocab_size": 1}, "vocab_size must be at least 2"),
        ({"num_restarts": 0}, "num_restarts must be at least 1"),
        ({"num_steps": 0}, "num_steps must be at least 1"),
    ],
)
def test_checks(settings, message):
    with pytest.raises(ValueError, match=message):
        frames.check_rule(0, **{"rule": "linear", **settings})
