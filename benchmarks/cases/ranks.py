"""The cases of the rank-regression benchmark: plain and grouped fits, and the bootstrap."""

import importlib
import importlib.util
from functools import partial

import jax
import numpy as np

from benchmarks.cases.jax_contenders import (
    columns_bootstrap,
    jax_bootstraps,
    jax_fits,
    streamed_fit,
)
from benchmarks.cases.rank_answers import Expected, draws_error, fit_error
from benchmarks.contenders import Case, Contender
from benchmarks.peers import numpy_bootstrap, numpy_grouped, ranks_csranks, ranks_numpy

SEED = 20_240_711
GROUPED_SIZE = 100_000
BOOTSTRAP_SIZE = 10_000
NUM_REPLICATES = 1_000
COVARIATE_SIZES = (100_000, 1_000_000)
GPU_SIZE = 100_000_000
MOST_CSRANKS = 1_000_000
MOST_STATSMODELS = 10_000_000


def make_cases(sizes):
    """Return all cases in the order in which they are run.

    Args:
        sizes: Numbers of observations of the plain fit; the other cases have fixed ones, and the
            one for a GPU is there only where there is a GPU.
    """
    names = [("fit", size) for size in sizes]
    names += [("covariates", size) for size in COVARIATE_SIZES]
    names += [("grouped-50", GROUPED_SIZE), ("grouped-700", GROUPED_SIZE)]
    names += [("bootstrap", BOOTSTRAP_SIZE), ("bootstrap-studentised", BOOTSTRAP_SIZE)]
    if jax.default_backend() == "gpu":
        names.append(("gpu", GPU_SIZE))
    return [make_case(name, size) for name, size in names]


def make_case(name, size):
    """Return the case of a name at a size.

    Args:
        name: One of BUILDERS.
        size: Number of observations.

    Raises:
        ValueError: If there is no case of this name.
    """
    if name not in BUILDERS:
        raise ValueError(f"case is {name!r}; needed is one of {', '.join(BUILDERS)}")
    return Case(name, size, "float64", partial(BUILDERS[name], size))


def draw_sample(size):
    """Return outcome and regressor of a Gaussian copula, float64 without ties."""
    generator = np.random.default_rng(SEED)
    regressor = generator.standard_normal(size)
    return 0.5 * regressor + generator.standard_normal(size), regressor


def why_missing(module):
    """Return why a peer that needs a module cannot be run, None if it can."""
    return None if importlib.util.find_spec(module) else f"{module} is not installed"


def late(module, function, *args, **kwargs):
    """Return a call of a peer that is imported when it is first made."""

    def call():
        return getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)(
            *args, **kwargs
        )

    return call


def build_fit(size, *, num_covariates=0):
    """Return the contenders for one fit of rank on rank and its covariance."""
    outcome, regressor = draw_sample(size)
    covariates = None
    if num_covariates:
        covariates = np.random.default_rng(SEED + 1).standard_normal((size, num_covariates))
    expected = Expected(outcome, regressor, covariates=covariates)
    sample = (outcome, regressor) if covariates is None else (outcome, regressor, covariates)
    numba_module = "ranks_numba" if covariates is None else "numba_covariates"

    def error(answer):
        return fit_error(answer, expected.fit)

    return [
        *jax_fits(outcome, regressor, expected, covariates=covariates),
        *([streamed_fit(outcome, regressor, expected)] if covariates is None else []),
        Contender(
            "NumPy",
            "packed np.sort in two threads, cumulative sums",
            partial(ranks_numpy.fit, *sample),
            error,
        ),
        Contender(
            "numba",
            "packed np.sort in two threads, fused loops on all cores",
            late(numba_module, "fit", *sample),
            error,
            compiler="numba",
            why_missing=why_missing("numba"),
        ),
        Contender(
            "statsmodels HC1",
            "rankdata and OLS: covariance inconsistent",
            late("ranks_statsmodels", "fit", *sample),
            lambda answer: fit_error(answer, expected.hc1),
            why_missing=why_missing("statsmodels")
            or (f"slow: up to {MOST_STATSMODELS:g} only" if size > MOST_STATSMODELS else None),
        ),
        Contender(
            "csranks",
            "the authors' R package: lmranks and vcov, timed inside R",
            partial(ranks_csranks.fit, *sample),
            lambda answer: fit_error((answer.params, answer.cov), expected.fit),
            seconds=lambda answer: (answer.wall, answer.cpu),
            memory=lambda answer: {"r_heap_mb": answer.peak_mb},
            why_missing=f"slow: up to {MOST_CSRANKS:g} only"
            if size > MOST_CSRANKS
            else ranks_csranks.why_missing(),
        ),
    ]


