"""The four experiments on ranks, at sizes that take seconds."""

import dataclasses
import html
import io
import itertools
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from jaxpapers import engine, ranks
from jaxpapers.experiments import (
    ranks_bootstrap,
    ranks_coverage,
    ranks_mobility,
    ranks_regions,
    reproduce,
)
from jaxpapers.experiments.context import Context
from jaxpapers.experiments.files import read_csv
from jaxpapers.experiments.ranks_experiments import EXPERIMENTS
from jaxpapers.experiments.record import read_record

NUM_REGIONS = 5
SMALL = {
    "ranks-coverage": {"num_obs": 40, "num_replicates": 20, "batch_size": 20},
    "ranks-mobility": {"num_replicates": 200, "num_blocks": 41},
    "ranks-bootstrap": {"num_obs": 60, "num_replicates": 40, "batch_size": 20},
    "ranks-regions": {"num_obs": 1_000, "num_regions": NUM_REGIONS},
}
FILES = {
    "ranks-coverage": {"coverage.csv": 9, "coverage.png": None},
    "ranks-mobility": {"slopes.csv": 3, "intervals.png": None, "scatter.png": None},
    "ranks-bootstrap": {"standard-errors.csv": 3, "intervals.csv": 4, "standard-errors.png": None},
    "ranks-regions": {"regions.csv": NUM_REGIONS, "regions.png": None},
}


def shrunk(experiment):
    settings = dict.fromkeys(experiment.settings, SMALL[experiment.name])
    return dataclasses.replace(experiment, settings=settings)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    chosen = [shrunk(experiment) for experiment in EXPERIMENTS]
    with jax.numpy_rank_promotion("raise"):
        result = reproduce(chosen, scale="quick", output=folder, seed=0, stream=io.StringIO())
    assert [outcome.message for outcome in result.failed] == []
    return result


def table(reproduced, experiment, name):
    columns, rows = read_csv(reproduced.report.parent / "ranks" / experiment / f"{name}.csv")
    return {
        column: list(cells) for column, cells in zip(columns, zip(*rows, strict=True), strict=True)
    }


def numbers(reproduced, experiment, name):
    """Columns as arrays; those of words left out."""
    arrays = {}
    for column, cells in table(reproduced, experiment, name).items():
        try:
            arrays[column] = np.array(cells, float)
        except ValueError:
            continue
    return arrays


def test_registered_settings():
    assert EXPERIMENTS[0].name == "ranks-coverage"  # its chart fills the tile
    for experiment in EXPERIMENTS:
        keys = {scale: set(settings) for scale, settings in experiment.settings.items()}
        assert keys["quick"] == keys["paper"] == keys["full"] == set(SMALL[experiment.name])
    regions = {entry["num_regions"] for entry in ranks_regions.REGIONS.settings.values()}
    assert regions == {700}


@pytest.mark.parametrize("name", SMALL)
def test_tables_figures_and_claims_are_there(reproduced, name):
    folder = reproduced.report.parent / "ranks" / name
    record = read_record(folder)
    assert {**record.tables, **record.figures}.keys() == FILES[name].keys()
    for file, num_rows in FILES[name].items():
        if num_rows is None:
            assert (folder / file).read_bytes().startswith(b"\x89PNG")
        else:
            assert len(read_csv(folder / file)[1]) == num_rows
    (experiment,) = (entry for entry in EXPERIMENTS if entry.name == name)
    assert [claim.text for claim in record.claims] == [claim.text for claim in experiment.claims]
    for claim in record.claims:
        assert claim.verdict != "open"
        assert claim.note
        assert (claim.here is None) == (claim.verdict == "cannot")


def test_the_page_shows_what_cannot_be_tried(reproduced):
    page = html.unescape(reproduced.report.read_text(encoding="utf-8"))
    cannot = [claim for entry in EXPERIMENTS for claim in entry.claims if claim.verdict == "cannot"]
    assert [claim.published for claim in cannot] == [None, 0.375, None]
    for claim in cannot:
        assert claim.text in page
        assert "stand" in claim.note
    nominal = ranks_coverage.CONSISTENT
    assert (nominal.published, nominal.source) == (0.95, "nominal level")


