"""The cases of the rank-regression benchmark: plain and grouped fits, and the bootstrap."""

import importlib
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.rank_answers import Expected, draws_error, fit_error
from benchmarks.contenders import Case, Contender
from benchmarks.peers import numpy_bootstrap, numpy_grouped, ranks_csranks, ranks_numpy
from jaxpapers import frames, ranks

SEED = 20_240_711
GROUPED_SIZE = 100_000
BOOTSTRAP_SIZE = 10_000
NUM_REPLICATES = 1_000
BATCH_SIZE = 50
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


def sorted_by_numpy(outcome, regressor):
    """Return both orders as the data-frame layer gets them: by NumPy, in two threads."""
    with ThreadPoolExecutor(2) as executor:
        first, second = executor.map(frames.rank_order, (outcome, regressor))
    return first, second


def xla_memory(function, *args):
    """Return what XLA says it needs for a function, in megabytes."""
    analysis = jax.jit(function).lower(*args).compile().memory_analysis()
    kinds = ("argument", "output", "temp")
    sizes = {f"xla_{k}_mb": getattr(analysis, f"{k}_size_in_bytes", 0) / 2**20 for k in kinds}
    stats = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        sizes["device_peak_mb"] = stats["peak_bytes_in_use"] / 2**20
    return sizes


def jax_fits(outcome, regressor, expected, *, covariates=None, groups=None, num_groups=None):
    """Return our two contenders for a fit: orders passed in, and sorting by itself."""
    model = ranks.RankRegression()
    arrays = jax.block_until_ready([jnp.asarray(values) for values in (outcome, regressor)])
    extra = {"covariates": covariates, "groups": groups}
    extra = {name: jnp.asarray(values) for name, values in extra.items() if values is not None}
    static = {} if num_groups is None else {"num_groups": num_groups}

    def fit(order):
        return jax.block_until_ready(ranks.fit(model, *arrays, order=order, **extra, **static))

    def traced(order, outcome, regressor, extra):
        return ranks.fit(model, outcome, regressor, order=order, **extra, **static)

    def memory(make_order, result):
        del result
        return xla_memory(traced, make_order(), *arrays, extra)

    def presorted():
        return sorted_by_numpy(outcome, regressor)

    def error(result):
        return fit_error((result.params, result.cov), expected.fit)

    return [
        Contender(
            "jaxpapers, NumPy's order",
            "frames.rank_order (counted) and ranks.fit(order=...)",
            lambda: fit(presorted()),
            error,
            memory=partial(memory, presorted),
        ),
        Contender(
            "jaxpapers",
            "ranks.fit, sorted by XLA",
            lambda: fit(None),
            error,
            memory=partial(memory, lambda: None),
        ),
    ]


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
            why_missing=why_missing("numba"),
        ),
    ]


def build_bootstrap(size, *, studentised):
    """Return the contenders for a bootstrap that takes ranks anew in every draw."""
    outcome, regressor = draw_sample(size)
    expected = Expected(outcome, regressor)
    settings = {"num_replicates": NUM_REPLICATES, "studentised": studentised}
    arrays = jax.block_until_ready([jnp.asarray(values) for values in (outcome, regressor)])
    model = ranks.RankRegression()

    def run_ours():
        draws = ranks.bootstrap(
            jax.random.key(SEED),
            model,
            arrays[0],
            arrays[1],
            order=sorted_by_numpy(outcome, regressor),
            num_replicates=NUM_REPLICATES,
            batch_size=BATCH_SIZE,
            studentize=studentised,
        )
        return jax.block_until_ready((draws.params, draws.draw_bse))

    def error(answer):
        draws, standard_errors = answer
        return draws_error(draws, standard_errors, expected.fit)

    return [
        Contender(
            "jaxpapers, NumPy's order",
            f"ranks.bootstrap(order=..., batch_size={BATCH_SIZE}), its fit and order counted",
            run_ours,
            error,
        ),
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
            why_missing=why_missing("numba"),
        ),
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
