"""Quadrant probabilities against one- and two-dimensional quadrature and scipy."""

import functools

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
    student_cdf,
    student_log_density,
)

from jaxpapers.numerics import bivariate_skew_t_cdf, bivariate_t_cdf, skew_normal, skew_t

pytestmark = pytest.mark.usefixtures("quick_compiles")

PLACES = np.asarray(
    [[0, 0], [0, 1], [-1, -1], [1.5, -1.5], [-3, 0.5], [2, 2.001], [-0.01, 0.02], [4, -6]]
)
SYMMETRIC = np.asarray(
    [[0.5, 2.05], [-0.9999, 4], [0.9999, 4], [0, 12], [-0.3, 100], [0.95, 1e4], [-0.7, np.inf]]
)
# Skewness of either, correlation given the third variable, degrees of freedom.
SKEWED = np.asarray(
    [
        [0.6, 0.6, 0.3, 4],
        [0.9, -0.7, 0.2, 2.05],
        [0, 0.8, 0.5, 12],
        [0, 0, 0.1, 100],
        [0.999, 0.95, -0.8, 1e4],
        [-0.98, -0.6, 0.99, 5],
        [0.5, 0.3, 0, np.inf],
    ]
)


def crossed(*tables):
    """All pairs of rows, as columns of float32 numbers in float64."""
    first, second = tables
    rows = np.concatenate([np.repeat(first, len(second), 0), np.tile(second, (len(first), 1))], 1)
    return rows.astype(np.float32).astype(np.float64).T


def correlation(delta_x, delta_y, between):
    shares = (1 - delta_x) * (1 + delta_x), (1 - delta_y) * (1 + delta_y)
    return delta_x * delta_y + between * np.sqrt(shares[0] * shares[1])


def symmetric_points():
    return crossed(PLACES, SYMMETRIC)


def skewed_points():
    x, y, delta_x, delta_y, between, nu = crossed(PLACES, SKEWED)
    rho = correlation(delta_x, delta_y, between)
    return x, y, rho.astype(np.float32).astype(np.float64), delta_x, delta_y, nu


def below(end, bends, nu):
    """Nodes and weights on (-inf, end], in `asinh`, denser around where the integrand bends."""
    ends = (-46.0, -26.0, -6.0)[int(nu >= 5) + int(nu >= 50)], np.arcsinh(end)
    around = np.arcsinh(bends)[:, None] + 2.0 ** np.arange(-18, 3) * [[[-1]], [[1]]]
    cuts = np.concatenate([np.linspace(*ends, 50), np.clip(around.ravel(), *ends)])
    places, weights = panels(np.unique(cuts))
    return np.sinh(places), weights * np.cosh(places)


def quadrant(x, y, rho, nu):
    """Density of one times the conditional distribution of the other, integrated."""
    places, weights = below(x, np.asarray([y / rho] if rho else [0.0]), nu)
    widening = 1.0 if np.isinf(nu) else (nu + places**2) / (nu + 1)
    spread = np.sqrt((1 - rho) * (1 + rho) * widening)
    density = np.exp(student_log_density(places, nu))
    return np.sum(weights * density * student_cdf((y - rho * places) / spread, nu + 1))


def skewed_quadrant(x, y, rho, delta_x, delta_y, nu):
    """`2 T_3((x, y, 0); R, nu)`: given the third variable, the others are a bivariate t."""
    scales = [np.sqrt((1 - d) * (1 + d)) for d in (delta_x, delta_y)]
    between = (rho - delta_x * delta_y) / (scales[0] * scales[1])
    slopes = np.asarray([delta_x, delta_y]) / scales
    starts = np.asarray([x, y]) / scales
    lines = [(starts[0], slopes[0]), (starts[1], slopes[1])]
    lines += [(starts[0] - sign * starts[1], slopes[0] - sign * slopes[1]) for sign in (-1, 1)]
    bends = np.asarray([-start / slope for start, slope in lines if slope] or [0.0])
    places, weights = below(0.0, bends, nu)
    widening = 1.0 if np.isinf(nu) else np.sqrt((nu + places**2) / (nu + 1))
    sides = [(start + slope * places) / widening for start, slope in lines[:2]]
    conditional = evaluate(bivariate_t_cdf, *sides, between, nu + 1)
    return 2 * np.sum(weights * np.exp(student_log_density(places, nu)) * conditional)


