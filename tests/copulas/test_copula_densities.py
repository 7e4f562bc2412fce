"""Copula densities and draws of all families: against scipy, by integration, by their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import tolerances
from scipy.integrate import quad_vec
from scipy.special import gamma as gamma_function
from scipy.special import kv

from jaxpapers import copulas
from jaxpapers.numerics import skew_t

OMEGA = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.1], [0.2, -0.1, 1.0]])
ALPHA, NU = np.array([2.0, -0.5, 1.0]), 5.0
PAIR = OMEGA[:2, :2]
FAMILIES = {
    "skew-t": lambda: copulas.SkewTCopula.from_correlation(PAIR, alpha=ALPHA[:2], nu=NU),
    "skew-normal": lambda: copulas.SkewNormalCopula.from_correlation(PAIR, alpha=ALPHA[:2]),
    "t": lambda: copulas.TCopula.from_correlation(PAIR, nu=NU),
    "gaussian": lambda: copulas.GaussianCopula.from_correlation(PAIR),
    "gh": lambda: copulas.GHSkewTCopula.from_correlation(PAIR, skewness=ALPHA[:2], nu=NU),
    "sahu": lambda: copulas.SahuSkewTCopula.from_correlation(PAIR, skewness=ALPHA[:2], nu=NU),
}
KEY = jax.random.key(17)
pytestmark = pytest.mark.usefixtures("quick_compiles")


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def points(num_assets, num=24):
    return np.random.default_rng(6).uniform(0.02, 0.98, (num, num_assets))


@jax.jit
def _log_prob(copula, u):
    return jax.vmap(copula.log_prob)(u)


def log_prob(copula, u):
    return np.asarray(_log_prob(copula, jnp.asarray(u)))


def skewness_of(omega, alpha):
    turned = omega @ alpha
    return turned / np.sqrt(1 + alpha @ turned)


def test_skew_t_is_the_joint_density_over_its_margins():
    """scipy's multivariate t times its skewing factor, margins by the univariate formula."""
    copula = copulas.SkewTCopula.from_correlation(OMEGA, alpha=ALPHA, nu=NU)
    u, delta = points(3), skewness_of(OMEGA, ALPHA)
    x = np.asarray(skew_t.ppf(u, delta[None], NU))
    square = np.einsum("ni,ij,nj->n", x, np.linalg.inv(OMEGA), x)
    joint = np.log(2) + scipy.stats.multivariate_t(np.zeros(3), OMEGA, df=NU).logpdf(x)
    joint += scipy.stats.t(NU + 3).logcdf(x @ ALPHA * np.sqrt((NU + 3) / (NU + square)))
    slant = delta / np.sqrt(1 - delta**2)
    margins = np.log(2) + scipy.stats.t(NU).logpdf(x)
    margins += scipy.stats.t(NU + 1).logcdf(slant * x * np.sqrt((NU + 1) / (NU + x**2)))
    expected = joint - margins.sum(1)
    np.testing.assert_allclose(log_prob(copula, u), expected, atol=tolerances.COPULA_DENSITY)
    np.testing.assert_allclose(copula.skewness, delta, rtol=1e-12)


def test_gh_skew_t_is_its_bessel_formula():
    gamma = ALPHA[:2]
    copula = FAMILIES["gh"]()
    u = points(2)
    x = np.asarray(jax.vmap(lambda row: copula.quantile(row, copula.skewness))(jnp.asarray(u)))
    inverse = np.linalg.inv(PAIR)

    def log_density(square, skewed, crossed, log_det, d):
        m, s = (NU + d) / 2, np.sqrt((NU + square) * skewed)
        value = (1 - m) * np.log(2) - np.log(gamma_function(NU / 2)) - d / 2 * np.log(np.pi * NU)
        value += np.log(kv(m, s)) + m * np.log(s) - m * np.log1p(square / NU) + crossed
        return value - 0.5 * log_det

    joint = log_density(
        np.einsum("ni,ij,nj->n", x, inverse, x),
        gamma @ inverse @ gamma,
        x @ inverse @ gamma,
        np.linalg.slogdet(PAIR)[1],
        2,
    )
    margins = sum(
        log_density(x[:, j] ** 2, gamma[j] ** 2, x[:, j] * gamma[j], 0, 1) for j in (0, 1)
    )
    expected = joint - margins
    np.testing.assert_allclose(log_prob(copula, u), expected, atol=tolerances.COPULA_DENSITY)


