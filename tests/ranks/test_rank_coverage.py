"""Coverage of naive and consistent intervals against the table of the specification."""

import dataclasses

import jax
import numpy as np
import pytest
import tolerances

from jaxpapers import ranks

KEY = jax.random.key(2310)
NUM_OBS = 2_000


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table; coverages of 4,000 samples by homoskedastic and robust errors."""

    population: ranks.Population
    homoskedastic: float
    robust: float
    tie_weight: float = 1.0
    ratio_error: float = tolerances.RATIO_LONG


TABLE = {
    "Gaussian copula .5": Row(ranks.GaussianCopula(0.5), 0.970, 0.960),
    "Gaussian copula .9": Row(ranks.GaussianCopula(0.9), 1.000, 0.996),
    "diagonal blocks": Row(
        ranks.DiagonalBlocks(), 1.000, 1.000, ratio_error=tolerances.RATIO_BLOCKS
    ),
    "parabola": Row(ranks.Parabola(), 0.857, 0.896),
    "flip .2": Row(ranks.Flip(0.2), 0.883, 0.873),
    "flip .3": Row(ranks.Flip(0.3), 0.958, 0.793),
    "cells, w = 0": Row(ranks.DiscretisedGaussian(0.5), 0.955, 0.944, tie_weight=0.0),
    "cells, w = .5": Row(ranks.DiscretisedGaussian(0.5), 0.963, 0.954, tie_weight=0.5),
    "cells, w = 1": Row(ranks.DiscretisedGaussian(0.5), 0.944, 0.933, tie_weight=1.0),
}


def simulate(row, num_replicates):
    model = ranks.RankRegression(tie_weight=row.tie_weight)
    return ranks.coverage(
        KEY,
        model,
        row.population,
        num_obs=NUM_OBS,
        num_replicates=num_replicates,
        batch_size=100,
    )


def violations(row, draws, coverage_error, ratio_error):
    """What is outside its bounds: names of the figures."""
    covers = {name: float(share) for name, share in draws.coverage(0.95).items()}
    num_replicates = len(draws.slope)
    found = []
    if abs(covers["consistent"] - 0.95) > coverage_error:
        found.append("consistent")
    if abs(float(draws.standard_error_ratio()) - 1) > ratio_error:
        found.append("ratio")
    for name, published in (("homoskedastic", row.homoskedastic), ("robust", row.robust)):
        variance = published * (1 - published) * (1 / 4_000 + 1 / num_replicates)
        if abs(covers[name] - published) > 3.5 * np.sqrt(variance) + 0.001:
            found.append(name)
    return found


def passed_off(draws):
    """The planted defect: robust standard errors sold as consistent ones."""
    return dataclasses.replace(draws, bse=draws.bse_robust)


# False alarms, by binomial and normal tails: .02 is 4.1 standard errors of a coverage and .06 is
# 3.8 of a standard deviation at 2,000 samples; 3.5 for the naive ones: 1e-3 in all for each row.
@pytest.mark.parametrize("name", ["Gaussian copula .5", "flip .3"])
def test_consistent_intervals_cover_and_naive_ones_do_not(name):
    bounds = tolerances.COVERAGE_SHORT, tolerances.RATIO_SHORT
    with jax.enable_x64(True):
        draws = simulate(TABLE[name], 2_000)
        assert draws.slope.shape == (2_000,)
        assert violations(TABLE[name], draws, *bounds) == []
        if name == "flip .3":
            found = violations(TABLE[name], passed_off(draws), *bounds)
            assert {"consistent", "ratio"} <= set(found)


@pytest.mark.acceptance
@pytest.mark.parametrize("name", TABLE)
def test_table_of_coverage(name, capsys):
    row = TABLE[name]
    with jax.enable_x64(True):
        draws = simulate(row, 20_000)
        covers = {kind: float(share) for kind, share in draws.coverage(0.95).items()}
        ratio = float(draws.standard_error_ratio())
        found = violations(row, draws, tolerances.COVERAGE_LONG, row.ratio_error)
    with capsys.disabled():
        print(
            f"\n{name:<19} slope {float(draws.truth):.4f}  "
            f"homoskedastic {covers['homoskedastic']:.4f} ({row.homoskedastic:.3f})  "
            f"robust {covers['robust']:.4f} ({row.robust:.3f})  "
            f"ours {covers['consistent']:.4f}  se/sd {ratio:.4f}"
        )
    assert found == []


def test_coverage_of_given_draws():
    slope = np.array([0.0, 1.0, 2.0, 3.0])
    with jax.enable_x64(True):
        draws = ranks.CoverageDraws(
            slope=jax.numpy.asarray(slope),
            bse=jax.numpy.full(4, 0.6),
            bse_homoskedastic=jax.numpy.full(4, 0.4),
            bse_robust=jax.numpy.full(4, 1.2),
            truth=jax.numpy.asarray(1.0),
        )
        covers = draws.coverage(0.95)
        shares = {name: float(share) for name, share in covers.items()}
        assert shares == {"homoskedastic": 0.25, "robust": 1.0, "consistent": 0.75}
        narrow = draws.coverage(0.1)
        assert float(narrow["robust"]) == 0.25
        ratio = float(draws.standard_error_ratio())
        np.testing.assert_allclose(ratio, 0.6 / np.std(slope), rtol=1e-9)


def test_replicates_are_fits_of_samples_with_their_own_keys():
    with jax.enable_x64(True):
        model = ranks.RankRegression(tie_weight=0.5)
        population = ranks.DiscretisedGaussian(0.5)
        draws = ranks.coverage(KEY, model, population, num_obs=48, num_replicates=6, batch_size=4)
        np.testing.assert_allclose(draws.truth, 0.4135, atol=5e-5)
        for replicate in (0, 5):
            sample = population.sample(jax.random.fold_in(KEY, replicate), 48)
            fit = ranks.fit(model, *sample)
            naive = [np.sqrt(cov[1, 1]) for cov in (fit.cov_homoskedastic, fit.cov_robust)]
            np.testing.assert_allclose(draws.slope[replicate], fit.params[1], rtol=1e-9)
            np.testing.assert_allclose(draws.bse[replicate], fit.bse[1], rtol=1e-9)
            np.testing.assert_allclose(draws.bse_homoskedastic[replicate], naive[0], rtol=1e-9)
            np.testing.assert_allclose(draws.bse_robust[replicate], naive[1], rtol=1e-9)


@pytest.mark.parametrize(
    "setting", [{"outcome": "level"}, {"regressor": "level"}, {"increasing": (True, False)}]
)
def test_coverage_of_another_estimand_is_refused(setting):
    model = ranks.RankRegression(**setting)
    with jax.enable_x64(True), pytest.raises(ValueError, match="rank on rank"):
        ranks.coverage(KEY, model, ranks.Flip(0.3), num_obs=48, num_replicates=4)