def build_grouped(size, *, num_groups):
    """Return the contenders for a fit by groups with the joint covariance of all groups."""
    outcome, regressor = draw_sample(size)
    groups = np.random.default_rng(SEED + 2).integers(0, num_groups, size)
    expected = Expected(outcome, regressor, groups=groups, num_groups=num_groups)

    def error(answer):
        return fit_error(answer, expected.fit)

    return [
        *jax_fits(outcome, regressor, expected, groups=groups, num_groups=num_groups),
        Contender(
            "NumPy",
            "sums by parts: cumulative sums and a sparse product, tiles in threads",
            partial(numpy_grouped.fit, outcome, regressor, groups, num_groups),
            error,
        ),
        Contender(
            "numba",
            "sums by parts in tiles, on all cores",
            late("numba_grouped", "fit", outcome, regressor, groups, num_groups),
            error,
            compiler="numba",
            why_missing=why_missing("numba"),
        ),
        Contender(
            "statsmodels HC1",
            "rankdata and OLS group by group: covariance inconsistent, none between groups",
            late("ranks_statsmodels", "fit_grouped", outcome, regressor, groups, num_groups),
            lambda answer: fit_error(answer, expected.hc1),
            why_missing=why_missing("statsmodels"),
        ),
        Contender(
            "csranks",
            "the authors' R package",
            why_missing="slow: at 1e5 a fit of 50 groups takes 140 s and 1.3 GB, 700 do not end "
            "in minutes",
        ),
    ]


def build_bootstrap(size, *, studentised):
    """Return the contenders for a bootstrap that takes ranks anew in every draw."""
    outcome, regressor = draw_sample(size)
    expected = Expected(outcome, regressor)
    settings = {"num_replicates": NUM_REPLICATES, "studentised": studentised}
    side_by_side = columns_bootstrap(
        SEED, outcome, regressor, expected, num_replicates=NUM_REPLICATES
    )
    naive = "its standard errors are not those of the draw" if studentised else None

    def error(answer):
        draws, standard_errors = answer
        return draws_error(draws, standard_errors, expected.fit)

    return [
        *jax_bootstraps(SEED, outcome, regressor, expected, **settings),
        *([] if studentised else [side_by_side]),
        Contender(
            "NumPy",
            "counts by bincount, cumulative sums, replicates in threads",
            partial(numpy_bootstrap.bootstrap, SEED, outcome, regressor, **settings),
            error,
        ),
        Contender(
            "numba",
            "counts and sums of counts in cache, replicates on all cores",
            late("numba_bootstrap", "bootstrap", SEED, outcome, regressor, **settings),
            error,
            compiler="numba",
            why_missing=why_missing("numba"),
        ),
        Contender(
            "statsmodels",
            "a loop of rankdata and OLS over redrawn samples",
            late(
                "ranks_statsmodels",
                "bootstrap",
                SEED,
                outcome,
                regressor,
                num_replicates=NUM_REPLICATES,
            ),
            lambda draws: draws_error(draws, None, expected.fit),
            why_missing=naive or why_missing("statsmodels"),
        ),
        Contender("csranks", "the authors' R package", why_missing="it has no bootstrap"),
    ]


def build_gpu_fit(size):
    """Return our contender for one large fit on a GPU, checked against the NumPy peer."""
    outcome, regressor = draw_sample(size)
    return jax_fits(outcome, regressor, Expected(outcome, regressor))[1:]


BUILDERS = {
    "fit": build_fit,
    "covariates": partial(build_fit, num_covariates=2),
    "grouped-50": partial(build_grouped, num_groups=50),
    "grouped-700": partial(build_grouped, num_groups=700),
    "bootstrap": partial(build_bootstrap, studentised=False),
    "bootstrap-studentised": partial(build_bootstrap, studentised=True),
    "gpu": build_gpu_fit,
}
"""What each case builds: rank on rank and its covariance alone, with two covariates, in 50 and in
700 groups with the joint covariance; the bootstrap without and with each draw's own standard
errors; one large fit where there is a GPU."""
