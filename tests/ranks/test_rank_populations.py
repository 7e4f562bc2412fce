"""Populations: their slopes, their samples."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.stats
import tolerances

from jaxpapers import ranks

KEY = jax.random.key(11)
NUM_OBS = 200_000
# Slopes of 200,000 observations have standard errors of at most 1.2 / sqrt(200,000) = .0027 in
# these designs; four of them are .011, a false alarm of 6e-5 for each.
SLOPE_ERROR = 0.011

TABLE = {
    "gaussian .5": (ranks.GaussianCopula(0.5), {1.0: 0.4826}),
    "gaussian .9": (ranks.GaussianCopula(0.9), {1.0: 0.8915}),
    "blocks": (ranks.DiagonalBlocks(), {1.0: 0.75}),
    "parabola": (ranks.Parabola(), {1.0: 0.0}),
    "flip .2": (ranks.Flip(0.2), {1.0: 0.568}),
    "flip .3": (ranks.Flip(0.3), {1.0: 0.872}),
    "cells": (ranks.DiscretisedGaussian(0.5), {0.0: 0.5105, 0.5: 0.4135, 1.0: 0.3165}),
}
ROWS = [(name, w, slope) for name, (_, slopes) in TABLE.items() for w, slope in slopes.items()]
TIE_METHODS = {0.0: "min", 0.5: "average", 1.0: "max"}


@pytest.mark.parametrize(("name", "tie_weight", "slope"), ROWS)
def test_slope_is_that_of_the_table(name, tie_weight, slope):
    population = TABLE[name][0]
    assert abs(population.slope(tie_weight) - slope) <= 0.5e-4 + 1e-7


@pytest.mark.parametrize(("name", "tie_weight", "slope"), ROWS)
def test_slope_is_that_of_a_large_sample(name, tie_weight, slope):
    del slope
    population = TABLE[name][0]
    method = TIE_METHODS[tie_weight]
    sample = jax.jit(lambda: population.sample(KEY, NUM_OBS))()
    y, x = (scipy.stats.rankdata(np.asarray(values), method) for values in sample)
    found = np.cov(y, x)[0, 1] / np.var(x, ddof=1)
    assert abs(found - population.slope(tie_weight)) < SLOPE_ERROR


@pytest.mark.parametrize("name", TABLE)
def test_sample_has_shape_and_dtype(x64, name):
    outcome, regressor = jax.eval_shape(lambda: TABLE[name][0].sample(KEY, 100))
    dtype = jnp.float64 if x64 else jnp.float32
    assert outcome.shape == regressor.shape == (100,)
    assert outcome.dtype == regressor.dtype == dtype


def test_another_key_gives_another_sample():
    sample = jax.jit(lambda key: ranks.Flip(0.3).sample(key, 100))
    first, again, second = (sample(key)[0] for key in (KEY, KEY, jax.random.key(12)))
    np.testing.assert_array_equal(first, again)
    assert np.all(np.asarray(first) != np.asarray(second))


def exact_cells(correlation, outcome_cells, regressor_cells):
    """Joint probabilities of the cells, integrating the bivariate normal over its correlation."""
    correlation = mpmath.mpf(correlation)

    def edges(cells):
        shares = [mpmath.fsum(map(mpmath.mpf, cells[: i + 1])) for i in range(len(cells) - 1)]
        return [mpmath.sqrt(2) * mpmath.erfinv(2 * share - 1) for share in shares]

    def below(a, b):
        def slope(r):  # Plackett: dP(A < a, B < b) / dr is the density at (a, b)
            rest = 1 - r**2
            return mpmath.exp((2 * r * a * b - a**2 - b**2) / (2 * rest)) / mpmath.sqrt(rest)

        more = mpmath.quad(slope, [0, correlation / 2, correlation]) / (2 * mpmath.pi)
        return mpmath.ncdf(a) * mpmath.ncdf(b) + more

    rows, columns = edges(outcome_cells), edges(regressor_cells)
    inner = [[0, *(below(a, b) for b in columns), mpmath.ncdf(a)] for a in rows]
    last = [0, *map(mpmath.ncdf, columns), 1]
    return np.diff(np.diff(np.array([[0] * len(last), *inner, last]), axis=0), axis=1)


@pytest.mark.parametrize("correlation", [-0.8, 0.5, 0.99])
def test_slope_of_cells_by_the_bivariate_normal(correlation):
    outcome_cells, regressor_cells = (0.3, 0.5, 0.2), (0.1, 0.6, 0.3)
    population = ranks.DiscretisedGaussian(correlation, outcome_cells, regressor_cells)
    with mpmath.workdps(25):
        joint = exact_cells(correlation, outcome_cells, regressor_cells)
        for tie_weight in (0.0, 0.3, 1.0):
            y, x = (
                np.cumsum(marginal) - (1 - mpmath.mpf(tie_weight)) * marginal
                for marginal in (joint.sum(axis=1), joint.sum(axis=0))
            )
            centred = x - x @ joint.sum(axis=0)
            slope = (y @ joint @ centred) / (centred**2 @ joint.sum(axis=0))
            assert abs(population.slope(tie_weight) - slope) < tolerances.QUADRATURE


def test_cells_have_their_probabilities():
    outcome, regressor = jax.jit(lambda: TABLE["cells"][0].sample(KEY, NUM_OBS))()
    for values, cells in ((outcome, (0.45, 0.25, 0.2, 0.1)), (regressor, (0.2,) * 5)):
        shares = np.bincount(np.asarray(values, int)) / NUM_OBS
        errors = np.sqrt(np.array(cells) / NUM_OBS)
        assert np.all(np.abs(shares - cells) < 4.5 * errors)


@pytest.fixture(scope="module")
def families():
    regions = ranks.Regions(3, low=0.1, high=0.7, zero_share=0.1)
    return jax.device_get(jax.jit(lambda: regions.sample(KEY, NUM_OBS))())


def test_families_live_in_their_regions(families):
    child, parent, region = families
    assert child.shape == parent.shape == region.shape == (NUM_OBS,)
    assert region.dtype == np.int32
    shares = np.bincount(region) / NUM_OBS
    np.testing.assert_allclose(shares, 1 / 3, atol=4.5 * np.sqrt(2 / 9 / NUM_OBS))


def test_some_families_have_no_income_and_share_the_lowest_rank(families):
    child, parent, _ = families
    for income in (child, parent):
        assert income.min() == 0
        error = 4.5 * np.sqrt(0.09 / NUM_OBS)
        assert abs(np.mean(income == 0) - 0.1) < error
    values = np.unique(parent[:2_000])
    assert len(values) > 1_700


def test_regions_differ_in_mobility_from_low_to_high(families):
    child, parent, region = families
    for place, correlation in enumerate([0.1, 0.4, 0.7]):
        chosen = (region == place) & (child > 0) & (parent > 0)
        found = np.corrcoef(np.log(child[chosen]), np.log(parent[chosen]))[0, 1]
        assert abs(found - correlation) < 4.5 / np.sqrt(chosen.sum())


def test_regions_have_means_of_their_own(families):
    child, _, region = families
    means = [np.log(child[(region == g) & (child > 0)]).mean() for g in range(3)]
    assert np.ptp(means) > 0.01


def test_default_regions_have_zero_incomes():
    _, parent, _ = jax.jit(lambda: ranks.Regions(3).sample(KEY, NUM_OBS))()
    error = 4.5 * np.sqrt(0.02 / NUM_OBS)
    assert abs(np.mean(np.asarray(parent) == 0) - 0.02) < error