def test_sahu_skew_t_is_a_mixture_over_its_latent_variables():
    """`f(x) = 4 E_W of a normal density times an orthant`, by quadrature over W."""
    lam, copula = ALPHA[:2], FAMILIES["sahu"]()
    u = points(2, num=6)
    x = np.asarray(jax.vmap(lambda row: copula.quantile(row, copula.skewness))(jnp.asarray(u)))
    spread = PAIR + np.diag(lam**2)
    turned = np.linalg.solve(spread, np.diag(lam))
    rest = np.eye(2) - np.diag(lam) @ turned
    mixing = scipy.stats.gamma(NU / 2, scale=2 / NU)

    def integrand(log_w, point):
        w = np.exp(log_w)
        orthant = scipy.stats.multivariate_normal(np.zeros(2), rest).cdf(point @ turned * w**0.5)
        normal = scipy.stats.multivariate_normal(np.zeros(2), spread / w).pdf(point)
        return 4 * normal * orthant * mixing.pdf(w) * w

    joint = [quad_vec(lambda t, p=p: integrand(t, p), -6, 3, epsabs=1e-10)[0] for p in x]
    scale = np.sqrt(1 + lam**2)
    margins = np.asarray(skew_t.logpdf(x / scale, (lam / scale)[None], NU)) - np.log(scale)
    expected = np.log(joint) - margins.sum(1)
    np.testing.assert_allclose(log_prob(copula, u), expected, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_densities_integrate_to_one_and_to_the_quadrant(name):
    """Gauss-Legendre over a corner of the square, away from the poles at its ends."""
    copula = FAMILIES[name]()
    nodes, weights = np.polynomial.legendre.leggauss(40)
    low, high = 0.05, 0.6
    places, weights = low + (high - low) * (nodes + 1) / 2, weights * (high - low) / 2
    grid = np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)
    found = np.exp(log_prob(copula, grid)).reshape(40, 40)
    ends = jnp.asarray([low, high])
    skewness, rho = copula.skewness, PAIR[0, 1]
    x, y = (copula.quantile(ends, jnp.broadcast_to(s, (2,))) for s in skewness)

    @jax.jit
    def corner(x, y):
        given = (jnp.broadcast_to(part, x.shape) for part in (rho, *skewness))
        return copula.quadrant(x, y, *given)

    values = corner(jnp.repeat(x, 2), jnp.tile(y, 2))
    expected = values[3] - values[2] - values[1] + values[0]
    np.testing.assert_allclose(weights @ found @ weights, expected, atol=tolerances.COPULA_CORNER)


