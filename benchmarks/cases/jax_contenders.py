"""Our own contenders of the rank regressions: orders by NumPy passed in, sorting by XLA, and other
formulations of the same algorithm.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp

from benchmarks.cases.rank_answers import draws_error, fit_error
from benchmarks.contenders import Contender
from benchmarks.formulations import bootstrap_columns, fit_streamed
from jaxpapers import frames, ranks


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
            compiler="jax",
        ),
        Contender(
            "jaxpapers",
            "ranks.fit, sorted by XLA",
            lambda: fit(None),
            error,
            memory=partial(memory, lambda: None),
            compiler="jax",
        ),
    ]


def jax_bootstraps(seed, outcome, regressor, expected, *, num_replicates, studentised):
    """Return our two contenders for a bootstrap: orders passed in, and sorting by itself."""
    model = ranks.RankRegression()
    arrays = jax.block_until_ready([jnp.asarray(values) for values in (outcome, regressor)])
    settings = {"num_replicates": num_replicates, "studentize": studentised}

    def run(make_order):
        draws = ranks.bootstrap(
            jax.random.key(seed),
            model,
            *arrays,
            order=make_order(),
            **settings,
        )
        return jax.block_until_ready((draws.params, draws.draw_bse))

    def error(answer):
        draws, standard_errors = answer
        return draws_error(draws, standard_errors, expected.fit)

    call = "ranks.bootstrap, its fit"
    return [
        Contender(
            "jaxpapers, NumPy's order",
            f"{call} and frames.rank_order counted",
            partial(run, partial(sorted_by_numpy, outcome, regressor)),
            error,
            compiler="jax",
        ),
        Contender(
            "jaxpapers",
            f"{call} counted, sorted by XLA",
            partial(run, lambda: None),
            error,
            compiler="jax",
        ),
    ]


def streamed_fit(outcome, regressor, expected):
    """Return the other formulation of a fit, by blocks that stay in the cache; sorting counted."""

    def fit():
        orders = jax.tree.map(jnp.asarray, sorted_by_numpy(outcome, regressor))
        tie_weight = jnp.asarray(1.0, jnp.float64)
        return jax.block_until_ready(
            fit_streamed.fit(*orders, tie_weight, num_obs=outcome.shape[0])
        )

    return Contender(
        "JAX, streamed",
        "another formulation: scans over blocks that stay in the cache, NumPy's order (counted)",
        fit,
        lambda answer: fit_error(answer[:2], expected.fit),
        compiler="jax",
    )


def columns_bootstrap(seed, outcome, regressor, expected, *, num_replicates):
    """Return the other formulation of a bootstrap, replicates side by side; no fit, no errors."""

    def run():
        orders = jax.tree.map(jnp.asarray, sorted_by_numpy(outcome, regressor))
        draws = bootstrap_columns.bootstrap(
            jax.random.key(seed),
            *orders,
            jnp.asarray(1.0, jnp.float64),
            num_replicates=num_replicates,
        )
        return jax.block_until_ready(draws)

    return Contender(
        "JAX, side by side",
        "another formulation: arrays (obs, replicate), NumPy's order (counted)",
        run,
        lambda draws: draws_error(draws, None, expected.fit),
        compiler="jax",
    )
