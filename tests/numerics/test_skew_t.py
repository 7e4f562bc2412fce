"""Skew-t against mpmath, an angle integral in NumPy and central differences."""

import itertools

import jax
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import tolerances
from distribution_cases import (
    BATCH,
    GOLDEN,
    angle_tail,
    curvature_error,
    differences,
    evaluate,
    gradient,
    hessian,
    relative,
    stored,
    stored_log,
    student_cdf,
    student_log_density,
)

from jaxpapers.numerics import skew_t

pytestmark = pytest.mark.usefixtures("quick_compiles")

ARGUMENTS = ("x", "delta", "nu")
IS_LOWER = stored("cdf") < 0.5


def point(x64):
    dtype = np.float64 if x64 else np.float32
    return [stored(name).astype(dtype) for name in ARGUMENTS]


def small_tail():
    """The smaller of the two tails, and the point mirrored so that it is the lower one."""
    side = np.where(IS_LOWER, 1.0, -1.0)
    x, delta, nu = point(x64=True)
    return np.where(IS_LOWER, stored("cdf"), stored("sf")), side * x, side * delta, nu


def log_density(x, delta, nu):
    slope = delta / np.sqrt((1 - delta) * (1 + delta))
    skewed = student_cdf(slope * x * np.sqrt((nu + 1) / (nu + x * x)), nu + 1)
    return np.log(2 * skewed) + student_log_density(x, nu)


# --- values -------------------------------------------------------------------------------------


def test_distribution_function_is_that_of_mpmath(x64):
    columns = point(x64)
    lower, upper = np.asarray(skew_t.cdf(*columns)), np.asarray(skew_t.sf(*columns))
    near, far = (
        (tolerances.CDF, tolerances.CDF_TAIL)
        if x64
        else (tolerances.CDF_SINGLE, tolerances.CDF_TAIL_SINGLE)
    )
    assert lower.dtype == columns[0].dtype
    for got, exact in ((lower, stored("cdf")), (upper, stored("sf"))):
        np.testing.assert_allclose(got, exact, rtol=0, atol=near)
        is_tail = (exact < 0.5) & (exact > 9e-21)
        assert is_tail.sum() > 20
        np.testing.assert_allclose(got[is_tail], exact[is_tail], rtol=far)
    logs = np.asarray(skew_t.logcdf(*columns))
    np.testing.assert_allclose(logs, stored_log("cdf"), rtol=tolerances.CDF_SINGLE, atol=near)
    # mirrored, the upper tails are lower ones
    np.testing.assert_array_equal(skew_t.cdf(-columns[0], -columns[1], columns[2]), upper)


def test_log_density_is_that_of_mpmath(x64):
    allowed = tolerances.LOG_DENSITY if x64 else tolerances.LOG_DENSITY_SINGLE
    exact = stored_log("pdf")
    got = np.asarray(skew_t.logpdf(*point(x64)), np.float64)
    assert np.max(np.abs(got - exact) / (1 + np.abs(exact))) < allowed


def test_quantiles_are_those_of_mpmath(x64):
    dtype = np.float64 if x64 else np.float32
    exact_u, x, delta, nu = small_tail()
    is_normal = exact_u > np.finfo(dtype).tiny
    u = np.where(is_normal, exact_u, 0.25).astype(dtype)
    # the quantile of the rounded probability
    exact = x + (u - exact_u) / np.maximum(stored("pdf"), 1e-300)
    got = np.asarray(skew_t.ppf(u, delta.astype(dtype), nu.astype(dtype)), np.float64)
    allowed = tolerances.QUANTILE if x64 else tolerances.QUANTILE_SINGLE
    assert relative(got[is_normal], exact[is_normal], floor=0.01) < allowed


def test_quantiles_of_large_probabilities_are_mirrored():
    with jax.enable_x64(True):
        _, _, delta, nu = small_tail()
        u = np.round(np.linspace(0.001, 0.499, delta.size) * 2**20) / 2**20  # 1 - u is exact
        np.testing.assert_array_equal(skew_t.ppf(1 - u, delta, nu), -skew_t.ppf(u, -delta, nu))