def exact(function, columns):
    return np.asarray([function(*row) for row in zip(*columns, strict=True)])


def as_single(columns):
    return [column.astype(np.float32) for column in columns]


# --- symmetric ----------------------------------------------------------------------------------


def test_quadrants_are_those_of_a_conditional_integral(x64):
    columns = symmetric_points()
    got = evaluate(bivariate_t_cdf, *(columns if x64 else as_single(columns)))
    assert got.dtype == (np.float64 if x64 else np.float32)
    allowed = tolerances.QUADRANT if x64 else tolerances.CDF_SINGLE
    np.testing.assert_allclose(got, exact(quadrant, columns), rtol=0, atol=allowed)


def test_quadrants_at_the_centre_are_angles():
    rho = np.linspace(-1, 1, 21)
    with jax.enable_x64(True):
        for nu in (0.5, 3.0, np.inf):
            got = evaluate(bivariate_t_cdf, 0.0, 0.0, rho, nu)
            np.testing.assert_allclose(got, 0.25 + np.arcsin(rho) / (2 * np.pi), rtol=0, atol=1e-12)


def test_quadrants_of_the_normal_distribution_are_those_of_scipy():
    columns = symmetric_points()
    normal = scipy.stats.multivariate_normal
    expected = [
        normal.cdf([x, y], cov=[[1, rho], [rho, 1]]) for x, y, rho, _ in zip(*columns, strict=True)
    ]
    with jax.enable_x64(True):
        got = evaluate(bivariate_t_cdf, *columns[:3], np.inf)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-7)


def test_perfect_correlation():
    x, y = PLACES.T
    with jax.enable_x64(True):
        together = evaluate(bivariate_t_cdf, x, y, 1.0, 4.0)
        apart = evaluate(bivariate_t_cdf, x, y, -1.0, 4.0)
    lower = student_cdf(np.minimum(x, y), 4.0)
    np.testing.assert_allclose(together, lower, rtol=0, atol=tolerances.QUADRANT)
    between = np.maximum(student_cdf(x, 4.0) - student_cdf(-y, 4.0), 0)
    np.testing.assert_allclose(apart, between, rtol=0, atol=tolerances.QUADRANT)


def test_a_margin_of_three_is_a_skew_t():
    """`F(x) = 2 T_2((x, 0); -delta)`: the univariate skew-t by another integral."""
    x, delta = np.meshgrid(np.linspace(-4, 4, 8), np.asarray([-0.999, -0.5, 0, 0.3, 0.9, 0.99]))
    with jax.enable_x64(True):
        for nu in (2.05, 30.0):
            twice = 2 * evaluate(bivariate_t_cdf, x.ravel(), 0.0, -delta.ravel(), nu)
            got = evaluate(skew_t.cdf, x.ravel(), delta.ravel(), nu)
            np.testing.assert_allclose(got, twice, rtol=0, atol=tolerances.QUADRANT)


# --- skewed -------------------------------------------------------------------------------------


def test_skewed_quadrants_are_those_of_a_conditional_integral():
    columns = skewed_points()
    single = evaluate(bivariate_skew_t_cdf, *as_single(columns))
    with jax.enable_x64(True):
        got = evaluate(bivariate_skew_t_cdf, *columns)
        expected = exact(skewed_quadrant, columns)
    is_singular = np.isclose(np.abs(np.tile(SKEWED[:, 2], len(PLACES))), 0.99)
    error = np.abs(got - expected)
    assert np.max(error[~is_singular]) < tolerances.QUADRANT
    assert np.max(error[is_singular]) < tolerances.NEAR_SINGULAR_QUADRANT
    np.testing.assert_allclose(single, expected, rtol=0, atol=tolerances.CDF_SINGLE)


