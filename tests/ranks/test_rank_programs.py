"""How often things are sorted, and that batches are loops over cases."""

import dataclasses
from functools import partial

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
import rank_cases
import tolerances
from rank_definition import Setting

from jaxpapers import ranks
from jaxpapers.ranks.bootstrap import Resample, presort, refit

NUM_OBS = 20
KEY = jax.random.key(4)
CHECKED = {"sort", "top_k"}


def sorts(function, *args):
    """Number of sorts in a program, those of every branch, loop and inner program included."""
    return sum(_sorts(jax.make_jaxpr(function)(*args).jaxpr))


def _sorts(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name in CHECKED:
            yield 1
        for inner in jax.tree.leaves(equation.params, is_leaf=_is_program):
            if _is_program(inner):
                yield from _sorts(getattr(inner, "jaxpr", inner))


def _is_program(value):
    return isinstance(value, jax.extend.core.Jaxpr | jax.extend.core.ClosedJaxpr)


@pytest.fixture(scope="module")
def pair():
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, NUM_OBS)).round(1), jnp.float32)


def test_fit_sorts_twice_and_with_orders_not_at_all(pair):
    model, (outcome, regressor) = ranks.RankRegression(), pair
    assert sorts(lambda y, x: ranks.fit(model, y, x), outcome, regressor) == 2
    for given, expected in (((0,), 1), ((1,), 1), ((0, 1), 0)):
        order = tuple(ranks.rank_order(pair[i]) if i in given else None for i in (0, 1))
        assert sorts(lambda y, x, o: ranks.fit(model, y, x, order=o), *pair, order) == expected
    level = ranks.RankRegression(outcome="level")
    assert sorts(lambda y, x: ranks.fit(level, y, x), outcome, regressor) == 1


@pytest.mark.parametrize("num_groups", [1, 3])
def test_nothing_is_sorted_in_a_draw(pair, num_groups):
    groups = None if num_groups == 1 else jnp.arange(NUM_OBS, dtype=jnp.int32) % num_groups
    model = ranks.RankRegression().cast(jnp.float32)

    def presorted(y, x):
        return presort(model, y, x, y[:, None] + x[:, None], groups, None, num_groups=num_groups)

    assert sorts(presorted, *pair) == 2
    sample = jax.eval_shape(presorted, *pair)
    counts = jax.ShapeDtypeStruct((NUM_OBS,), jnp.float32)
    for studentize in (False, True):
        assert sorts(partial(refit, studentize=studentize), sample, counts) == 0
        assert sorts(lambda key, s: Resample(studentize)(key, s, None), KEY, sample) == 0  # noqa: B023


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
