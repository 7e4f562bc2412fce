"""What pairs depend on: quadrants, corners and their limits, draws of a posterior, asymmetry."""

import copula_mixtures
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import tolerances
from scipy.integrate import quad

from jaxpapers import copulas, numerics
from jaxpapers.copulas import quadrants
from jaxpapers.copulas.concordance import concordance_by_quadrature
from jaxpapers.numerics import Status

pytestmark = pytest.mark.usefixtures("quick_compiles")
RHO, NU = 0.4, 4.5
PAIR = np.array([[1.0, RHO], [RHO, 1.0]])
CORNERS = {"LL": (1, 1), "UR": (-1, -1), "LR": (-1, 1), "UL": (1, -1)}


def pair_of(cls, first, second, rho=RHO, nu=NU):
    """The copula of a pair with the skewness that the family speaks of."""
    matrix = np.array([[1.0, rho], [rho, 1.0]])
    skewness = np.array([first, second])
    if cls is not copulas.SkewTCopula:
        return cls.from_correlation(matrix, skewness=skewness, nu=nu)
    turned = np.linalg.solve(matrix, skewness)
    alpha = turned / np.sqrt(1 - skewness @ turned)
    return cls.from_correlation(matrix, alpha=alpha, nu=nu)


FAMILIES = {
    "skew-t": (copulas.SkewTCopula, (0.7, -0.3), copula_mixtures.skew_t_quadrant),
    "gh": (copulas.GHSkewTCopula, (0.8, -0.4), copula_mixtures.gh_quadrant),
    "sahu": (copulas.SahuSkewTCopula, (1.5, -0.7), copula_mixtures.sahu_quadrant),
}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("family", FAMILIES)
def test_quantile_dependence_is_the_mixture_of_normal_pairs(family):
    cls, skewness, quadrant = FAMILIES[family]
    copula, level = pair_of(cls, *skewness), 0.05
    found = copulas.quantile_dependence(copula, level)
    both = jnp.asarray([skewness, tuple(-s for s in skewness)])
    quantiles = np.asarray(copula.quantile(jnp.full((2, 2), level), both))
    for corner, signs in CORNERS.items():
        x, y = (quantiles[0 if s > 0 else 1, k] for k, s in enumerate(signs))
        first, second = np.multiply(signs, skewness)
        given = np.prod(signs) * RHO, first, second, NU
        np.testing.assert_allclose(quadrant(x, 50.0**5, *given), level, rtol=1e-6)
        share = quadrant(x, y, *given) / level
        value = getattr(found, corner)[0, 1]
        np.testing.assert_allclose(value, share, atol=tolerances.QUANTILE_DEPENDENCE)
        wrong = quadrant(x, y, given[0], first, -second, NU) / level  # planted: a sign turned
        assert abs(value - wrong) > 1e4 * tolerances.QUANTILE_DEPENDENCE


def strong_pairs(num_pairs=60):
    """Correlations and skewness up to nearly singular ones, `alpha' Omega alpha` up to 1e5."""
    generator = np.random.default_rng(8)
    rho = np.tanh(generator.normal(scale=1.5, size=num_pairs))
    alpha = generator.normal(size=(num_pairs, 2)) * np.exp(generator.uniform(-2, 5, (num_pairs, 1)))
    turned = alpha + rho[:, None] * alpha[:, ::-1]
    delta = turned / np.sqrt(1 + np.sum(alpha * turned, axis=1))[:, None]
    return jnp.asarray(rho), jnp.asarray(delta)


@pytest.mark.parametrize("nu", [2.05, 6.0, None])
def test_fast_quadrants_are_those_of_numerics(nu):
    rho, delta = strong_pairs()
    x, y = jnp.asarray(np.random.default_rng(2).normal(size=(2, rho.shape[0])) - 1)
    tails = None if nu is None else jnp.asarray(nu)
    got = jax.jit(quadrants.skew_t_quadrant)(x, y, rho, delta[:, 0], delta[:, 1], tails)
    freedom = np.inf if nu is None else nu
    expected = numerics.bivariate_skew_t_cdf(x, y, rho, delta[:, 0], delta[:, 1], freedom)
    tolerance = tolerances.SERIES_QUADRANT if nu == 2.05 else tolerances.NEAR_SINGULAR_QUADRANT
    np.testing.assert_allclose(got, expected, atol=tolerance)


