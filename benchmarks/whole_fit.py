"""Fit one copula from start to end: started by the case `fit` in a fresh process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import importlib
import json
import time

import numpy as np

from benchmarks.run import ready_process

MODEL_FITS = {"jaxpapers": "fit", "numpyro SVI": "fit_numpyro"}
PACKAGE_FITS = {
    "pyvinecopulib": "copula_pyvinecopulib",
    "copulae": "copula_copulae",
    "copulax": "copula_copulax",
}


def fit_model(name, given):
    """Return a call that fits the factor model, and one that judges what it gave."""
    import jax
    import jax.numpy as jnp

    from benchmarks.cases import copula_answers, copula_data
    from benchmarks.peers import copula_fits
    from jaxpapers import copulas

    u = jnp.asarray(given["u"])
    model = copulas.SkewTFactorModel(u.shape[1], int(given["num_factors"]))
    sample = copula_data.Sample(model, jnp.asarray(given["params"]), u)

    def call():
        settings = {name: int(given[name]) for name in ("num_steps", "num_draws")}
        fitted = getattr(copula_fits, MODEL_FITS[name])(
            jax.random.key(copula_data.SEED), u, model, **settings
        )
        return jax.block_until_ready(fitted)

    def judge(fitted):
        facts, draws, values = fitted
        return facts, copula_answers.model_fit_error(sample, facts, draws, values)

    return call, judge


def fit_package(name, given):
    """Return a call that fits another package's copula, and one that judges what it gave."""
    from benchmarks.cases import copula_answers

    module = importlib.import_module(f"benchmarks.peers.{PACKAGE_FITS[name]}")

    def judge(log_likelihood):
        error = copula_answers.likelihood_error(given["u"], log_likelihood)
        return {"log-likelihood": float(log_likelihood)}, error

    return lambda: module.fit(given["u"]), judge


def measured(call, judge):
    """Return what a fit took and gave, ready for JSON; judging is not counted."""
    from benchmarks.compile_clock import compile_clock
    from benchmarks.measure import resident_peak

    before = resident_peak()
    with compile_clock("jax") as clock:
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        fitted = call()
        wall, cpu = time.perf_counter() - wall_start, time.process_time() - cpu_start
        compile_seconds = clock.seconds
    memory = {"before_mb": before, "peak_mb": resident_peak()}
    answer, error = judge(fitted)
    return {
        "wall": wall,
        "cpu": cpu,
        "compile_seconds": compile_seconds,
        "memory": memory,
        "answer": answer,
        "error": float(error),
    }


def main() -> None:
    """Read contender and file of data and print what its fit took and gave as JSON."""
    name, path = sys.argv[1:]
    with ready_process(), np.load(path) as given:
        given = dict(given)
        call, judge = (fit_model if name in MODEL_FITS else fit_package)(name, given)
        print(json.dumps(measured(call, judge)))


if __name__ == "__main__":
    main()
