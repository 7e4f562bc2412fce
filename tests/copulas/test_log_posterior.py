"""The exact log posterior on the table, against copula densities by quadrature and the prior."""

import copula_data
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tolerances
from scipy import stats

from jaxpapers.copulas import model as models
from jaxpapers.copulas.observed import observe

pytestmark = pytest.mark.usefixtures("quick_compiles")

CLASSES = (
    models.SkewTFactorModel,
    models.SkewNormalFactorModel,
    models.TFactorModel,
    models.GaussianFactorModel,
)
NUM_PARAMS = {"SkewT": 9, "SkewNormal": 8, "T": 5, "Gaussian": 4}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def vector_of(model, seed=0):
    noise = np.random.default_rng(seed).normal(size=model.num_params)
    return jnp.asarray(0.4 * noise)


@pytest.mark.parametrize("cls", CLASSES)
def test_it_is_the_density_of_the_copula_and_the_prior(cls):
    model = cls(copula_data.NUM_ASSETS, copula_data.NUM_FACTORS)
    assert model.num_params == NUM_PARAMS[cls.__name__.removesuffix("FactorModel")]
    u = jnp.asarray(copula_data.sample()[:60])

    def exact(params):
        densities = jax.vmap(model.copula(params).log_prob)(u)
        return jnp.sum(densities) + model.log_prior(params)

    params = vector_of(model)
    value, gradient = jax.jit(jax.value_and_grad(model.log_prob))(params, observe(u))
    expected, expected_gradient = jax.jit(jax.value_and_grad(exact))(params)
    np.testing.assert_allclose(value, expected, atol=tolerances.LOG_POSTERIOR)
    error = jnp.linalg.norm(gradient - expected_gradient) / jnp.linalg.norm(expected_gradient)
    assert error <= tolerances.LOG_POSTERIOR_GRADIENT


@pytest.mark.parametrize("cls", [models.SkewTFactorModel, models.GaussianFactorModel])
def test_derivatives_in_the_data_are_central_differences(cls):
    """Within the table and, in the first value, beyond it."""
    model = cls(copula_data.NUM_ASSETS, copula_data.NUM_FACTORS)
    params = vector_of(model)
    u = jnp.asarray(copula_data.sample()[:12]).at[0, 0].set(1e-11)
    move = jnp.asarray(np.random.default_rng(4).normal(size=u.shape)) * jnp.minimum(u, 1 - u)

    @jax.jit
    def along(step):
        return jnp.stack(
            [model.log_prob(params, u + step * move), model.log_density(params, u + step * move)[0]]
        )

    found = jax.jit(lambda: jax.jvp(along, (0.0,), (1.0,))[1])()
    expected = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose(found, expected, rtol=tolerances.DATA_SLOPES)
    gradient = jax.jit(jax.grad(lambda u: model.log_prob(params, u)))(u)
    np.testing.assert_allclose(jnp.sum(gradient * move), expected[0], rtol=tolerances.DATA_SLOPES)


def test_prior_draws_have_the_prior_as_density():
    """Sizes of loadings, slants and nu by Kolmogorov-Smirnov; false alarm 3e-4."""
    model = models.SkewTFactorModel(3, 2)
    draws = jax.jit(lambda key: jax.vmap(model.unpack)(model.sample_prior(key, 2_000)))(
        jax.random.key(3)
    )
    loadings = np.asarray(draws.loadings)
    assert (loadings[:, 0, 1] == 0).all()
    assert (loadings[:, [0, 1], [0, 1]] > 0).all()
    assert abs(np.sign(loadings[:, 2]).mean()) < 0.08
    above = stats.gamma(3, scale=5)
    laws = {
        "loading": (np.abs(loadings[:, 2, 1]), lambda g: 1 - (1 + g) ** -3.0),
        "slant": (np.asarray(draws.alpha)[:, 0] / 5, stats.norm.cdf),
        "nu": (np.asarray(draws.nu), lambda nu: 1 - above.sf(nu) / above.sf(2)),
    }
    for name, (values, law) in laws.items():
        assert stats.kstest(values, law).pvalue > 1e-4, name
    assert stats.kstest(laws["slant"][0], stats.norm(scale=1.2).cdf).pvalue < 1e-4


