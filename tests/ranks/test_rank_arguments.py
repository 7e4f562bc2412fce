"""Wrong kinds of arguments, and digits that JAX would drop: said by name, never in silence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
from rank_cases import NUM_OBS
from rank_definition import Setting

from jaxpapers import ranks
from jaxpapers.engine import PrecisionWarning

KEY = jax.random.key(0)
MODEL = ranks.RankRegression()
Y, X = np.random.default_rng(0).normal(size=(2, NUM_OBS)).astype(np.float32)
GROUPS = np.arange(NUM_OBS) % 3
POPULATION = ranks.Flip(0.3)


@pytest.fixture(scope="module")
def fit():
    with jax.enable_x64(True):
        return rank_cases.fit(Setting(), rank_cases.sample(seed=80))


@pytest.fixture
def _nothing_warned_yet(monkeypatch):
    monkeypatch.setattr("jaxpapers.engine.precision._warned", set())


# --- modules -------------------------------------------------------------------------------------

MODELS = {
    "fit": lambda: ranks.fit(Y, X),
    "bootstrap": lambda: ranks.bootstrap(KEY, Y, X),
    "coverage": lambda: ranks.coverage(KEY, POPULATION, MODEL, num_obs=48, num_replicates=4),
}
FITS = {
    "contrast": lambda fit: ranks.contrast(fit, np.eye(2)),
    "relative": ranks.relative_mobility,
    "absolute": ranks.absolute_mobility,
    "wald": lambda fit: ranks.wald_test(fit, np.eye(2)),
    "equality": ranks.equality_test,
    "predict": lambda fit: ranks.predict(fit, X, X[:2]),
}


@pytest.mark.parametrize("verb", MODELS)
def test_the_model_comes_first(verb):
    kind = "Flip" if verb == "coverage" else "ndarray"
    with pytest.raises(TypeError, match=f"model must be a RankRegression, got {kind}"):
        MODELS[verb]()


@pytest.mark.parametrize("verb", FITS)
def test_what_follows_a_fit_takes_a_fit(verb):
    with pytest.raises(TypeError, match=r"fit must be a RankRegressionFit, got RankRegression$"):
        FITS[verb](MODEL)


def test_coverage_takes_a_population():
    with pytest.raises(TypeError, match="population must be a Population, got float"):
        ranks.coverage(KEY, MODEL, 0.3, num_obs=48, num_replicates=4)


def test_multiplier_bootstrap_takes_a_fit_and_a_distribution(fit):
    with pytest.raises(TypeError, match="fit must be a RankRegressionFit, got RankRegression"):
        ranks.multiplier_bootstrap(KEY, MODEL)
    with pytest.raises(TypeError, match="multiplier must be a Multiplier, got str"):
        ranks.multiplier_bootstrap(KEY, fit, multiplier="gaussian")


@pytest.mark.parametrize("verb", [ranks.fit, lambda *args, **kw: ranks.bootstrap(KEY, *args, **kw)])
def test_orders_are_rank_orders(verb):
    with pytest.raises(TypeError, match="order of the outcome must be a RankOrder, got ndarray"):
        verb(MODEL, Y, X, order=(np.argsort(Y), np.argsort(X)))
    with pytest.raises(TypeError, match="order of the regressor must be a RankOrder, got ndarray"):
        verb(MODEL, Y, X, order=(None, np.argsort(X)))


@pytest.mark.parametrize("intercept", ["no", 1, None])
def test_intercept_is_a_boolean(intercept):
    with pytest.raises(TypeError, match=r"intercept is .*; needed is True or False"):
        ranks.RankRegression(intercept=intercept)


@pytest.mark.parametrize("tie_weight", ["half", None, True, 0.5j])
def test_tie_weight_is_a_number(tie_weight):
    with pytest.raises(TypeError, match="tie_weight must "):
        ranks.RankRegression(tie_weight=tie_weight)


# --- what follows a fit --------------------------------------------------------------------------


def test_absolute_mobility_is_at_a_rank(fit):
    with jax.enable_x64(True):
        levels = rank_cases.fit(Setting(regressor="level"), rank_cases.sample(seed=80))
        with pytest.raises(ValueError, match="fit has a regressor in levels; absolute mobility"):
            ranks.absolute_mobility(levels)
        with pytest.raises(ValueError, match=r"rank must have shape \(\), got \(2,\)"):
            ranks.absolute_mobility(fit, np.array([0.25, 0.75]))
        with pytest.raises(TypeError, match="rank must be an array, got str"):
            ranks.absolute_mobility(fit, "0.25")


def test_fit_without_regressor_has_no_slope():
    with jax.enable_x64(True):
        case = rank_cases.sample(seed=80, regressor=False)
        alone = rank_cases.fit(Setting(), case)
        with pytest.raises(ValueError, match="fit has no regressor, only covariates; there is no"):
            _ = alone.slope


NAN = np.array([[0.0, np.nan]])
NOT_FINITE = {
    "weights": lambda fit: ranks.contrast(fit, NAN),
    "restrictions": lambda fit: ranks.wald_test(fit, NAN),
    "value": lambda fit: ranks.wald_test(fit, np.eye(2), NAN[0]),
}


@pytest.mark.parametrize("name", NOT_FINITE)
def test_weights_are_finite(fit, name):
    with jax.enable_x64(True), pytest.raises(ValueError, match=f"{name} holds 1 non-finite value"):
        NOT_FINITE[name](fit)


def test_covariates_of_absolute_mobility_are_finite():
    with jax.enable_x64(True):
        fit = rank_cases.fit(Setting(), rank_cases.sample(seed=80, covariates=True))
        with pytest.raises(ValueError, match="covariates holds 1 non-finite value"):
            ranks.absolute_mobility(fit, covariates=NAN[0])


def test_a_test_has_restrictions(fit):
    with jax.enable_x64(True), pytest.raises(ValueError, match="restrictions has no rows"):
        ranks.wald_test(fit, np.zeros((0, 2)))


# --- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_groups_are_numbered_from_zero(asarray):
    with pytest.raises(ValueError, match="groups has values from -1 to 1; needed are 0 to 1"):
        ranks.fit(MODEL, Y, X, groups=asarray(GROUPS - 1))
    with pytest.raises(ValueError, match="groups has values from -3 to -1; needed are 0 to 0"):
        ranks.fit(MODEL, Y, X, groups=asarray(GROUPS - 3))


def test_groups_on_the_device_cost_one_transfer(monkeypatch):
    transfers = []
    get = jax.device_get
    monkeypatch.setattr(jax, "device_get", lambda tree: transfers.append(1) or get(tree))
    with pytest.raises(ValueError, match="groups has values from 0 to 2; needed are 0 to 1"):
        ranks.fit(MODEL, Y, X, groups=jnp.asarray(GROUPS), num_groups=2)
    assert len(transfers) == 1


def test_no_observations_of_no_group():
    with pytest.raises(ValueError, match="outcome has 0 observations; needed are at least 2"):
        ranks.fit(MODEL, Y[:0], X[:0], groups=GROUPS[:0])


# --- orders and digits ---------------------------------------------------------------------------

CENTS = 1e9 + np.arange(5) * 0.5


@pytest.mark.usefixtures("_nothing_warned_yet")
def test_order_says_that_digits_are_lost():
    with jax.enable_x64(False), pytest.warns(PrecisionWarning, match="values is float64") as seen:
        order = ranks.rank_order(CENTS)
    assert order.num_tied == 5
    assert seen[0].filename == __file__
    with jax.enable_x64(True):
        assert ranks.rank_order(CENTS).num_tied == 0


ORDERS = {
    "nan": (np.array([1, np.nan], np.float32), ValueError, r"values holds 1 non-finite .* \[1\]"),
    "matrix": (np.ones((2, 2), np.float32), ValueError, r"values must have shape \(obs,\), got"),
    "empty": (Y[:0], ValueError, "values is empty; needed is at least one"),
    "list": ([1.0, 2.0], TypeError, "values must be an array, got list"),
    "text": (np.array(["a", "b"]), TypeError, "values must hold real numbers"),
    "long": (np.arange(3) * 2**40, ValueError, "values holds integers beyond int32"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_samples_without_order_are_refused(name):
    values, error, message = ORDERS[name]
    with jax.enable_x64(False), pytest.raises(error, match=message):
        ranks.rank_order(values)


def test_order_under_tracing_looks_at_no_values():
    order = jax.jit(ranks.rank_order)(jnp.asarray([1.0, jnp.nan, 0.0]))
    assert order.order.tolist() == [2, 0, 1]


PREDICTIONS = {
    "training": lambda fit: ranks.predict(fit, X.astype(float), X[:2]),
    "regressor": lambda fit: ranks.predict(fit, X, X[:2].astype(float)),
}


@pytest.mark.usefixtures("_nothing_warned_yet")
@pytest.mark.parametrize("name", PREDICTIONS)
def test_prediction_says_that_digits_are_lost(name):
    with jax.enable_x64(False):
        fit = ranks.fit(MODEL, Y, X)
        with pytest.warns(PrecisionWarning, match=f"{name} is float64"):
            PREDICTIONS[name](fit)


def test_prediction_from_integers_beyond_those_of_jax_is_refused():
    with jax.enable_x64(False):
        fit = ranks.fit(MODEL, Y, X)
        with pytest.raises(ValueError, match="training holds integers beyond int32"):
            ranks.predict(fit, np.arange(NUM_OBS) * 2**40, X[:2])
        with pytest.raises(TypeError, match="training must hold real numbers"):
            ranks.predict(fit, X * 1j, X[:2])