def test_random_tails_are_those_of_the_angle_integral():
    random = np.random.default_rng(4)
    size = 4 * BATCH
    nu = np.exp(random.uniform(np.log(2.05), np.log(1e4), size))
    delta = np.clip(np.tanh(random.uniform(-3.8, 3.8, size)), -0.999, 0.999)
    u = np.where(random.random(size) < 0.5, 0.5, 1) * 10 ** -random.uniform(0.01, 20, size)
    with jax.enable_x64(True):
        x = evaluate(skew_t.ppf, u, delta, nu)
        lower, upper = evaluate(skew_t.cdf, x, delta, nu), evaluate(skew_t.sf, x, delta, nu)
    is_lower = x <= 0
    tail = angle_tail(x, np.where(is_lower, delta, -delta), nu)
    np.testing.assert_allclose(np.where(is_lower, lower, upper), tail, rtol=1e-12)
    np.testing.assert_allclose(lower, u, rtol=tolerances.CDF_TAIL)


def test_no_skewness_is_student_t():
    x, _, nu = point(x64=True)
    with jax.enable_x64(True):
        got = evaluate(skew_t.cdf, x, 0.0, nu)
    np.testing.assert_allclose(got, student_cdf(x, nu), rtol=0, atol=tolerances.CDF)


def test_where_r_is_wrong():
    """`sn::pst` gives 0 at the first point; `sn::qst` is 0.9 % off at the second."""
    with jax.enable_x64(True):
        (tail,) = evaluate(skew_t.cdf, -3.0, 0.99, 30.0)
        (quantile,) = evaluate(skew_t.ppf, 1e-5, -0.9, 2.1)
    assert tail == pytest.approx(1.25e-21, rel=2e-3)

    def missing(y):
        tail, _ = scipy.integrate.quad(
            lambda y: np.cosh(y) * np.exp(log_density(np.sinh(y), -0.9, 2.1)),
            y - 20, y, epsabs=0, epsrel=1e-12, limit=200,
        )  # fmt: skip
        return np.log(tail / 1e-5)

    exact = np.sinh(scipy.optimize.brentq(missing, -9.0, -3.0, xtol=1e-13))
    assert quantile == pytest.approx(exact, rel=1e-9)


# --- derivatives --------------------------------------------------------------------------------


def test_derivatives_of_the_distribution_function_are_those_of_mpmath(x64):
    exact = np.stack([stored("pdf"), stored("cdf_by_delta"), stored("cdf_by_nu")], axis=-1)
    got = gradient(skew_t.cdf, 3)(*point(x64))
    allowed = tolerances.SLOPE if x64 else tolerances.SLOPE_SINGLE
    assert relative(got, exact, floor=1e-3) < allowed


def test_derivatives_of_log_tails_are_those_of_mpmath(x64):
    dtype = np.float64 if x64 else np.float32
    u, x, delta, nu = small_tail()
    side = np.where(IS_LOWER, 1.0, -1.0)
    slopes = stored("pdf"), stored("cdf_by_delta"), side * stored("cdf_by_nu")
    is_normal = u > np.finfo(np.float32).tiny
    exact = np.stack(slopes, axis=-1)[is_normal] / u[is_normal, None]
    columns = [column.astype(dtype) for column in (x, delta, nu)]
    got = np.asarray(gradient(skew_t.logcdf, 3)(*columns))[is_normal]
    allowed = tolerances.SLOPE if x64 else tolerances.SLOPE_SINGLE
    assert relative(got, exact, floor=1e-3) < allowed


def test_derivatives_of_the_log_density_are_those_of_mpmath(x64):
    exact = np.stack([stored(f"logpdf_by_{name}") for name in ARGUMENTS], axis=-1)
    got = gradient(skew_t.logpdf, 3)(*point(x64))
    allowed = tolerances.SLOPE if x64 else tolerances.SLOPE_SINGLE
    assert relative(got, exact, floor=1e-3) < allowed


def test_derivatives_of_quantiles_are_implicit(x64):
    dtype = np.float64 if x64 else np.float32
    u, _, delta, nu = small_tail()
    side = np.where(IS_LOWER, 1.0, -1.0)
    slopes = np.ones_like(u), -stored("cdf_by_delta"), -side * stored("cdf_by_nu")
    is_normal = u > np.finfo(np.float32).tiny
    exact = np.stack(slopes, axis=-1)[is_normal] / stored("pdf")[is_normal, None]
    columns = np.where(is_normal, u, 0.25).astype(dtype), delta.astype(dtype), nu.astype(dtype)
    got = np.asarray(gradient(skew_t.ppf, 3)(*columns))[is_normal]
    allowed = tolerances.SLOPE if x64 else 1e-4
    assert relative(got, exact, floor=1e-3) < allowed


