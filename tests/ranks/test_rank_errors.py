"""Every refusal, with its message."""

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
W = np.ones((NUM_OBS, 2), np.float32)
GROUPS = np.arange(NUM_OBS) % 3


def spoiled(values, number):
    values = np.array(values)
    values.reshape(-1)[5] = number
    return values


# --- the model -----------------------------------------------------------------------------------

MODELS = {
    "outcome": ({"outcome": "ranks"}, "outcome is 'ranks'; needed is 'rank' or 'level'"),
    "regressor": ({"regressor": None}, "regressor is None; needed is 'rank' or 'level'"),
    "below": ({"tie_weight": -0.1}, r"tie_weight is -0\.1; needed is a number in \[0, 1\]"),
    "above": ({"tie_weight": 1.5}, r"tie_weight is 1\.5; needed is a number in \[0, 1\]"),
    "array above": (
        {"tie_weight": jnp.asarray(1.5)},
        r"tie_weight is 1\.5; needed is a number in \[0, 1\]",
    ),
    "nan": ({"tie_weight": float("nan")}, r"tie_weight is nan; needed is a number in \[0, 1\]"),
    "vector": ({"tie_weight": np.ones(2)}, r"tie_weight must have shape \(\), got \(2,\)"),
    "one direction": ({"increasing": (True,)}, r"increasing is \(True,\); needed are two"),
    "numbers": ({"increasing": (1, 0)}, r"increasing is \(1, 0\); needed are two booleans"),
    "bare": ({"increasing": False}, "increasing is False; needed are two booleans"),
}


@pytest.mark.parametrize("name", MODELS)
def test_model_is_refused(name):
    settings, message = MODELS[name]
    with pytest.raises(ValueError, match=message):
        ranks.RankRegression(**settings)


# --- the data of a fit ---------------------------------------------------------------------------

SHAPES = {
    "matrix": ((W, X), {}, r"outcome must have shape \(obs,\), got \(48, 2\)"),
    "lengths": ((Y, X[1:]), {}, "outcome and regressor must agree in 'obs', got 48 and 47"),
    "vector of covariates": (
        (Y, X),
        {"covariates": X},
        r"covariates must have shape \(obs, covariate\), got \(48,\)",
    ),
    "covariates": ((Y, X), {"covariates": W[1:]}, "outcome and covariates must agree in 'obs'"),
    "groups": ((Y, X), {"groups": GROUPS[1:]}, r"groups must have shape \(48,\), got \(47,\)"),
    "few": ((Y[:1], X[:1]), {}, "outcome has 1 observations; needed are at least 2"),
    "none": ((Y[:0],), {}, "outcome has 0 observations; needed are at least 1"),
    "few for the groups": (
        (Y[:11], X[:11]),
        {"covariates": W[:11], "groups": GROUPS[:11]},
        "outcome has 11 observations; needed are at least 12, one per coefficient",
    ),
}
VALUES = {
    "nan": ((spoiled(Y, np.nan), X), {}, r"outcome holds 1 non-finite value .* first at \[5\]"),
    "infinite": ((Y, spoiled(X, np.inf)), {}, r"regressor holds 1 non-finite value"),
    "on the device": ((Y, jnp.asarray(spoiled(X, -np.inf))), {}, "regressor holds 1 non-finite"),
    "nan among the covariates": (
        (Y, X),
        {"covariates": spoiled(W, np.nan)},
        r"covariates holds 1 non-finite value .* first at \[2, 1\]",
    ),
    "negative group": (
        (Y, X),
        {"groups": GROUPS - 1},
        "groups has values from -1 to 1; needed are 0 to 1",
    ),
    "group too high": (
        (Y, X),
        {"groups": GROUPS, "num_groups": 2},
        "groups has values from 0 to 2; needed are 0 to 1",
    ),
    "no group at all": (
        (Y, X),
        {"groups": GROUPS, "num_groups": 0},
        "num_groups must be at least 1, got 0",
    ),
    "number of no groups": ((Y, X), {"num_groups": 3}, "num_groups is 3 but groups is None"),
}
ORDER = ranks.rank_order(jnp.asarray(X[1:]))
ORDERS = {
    "short regressor": ((None, ORDER), r"order of the regressor .* \(48,\), got \(47,\)"),
    "short outcome": ((ORDER, None), r"order of the outcome .* \(48,\), got \(47,\)"),
}