def test_prior_is_the_formula_of_the_paper():
    model = models.SkewTFactorModel(3, 2)
    params = vector_of(model, seed=3)
    given = model.unpack(params)
    loadings = np.asarray(given.loadings)
    free = loadings[np.tril_indices(3, m=2)]
    alpha, nu = np.asarray(given.alpha), np.asarray(given.nu)
    expected = -4 * np.log1p(np.abs(free)).sum() - (alpha**2).sum() / 50
    expected += 2 * np.log(nu) - 0.2 * nu + np.log(np.diag(loadings[:2])).sum() + np.log(nu - 2)
    np.testing.assert_allclose(model.log_prior(params), expected, rtol=1e-12)
    assert loadings[0, 1] == 0
    assert (np.diag(loadings[:2]) > 0).all()


def test_vectors_and_parameters_are_each_other():
    model = models.SkewTFactorModel(5, 3)
    params = vector_of(model, seed=1)
    np.testing.assert_allclose(model.pack(model.unpack(params)), params, rtol=1e-12)
    signed = model.unpack_signed(params)
    np.testing.assert_allclose(
        signed.loadings[np.tril_indices(5, m=3)].sum(),
        jnp.sinh(params[: model.num_loadings]).sum(),
        rtol=1e-12,
    )
    turned = model.unpack(model.pack(signed))
    assert (np.diag(turned.loadings[:3]) > 0).all()
    np.testing.assert_allclose(
        turned.loadings @ turned.loadings.T, signed.loadings @ signed.loadings.T, rtol=1e-12
    )


def test_nearly_singular_loadings_are_finite():
    """The residual form of the quadratic does not cancel where log G_11 is above 15."""
    model = copula_data.model()
    params = model.pack(copula_data.truth()).at[0].set(16.0)
    value, gradient = jax.jit(jax.value_and_grad(model.log_prob))(
        params, observe(jnp.asarray(copula_data.sample()))
    )
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_single_precision_is_close():
    model = copula_data.model()
    u = copula_data.sample()
    params = model.pack(copula_data.truth())
    value = model.log_prob(params, jnp.asarray(u))
    with jax.enable_x64(False):
        single = jax.jit(model.log_prob)(
            jnp.asarray(np.asarray(params), jnp.float32), observe(jnp.asarray(u, jnp.float32))
        )
        assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, value, atol=tolerances.LOG_POSTERIOR_SINGLE)


def test_it_is_a_factor_of_numpyro():
    import numpyro
    from numpyro.infer.util import log_density

    model = copula_data.model()
    params = model.pack(copula_data.truth())
    u = jnp.asarray(copula_data.sample())

    def program():
        numpyro.factor("copula", model.log_prob(params, u))

    total, _ = log_density(program, (), {}, {})
    np.testing.assert_allclose(total, model.log_prob(params, u), rtol=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize(("name", "num_factors", "expected"), [("sim30", 5, 20_992.0)])
def test_truth_of_the_authors_data(reference_data, name, num_factors, expected):
    stored = np.load(reference_data / "copula" / f"{name}.npz")
    model = models.SkewTFactorModel(stored["U"].shape[1], num_factors)
    given = models.FactorParams(
        *(jnp.asarray(stored[part], jnp.float64) for part in ("G", "alpha", "nu"))
    )
    value = model.log_prob(model.pack(given), jnp.asarray(stored["U"]))
    np.testing.assert_allclose(value, expected, atol=0.5)


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ((3, 3), ValueError, "num_factors must be below num_assets, got 3 factors and 3 assets"),
        ((1, 1), ValueError, "num_assets must be at least 2"),
        ((4, 0), ValueError, "num_factors must be at least 1"),
        ((4.0, 1), TypeError, "num_assets must be a Python int"),
    ],
)
def test_sizes_that_cannot_be(sizes, error, message):
    with pytest.raises(error, match=message):
        models.SkewTFactorModel(*sizes)
