"""One trace per public verb and precision, over three values of every number that goes in."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import AdamAscent, tree_bytes

from jaxpapers import engine, numerics, ranks

pytestmark = pytest.mark.usefixtures("quick_compiles")
NUM_OBS = 37  # of no other test, so that nothing has been compiled before
NUM_GROUPS = 3
COUNTS = {"num_replicates": 6, "batch_size": 3}
WORLDS = {"num_worlds": 4, "batch_size": 2}


class Numbers:
    """Everything that is a number in the calls of one round, in the precision of the test.

    Attributes:
        round: 1, 2 or 3.
    """

    def __init__(self, round):
        self.round = round
        self.dtype = jnp.result_type(float)
        values = np.random.default_rng(round).normal(size=(3, NUM_OBS)).round(1)
        self.child, self.parent, self.other = values.astype(self.dtype)
        self.groups = (np.arange(NUM_OBS, dtype=np.int32) + round) % NUM_GROUPS
        self.level = 0.5 + round / 10
        self.scalar = jnp.asarray(round / 4, self.dtype)

    @property
    def key(self):
        return jax.random.key(self.round)

    def model(self, **static):
        """The tie weight is given as a Python number and as an array."""
        weight = (1.0, 0.5, self.scalar)[self.round - 1]
        return ranks.RankRegression(tie_weight=weight, **static)

    def weights(self, num_params):
        rows = np.random.default_rng(self.round).normal(size=(2, num_params))
        return rows.astype(self.dtype)


@functools.cache
def fitted(round, dtype):
    """A fit, a grouped fit and draws to go on from; `dtype` keeps the precisions apart."""
    n = Numbers(round)
    assert n.dtype == dtype
    fit = ranks.fit(n.model(), n.child, n.parent)
    return {
        "fit": fit,
        "grouped": _fit_groups(n),
        "draws": ranks.bootstrap(n.key, n.model(), n.child, n.parent, studentize=True, **COUNTS),
        "errors": ranks.multiplier_bootstrap(n.key, fit, **COUNTS),
    }


def _of(n, name="fit"):
    return fitted(n.round, n.dtype)[name]


def _fit_groups(n, **settings):
    groups = {"groups": n.groups, "num_groups": NUM_GROUPS}
    return ranks.fit(n.model(), n.child, n.parent, **groups, **settings)


def _covariates(n):
    return n.other[:, None]


def _ascent(n, drive, num_steps):
    data = (jnp.asarray(n.parent)[:, None], jnp.asarray(n.child))
    return drive(n.key, AdamAscent(n.scalar), n.scalar, data, num_steps=num_steps)


class Shifted(eqx.Module):
    shift: jax.Array

    def __call__(self, key, model, data):
        return self.shift + model * data[jax.random.bits(key) % data.size]


def _wave(row):
    return jnp.sin(row) * 2


@jax.jit
def _root(target, width, tolerance):
    return numerics.find_root(
        lambda x, a: x**3 - a, -width, width, target, tolerance=tolerance
    ).value


FUNCTIONS = ["logpdf", "logcdf", "cdf", "sf", "ppf"]


def _distribution(n, module, *params):
    *of_numbers, quantile = (getattr(module, name) for name in FUNCTIONS)
    return [function(n.child[:4], *params) for function in of_numbers] + [
        quantile(n.level, *params)
    ]


# Verb: what is called with the numbers of a round, and the programs that it compiles once.
VERBS = {
    "fit, bootstrap, multiplier_bootstrap": (lambda n: fitted(n.round, n.dtype), []),
    "fit, covariates": (
        lambda n: ranks.fit(n.model(outcome="level"), n.child, n.parent, covariates=_covariates(n)),
        ["_fit"],
    ),
    "fit, groups, covariates": (lambda n: _fit_groups(n, covariates=_covariates(n)), ["_fit"]),
    "rank_order": (lambda n: ranks.rank_order(n.child), []),
    "coverage": (
        lambda n: ranks.coverage(
            n.key, n.model(), ranks.Flip(n.scalar / 2), num_obs=NUM_OBS, **COUNTS
        ),
        ["_run_chunk"],
    ),
    "contrast": (lambda n: ranks.contrast(_of(n), n.weights(2)), []),
    "relative_mobility": (lambda n: ranks.relative_mobility(_of(n, "grouped")), []),
    "absolute_mobility": (lambda n: ranks.absolute_mobility(_of(n), n.level), []),
    "wald_test": (
        lambda n: ranks.wald_test(_of(n), n.weights(2)[:1], n.weights(2)[0, :1]),
        ["_wald"],
    ),
    "equality_test": (lambda n: ranks.equality_test(_of(n, "grouped")), ["_wald"]),
    "predict": (
        lambda n: ranks.predict(_of(n), n.parent, n.child[:4]).interval_at_level(n.level),
        ["_predict_ranked"],
    ),
    "interval": (lambda n: [_of(n).interval(n.level), _of(n).pvalues()], []),
    "intervals of draws": (
        lambda n: [
            _of(n, "draws").percentile_interval(n.level),
            _of(n, "draws").percentile_t_interval(n.level),
            _of(n, "draws").normal_interval(n.level),
        ],
        [],
    ),
    "simultaneous_interval": (
        lambda n: _of(n, "errors").simultaneous_interval(n.level, jnp.asarray(n.weights(2))),
        [],
    ),
    "run": (lambda n: _ascent(n, engine.run, 6 - n.round), ["begin", "_run_chunk"]),
    "unroll": (lambda n: _ascent(n, engine.unroll, 5), ["begin", "take_steps"]),
    "replicate": (
        lambda n: engine.replicate(n.key, Shifted(n.scalar), n.scalar, n.child, **COUNTS),
        ["begin", "_run_chunk"],
    ),
    "simulate": (
        lambda n: engine.simulate(n.key, Shifted(n.scalar), n.scalar, n.child, **WORLDS),
        ["begin", "_run_chunk"],
    ),
    "average": (
        lambda n: engine.average(n.key, Shifted(n.scalar), n.scalar, n.child, **WORLDS),
        ["begin", "_run_chunk"],
    ),
    "batched_map": (lambda n: engine.batched_map(_wave, n.child, batch_size=8), ["_map_rows"]),
    "sharded_map": (
        lambda n: engine.sharded_map(
            _wave, n.child, mesh=engine.replicate_mesh(jax.devices()[:1]), batch_size=8
        ),
        ["_map_rows"],
    ),
    "finite_status": (lambda n: [engine.finite_status(n.child), n.child], []),
    "check_finite": (lambda n: [engine.check_finite({"child": jnp.asarray(n.child)}), n.child], []),
    "find_root": (lambda n: _root(n.level, 3.0 * n.round, 1e-6 / n.round), ["_root"]),
    "gauss_legendre": (lambda n: numerics.gauss_legendre(5, -n.level, n.level), []),
    "bivariate_t_cdf": (
        lambda n: numerics.bivariate_t_cdf(n.child[:4], n.level, n.scalar / 2, n.round + 2.5),
        ["bivariate_t_cdf"],
    ),
    "bivariate_skew_t_cdf": (
        lambda n: numerics.bivariate_skew_t_cdf(
            n.child[:4], n.level, n.scalar / 2, n.level / 4, -n.scalar / 4, n.round + 2.5
        ),
        ["bivariate_skew_t_cdf"],
    ),
    "student_t": (lambda n: _distribution(n, numerics.student_t, n.round + 2.5), FUNCTIONS),
    "skew_normal": (lambda n: _distribution(n, numerics.skew_normal, n.level / 2), FUNCTIONS),
    "skew_t": (
        lambda n: _distribution(n, numerics.skew_t, n.scalar / 2, n.round + 2.5),
        FUNCTIONS,
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_compiles_once_per_precision(verb, x64, count_compiles):
    call, programs = VERBS[verb]
    rounds = [Numbers(round) for round in (1, 2, 3)]
    _of(rounds[0])
    with count_compiles() as first:
        results = [call(rounds[0])]
    assert {name: first.count(name) for name in programs if first.count(name) > 1} == {}
    with count_compiles() as later:
        for numbers in rounds[1:]:
            _of(numbers)
            results.append(call(numbers))
    assert later.names == []
    assert len({tree_bytes(result) for result in results}) == 3
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(results) if leaf.dtype.kind == "f"}
    assert dtypes <= {np.dtype(np.float64 if x64 else np.float32)}