EDGES = np.asarray(
    [
        [0.0, 0.0, 5.0],
        [0.0, 0.9, 2.05],
        [-1.0, 0.0, 2.05],
        [0.0, -0.5, 1e4],
        [2.5, 0.999, 1e4],
        [-0.05, 0.999, 3.0],
        [4.0, -0.7, 30.0],
        [-8.0, 0.4, 4.0],
    ]
)
STEPS = np.stack([np.full(8, 5e-4), 5e-3 * (1 - np.abs(EDGES[:, 1])), 2e-3 * EDGES[:, 2]], axis=-1)
STEPS[:, 1] = np.minimum(STEPS[:, 1], 1e-3)


@pytest.mark.parametrize("name", ["logcdf", "logpdf"])
def test_second_derivatives(name):
    function = getattr(skew_t, name)
    with jax.enable_x64(True):
        exact = differences(gradient(function, 3), EDGES, STEPS)
        got = evaluate(hessian(function, 3), *EDGES.T)
    assert curvature_error(got, exact) < tolerances.CURVATURE
    assert curvature_error(np.swapaxes(got, 1, 2), got) < tolerances.CURVATURE


def test_second_derivatives_of_quantiles():
    points = EDGES.copy()
    points[:, 0] = [0.5, 0.2, 1e-6, 0.7, 0.98, 1e-3, 0.4, 1e-12]
    steps = np.concatenate([2e-3 * np.minimum(points[:, :1], 1 - points[:, :1]), STEPS[:, 1:]], 1)
    with jax.enable_x64(True):
        exact = differences(gradient(skew_t.ppf, 3), points, steps)
        got = evaluate(hessian(skew_t.ppf, 3), *points.T)
    assert curvature_error(got, exact) < tolerances.CURVATURE


def test_second_derivatives_are_those_of_mpmath(x64):
    dtype = np.float64 if x64 else np.float32
    rows = np.asarray([case["point"] for case in GOLDEN["second"]], dtype)
    exact = np.asarray([case["hessian"] for case in GOLDEN["second"]], np.float64)
    got = evaluate(hessian(skew_t.logcdf, 3), *rows.T)
    allowed = tolerances.SLOPE if x64 else tolerances.CURVATURE_SINGLE
    assert relative(got, exact, floor=1e-3) < allowed


# --- ends and what is not defined ---------------------------------------------------------------

LIMITS = {"logpdf": (-np.inf, -np.inf), "logcdf": (-np.inf, 0), "cdf": (0, 1), "sf": (1, 0)}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_the_ends_have_no_slope(name, x64):
    dtype = np.float64 if x64 else np.float32
    ends = np.asarray([-np.inf, np.inf], dtype), *np.asarray([0.3, 5.0], dtype)
    function = getattr(skew_t, name)
    np.testing.assert_array_equal(evaluate(function, *ends), LIMITS[name])
    np.testing.assert_array_equal(evaluate(gradient(function, 3), *ends), 0)


@pytest.mark.parametrize("name", [*LIMITS, "ppf"])
def test_what_is_not_defined_is_nan(name, x64):
    dtype = np.float64 if x64 else np.float32
    places = (0.2, 0.5) if name == "ppf" else (-1.0, 0.0, 2.0, np.inf, -np.inf)
    outside = (np.nan, 0.0, 1.0, -0.1, 1.1) if name == "ppf" else (np.nan,)
    skewness = 1, -1, 1.5, -2, np.nan
    freedom = 0, -1, -7.5, np.inf, np.nan
    cases = [
        *itertools.product(places, skewness, (5.0,)),
        *itertools.product(places, (0.3,), freedom),
        *itertools.product(outside, (0.3,), (5.0,)),
    ]
    values = evaluate(getattr(skew_t, name), *np.asarray(cases, dtype).T)
    assert [case for case, value in zip(cases, values, strict=True) if not np.isnan(value)] == []
