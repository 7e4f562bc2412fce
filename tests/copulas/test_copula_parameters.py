"""Derivatives, single precision, nearly singular loadings, margins, what is refused."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.stats
import tolerances

from jaxpapers import copulas
from jaxpapers.copulas.checks import check_correlation
from jaxpapers.copulas.correlation import factor_correlation
from jaxpapers.copulas.densities import skewness_of_slant, slant_of_skewness

pytestmark = pytest.mark.usefixtures("quick_compiles")
PAIR = np.array([[1.0, 0.5], [0.5, 1.0]])
POINTS = np.random.default_rng(3).uniform(0.03, 0.97, (6, 2))
PARAMS = np.array([1.1, 0.7, 0.8, -0.4, 4.5])

# Each takes the loadings of one factor, two slants or skewnesses, and nu.
FAMILIES = {
    "skew-t": lambda g, s, nu: copulas.SkewTCopula.from_loadings(g, alpha=s, nu=nu),
    "skew-normal": lambda g, s, nu: copulas.SkewNormalCopula.from_loadings(g, alpha=s),
    "t": lambda g, s, nu: copulas.TCopula.from_loadings(g, nu=nu),
    "gaussian": lambda g, s, nu: copulas.GaussianCopula.from_loadings(g),
    "gh": lambda g, s, nu: copulas.GHSkewTCopula.from_loadings(g, skewness=s, nu=nu),
    "sahu": lambda g, s, nu: copulas.SahuSkewTCopula.from_loadings(g, skewness=s, nu=nu),
}


@functools.cache
def compiled(family):
    """Log-likelihood of points as a function of parameters, and its gradient in both."""
    return jax.jit(total(family)), jax.jit(jax.grad(total(family), (0, 1)))


def total(family):

    def log_likelihood(params, u):
        copula = FAMILIES[family](params[:2, None], params[2:4], params[4])
        return jnp.sum(jax.vmap(copula.log_prob)(u))

    return log_likelihood


@pytest.mark.parametrize("family", FAMILIES)
def test_derivatives_are_central_differences(family):
    """In loadings, skewness, nu and the points, also where the skewness is 0."""
    with jax.enable_x64(True):
        value, gradient = compiled(family)
        u = jnp.asarray(POINTS)
        for skewness in (PARAMS[2:4], np.zeros(2)):
            params = jnp.asarray(PARAMS).at[2:4].set(skewness)
            by_params, by_u = gradient(params, u)
            for place in range(5):
                move = jnp.zeros(5).at[place].set(1e-5)
                difference = (value(params + move, u) - value(params - move, u)) / 2e-5
                np.testing.assert_allclose(
                    by_params[place], difference, atol=tolerances.COPULA_DERIVATIVE
                )
            move = jnp.zeros_like(u).at[2, 1].set(1e-6)
            difference = (value(params, u + move) - value(params, u - move)) / 2e-6
            np.testing.assert_allclose(by_u[2, 1], difference, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision_is_close(family):
    with jax.enable_x64(True):
        expected = compiled(family)[0](jnp.asarray(PARAMS), jnp.asarray(POINTS))
    with jax.enable_x64(False):
        given = jnp.asarray(PARAMS, jnp.float32), jnp.asarray(POINTS, jnp.float32)
        single = compiled(family)[0](*given)
        assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, expected, atol=tolerances.COPULA_DENSITY_SINGLE)


@pytest.mark.parametrize("family", ["skew-t", "gh"])
def test_quantile_dependence_in_single_precision(family):
    found = {}
    for is_double in (True, False):
        with jax.enable_x64(is_double):
            dtype = jnp.float64 if is_double else jnp.float32
            g, s, nu = (jnp.asarray(part, dtype) for part in (PARAMS[:2], PARAMS[2:4], 4.5))
            copula = FAMILIES[family](g[:, None], s, nu)
            corners = copulas.quantile_dependence(copula, 0.05)
            assert corners.LL.dtype == dtype
            found[is_double] = [np.asarray(leaf) for leaf in jax.tree.leaves(corners)]
    np.testing.assert_allclose(found[False], found[True], atol=tolerances.CORNERS_SINGLE)


# --- correlations -------------------------------------------------------------------------------


@pytest.mark.parametrize("log_loading", [2.0, 16.0, 20.0])
def test_nearly_singular_factor_correlation_keeps_its_digits(log_loading):
    """Against mpmath with 60 digits; the naive difference of squares is off by all of them."""
    loadings = np.array([[np.exp(log_loading), 0.0], [np.exp(log_loading), 0.5], [0.3, 1.2]])
    x, y = np.array([0.7, 0.7, -1.1]), np.array([-0.2, 0.4, 0.9])
    with mpmath.workdps(60), jax.enable_x64(True):
        g = mpmath.matrix(loadings.tolist())
        v = g * g.T + mpmath.eye(3)
        omega = mpmath.matrix(3)
        for i in range(3):
            for j in range(3):
                omega[i, j] = v[i, j] / mpmath.sqrt(v[i, i] * v[j, j])
        inverse = omega**-1
        squares = (mpmath.matrix(x.tolist()).T * inverse * mpmath.matrix(x.tolist()))[0]
        crossed = (mpmath.matrix(x.tolist()).T * inverse * mpmath.matrix(y.tolist()))[0]
        log_det = mpmath.log(mpmath.det(omega))
        correlation = factor_correlation(jnp.asarray(loadings))
        rtol = tolerances.NEARLY_SINGULAR_SQUARE
        np.testing.assert_allclose(correlation.quadratic(jnp.asarray(x)), float(squares), rtol=rtol)
        bilinear = correlation.bilinear(jnp.asarray(x), jnp.asarray(y))
        np.testing.assert_allclose(bilinear, float(crossed), rtol=rtol)
        np.testing.assert_allclose(correlation.log_det(), float(log_det), rtol=1e-9)
        copula = copulas.SkewTCopula(correlation, jnp.zeros(3), jnp.asarray(5.0))
        assert np.isfinite(copula.log_prob(jnp.asarray([0.3, 0.3, 0.6])))


def test_dense_and_factor_correlation_are_the_same_matrix():
    with jax.enable_x64(True):
        loadings = np.random.default_rng(1).normal(size=(4, 2))
        factor = factor_correlation(jnp.asarray(loadings))
        matrix = factor.matrix()
        np.testing.assert_allclose(np.diagonal(matrix), 1, rtol=1e-15)
        dense = check_correlation(matrix)
        x, y = jnp.asarray(np.random.default_rng(2).normal(size=(2, 4)))
        for left, right in (
            (factor.quadratic(x), dense.quadratic(x)),
            (factor.bilinear(x, y), dense.bilinear(x, y)),
            (factor.times(x), dense.times(x)),
            (factor.log_det(), dense.log_det()),
            (factor.quadratic(x), np.asarray(x) @ np.linalg.solve(matrix, x)),
        ):
            np.testing.assert_allclose(left, right, rtol=1e-12)
        draws = factor.sample(jax.random.key(0), 20_000)
        errors = np.asarray(draws.T @ draws / 20_000 - matrix)
        assert np.abs(errors).max() < 5 * np.sqrt(2 / 20_000)  # false alarm below 1e-5
        back = slant_of_skewness(dense, skewness_of_slant(dense, x))
        np.testing.assert_allclose(back, x, rtol=1e-9)
        assert np.isnan(slant_of_skewness(dense, jnp.full(4, 0.999))).any()


# --- margins ------------------------------------------------------------------------------------


def test_pseudo_observations_are_mid_ranks(x64):
    data = np.random.default_rng(7).integers(0, 6, size=(30, 3)).astype(float)
    found = copulas.pseudo_observations(jnp.asarray(data, jnp.result_type(float)))
    expected = scipy.stats.rankdata(data, axis=0, method="average") / 31
    np.testing.assert_allclose(found, expected, rtol=1e-15 if x64 else 1e-7)


def test_kernel_margins_are_those_of_scipy():
    data = np.random.default_rng(5).standard_t(3, size=(80, 2))
    data[:70, 1] = 1.0  # without an interquartile range
    with jax.enable_x64(True):
        margins = copulas.kernel_margins(data)
        spread = data.std(0, ddof=1)
        quartiles = np.quantile(data[:, 0], [0.25, 0.75])
        spread[0] = min(spread[0], (quartiles[1] - quartiles[0]) / 1.34)
        np.testing.assert_allclose(margins.bandwidth, 0.9 * spread * 80**-0.2, rtol=1e-12)
        kernel = scipy.stats.gaussian_kde(data[:, 0])
        kernel.set_bandwidth(float(margins.bandwidth[0]) / data[:, 0].std(ddof=1))
        x = jnp.asarray([0.4, 1.3])
        u = margins.cdf(x)
        np.testing.assert_allclose(u[0], kernel.integrate_box_1d(-np.inf, 0.4), rtol=1e-9)
        np.testing.assert_allclose(margins.ppf(u), x, rtol=1e-9)
        far = margins.cdf(jnp.asarray([-1e6, 1e6]))
        assert 0 < far[0] < 1e-300
        assert far[1] == 1 - 2.0**-53


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: copulas.GaussianCopula.from_correlation([[1.0, 0.5], [0.4, 1.0]]),
            TypeError,
            "correlation must be",
        ),
        (
            lambda: copulas.GaussianCopula.from_correlation(np.array([[1.0, 0.5], [0.4, 1.0]])),
            ValueError,
            "correlation must be symmetric, got entries 0.1 apart",
        ),
        (
            lambda: copulas.GaussianCopula.from_correlation(np.eye(1)),
            ValueError,
            "correlation must be of at least 2 assets, got 1",
        ),
        (
            lambda: copulas.GaussianCopula.from_loadings(np.ones((1, 1))),
            ValueError,
            "loadings must be of at least 2 assets, got 1",
        ),
        (
            lambda: copulas.GaussianCopula.from_loadings(np.ones((2, 0))),
            ValueError,
            "loadings must be on at least 1 factor, got 0 columns",
        ),
        (
            lambda: copulas.TCopula.from_correlation(PAIR, nu=np.inf),
            ValueError,
            "nu must be above 2 and finite, got inf; without heavy tails take SkewNormalCopula",
        ),
        (
            lambda: copulas.TCopula.from_correlation(PAIR, nu=np.ones(2)),
            ValueError,
            "nu must have shape",
        ),
        (
            lambda: copulas.GHSkewTCopula.from_correlation(PAIR, skewness=np.ones(3), nu=5.0),
            ValueError,
            "skewness must have shape",
        ),
        (
            lambda: copulas.SahuSkewTCopula.from_correlation(
                PAIR, skewness=np.array([0.0, np.inf]), nu=5.0
            ),
            ValueError,
            "skewness",
        ),
        (
            lambda: copulas.SahuSkewTCopula.from_loadings(
                np.ones((3, 1)), skewness=np.ones(3), nu=5.0
            ).log_prob(np.full(3, 0.5)),
            ValueError,
            "the copula has 3 assets; log_prob needs 2",
        ),
        (
            lambda: copulas.TCopula.from_correlation(PAIR, nu=5.0).sample(
                jax.random.key(0),
                3.0,  # pyright: ignore
            ),
            TypeError,
            "num_draws must be a Python int",
        ),
        (
            lambda: copulas.quantile_dependence(
                copulas.GaussianCopula.from_correlation(PAIR), np.array([0.1, 0.2])
            ),
            ValueError,
            "level must have shape",
        ),
        (
            lambda: copulas.kernel_margins(np.array([[1.0, np.nan], [0.0, 1.0]])),
            ValueError,
            "data",
        ),
        (
            lambda: copulas.kernel_margins(np.array([[1.0, 2.0], [0.0, 2.0]])),
            ValueError,
            r"data has no variation in columns \[1\]; drop them",
        ),
    ],
)
def test_what_is_refused(call, error, message):
    with jax.enable_x64(True), pytest.raises(error, match=message):
        call()