@pytest.mark.parametrize("row", [0, 1, 2, 6])
def test_skewed_quadrants_are_those_of_scipy_in_three_dimensions(row):
    delta_x, delta_y, between, nu = SKEWED[row]
    rho = correlation(delta_x, delta_y, between)
    shape = [[1, rho, -delta_x], [rho, 1, -delta_y], [-delta_x, -delta_y, 1]]
    with jax.enable_x64(True):
        got = evaluate(bivariate_skew_t_cdf, *PLACES.T, rho, delta_x, delta_y, nu)
    if np.isinf(nu):
        cdf = scipy.stats.multivariate_normal(cov=shape, seed=1).cdf
    else:
        law = scipy.stats.multivariate_t(shape=shape, df=nu, seed=1)
        cdf = functools.partial(law.cdf, maxpts=50_000)
    expected = [2 * cdf([*place, 0]) for place in PLACES]
    # scipy draws: over three seeds its error is at most 2e-5 with these many points
    np.testing.assert_allclose(got, expected, rtol=0, atol=5e-5)


def test_skewed_quadrants_are_integrals_of_the_density():
    """Azzalini and Capitanio's density, summed over a square."""
    delta, rho, nu = np.asarray([0.6, -0.4]), 0.35, 5.0
    omega = np.asarray([[1, rho], [rho, 1]])
    inverse = np.linalg.inv(omega)
    alpha = inverse @ delta / np.sqrt(1 - delta @ inverse @ delta)
    constant = scipy.special.gammaln(nu / 2 + 1) - scipy.special.gammaln(nu / 2)
    constant -= np.log(nu * np.pi) + 0.5 * np.log(1 - rho**2)
    for place in PLACES[[1, 2, 5]]:
        nodes = [below(end, np.asarray([0.0]), nu) for end in place]
        x, y = np.meshgrid(nodes[0][0], nodes[1][0], indexing="ij")
        square = (x * x - 2 * rho * x * y + y * y) / (1 - rho**2)
        skewed = (alpha[0] * x + alpha[1] * y) * np.sqrt((nu + 2) / (nu + square))
        log_density = constant - (nu / 2 + 1) * np.log1p(square / nu)
        density = 2 * np.exp(log_density) * scipy.special.stdtr(nu + 2, skewed)
        expected = nodes[0][1] @ density @ nodes[1][1]
        with jax.enable_x64(True):
            got = evaluate(bivariate_skew_t_cdf, *place, rho, *delta, nu)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerances.QUADRANT)


def test_without_skewness_quadrants_are_symmetric():
    columns = symmetric_points()
    with jax.enable_x64(True):
        got = evaluate(bivariate_skew_t_cdf, *columns[:3], 0.0, 0.0, columns[3])
        expected = evaluate(bivariate_t_cdf, *columns)
    np.testing.assert_array_equal(got, expected)


def test_at_infinity_the_margin_is_left(x64):
    dtype = np.float64 if x64 else np.float32
    allowed = tolerances.QUADRANT if x64 else tolerances.CDF_SINGLE
    x = np.linspace(-3, 3, 7, dtype=dtype)
    shape = [dtype(value) for value in (0.3, 0.5, -0.2)]
    for nu, margin in ((4.0, skew_t), (np.inf, skew_normal)):
        freedom = (dtype(nu),) if margin is skew_t else ()
        got = evaluate(bivariate_skew_t_cdf, x, dtype(np.inf), *shape, dtype(nu))
        expected = evaluate(margin.cdf, x, shape[1], *freedom)
        np.testing.assert_allclose(got, expected, rtol=0, atol=allowed)
        got = evaluate(bivariate_skew_t_cdf, dtype(-np.inf), x, *shape, dtype(nu))
        np.testing.assert_allclose(got, 0, rtol=0, atol=allowed)


# --- derivatives --------------------------------------------------------------------------------


SYMMETRIC_EDGES = np.asarray(
    [
        [0.0, 0.0, 0.5, 2.05],
        [1.0, 1.0, 0.3, 4.0],
        [0.5, -0.5, -0.6, 3.0],
        [0.7, -0.2, 0.0, 1e4],
        [-2.0, 0.4, 0.999, 5.0],
        [1.0, 1.01, -0.999, 8.0],
        [0.4, 0.41, 0.999, 8.0],
        [-9.0, -7.0, 0.4, 3.0],
    ]
)
SKEWED_EDGES = np.asarray(
    [
        [0.0, 0.0, 0.5, 0.3, 0.3, 2.05],
        [1.0, 1.0, 0.2, 0.0, 0.6, 4.0],
        [-1.0, 0.5, 0.4, 0.0, 0.0, 5.0],
        [0.3, -0.7, -0.5, 0.7, -0.6, 1e4],
        [2.0, -1.0, 0.95, 0.9, 0.8, 12.0],
        [0.2, 0.1, 0.0, 0.99, 0.1, 8.0],
        [-0.3, -0.3, 0.9, -0.5, -0.5, 3.0],
    ]
)