def test_fast_quadrants_have_their_derivatives():
    """By central differences, also at skewness 0; outside the positive definite ones NaN."""
    value = jax.jit(lambda given: quadrants.skew_t_quadrant(*given))
    gradient = jax.jit(jax.grad(lambda given: quadrants.skew_t_quadrant(*given)))
    for place in ((-1.0, -0.5, 0.3, 0.6, -0.2, 5.0), (-1.2, 0.4, -0.5, 0.0, 0.0, 3.0)):
        given = jnp.asarray(place)
        moves = 1e-5 * jnp.eye(6)
        differences = [(value(given + m) - value(given - m)) / 2e-5 for m in moves]
        np.testing.assert_allclose(gradient(given), differences, atol=tolerances.DERIVATIVE)
    assert np.isnan(value(jnp.asarray([-1.0, -1.0, 0.9, 0.3, 0.9, 5.0])))


def test_series_is_the_distribution_function():
    x = jnp.asarray(np.sinh(np.linspace(-9, 9, 301)))
    for nu, tolerance in ((2.05, tolerances.SERIES), (4.5, 1e-11), (300.0, 1e-11)):
        got = quadrants.student_t_series(jnp.asarray(nu))(x)
        np.testing.assert_allclose(got, scipy.stats.t.cdf(x, nu), atol=tolerance)


# --- limits -------------------------------------------------------------------------------------


def skew_t_limit(rho, first, second, nu):
    """Spec's integral over the angle in the lower left quadrant, by scipy."""
    matrix, delta = np.array([[1, rho], [rho, 1]]), np.array([first, second])
    turned = np.linalg.solve(matrix, delta)
    alpha = turned / np.sqrt(1 - delta @ turned)
    slope = delta / np.sqrt(1 - delta**2)
    log_k = np.log(2 / np.sqrt(2 * np.pi)) + 0.5 * (nu - 1) * np.log(2)
    log_k += scipy.special.gammaln((nu + 1) / 2)
    moments = np.exp(log_k) * scipy.stats.t.cdf(-slope * np.sqrt(nu + 1), nu + 1)
    scale = 2 ** (nu / 2) * scipy.special.gamma(nu / 2 + 1) / (np.pi * np.sqrt(1 - rho**2))

    def integrand(angle):
        e = np.array([np.cos(angle), np.sin(angle)])
        q = e @ np.linalg.solve(matrix, e)
        least = np.min(np.abs(e) ** nu / moments)
        skewed = scipy.stats.t.cdf(alpha @ e * np.sqrt((nu + 2) / q), nu + 2)
        return least * scale * q ** (-(nu + 2) / 2) * skewed

    kink = np.pi + np.arctan((moments[1] / moments[0]) ** (1 / nu))
    return sum(
        quad(integrand, a, b, epsabs=1e-12, epsrel=1e-11, limit=200)[0]
        for a, b in ((np.pi, kink), (kink, 1.5 * np.pi))
    )


@pytest.mark.parametrize(
    ("rho", "first", "second", "nu"),
    [(0.5, 0.884, 0.177, 5.0), (0.9, 0.3, 0.6, 3.0), (-0.5, 0.2, -0.6, 8.0), (0.6, 0.5, 0.5, 30.0)],
)
def test_limit_of_the_skew_t_is_its_integral_over_the_angle(rho, first, second, nu):
    found = copulas.tail_dependence(pair_of(copulas.SkewTCopula, first, second, rho, nu))
    for limit, sign in ((found.lower, 1), (found.upper, -1)):
        expected = skew_t_limit(rho, sign * first, sign * second, nu)
        np.testing.assert_allclose(limit[0, 1], expected, atol=tolerances.TAIL_LIMIT)


def test_limit_of_sahu_is_that_of_draws():
    """`E min(A_1 / E A_1, A_2 / E A_2)`, `A = max(-V, 0)^nu`; 5 standard errors."""
    generator, nu, slopes = np.random.default_rng(1), 3.0, (1.0, -0.5)
    normal = generator.multivariate_normal(np.zeros(2), PAIR, 400_000)
    v = normal + np.abs(generator.normal(size=normal.shape)) * slopes
    powers = np.maximum(-v, 0) ** nu
    least = np.min(powers / powers.mean(0), axis=1)
    error = 5 * least.std() / np.sqrt(len(least))
    found = copulas.tail_dependence(pair_of(copulas.SahuSkewTCopula, *slopes, nu=nu))
    assert abs(found.lower[0, 1] - least.mean()) < error
    assert abs(found.upper[0, 1] - least.mean()) > error  # a planted defect: the other tail


def test_limit_of_gh_is_a_step_function_of_signs():
    def limits(first, second):
        found = copulas.tail_dependence(pair_of(copulas.GHSkewTCopula, first, second))
        return float(found.lower[0, 1]), float(found.upper[0, 1])

    assert limits(0.3, 0.1) == (0.0, 1.0)
    assert limits(-0.3, 0.1) == (0.0, 0.0)
    symmetric = scipy.stats.t.cdf(-np.sqrt((NU + 1) * (1 - RHO) / (1 + RHO)), NU + 1) * 2
    np.testing.assert_allclose(limits(0.0, 0.0), symmetric, rtol=1e-8)
    moment = scipy.stats.norm.expect(lambda z: z**NU, lb=0)
    mixed = scipy.stats.norm.expect(lambda z: np.minimum(1, z**NU / moment), lb=0)
    np.testing.assert_allclose(limits(-0.5, 0.0), (mixed, 0), atol=1e-7)