def test_families_are_limits_of_each_other():
    u, zero = points(2), np.zeros(2)
    t, gaussian = log_prob(FAMILIES["t"](), u), log_prob(FAMILIES["gaussian"](), u)
    make = copulas.SkewTCopula.from_correlation
    np.testing.assert_allclose(log_prob(make(PAIR, alpha=zero, nu=NU), u), t, atol=1e-9)
    for family in (copulas.GHSkewTCopula, copulas.SahuSkewTCopula):
        flat = family.from_correlation(PAIR, skewness=zero, nu=NU)
        np.testing.assert_allclose(log_prob(flat, u), t, atol=1e-6)
    normal = log_prob(FAMILIES["skew-normal"](), u)
    near = log_prob(make(PAIR, alpha=ALPHA[:2], nu=1e6), u)
    np.testing.assert_allclose(near, normal, atol=1e-4)
    flat = copulas.SkewNormalCopula.from_correlation(PAIR, alpha=zero)
    np.testing.assert_allclose(log_prob(flat, u), gaussian, atol=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_have_uniform_margins_and_the_density(name):
    """Margins by Kolmogorov-Smirnov; two quadrants by counts. False alarm 4e-4 a family."""
    copula, num_draws = FAMILIES[name](), 4_000
    u = np.asarray(jax.jit(lambda key: copula.sample(key, num_draws))(KEY))
    assert all(scipy.stats.kstest(column, "uniform").pvalue > 1e-4 for column in u.T)
    found = copulas.quantile_dependence(copula, 0.1)
    for share, expected in (
        ((u < 0.1).all(1).mean(), 0.1 * found.LL[0, 1]),
        ((u > 0.9).all(1).mean(), 0.1 * found.UR[0, 1]),
    ):
        assert abs(share - expected) < 4 * np.sqrt(expected / num_draws)
    shifted = u**1.1  # planted defect: a margin off by a tenth
    assert scipy.stats.kstest(shifted[:, 0], "uniform").pvalue < 1e-4


def test_loadings_and_their_correlation_are_the_same_copula():
    loadings = np.array([[1.2], [0.8], [-0.5]])
    variance = loadings @ loadings.T + np.eye(3)
    omega = variance / np.sqrt(np.outer(np.diag(variance), np.diag(variance)))
    left = copulas.SkewTCopula.from_loadings(loadings, alpha=ALPHA, nu=NU)
    right = copulas.SkewTCopula.from_correlation(omega, alpha=ALPHA, nu=NU)
    np.testing.assert_allclose(log_prob(left, points(3)), log_prob(right, points(3)), atol=1e-9)


def test_quantile_dependence_of_the_stated_pair():
    """Values of the slow approach to the limit at nu = 5, rho = .5, delta = (.884, .177)."""
    delta = jnp.asarray([5.0, 1.0]) / jnp.sqrt(32.0)  # the stated pair, rounded there
    rows = jnp.asarray([[1, 0.5], [0.5, 1]])
    turned = jnp.linalg.solve(rows, delta)
    alpha = turned / jnp.sqrt(1 - delta @ turned)
    copula = copulas.SkewTCopula.from_correlation(rows, alpha=alpha, nu=5.0)
    levels = jnp.asarray([1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
    found = jax.jit(jax.vmap(lambda u: copulas.quantile_dependence(copula, u).LL[0, 1]))(levels)
    np.testing.assert_allclose(found, [0.4120, 0.2958, 0.2602, 0.2474, 0.2425], atol=6e-5)
    limit = copulas.tail_dependence(copula).lower[0, 1]
    np.testing.assert_allclose(limit, 0.23929, atol=6e-6)


def test_corners_are_reflections():
    found = copulas.quantile_dependence(FAMILIES["skew-t"](), 0.05)
    turned = copulas.quantile_dependence(
        copulas.SkewTCopula.from_correlation(PAIR, alpha=-ALPHA[:2], nu=NU), 0.05
    )
    np.testing.assert_allclose(found.UR, turned.LL, atol=1e-9)
    np.testing.assert_allclose(found.LR, found.UL.T, atol=1e-9)
    np.testing.assert_allclose(found.asymmetry, found.UR - found.LL)
    symmetric = copulas.quantile_dependence(FAMILIES["t"](), 0.05)
    np.testing.assert_allclose(symmetric.UR, symmetric.LL, atol=1e-9)


def test_tail_dependence_and_rank_correlations_have_their_closed_forms():
    rho = 0.5
    t = scipy.stats.t(NU + 1)
    expected = 2 * t.cdf(-np.sqrt((NU + 1) * (1 - rho) / (1 + rho)))
    np.testing.assert_allclose(
        copulas.tail_dependence(FAMILIES["t"]()).lower[0, 1], expected, rtol=1e-9
    )
    zero = copulas.SkewTCopula.from_correlation(PAIR, alpha=np.zeros(2), nu=NU)
    np.testing.assert_allclose(copulas.tail_dependence(zero).upper[0, 1], expected, atol=1e-8)
    gaussian = copulas.rank_correlation(FAMILIES["gaussian"]())
    np.testing.assert_allclose(gaussian.kendall[0, 1], 2 / np.pi * np.arcsin(rho), rtol=1e-12)
    np.testing.assert_allclose(gaussian.spearman[0, 1], 6 / np.pi * np.arcsin(rho / 2), rtol=1e-12)
    symmetric = copulas.rank_correlation(FAMILIES["t"]())
    np.testing.assert_allclose(symmetric.kendall[0, 1], 2 / np.pi * np.arcsin(rho), atol=1e-6)


def test_rank_correlations_are_those_of_draws():
    """Monte Carlo, 4 standard errors."""
    copula = FAMILIES["skew-t"]()
    u = np.asarray(copula.sample(KEY, 20_000))
    found = copulas.rank_correlation(copula)
    tau = scipy.stats.kendalltau(u[:, 0], u[:, 1]).statistic
    rho = scipy.stats.spearmanr(u[:, 0], u[:, 1]).statistic
    assert abs(found.kendall[0, 1] - tau) < 4 * 0.7 / np.sqrt(len(u))
    assert abs(found.spearman[0, 1] - rho) < 4 / np.sqrt(len(u))


def test_pseudo_observations_and_kernel_margins_are_their_definitions():
    data = np.random.default_rng(3).normal(size=(50, 2)).round(1)
    expected = scipy.stats.rankdata(data, axis=0) / 51
    np.testing.assert_allclose(copulas.pseudo_observations(data), expected, rtol=1e-13)
    margins = copulas.kernel_margins(data)
    place, width = np.array([0.3, -0.2]), np.asarray(margins.bandwidth)
    brute = scipy.stats.norm.cdf((place - data) / width).mean(0)
    np.testing.assert_allclose(margins.cdf(jnp.asarray(place)), brute, rtol=1e-12)
    np.testing.assert_allclose(margins.ppf(jnp.asarray(brute)), place, atol=1e-8)


def test_empirical_quantile_dependence_counts():
    u = points(2, num=200)
    found = copulas.empirical_quantile_dependence(u, 0.2)
    np.testing.assert_allclose(found.LL[0, 1], (u <= 0.2).all(1).mean() / 0.2)
    lower_right = (u[:, 0] > 0.8) & (u[:, 1] <= 0.2)
    np.testing.assert_allclose(found.LR[0, 1], lower_right.mean() / 0.2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: copulas.TCopula.from_correlation(PAIR, nu=2.0), ValueError, "nu must be above 2"),
        (lambda: copulas.TCopula.from_correlation(PAIR[:1], nu=5.0), ValueError, "correlation"),
        (lambda: copulas.TCopula.from_correlation(2 * PAIR, nu=5.0), ValueError, "ones on its dia"),
        (
            lambda: copulas.GaussianCopula.from_correlation([[1.0, 1.0], [1.0, 1.0]]),
            (TypeError, ValueError),
            "correlation must",
        ),
        (
            lambda: copulas.GaussianCopula.from_correlation(np.ones((2, 2))),
            ValueError,
            "positive definite",
        ),
        (
            lambda: copulas.SkewNormalCopula.from_correlation(PAIR, alpha=ALPHA),
            ValueError,
            "alpha must have shape",
        ),
        (lambda: copulas.GaussianCopula.from_loadings(np.full((3, 1), np.nan)), ValueError, "fini"),
        (lambda: FAMILIES["t"]().log_prob(np.full(3, 0.5)), ValueError, "u must have shape"),
        (lambda: FAMILIES["t"]().sample(0, 3), TypeError, "key must be a typed"),
        (lambda: FAMILIES["t"]().sample(KEY, 0), ValueError, "num_draws must be at least 1"),
        (
            lambda: copulas.quantile_dependence(FAMILIES["t"](), 0.7),
            ValueError,
            r"level must lie in \(0, 1/2\]",
        ),
        (lambda: copulas.quantile_dependence(PAIR, 0.1), TypeError, "copula must be a Copula"),
        (
            lambda: copulas.pseudo_observations(np.ones((5, 2))),
            ValueError,
            "data has no variation in columns",
        ),
        (lambda: copulas.pseudo_observations(np.ones((1, 2))), ValueError, "at least 2 observ"),
    ],
)
def test_what_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()
