"""Student-t against scipy, mpmath, closed forms and central differences."""

import itertools

import jax
import mpmath as mp
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
    relative,
    student_log_density,
)

from jaxpapers.numerics import student_t

pytestmark = pytest.mark.usefixtures("quick_compiles")

# float32 numbers, so that both precisions are compared with the same truth
FREEDOMS = np.asarray([2.05, 2.5, 4, 9.75, 60, 1e3, 1e4], np.float32)
PLACES = np.asarray([-30, -6, -1.3, -1e-3, 0, 0.25, 2, 9], np.float32)
X, NU = (column.ravel() for column in np.meshgrid(PLACES, FREEDOMS))
EXACT = X.astype(np.float64), NU.astype(np.float64)


def point(x64):
    dtype = np.float64 if x64 else np.float32
    return X.astype(dtype), NU.astype(dtype)


def lower_tail(x, nu):
    """Of `-|x|`, by an incomplete beta function."""
    return mp.betainc(nu / 2, mp.mpf(1) / 2, 0, nu / (nu + x * x), regularized=True) / 2


def slope_in_nu(x, nu):
    """Of the distribution function, by mpmath."""
    with mp.workdps(40):
        place, freedom, step = mp.mpf(float(x)), mp.mpf(float(nu)), mp.mpf(10) ** -12
        change = lower_tail(place, freedom + step) - lower_tail(place, freedom - step)
        return float(-mp.sign(place) * change / (2 * step))


# --- values -------------------------------------------------------------------------------------


def test_distribution_function_is_that_of_scipy(x64):
    lower, upper = evaluate(student_t.cdf, *point(x64)), evaluate(student_t.sf, *point(x64))
    exact = scipy.special.stdtr(EXACT[1], EXACT[0]), scipy.special.stdtr(EXACT[1], -EXACT[0])
    single = tolerances.CDF_SINGLE, tolerances.CDF_TAIL_SINGLE
    near, far = (tolerances.CDF, tolerances.CDF_TAIL) if x64 else single
    smallest = 1e-300 if x64 else np.finfo(np.float32).tiny
    for got, truth in zip((lower, upper), exact, strict=True):
        assert got.dtype == (np.float64 if x64 else np.float32)
        np.testing.assert_allclose(got, truth, rtol=0, atol=near)
        is_tail = (truth < 0.6) & (truth > max(smallest, 1e-20))
        np.testing.assert_allclose(got[is_tail], truth[is_tail], rtol=far)
    logs = evaluate(student_t.logcdf, *point(x64))
    with mp.workdps(30):
        deep = [float(mp.log(lower_tail(*map(mp.mpf, pair)))) for pair in zip(*EXACT, strict=True)]
    expected = np.where(EXACT[0] <= 0, deep, np.log1p(-np.exp(deep)))
    np.testing.assert_allclose(logs, expected, rtol=1e-12 if x64 else 4e-7, atol=near)


def test_log_density_is_its_definition(x64):
    exact = [student_log_density(*pair) for pair in zip(*EXACT, strict=True)]
    got = evaluate(student_t.logpdf, *point(x64)).astype(np.float64)
    allowed = tolerances.LOG_DENSITY if x64 else tolerances.LOG_DENSITY_SINGLE
    assert np.max(np.abs(got - exact) / (1 + np.abs(exact))) < allowed
    np.testing.assert_allclose(got, scipy.stats.t.logpdf(*EXACT), rtol=1e-6, atol=1e-6)


def test_quantiles_are_those_of_scipy(x64):
    dtype = np.float64 if x64 else np.float32
    levels = np.asarray([1e-20, 1e-9, 1e-3, 0.2, 0.5, 0.75, 0.99, 1 - 2**-20], dtype)
    u = np.resize(levels, NU.size)
    nu = np.repeat(FREEDOMS, levels.size)
    lower = np.minimum(u, 1 - u).astype(np.float64)
    exact = np.sign(u - 0.5) * scipy.stats.t.isf(lower, nu.astype(np.float64))
    allowed = tolerances.QUANTILE if x64 else tolerances.QUANTILE_SINGLE
    assert relative(evaluate(student_t.ppf, u, nu.astype(dtype)), exact, floor=0.01) < allowed


def test_closed_forms_of_one_and_two_degrees_of_freedom():
    x = np.asarray([-1e6, -3, -0.5, 0, 0.1, 4, 1e3])
    u = np.asarray([1e-200, 1e-9, 0.1, 0.3, 0.5, 0.6, 0.99])
    with jax.enable_x64(True):
        cauchy, two = evaluate(student_t.cdf, x, 1.0), evaluate(student_t.cdf, x, 2.0)
        quantiles = evaluate(student_t.ppf, u, 2.0)
    exact = np.where(x < 0, np.arctan2(1, -x), np.pi - np.arctan2(1, x)) / np.pi
    np.testing.assert_allclose(cauchy, exact, rtol=1e-10)
    tail = 1 / (np.sqrt(x * x + 2) * (np.abs(x) + np.sqrt(x * x + 2)))
    np.testing.assert_allclose(two, np.where(x <= 0, tail, 1 - tail), rtol=1e-11)
    exact = (2 * u - 1) / np.sqrt(2 * u * (1 - u))
    np.testing.assert_allclose(quantiles, exact, rtol=1e-10, atol=1e-12)