def test_three_tie_weights_side_by_side(reproduced):
    rows = numbers(reproduced, "ranks-mobility", "slopes")
    np.testing.assert_array_equal(rows["tie weight"], [0, 0.5, 1])
    sample = ranks_mobility._families()
    for number, method in enumerate(("min", "average", "max")):
        son, parent = (
            stats.rankdata(sample[name], method) / len(sample[name]) for name in ("educ", "parents")
        )
        fit = sm.OLS(son, sm.add_constant(parent)).fit()
        expected = {
            "slope": fit.params[1],
            "homoskedastic s.e.": fit.bse[1],
            "HC1 s.e.": fit.HC1_se[1],
            "upward mobility": fit.params @ [1, 0.25],
        }
        for column, value in expected.items():
            assert rows[column][number] == pytest.approx(value, rel=1e-9)
    counts = np.unique(sample["parents"], return_counts=True)[1]
    np.testing.assert_allclose(rows["tied regressor"], counts[counts > 1].sum() / 1_230)


def test_spread_of_the_slopes_has_its_jackknife_error(reproduced):
    """The joint influence functions and refits without blocks agree on the standard error."""
    claim = read_record(reproduced.report.parent / "ranks" / "ranks-mobility").claims[0]
    sample = ranks_mobility._families()
    slopes = []
    for kept in ranks_mobility._without_blocks(1_230, 123):
        pair = [
            stats.linregress(*(stats.rankdata(sample[x][kept], way) for x in ("parents", "educ")))
            for way in ("min", "max")
        ]
        slopes.append(pair[0].slope - pair[1].slope)
    jackknife = np.sqrt(122 * np.var(slopes))
    assert claim.standard_error == pytest.approx(jackknife, rel=0.15)
    assert claim.verdict == "reproduced"


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=30) / 10
    means = (values.sum() - values) / 29
    variances = np.stack([np.ones(30), (1 + means) ** 2], axis=1)[:, None]
    error = ranks_mobility._gap_errors(variances)
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(30), rel=1e-12)


def test_blocks_leave_out_every_observation_once():
    kept = ranks_mobility._without_blocks(12, 4)
    left_out = [sorted(set(range(12)) - set(rows)) for rows in kept]
    assert sorted(itertools.chain(*left_out)) == list(range(12))
    assert {len(rows) for rows in left_out} == {3}


def test_coverage_rows(reproduced):
    rows = numbers(reproduced, "ranks-coverage", "coverage")
    truth = [0.4826, 0.8915, 0.75, 0, 0.568, 0.872, 0.5105, 0.4135, 0.3165]
    np.testing.assert_allclose(rows["slope"], truth, atol=6e-5)
    shares = np.stack([rows[kind] for kind in ("consistent", "homoskedastic", "robust")])
    assert np.all((shares >= 0.5) & (shares <= 1))
    assert len(np.unique(shares)) > 3


def test_one_program_samples_from_every_population():
    key = jax.random.key(5)
    populations = (ranks.Parabola(), ranks.Flip(0.3), ranks.DiagonalBlocks())
    sample = jax.jit(lambda one, key: one.sample(key, 6))
    with engine.double_precision():
        for number, population in enumerate(populations):
            one = ranks_coverage._OneOf(populations, np.asarray(number, np.float64))
            assert one.slope(0.5) == population.slope(0.5)
            for drawn, expected in zip(sample(one, key), population.sample(key, 6), strict=True):
                np.testing.assert_allclose(drawn, expected, rtol=1e-14)
    assert sample._cache_size() == 1