def test_normal_families_have_no_limit():
    for copula in (
        copulas.GaussianCopula.from_correlation(PAIR),
        copulas.SkewNormalCopula.from_correlation(PAIR, alpha=np.ones(2)),
    ):
        found = copulas.tail_dependence(copula)
        np.testing.assert_array_equal(found.lower, np.eye(2))
        np.testing.assert_array_equal(found.upper, np.eye(2))


def test_slow_approach_far_into_the_corner():
    delta = np.array([5.0, 1.0]) / np.sqrt(32)
    found = copulas.quantile_dependence(pair_of(copulas.SkewTCopula, *delta, 0.5, 5.0), 1e-8)
    np.testing.assert_allclose(found.LL[0, 1], 0.2395, atol=6e-5)


# --- draws of a posterior -----------------------------------------------------------------------


def posterior(num_draws=5):
    model = copulas.SkewTFactorModel(3, 1)
    draws = np.random.default_rng(4).normal(size=(num_draws, model.num_params))
    return jax.vmap(model.copula)(jnp.asarray(draws)), num_draws


def test_draws_are_one_copula_each(monkeypatch):
    batch, num_draws = posterior()
    monkeypatch.setattr(copulas.dependence, "QUADRANTS_AT_ONCE", 6)  # two draws at a time
    found = copulas.posterior_quantile_dependence(batch, 0.1)
    for draw in range(num_draws):
        one = copulas.quantile_dependence(jax.tree.map(lambda x, d=draw: x[d], batch), 0.1)
        for corner in CORNERS:
            rows = getattr(found, corner)[draw], getattr(one, corner)
            np.testing.assert_allclose(*rows, atol=tolerances.SAME_PROGRAM)
    assert found.asymmetry.shape == (num_draws, 3, 3)


@pytest.mark.parametrize(
    ("rho", "first", "second", "nu", "tolerance"),
    [
        (0.999984, 1.05, -68.43, 2.5, 1e-7),
        (-0.999, 9.84, -8.02, 2.5, 2e-9),
        (0.910904, -0.23, -29.79, 5.0, 2e-9),
    ],
)
def test_gh_quadrants_at_their_extremes(rho, first, second, nu, tolerance):
    """Steep in W, so that the mixture needs many nodes."""
    copula = pair_of(copulas.GHSkewTCopula, first, second, rho, nu)
    x, y = (float(v) for v in copula.quantile(jnp.full(2, 0.5), jnp.asarray([first, second])))
    place = (jnp.asarray(v) for v in (x, y, rho, first, second))
    expected = copula_mixtures.gh_quadrant(x, y, rho, first, second, nu, num_nodes=40_000)
    np.testing.assert_allclose(copula.quadrant(*place), expected, atol=tolerance)


# --- rank correlations --------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "tolerance"), [("skew-t", 1e-4), ("gh", 2e-4)])
def test_spearman_is_the_integral_of_the_mixture(family, tolerance):
    """`12 int int C - 3` by Gauss-Legendre over levels, C a mixture of normal pairs."""
    nodes, weights = np.polynomial.legendre.leggauss(14)
    levels, weights = jnp.asarray((nodes + 1) / 2), weights / 2
    cls, skewness, quadrant = FAMILIES[family]
    copula = pair_of(cls, *skewness)
    both = jnp.broadcast_to(jnp.asarray(skewness)[:, None], (2, 14))
    x, y = np.asarray(copula.quantile(jnp.broadcast_to(levels, (2, 14)), both))
    shares = [[quadrant(a, b, RHO, *skewness, NU) for b in y] for a in x]
    expected = 12 * weights @ np.asarray(shares) @ weights - 3
    found = copulas.rank_correlation(copula)
    np.testing.assert_allclose(found.spearman[0, 1], expected, atol=tolerance)
    if family == "gh":  # at no skewness it is the t
        flat = copulas.rank_correlation(pair_of(cls, 0.0, 0.0))
        expected = 2 / np.pi * np.arcsin(RHO)
        np.testing.assert_allclose(flat.kendall[0, 1], expected, atol=tolerances.RANK_CORRELATION)


