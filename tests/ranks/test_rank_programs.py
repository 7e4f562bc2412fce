"""How often things compile, and that batches are loops over cases."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
import tolerances
from rank_definition import Setting

from jaxpapers import ranks

NUM_OBS = 37  # of no other test, so that nothing has been compiled before
KEY = jax.random.key(4)


@pytest.fixture
def data(x64):
    """Three samples in the precision of the test."""
    values = np.random.default_rng(0).normal(size=(3, 2, NUM_OBS)).round(1)
    return values.astype(np.float64 if x64 else np.float32)


def models(x64, **static):
    """One model for each tie weight, given as Python numbers and as an array."""
    dtype = jnp.float64 if x64 else jnp.float32
    weights = (1.0, 0.5, jnp.asarray(0.25, dtype))
    return [ranks.RankRegression(tie_weight=weight, **static) for weight in weights]


def test_fit_compiles_once_per_precision_and_static_setting(x64, data, count_compiles):
    with count_compiles() as compiles:
        found = [
            ranks.fit(model, outcome, regressor).slope[0]
            for model, (outcome, regressor) in zip(models(x64), data, strict=True)
        ]
    assert compiles.count("_fit") == 1
    assert len(set(map(float, found))) == 3
    if not x64:
        with count_compiles() as compiles:
            for model in models(x64, outcome="level"):
                ranks.fit(model, *data[0])
        assert compiles.count("_fit") == 1


def test_bootstrap_compiles_once_per_precision(x64, data, count_compiles):
    settings = {"num_replicates": 6, "batch_size": 3}
    with count_compiles() as compiles:
        for seed, (model, sample) in enumerate(zip(models(x64), data, strict=True)):
            draws = ranks.bootstrap(jax.random.key(seed), model, *sample, **settings)
            ranks.multiplier_bootstrap(jax.random.key(seed), draws.fit, **settings)
    assert draws.params.dtype == data.dtype
    assert compiles.count("presort") == 1
    assert compiles.count("_run_chunk") == 2  # the one of bootstrap, the other of the multipliers


def test_coverage_compiles_once_per_precision(x64, count_compiles):
    with count_compiles() as compiles:
        for seed, (model, tail) in enumerate(zip(models(x64), (0.2, 0.3, 0.4), strict=True)):
            draws = ranks.coverage(
                jax.random.key(seed),
                model,
                ranks.Flip(tail),
                num_obs=NUM_OBS,
                num_replicates=6,
                batch_size=3,
            )
    assert draws.slope.dtype == (np.float64 if x64 else np.float32)
    assert compiles.count("_run_chunk") == 1


def test_what_follows_a_fit_compiles_nothing_for_new_numbers(count_compiles):
    data = np.random.default_rng(0).normal(size=(3, 2, NUM_OBS)).round(1).astype(np.float32)
    fits = [ranks.fit(model, *sample) for model, sample in zip(models(False), data, strict=True)]

    def use(fit, regressor, rank):
        ranks.absolute_mobility(fit, rank).interval(0.5 + rank)
        ranks.relative_mobility(fit)
        ranks.wald_test(fit, np.eye(2, dtype=regressor.dtype) * np.float32(rank))
        prediction = ranks.predict(fit, regressor, regressor[:4])
        prediction.interval_at_level(0.5 + rank)
        fit.interval(0.5 + rank)
        fit.pvalues()

    use(fits[0], data[0, 1], 0.25)
    with count_compiles() as compiles:
        use(fits[1], data[1, 1], 0.3)
        use(fits[2], data[2, 1], 0.4)
    assert compiles.names == []


def test_vmapped_fit_is_a_loop_over_samples_and_tie_weights():
    setting, parts = rank_cases.SETTINGS["groups, covariates"]
    weights = (0.0, 0.4, 1.0)
    cases = [rank_cases.sample(seed=70 + i, ties=True, **parts) for i in range(3)]
    settings = [dataclasses.replace(setting, tie_weight=weight) for weight in weights]

    def one(weight, outcome, regressor, covariates, groups):
        model = ranks.RankRegression(tie_weight=weight)
        return ranks.fit(
            model, outcome, regressor, covariates=covariates, groups=groups, num_groups=3
        )

    with jax.enable_x64(True):
        names = ("outcome", "regressor", "covariates", "groups")
        stacked = [jnp.stack([getattr(case, name) for case in cases]) for name in names]
        batch = jax.jit(jax.vmap(one))(jnp.asarray(weights), *stacked)
        for place, (setting, case) in enumerate(zip(settings, cases, strict=True)):
            fit = rank_cases.fit(setting, case)
            for name in ("params", "cov", "cov_robust", "influence", "residuals", "r_squared"):
                ours, theirs = getattr(batch, name)[place], getattr(fit, name)
                scale = tolerances.EXACT_ARITHMETIC * np.abs(theirs).max()
                np.testing.assert_allclose(ours, theirs, atol=scale, err_msg=name)
            assert batch.status[place] == fit.status
        np.testing.assert_allclose(batch.bse[1], np.sqrt(np.diag(batch.cov[1])))
        assert batch.interval().shape == (3, 12, 2)
        assert batch.slope.shape == (3, 3)


def test_traced_fit_needs_the_number_of_groups():
    case = rank_cases.sample(seed=70, groups=True)

    def slope(groups):
        return ranks.fit(ranks.RankRegression(), case.outcome, case.regressor, groups=groups).slope

    with (
        jax.enable_x64(True),
        pytest.raises(ValueError, match="num_groups is None; needed under jit or vmap"),
    ):
        jax.jit(slope)(case.groups)


def test_precision_is_that_of_the_data():
    case = rank_cases.sample(seed=71)
    with jax.enable_x64(True):
        single = dataclasses.replace(
            case,
            outcome=case.outcome.astype(np.float32),
            regressor=case.regressor.astype(np.float32),
        )
        fit = rank_cases.fit(Setting(tie_weight=0.5), single)
        floating = [leaf for leaf in jax.tree.leaves(fit) if leaf.dtype.kind == "f"]
        assert {leaf.dtype for leaf in floating} == {np.dtype("float32")}
        assert fit.interval().dtype == np.float32
        assert fit.kept.dtype == bool
        assert fit.status.dtype == np.int32