def test_bootstrap_rows(reproduced):
    rows = numbers(reproduced, "ranks-bootstrap", "standard-errors")
    assert [*rows][1:] == ["consistent", *ranks_bootstrap.KINDS]
    assert table(reproduced, "ranks-bootstrap", "standard-errors")["coefficient"] == [
        "intercept",
        "r(parent)",
        "female",
    ]
    for kind in ranks_bootstrap.KINDS:
        ratio = rows[kind] / rows["consistent"]
        assert np.all((ratio > 0.4) & (ratio < 2))
    intervals = table(reproduced, "ranks-bootstrap", "intervals")
    assert intervals["method"] == list(ranks_bootstrap.METHODS)
    ends = numbers(reproduced, "ranks-bootstrap", "intervals")
    slope, error = rows["estimate"][1], rows["consistent"][1]
    assert ends["lower"][0] == pytest.approx(slope - 1.959964 * error, rel=1e-6)
    normal = slope - 1.959964 * rows["re-ranking bootstrap"][1]
    assert ends["lower"][3] == pytest.approx(normal, rel=1e-6)
    assert np.all(ends["lower"] < slope)
    assert np.all(ends["upper"] > slope)


def test_region_rows(reproduced):
    rows = numbers(reproduced, "ranks-regions", "regions")
    assert list(rows) == ["region", *ranks_regions.COLUMNS]
    np.testing.assert_array_equal(rows["region"], np.arange(NUM_REGIONS))
    ends = [rows[f"slope {end}"] for end in ("lower", "upper")]
    wide = [rows[f"slope {end}, all regions"] for end in ("lower", "upper")]
    np.testing.assert_allclose(np.mean(ends, axis=0), rows["slope"], rtol=1e-9)
    ratio = (wide[1] - wide[0]) / (ends[1] - ends[0])
    bonferroni = stats.norm.ppf(1 - 0.025 / NUM_REGIONS) / stats.norm.ppf(0.975)
    np.testing.assert_allclose(ratio, bonferroni, rtol=1e-6)
    assert np.all(rows["upward lower"] < rows["upward mobility"])
    assert np.all(rows["upward mobility"] < rows["upward upper"])


def rows_of(slope, consistent, naive):
    row = {"slope": slope, "consistent s.e.": consistent}
    return {"tie weight": 0.0, **row, "homoskedastic s.e.": naive, "HC1 s.e.": naive}


def test_equal_slopes_fall_short():
    influence = np.random.default_rng(0).normal(size=(3, 50))
    error = np.sqrt(np.sum((influence[0] - influence[1]) ** 2)) / 50
    near = [rows_of(slope, 1.0, 1.0) for slope in (0.5 + 2.9 * error, 0.5, 0.5 + error)]
    claim = ranks_mobility._ties_claim(near, influence)
    assert claim.standard_error == pytest.approx(error)
    assert claim.verdict == "short"
    far = [rows_of(slope, 1.0, 1.0) for slope in (0.5 + 3.1 * error, 0.5, 0.5 + error)]
    assert ranks_mobility._ties_claim(far, influence).verdict == "reproduced"
    same = [rows_of(0.5, 1.0, 1.0)] * 3
    assert ranks_mobility._ties_claim(same, influence[[0, 0, 0]]).verdict == "short"


def test_naive_errors_that_agree_fall_short():
    errors = np.full((3, 2), 0.01)
    agreeing = [rows_of(0.5, 1.0, naive) for naive in (1.0, 1.029, 0.98)]
    claim = ranks_mobility._naive_claim(agreeing, errors)
    assert (claim.verdict, claim.here) == ("short", pytest.approx(0.029))
    off = [rows_of(0.5, 1.0, naive) for naive in (1.0, 1.02, 0.96)]
    claim = ranks_mobility._naive_claim(off, errors)
    assert (claim.verdict, claim.here) == ("reproduced", pytest.approx(-0.04))
    assert "homoskedastic" in claim.note