@pytest.mark.acceptance
def test_rank_correlations_over_the_square_are_those_by_orthants():
    """The same rule over the unit square, on a pair whose orthant formulas are known."""
    rho, skewness = jnp.asarray(RHO), jnp.asarray([0.7, -0.3])
    copula = pair_of(copulas.SkewTCopula, 0.7, -0.3)
    by_square = jax.jit(
        lambda rho, first, second: concordance_by_quadrature(
            copula.quantile, copula.quadrant, rho, first, second
        )
    )(rho, *skewness)
    by_orthants = jax.jit(lambda *pair: copula.concordance(*pair))(rho, *skewness)
    np.testing.assert_allclose(by_square, by_orthants, atol=tolerances.RANK_CORRELATION)
    sahu = copulas.rank_correlation(pair_of(copulas.SahuSkewTCopula, 0.0, 0.0))
    expected = 2 / np.pi * np.arcsin(RHO)
    np.testing.assert_allclose(sahu.kendall[0, 1], expected, atol=tolerances.RANK_CORRELATION)


# --- the most asymmetric pair -------------------------------------------------------------------


def test_most_asymmetric_skew_t_pair():
    """Above every pair of a random search, and attained by the pair it names."""
    level, nu = 0.05, 5.0
    found = copulas.maximal_asymmetry(copulas.SkewTCopula, level, nu)
    assert found.status == Status.CONVERGED
    assert found.is_at_border
    np.testing.assert_allclose(found.value, 0.77797, atol=2e-5)  # by L-BFGS of scipy
    rho, delta = strong_pairs(400)

    @jax.jit
    def asymmetry(rho, first, second):
        copula = copulas.SkewTCopula(None, None, jnp.asarray(nu))
        upper = copula.lower(level, rho, -first, -second)
        return (upper - copula.lower(level, rho, first, second)) / level

    assert asymmetry(rho, delta[:, 0], delta[:, 1]).max() < found.value
    own = asymmetry(found.rho[None], found.skewness[:1], found.skewness[1:])
    np.testing.assert_allclose(own, found.value, atol=1e-6)


@pytest.mark.acceptance
def test_most_asymmetric_pair_among_several_maxima():
    """A random search of 512 walkers found it, and 6e6 draws confirm it to 2e-3."""
    sahu = copulas.maximal_asymmetry(copulas.SahuSkewTCopula, 0.05, 12.0)
    np.testing.assert_allclose(sahu.value, 0.167168, atol=2e-5)
    assert sahu.status == Status.CONVERGED


def test_most_asymmetric_limits():
    gh = copulas.maximal_tail_asymmetry(copulas.GHSkewTCopula, 5.0)
    assert gh.value == 1
    skew_t = copulas.maximal_tail_asymmetry(copulas.SkewTCopula, 5.0)
    assert 0.99 < skew_t.value < 1  # approaches 1 as the pair becomes singular
    assert skew_t.is_at_border


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: copulas.maximal_asymmetry(copulas.TCopula, 0.1, 5.0),
            TypeError,
            "family must be the class SkewTCopula, GHSkewTCopula or SahuSkewTCopula, got TCopula",
        ),
        (
            lambda: copulas.maximal_tail_asymmetry("gh", 5.0),
            TypeError,
            "family must be the class .* got str",
        ),
        (
            lambda: copulas.maximal_asymmetry(copulas.GHSkewTCopula, 0.0, 5.0),
            ValueError,
            r"level must lie in \(0, 1/2\], got 0.0",
        ),
        (
            lambda: copulas.maximal_asymmetry(copulas.GHSkewTCopula, 0.1, 2.0),
            ValueError,
            "nu must be above 2 and finite, got 2.0",
        ),
        (
            lambda: copulas.posterior_quantile_dependence(
                copulas.GaussianCopula.from_correlation(PAIR), 0.1
            ),
            ValueError,
            r"copulas must have one leading draw axis in every array, .* got shapes \[\(2, 2\)\]",
        ),
        (
            lambda: copulas.posterior_quantile_dependence(posterior()[0], 0.6),
            ValueError,
            "level must lie in",
        ),
        (
            lambda: copulas.posterior_quantile_dependence([1], 0.1),
            TypeError,
            "copula must be a Copula, got list",
        ),
        (
            lambda: copulas.tail_dependence(3),
            TypeError,
            "copula must be a Copula, got int",
        ),
        (
            lambda: copulas.rank_correlation(3),
            TypeError,
            "copula must be a Copula, got int",
        ),
        (
            lambda: copulas.empirical_quantile_dependence(np.full((3, 2), 1.0), 0.1),
            ValueError,
            "u must lie strictly between 0 and 1, got 6 values",
        ),
        (
            lambda: copulas.empirical_quantile_dependence(np.full((3, 1), 0.5), 0.1),
            ValueError,
            "u must have at least 2 assets",
        ),
        (
            lambda: copulas.empirical_quantile_dependence(np.full((0, 2), 0.5), 0.1),
            ValueError,
            "u must have at least 1 observation",
        ),
    ],
)
def test_what_pairs_cannot_be_asked(call, error, message):
    with pytest.raises(error, match=message):
        call()
