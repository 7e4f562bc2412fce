"""The benchmark's peers against the O(n²) definition and the golden cases of csranks."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import peer_samples as given
import pytest

from benchmarks.cases.ranks import why_missing
from benchmarks.peers import (
    numpy_bootstrap,
    numpy_grouped,
    ranks_csranks,
    ranks_definition,
    ranks_numpy,
    ranks_statsmodels,
)

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
GOLDEN_TOLERANCE = 1e-9

samples = pytest.mark.parametrize("sample", given.samples().values(), ids=given.samples())
tie_weights = pytest.mark.parametrize("tie_weight", given.TIE_WEIGHTS)


def golden_case(name):
    """The record of a golden case and its data by column."""
    record = json.loads((GOLDEN / f"golden_{name}.json").read_text())
    with (GOLDEN / record["data"]).open() as file:
        rows = list(csv.DictReader(file))
    return record, {column: np.array([row[column] for row in rows]) for column in rows[0]}


@pytest.mark.parametrize("name", ["plain", "ties_mid_plain", "ties_omega04", "ties_omega10"])
def test_definition_and_numpy_equal_csranks(name):
    record, data = golden_case(name)
    outcome, regressor = data["Y"].astype(float), data["X"].astype(float)
    others = data["W"].astype(float)[:, None] if "W" in record["coef_names"] else None
    expected = np.array(record["coef"]), np.array(record["vcov"])
    for peer in (ranks_definition, ranks_numpy):
        answer = peer.fit(outcome, regressor, others, tie_weight=float(record["omega"]))
        assert given.gap(answer, expected) < GOLDEN_TOLERANCE


def test_grouped_definition_and_numpy_equal_csranks():
    record, data = golden_case("grouped")
    levels = record["factor_levels"]["G"]
    groups = np.array([levels.index(level) for level in data["G"]])
    sample = data["Y"].astype(float), data["X"].astype(float), groups, len(levels)
    expected = np.array(record["coef"]), np.array(record["vcov"])
    for fit in (ranks_definition.fit_grouped, numpy_grouped.fit):
        assert given.gap(fit(*sample), expected) < GOLDEN_TOLERANCE


@samples
@tie_weights
def test_numpy_fit_equals_definition(sample, tie_weight):
    for others in (None, given.covariates()):
        answer = ranks_numpy.fit(*sample, others, tie_weight=tie_weight)
        expected = ranks_definition.fit(*sample, others, tie_weight=tie_weight)
        assert given.gap(answer, expected) < given.TOLERANCE


@samples
@tie_weights
def test_numpy_grouped_equals_definition(sample, tie_weight):
    grouped = *sample, given.groups(), given.NUM_GROUPS
    answer = numpy_grouped.fit(*grouped, tie_weight=tie_weight)
    expected = ranks_definition.fit_grouped(*grouped, tie_weight=tie_weight)
    assert given.gap(answer, expected) < given.TOLERANCE


@samples
@tie_weights
def test_numpy_refit_equals_definition_on_repeated_sample(sample, tie_weight):
    outcome, regressor = sample
    (order_x, bounds_x), (order_y, bounds_y) = ranks_numpy.orders_and_bounds(regressor, outcome)
    places_y = np.argsort(order_y)[order_x]
    counts = np.bincount(
        np.random.default_rng(9).integers(0, outcome.size, outcome.size), minlength=outcome.size
    )
    answer = numpy_bootstrap.refit(
        counts[order_x],
        places_y,
        np.argsort(places_y),
        bounds_x,
        bounds_y,
        studentised=True,
        tie_weight=tie_weight,
    )
    params, cov = ranks_definition.bootstrap_one(counts, outcome, regressor, tie_weight=tie_weight)
    expected = np.concatenate([params, np.sqrt(np.diag(cov))])
    np.testing.assert_allclose(answer, expected, rtol=given.TOLERANCE)


def test_numpy_bootstrap_reproduces_asymptotic_standard_errors():
    outcome, regressor = given.samples()["untied"]
    draws, errors = numpy_bootstrap.bootstrap(
        1, outcome, regressor, num_replicates=600, studentised=True
    )
    only, nothing = numpy_bootstrap.bootstrap(
        1, outcome, regressor, num_replicates=600, studentised=False
    )
    assert nothing is None
    np.testing.assert_allclose(draws, only, rtol=given.TOLERANCE)
    _, cov = ranks_definition.fit(outcome, regressor)
    scale = np.sqrt(np.diag(cov))
    np.testing.assert_allclose(draws.std(axis=0), scale, rtol=0.15)
    np.testing.assert_allclose(errors.mean(axis=0), scale, rtol=0.15)


@pytest.mark.parametrize("values", given.hard_to_sort())
def test_numpy_order_is_exact_where_packed_keys_are_not(values):
    order, in_order = ranks_numpy.sample_order(values)
    assert np.array_equal(np.sort(order), np.arange(values.size))
    assert np.array_equal(in_order, np.sort(values))
    assert np.array_equal(values[order], in_order)


@samples
@tie_weights
def test_statsmodels_gives_naive_hc1_of_ranks(sample, tie_weight):
    outcome, regressor = sample
    design = ranks_definition.design(
        ranks_definition.ranks(regressor, tie_weight), given.covariates()
    )
    expected = ranks_definition.hc1(ranks_definition.ranks(outcome, tie_weight), design)
    answer = ranks_statsmodels.fit(outcome, regressor, given.covariates(), tie_weight=tie_weight)
    assert given.gap(answer, expected) < given.TOLERANCE


@samples
@tie_weights
def test_statsmodels_by_groups_gives_naive_hc1_of_each(sample, tie_weight):
    outcome, regressor = sample
    codes = given.groups()
    ranked = [ranks_definition.ranks(values, tie_weight) for values in sample]
    answer = ranks_statsmodels.fit_grouped(
        outcome, regressor, codes, given.NUM_GROUPS, tie_weight=tie_weight
    )
    expected = ranks_definition.hc1_grouped(*ranked, codes, given.NUM_GROUPS)
    assert given.gap(answer, expected) < given.TOLERANCE
    only = np.flatnonzero(codes == 2)
    design = ranks_definition.design(ranked[1][only], None)
    params, cov = ranks_definition.hc1(ranked[0][only], design)
    places = [2, 2 + given.NUM_GROUPS]
    np.testing.assert_allclose(answer[0][places], params, rtol=given.TOLERANCE)
    np.testing.assert_allclose(answer[1][np.ix_(places, places)], cov, rtol=given.TOLERANCE)
    assert answer[1][2, 3] == 0.0


@samples
def test_statsmodels_bootstrap_refits_each_redrawn_sample(sample):
    draws = ranks_statsmodels.bootstrap(1, *sample, num_replicates=3, tie_weight=0.3)
    generator = np.random.default_rng(1)
    for draw in draws:
        counts = np.bincount(generator.integers(0, given.SIZE, given.SIZE), minlength=given.SIZE)
        params, _ = ranks_definition.bootstrap_one(counts, *sample, tie_weight=0.3)
        np.testing.assert_allclose(draw, params, rtol=given.TOLERANCE)


def test_numba_peers_equal_definition_uncompiled():
    if importlib.util.find_spec("numba") is None:
        assert why_missing("numba") == "numba is not installed"
        return
    done = subprocess.run(
        [sys.executable, str(HERE / "uncompiled_numba_peers.py")],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "right" in done.stdout


def test_csranks_is_run_or_says_why_not():
    why = ranks_csranks.why_missing()
    if why is not None:
        assert "not installed" in why
        return
    record, data = golden_case("plain")
    answer = ranks_csranks.fit(data["Y"].astype(float), data["X"].astype(float))
    expected = np.array(record["coef"]), np.array(record["vcov"])
    assert given.gap((answer.params, answer.cov), expected) < GOLDEN_TOLERANCE
    assert answer.wall >= 0.0
