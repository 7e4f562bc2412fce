"""Skew-normal against integrals of its density, scipy, the skew-t and central differences."""

import functools
import itertools

import jax
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tolerances
from distribution_cases import (
    curvature_error,
    differences,
    evaluate,
    gradient,
    hessian,
    panels,
    relative,
)

from jaxpapers.numerics import skew_normal, skew_t

pytestmark = pytest.mark.usefixtures("quick_compiles")

SKEWNESSES = np.asarray([-0.999, -0.6, 0, 0.3, 0.9, 0.999], np.float32)
PLACES = np.asarray([-9, -4, -1.5, -0.2, 0, 0.01, 0.7, 2.5, 6], np.float32)
X, DELTA = (column.ravel() for column in np.meshgrid(PLACES, SKEWNESSES))


def point(x64):
    dtype = np.float64 if x64 else np.float32
    return X.astype(dtype), DELTA.astype(dtype)


def log_density(x, delta):
    slant = delta / np.sqrt((1 - delta) * (1 + delta))
    return np.log(2) + scipy.stats.norm.logpdf(x) + scipy.special.log_ndtr(slant * x)


def slope_of_density(x, delta):
    cosine2 = (1 - delta) * (1 + delta)
    return x / (np.pi * cosine2**1.5) * np.exp(-x * x / (2 * cosine2))


@functools.cache
def truth():
    """Log of the tail on the side of x, its slope in delta, and the log density.

    Integrals of the density and of its slope, each from where it is `exp(-60)` of its end.
    """
    side = np.where(X <= 0, 1, -1)
    x, delta = (side * column.astype(np.float64) for column in (X, DELTA))
    at_end = log_density(x, delta)
    width = np.full(x.shape, 1 / 64)
    while np.any(is_short := log_density(x - width, delta) > at_end - 60):
        width = np.where(is_short, 1.1 * width, width)
    places, weights = panels(x[:, None] - width[:, None] * np.linspace(1, 0, 41))
    terms = weights * np.exp(log_density(places, delta[:, None]) - at_end[:, None])
    by_delta = np.sum(weights * slope_of_density(places, delta[:, None]), axis=-1)
    return at_end + np.log(np.sum(terms, axis=-1)), by_delta, log_density(*point(x64=True))


# --- values -------------------------------------------------------------------------------------


def test_distribution_function_is_the_integral_of_the_density(x64):
    log_tail = truth()[0]
    tail, is_lower = np.exp(log_tail), X <= 0
    lower = evaluate(skew_normal.cdf, *point(x64))
    upper = evaluate(skew_normal.sf, *point(x64))
    single = tolerances.CDF_SINGLE, tolerances.CDF_TAIL_SINGLE
    near, far = (tolerances.CDF, tolerances.CDF_TAIL) if x64 else single
    np.testing.assert_allclose(lower, np.where(is_lower, tail, 1 - tail), rtol=0, atol=near)
    np.testing.assert_allclose(upper, np.where(is_lower, 1 - tail, tail), rtol=0, atol=near)
    is_visible = tail > 1e-20
    own = np.where(is_lower, lower, upper)
    np.testing.assert_allclose(own[is_visible], tail[is_visible], rtol=far)
    side = np.where(is_lower, 1, -1)
    logs = evaluate(skew_normal.logcdf, *(side * column for column in point(x64)))
    np.testing.assert_allclose(logs, log_tail, rtol=1e-13 if x64 else 4e-7, atol=near)


def test_log_density_is_that_of_its_definition(x64):
    exact = truth()[2]
    got = evaluate(skew_normal.logpdf, *point(x64)).astype(np.float64)
    allowed = tolerances.LOG_DENSITY if x64 else tolerances.LOG_DENSITY_SINGLE
    assert np.max(np.abs(got - exact) / (1 + np.abs(exact))) < allowed


def test_quantiles_invert_the_distribution_function(x64):
    dtype = np.float64 if x64 else np.float32
    log_tail, _, log_pdf = truth()
    side = np.where(X <= 0, 1.0, -1.0)
    # beyond half, the probability of the other tail has the digits
    tail = np.exp(log_tail)
    is_small = tail <= 0.5
    u, side = np.where(is_small, tail, 1 - tail), np.where(is_small, side, -side)
    is_normal = (u > 1e-20) & (log_pdf > -80)
    rounded = np.where(is_normal, u, 0.25).astype(dtype)
    exact = side * X + (rounded - u) / np.exp(np.maximum(log_pdf, -80))
    delta = (side * DELTA).astype(dtype)
    got = evaluate(skew_normal.ppf, rounded, delta).astype(np.float64)
    allowed = tolerances.QUANTILE if x64 else tolerances.QUANTILE_SINGLE
    assert relative(got[is_normal], exact[is_normal], floor=0.01) < allowed


