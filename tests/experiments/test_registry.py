import dataclasses
import sys
import types

import numpy as np
import pi_recipes
import pytest

from jaxpapers.experiments import Claim, experiments_of, select_experiments
from jaxpapers.experiments.claims import settle_claims
from jaxpapers.experiments.registry import check_experiments


def test_duplicate_names_are_refused():
    other = dataclasses.replace(pi_recipes.SHORT, system="games")
    with pytest.raises(ValueError, match=r"two experiments have the name 'short'.*rename one"):
        check_experiments((pi_recipes.SHORT, other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Not a file"}, "the name of an experiment is 'Not a file'"),
        ({"system": "rank"}, "unknown system 'rank': did you mean 'ranks'"),
        ({"settings": {"quick": {}}}, "settings of experiment 'short' are for"),
        ({"paper_cost_ratio": 0.0}, "paper_cost_ratio of experiment 'short' is 0.0"),
        ({"paper_cost_ratio": float("nan")}, "paper_cost_ratio of experiment 'short' is nan"),
        ({"claims": (pi_recipes.PI, pi_recipes.PI)}, "registers the same claim twice"),
    ],
)
def test_faulty_registrations_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(pi_recipes.SHORT, **change)


GAMES_MODULE = "jaxpapers.experiments.games_experiments"


def test_experiments_come_from_the_module_of_the_system(monkeypatch):
    module = types.ModuleType(GAMES_MODULE)
    module.EXPERIMENTS = (dataclasses.replace(pi_recipes.SHORT, system="games"),)
    monkeypatch.setitem(sys.modules, GAMES_MODULE, module)
    assert experiments_of("games") == module.EXPERIMENTS
    assert select_experiments(("games",)) == module.EXPERIMENTS


def test_system_without_a_module_has_no_experiments(monkeypatch):
    monkeypatch.setitem(sys.modules, GAMES_MODULE, None)
    assert experiments_of("games") == ()
    with pytest.raises(ValueError, match="no experiments for games in this version"):
        select_experiments(("games",))


def test_unknown_systems_name_the_nearest():
    with pytest.raises(ValueError, match="unknown system 'copula': did you mean 'copulas'"):
        experiments_of("copula")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": " "}, "text of a Claim is empty"),
        ({"verdict": "maybe"}, "verdict is 'maybe'"),
        ({"verdict": "cannot"}, "say what stands in"),
        ({"verdict": "stand-in"}, "say what stands in"),
        ({"verdict": "observed"}, "say why it is not judged"),
        ({"here": np.nan}, "here of the claim .* is nan"),
    ],
)
def test_faulty_claims_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Claim(**{"text": "a claim", "published": None, "source": "here", **fields})


def test_found_claims_hold_python_numbers():
    found = pi_recipes.PI.found(np.float32(0.5), standard_error=np.ones(()), verdict="short")
    assert (type(found.here), type(found.standard_error)) == (float, float)
    assert (found.text, found.published) == (pi_recipes.PI.text, pi_recipes.PI.published)


def test_claims_are_settled_in_registered_order():
    first, second = (Claim(text, None, "here") for text in ("first", "second"))
    done = tuple(claim.found(verdict="reproduced") for claim in (second, first))
    settled = settle_claims((first, pi_recipes.DIGITS, second), done)
    assert settled == (done[1], pi_recipes.DIGITS, done[0])
    with pytest.raises(ValueError, match=r"without a verdict: \['second'\]"):
        settle_claims((first, second), (done[1],))
    with pytest.raises(ValueError, match=r"not registered: \['second'\]"):
        settle_claims((first,), done)
    with pytest.raises(ValueError, match="same claim twice"):
        settle_claims((first,), (done[1], done[1]))