@pytest.mark.parametrize("name", [*SHAPES, *VALUES])
def test_data_are_refused(name):
    data, keywords, message = (SHAPES | VALUES)[name]
    with pytest.raises(ValueError, match=message):
        ranks.fit(MODEL, *data, **keywords)


@pytest.mark.parametrize("name", ["lengths", "covariates", "groups", "nan", "negative group"])
def test_bootstrap_refuses_the_same_data(name):
    data, keywords, message = (SHAPES | VALUES)[name]
    with pytest.raises(ValueError, match=message):
        ranks.bootstrap(KEY, MODEL, *data, **keywords)


@pytest.mark.parametrize("name", ORDERS)
def test_orders_of_another_length_are_refused(name):
    order, message = ORDERS[name]
    with pytest.raises(ValueError, match=message):
        ranks.fit(MODEL, Y, X, order=order)


def test_one_order_for_both_is_refused():
    with pytest.raises(TypeError, match="order must be a pair of rank orders"):
        ranks.fit(MODEL, Y, X, order=ranks.rank_order(jnp.asarray(X)))


def test_regression_on_nothing_is_refused():
    model = ranks.RankRegression(intercept=False)
    with pytest.raises(ValueError, match="regressor is None and there are no covariates"):
        ranks.fit(model, Y)