def test_scipy_agrees():
    slant = DELTA / np.sqrt(1 - np.float64(DELTA) ** 2)
    with jax.enable_x64(True):
        lower = evaluate(skew_normal.cdf, *point(x64=True))
        u = np.resize([0.01, 0.2, 0.5, 0.9], X.size)
        quantiles = evaluate(skew_normal.ppf, u, DELTA)
    np.testing.assert_allclose(lower, scipy.stats.skewnorm.cdf(X, slant), rtol=0, atol=1e-9)
    np.testing.assert_allclose(quantiles, scipy.stats.skewnorm.ppf(u, slant), atol=1e-7)


def test_skew_t_tends_to_it():
    """The difference falls like 1 / nu, on which it is extrapolated."""
    with jax.enable_x64(True):
        fewer, more = (evaluate(skew_t.cdf, *point(x64=True), nu) for nu in (5e3, 1e4))
        limit = evaluate(skew_normal.cdf, *point(x64=True))
    assert np.max(np.abs(more - limit)) > 1e-6
    np.testing.assert_allclose(2 * more - fewer, limit, rtol=0, atol=5e-8)


# --- derivatives --------------------------------------------------------------------------------


def test_derivatives_of_the_distribution_function(x64):
    _, by_delta, log_pdf = truth()
    got = evaluate(gradient(skew_normal.cdf, 2), *point(x64))
    allowed = tolerances.SLOPE if x64 else tolerances.SLOPE_SINGLE
    exact = np.stack([np.exp(log_pdf), by_delta], axis=-1)
    assert relative(got, exact, floor=1e-3) < allowed


EDGES = np.asarray([[0.0, 0.0], [0.0, 0.9], [-1.0, 0.0], [1.5, 0.99], [-0.05, 0.99], [5.0, -0.5]])
STEPS = np.stack([np.full(6, 3e-4), 5e-3 * (1 - np.abs(EDGES[:, 1]))], axis=-1)
PROBABILITIES = np.asarray([0.5, 0.3, 1e-6, 0.9, 1e-3, 0.999])


@pytest.mark.parametrize("name", ["logcdf", "logpdf", "ppf"])
def test_derivatives_are_central_differences(name):
    function = getattr(skew_normal, name)
    points, steps = EDGES.copy(), STEPS.copy()
    if name == "ppf":
        points[:, 0] = PROBABILITIES
        steps[:, 0] = 2e-3 * np.minimum(PROBABILITIES, 1 - PROBABILITIES)
    with jax.enable_x64(True):
        slopes = differences(function, points, steps)
        found = evaluate(gradient(function, 2), *points.T)
        curvatures = differences(gradient(function, 2), points, steps)
        got = evaluate(hessian(function, 2), *points.T)
    assert relative(found, slopes, floor=1e-3) < 1e-7
    assert curvature_error(got, curvatures) < tolerances.CURVATURE


# --- ends and what is not defined ---------------------------------------------------------------

LIMITS = {"logpdf": (-np.inf, -np.inf), "logcdf": (-np.inf, 0), "cdf": (0, 1), "sf": (1, 0)}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_the_ends_have_no_slope(name, x64):
    """Also where the square of x would overflow."""
    dtype = np.float64 if x64 else np.float32
    most = np.finfo(dtype).max
    function = getattr(skew_normal, name)
    ends = np.asarray([-np.inf, -most, np.inf, most], dtype), dtype(0.3)
    np.testing.assert_array_equal(evaluate(function, *ends), np.repeat(LIMITS[name], 2))
    np.testing.assert_array_equal(evaluate(gradient(function, 2), *ends), 0)


@pytest.mark.parametrize("name", [*LIMITS, "ppf"])
def test_what_is_not_defined_is_nan(name, x64):
    dtype = np.float64 if x64 else np.float32
    places = (0.2, 0.5, 0.7) if name == "ppf" else (-1.0, 0.0, 2.0, np.inf, -np.inf)
    outside = (np.nan, 0.0, 1.0, -0.1, 1.1) if name == "ppf" else (np.nan,)
    cases = [
        *itertools.product(places, (1, -1, 1.5, -2, np.nan)),
        *itertools.product(outside, (0.3,)),
    ]
    values = evaluate(getattr(skew_normal, name), *np.asarray(cases, dtype).T)
    assert [case for case, value in zip(cases, values, strict=True) if not np.isnan(value)] == []