def test_a_quantile_beyond_every_number_is_nan():
    with jax.enable_x64(True):
        found = evaluate(student_t.ppf, np.asarray([1e-300, 1e-300]), np.asarray([0.5, 2.5]))
    assert np.isnan(found[0])
    assert float(lower_tail(*map(mp.mpf, (found[1], 2.5)))) == pytest.approx(1e-300, rel=1e-10)


# --- derivatives --------------------------------------------------------------------------------


def test_derivatives_of_the_distribution_function(x64):
    density = np.exp([student_log_density(*pair) for pair in zip(*EXACT, strict=True)])
    by_nu = [slope_in_nu(*pair) for pair in zip(*EXACT, strict=True)]
    got = evaluate(gradient(student_t.cdf, 2), *point(x64))
    allowed = tolerances.SLOPE if x64 else tolerances.SLOPE_SINGLE
    assert relative(got, np.stack([density, by_nu], axis=-1), floor=1e-3) < allowed
    # the floor hides what is small at many degrees of freedom
    is_visible = np.abs(by_nu) > 1e-12
    assert is_visible.sum() > 30
    error = relative(got[is_visible, 1], np.asarray(by_nu)[is_visible])
    assert error < (1e-5 if x64 else 1e-2)


def test_derivatives_of_quantiles_are_implicit():
    u = np.resize([1e-9, 0.01, 0.3, 0.5, 0.8, 0.999], NU.size)
    nu = EXACT[1]
    with jax.enable_x64(True):
        x = evaluate(student_t.ppf, u, nu)
        got = evaluate(gradient(student_t.ppf, 2), u, nu)
    density = np.exp([student_log_density(*pair) for pair in zip(x, nu, strict=True)])
    by_nu = [slope_in_nu(*pair) for pair in zip(x, nu, strict=True)]
    exact = np.stack([1 / density, -np.asarray(by_nu) / density], axis=-1)
    assert relative(got, exact, floor=1e-3) < tolerances.SLOPE


EDGES = np.asarray(
    [[0.0, 5.0], [0.0, 2.05], [-1.0, 2.05], [1e-3, 1e4], [5.0, 1e4], [-40.0, 3.0], [2.0, 30.0]]
)
STEPS = np.stack([5e-4 * (1 + np.abs(EDGES[:, 0])), 2e-3 * EDGES[:, 1]], axis=-1)


@pytest.mark.parametrize("name", ["logcdf", "logpdf"])
def test_derivatives_are_central_differences(name):
    function = getattr(student_t, name)
    with jax.enable_x64(True):
        slopes = differences(function, EDGES, STEPS)
        found = evaluate(gradient(function, 2), *EDGES.T)
        curvatures = differences(gradient(function, 2), EDGES, STEPS)
        got = evaluate(hessian(function, 2), *EDGES.T)
    assert relative(found, slopes, floor=1e-3) < tolerances.SLOPE
    assert curvature_error(got, curvatures) < tolerances.CURVATURE


# --- ends and what is not defined ---------------------------------------------------------------

LIMITS = {"logpdf": (-np.inf, -np.inf), "logcdf": (-np.inf, 0), "cdf": (0, 1), "sf": (1, 0)}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_the_ends_have_no_slope(name, x64):
    dtype = np.float64 if x64 else np.float32
    ends = np.asarray([-np.inf, np.inf], dtype), dtype(5)
    function = getattr(student_t, name)
    np.testing.assert_array_equal(evaluate(function, *ends), LIMITS[name])
    np.testing.assert_array_equal(evaluate(gradient(function, 2), *ends), 0)


def test_far_from_the_centre_nothing_overflows(x64):
    most = np.finfo(np.float64 if x64 else np.float32).max
    x = np.asarray([-most, -np.sqrt(most), most], most.dtype)
    nu = np.asarray([2.5, 4.0, 30.0], most.dtype)
    density, logs = evaluate(student_t.logpdf, x, nu), evaluate(student_t.logcdf, x, nu)
    # log T_nu(x) - log(|x| t_nu(x)) tends to -log nu
    scaled = density[:2] + np.log(np.abs(x[:2])) - np.log(nu[:2])
    np.testing.assert_allclose(logs[:2], scaled, rtol=1e-6)
    assert np.isfinite(density).all()
    assert logs[2] == 0
    assert np.isfinite(evaluate(gradient(student_t.logcdf, 2), x, nu)).all()


@pytest.mark.parametrize("name", [*LIMITS, "ppf"])
def test_what_is_not_defined_is_nan(name, x64):
    dtype = np.float64 if x64 else np.float32
    places = (0.2, 0.5, 0.7) if name == "ppf" else (-1.0, 0.0, 2.0, np.inf, -np.inf)
    outside = (np.nan, 0.0, 1.0, -0.1, 1.1) if name == "ppf" else (np.nan,)
    cases = [
        *itertools.product(places, (0, -1, -7.5, np.inf, np.nan)),
        *itertools.product(outside, (5.0,)),
    ]
    values = evaluate(getattr(student_t, name), *np.asarray(cases, dtype).T)
    assert [case for case, value in zip(cases, values, strict=True) if not np.isnan(value)] == []