def steps_of(points, room):
    """Small against what the function bends over: room of the correlations, and nu."""
    places = np.minimum(1e-2 * np.sqrt(room), 1e-3)
    inner = np.minimum(5e-3 * room, 1e-3)
    columns = [places, places] + [inner] * (points.shape[1] - 3) + [2e-3 * points[:, -1]]
    return np.stack(columns, axis=-1)


def test_derivatives_of_symmetric_quadrants_are_central_differences():
    points = SYMMETRIC_EDGES
    steps = steps_of(points, 1 - points[:, 2] ** 2)
    with jax.enable_x64(True):
        slopes = differences(bivariate_t_cdf, points, steps)
        got = evaluate(gradient(bivariate_t_cdf, 4), *points.T)
        curvatures = differences(gradient(bivariate_t_cdf, 4), points, steps)
        second = evaluate(hessian(bivariate_t_cdf, 4), *points.T)
    assert relative(got, slopes, floor=1e-3) < 1e-7
    assert curvature_error(second, curvatures) < tolerances.CURVATURE


def test_derivatives_of_skewed_quadrants_are_central_differences():
    points = SKEWED_EDGES
    rho, *delta = points[:, 2:5].T
    shares = [(1 - d) * (1 + d) for d in delta]
    room = np.minimum(shares[0] * shares[1] - (rho - delta[0] * delta[1]) ** 2, 1)
    assert np.all(room > 0)
    with jax.enable_x64(True):
        slopes = differences(bivariate_skew_t_cdf, points, steps_of(points, room))
        got = evaluate(gradient(bivariate_skew_t_cdf, 6), *points.T)
    assert relative(got, slopes, floor=1e-3) < 1e-7


def test_derivatives_in_single_precision():
    columns = skewed_points()
    with jax.enable_x64(True):
        expected = evaluate(gradient(bivariate_skew_t_cdf, 6), *columns)
    got = evaluate(gradient(bivariate_skew_t_cdf, 6), *as_single(columns))
    is_mild = np.max(np.abs(SKEWED[:, :3]), axis=1) < 0.95
    is_mild = np.tile(is_mild, len(PLACES))
    assert relative(got[is_mild], expected[is_mild], floor=1) < tolerances.SLOPE_SINGLE
    assert np.isfinite(got).all()


# --- what is not defined ------------------------------------------------------------------------


def test_what_is_not_defined_is_nan(x64):
    dtype = np.float64 if x64 else np.float32
    outside = [(1.1, 3), (-1.5, 3), (np.nan, 3), (0.3, 0), (0.3, -1), (0.3, np.nan), (0.3, -np.inf)]
    rho, nu = np.asarray(outside, dtype).T
    assert np.isnan(evaluate(bivariate_t_cdf, dtype(0.3), dtype(0.2), rho, nu)).all()
    outside = [
        *((rho, 0.1, 0.1, 3) for rho in (1, 1.1, -1.5, np.nan)),
        *((0.3, 0.1, 0.1, nu) for nu in (0, -1, np.nan, -np.inf)),
        *((0.5, *pair, 3) for pair in ((1, 0.1), (0.9, -0.9), (1.2, 0.1), (0.1, -1.2))),
        *((rho, *pair, 3) for rho in (2, 1.5) for pair in ((1.5, 1.5), (1.5, 0.5))),
        (0.5, np.nan, 0.1, 3),
        (-3, 1.5, 2, 3),
    ]
    values = evaluate(bivariate_skew_t_cdf, dtype(0.3), dtype(0.2), *np.asarray(outside, dtype).T)
    assert [case for case, value in zip(outside, values, strict=True) if not np.isnan(value)] == []
    for place in (dtype(np.nan), dtype(0.2)), (dtype(0.2), dtype(np.nan)):
        assert np.isnan(evaluate(bivariate_t_cdf, *place, dtype(0.3), dtype(3))).all()