@pytest.mark.parametrize(
    ("consistent", "robust", "verdicts"),
    [
        ([0.95, 0.94], [0.79, 1.0], ["reproduced", "reproduced", "reproduced"]),
        ([0.95, 0.90], [0.79, 1.0], ["short", "reproduced", "reproduced"]),
        ([0.95, 1.0], [0.94, 0.96], ["short", "short", "short"]),
    ],
)
def test_coverage_verdicts(consistent, robust, verdicts):
    rows = [{"consistent": c, "robust": r} for c, r in zip(consistent, robust, strict=True)]
    claims = ranks_coverage._claims(rows, 1_000)
    assert [claim.verdict for claim in claims] == verdicts
    assert all(claim.standard_error > 0 for claim in claims)


@pytest.mark.parametrize(
    ("reranking", "multiplier", "gap", "verdicts"),
    [
        (1.01, 0.99, 0.7, ["reproduced", "reproduced", "reproduced"]),
        (1.2, 0.99, 1.3, ["short", "reproduced", "reproduced"]),
        (1.0, 0.85, 1.05, ["reproduced", "short", "short"]),
    ],
)
def test_bootstrap_verdicts(reranking, multiplier, gap, verdicts):
    ratios = dict(zip(ranks_bootstrap.KINDS[:2], (reranking, multiplier), strict=True))
    claims = ranks_bootstrap._claims(ratios, gap, 2_000)
    assert [claim.verdict for claim in claims] == verdicts


@pytest.mark.parametrize(("low", "verdict"), [(0.4, "short"), (-0.4, "reproduced")])
def test_regions_that_are_alike_fall_short(low, verdict):
    """A false alarm has probability .01; five regions that are not alike are found out."""
    with engine.double_precision():
        regions = ranks.Regions(NUM_REGIONS, low=low, high=0.4)
        fit = ranks_regions._fit(regions, jax.random.key(2), num_obs=1_000)
        test = ranks_regions._summary(fit)[1]
    claim = ranks_regions._equality_claim(float(test.pvalue), int(test.degrees_of_freedom))
    assert claim.verdict == verdict
    assert f"{NUM_REGIONS - 1} degrees of freedom" in claim.note


def test_a_gap_that_a_small_sample_makes_is_not_judged():
    claim = ranks_regions._naive_claim(np.array([1.0, 1.1, 1.2]), 300)
    assert claim.verdict == "observed"
    assert (claim.here, claim.standard_error) == pytest.approx((1.1, 0.1 / np.sqrt(3)))
    assert "100 families" in claim.note


@pytest.mark.parametrize("experiment", [ranks_mobility.MOBILITY, ranks_bootstrap.BOOTSTRAP])
def test_multiplier_draws_are_saved_and_taken_up(reproduced, tmp_path, experiment):
    context = Context(
        name=experiment.name,
        scale="quick",
        seed=0,
        settings=SMALL[experiment.name],
        output=tmp_path,
        checkpoints=tmp_path / "checkpoints",
        progress_stream=io.StringIO(),
    )
    with engine.double_precision():
        first = experiment.run(context)
        saves = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/multiplier/[0-9]*")}
        assert saves
        again = experiment.run(context)
    assert {path: path.stat().st_mtime_ns for path in saves} == saves
    assert {name: entry.records() for name, entry in first.tables.items()} == {
        name: entry.records() for name, entry in again.tables.items()
    }
    assert "multiplier draws: " in context.progress_stream.getvalue()


@pytest.mark.acceptance
def test_quick_scale_takes_a_minute(tmp_path):
    """In a fresh process, where nothing is compiled; meant for 2 cores that are otherwise idle."""
    command = [sys.executable, "-m", "jaxpapers", "reproduce", "ranks", "--scale", "quick"]
    printed = subprocess.run(
        [*command, "--output", str(tmp_path / "report")], check=True, capture_output=True, text=True
    ).stdout
    print(printed)
    records = [json.loads(path.read_text()) for path in tmp_path.glob("report/ranks/*/record.json")]
    assert len(records) == len(EXPERIMENTS)
    assert sum(entry["seconds_compile"] + entry["seconds_run"] for entry in records) <= 60
    assert "over budget" not in printed