TYPES = {
    "list": ((list(Y), X), {}, "outcome must be an array, got list"),
    "text": ((np.array(["a"] * NUM_OBS), X), {}, "outcome must hold real numbers"),
    "objects": ((Y, np.array([None] * NUM_OBS)), {}, "regressor must hold real numbers"),
    "complex outcome": ((Y + 1j * X, X), {}, "outcome must hold real numbers"),
    "complex regressor": ((Y, X * 1j), {}, "regressor must hold real numbers"),
    "complex covariates": ((Y, X), {"covariates": W * 1j}, "covariates must hold real numbers"),
    "float groups": ((Y, X), {"groups": X}, "groups must hold integers"),
    "boolean groups": ((Y, X), {"groups": X > 0}, "groups must hold integers"),
    "number of groups": (
        (Y, X),
        {"groups": GROUPS, "num_groups": 3.0},
        "num_groups must be a Python int",
    ),
    "number of groups is a claim": (
        (Y, X),
        {"groups": np.zeros(NUM_OBS, int), "num_groups": True},
        "num_groups must be a Python int",
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_types_are_refused(name):
    data, keywords, message = TYPES[name]
    with pytest.raises(TypeError, match=message):
        ranks.fit(MODEL, *data, **keywords)


@pytest.fixture
def _nothing_warned_yet(monkeypatch):
    monkeypatch.setattr("jaxpapers.engine.precision._warned", set())


@pytest.mark.usefixtures("_nothing_warned_yet")
def test_digits_are_not_lost_in_silence():
    with jax.enable_x64(False), pytest.warns(PrecisionWarning, match="outcome is float64"):
        ranks.fit(MODEL, Y.astype(np.float64), X)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["outcome", "regressor", "covariates"])
def test_large_integers_do_not_overflow_in_silence(name, sign):
    cents = sign * np.arange(NUM_OBS, dtype=np.int64) * 10**9
    data = {"outcome": Y, "regressor": X, name: cents[:, None] if name == "covariates" else cents}
    message = rf"{name} holds integers beyond int32; convert it to float or enable x64: jax\.config"
    with jax.enable_x64(False), pytest.raises(ValueError, match=message):
        ranks.fit(MODEL, **data)


# --- keys and counts -----------------------------------------------------------------------------


def fitted():
    with jax.enable_x64(True):
        return rank_cases.fit(Setting(), rank_cases.sample(seed=80))


VERBS = {
    "bootstrap": lambda key, **counts: ranks.bootstrap(key, MODEL, Y, X, **counts),
    "multiplier_bootstrap": lambda key, **counts: ranks.multiplier_bootstrap(
        key, fitted(), **counts
    ),
    "coverage": lambda key, **counts: ranks.coverage(
        key, MODEL, ranks.Flip(0.3), **{"num_obs": 48, "num_replicates": 4} | counts
    ),
}
COUNTS = {
    "no replicates": ({"num_replicates": 0}, ValueError, "num_replicates must be at least 1"),
    "half": ({"num_replicates": 2.5}, TypeError, "num_replicates must be a Python int"),
    "claim": ({"num_replicates": True}, TypeError, "num_replicates must be a Python int"),
    "no batch": ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    "array": ({"batch_size": np.ones(1)}, TypeError, "batch_size must be a Python int"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_keys_are_typed(verb):
    with pytest.raises(TypeError, match="key must be a typed random key"):
        VERBS[verb](jax.random.PRNGKey(0))
    with pytest.raises(TypeError, match="key must be a typed random key"):
        VERBS[verb](0)
    with pytest.raises(ValueError, match="key must be one random key"):
        VERBS[verb](jax.random.split(KEY, 2))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_counts(verb, name):
    counts, kind, message = COUNTS[name]
    with pytest.raises(kind, match=message):
        VERBS[verb](KEY, **counts)


def test_samples_have_observations():
    with pytest.raises(ValueError, match="num_obs must be at least 1, got 0"):
        VERBS["coverage"](KEY, num_obs=0)


# --- levels and widths ---------------------------------------------------------------------------


def with_levels():
    """Everything that takes a level."""
    fit = fitted()
    training = rank_cases.sample(seed=80).regressor
    with jax.enable_x64(True):
        prediction = ranks.predict(fit, training, training[:2])
        draws = ranks.BootstrapDraws(fit, jnp.ones((3, 2)), jnp.ones((3, 2)))
        return {
            "fit": fit.interval,
            "estimate": ranks.relative_mobility(fit).interval,
            "at rank": prediction.interval_at_rank,
            "at level": prediction.interval_at_level,
            "percentile": draws.percentile_interval,
            "normal": draws.normal_interval,
            "percentile t": draws.percentile_t_interval,
            "simultaneous": ranks.MultiplierDraws(fit, jnp.ones((3, 2))).simultaneous_interval,
        }


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5, float("nan")])
def test_levels_lie_between_zero_and_one(level):
    for verb in with_levels().values():
        with jax.enable_x64(True), pytest.raises(ValueError, match="level must lie strictly"):
            verb(level)


def test_levels_are_scalars():
    for verb in with_levels().values():
        with jax.enable_x64(True), pytest.raises(ValueError, match=r"level must have shape \(\)"):
            verb(jnp.array([0.9, 0.95]))
        with jax.enable_x64(True), pytest.raises(TypeError, match="level must be an array"):
            verb("95%")


def test_widths_of_contrasts_are_the_number_of_parameters():
    fit = fitted()
    draws = ranks.MultiplierDraws(fit, jnp.ones((3, 2)))
    with jax.enable_x64(True):
        with pytest.raises(ValueError, match=r"must have shape \(contrast, 2\), got \(1, 3\)"):
            ranks.contrast(fit, np.ones((1, 3)))
        with pytest.raises(ValueError, match=r"must have shape \(contrast, 2\), got \(2,\)"):
            ranks.contrast(fit, np.ones(2))
        with pytest.raises(ValueError, match=r"must have shape \(contrast, 2\), got \(1, 3\)"):
            draws.simultaneous_interval(contrasts=jnp.ones((1, 3)))
        with pytest.raises(ValueError, match=r"restrictions must have shape \(restriction, 2\)"):
            ranks.wald_test(fit, np.ones((1, 3)))
        with pytest.raises(ValueError, match=r"value must have shape \(2,\), got \(3,\)"):
            ranks.wald_test(fit, np.eye(2), np.zeros(3))
        with pytest.raises(ValueError, match=r"value must have shape \(2,\), got \(1,\)"):
            ranks.wald_test(fit, np.eye(2), np.zeros(1))
