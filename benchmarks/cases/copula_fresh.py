"""Contenders of a whole fit of a copula: each run in a fresh process that has compiled nothing."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.cases.copula_data import Sample
from benchmarks.contenders import Contender

SCRIPT = Path(__file__).resolve().parents[1] / "whole_fit.py"
NUM_STEPS = 2_000
NUM_DRAWS = 20_000
LARGEST_NUMPYRO = 5
"""Number of assets up to which numpyro's own SVI takes part."""
LARGEST_T_COPULA = 17
"""Number of assets up to which copulas with a free correlation for each pair take part."""
WITHOUT_CACHE = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


def run_fresh(name: str, sample: Sample):
    """Fit once in a fresh process.

    Args:
        name: Of the contender, as `whole_fit.py` has it.
        sample: The sample.

    Returns:
        What the process measured: seconds, memory, the answer's numbers, its error.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.npz"
        np.savez(
            path,
            u=np.asarray(sample.u),
            params=np.asarray(sample.params),
            num_factors=sample.model.num_factors,
            num_steps=NUM_STEPS,
            num_draws=NUM_DRAWS,
        )
        done = subprocess.run(
            [sys.executable, str(SCRIPT), name, str(path)],
            env=os.environ | WITHOUT_CACHE,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


def fresh(name: str, note: str, sample: Sample, why_missing: str | None = None):
    """Return a contender that fits in a fresh process."""
    kept = ("answer", "compile_seconds", "memory")
    return Contender(
        name,
        note,
        partial(run_fresh, name, sample),
        lambda found: found["error"],
        seconds=lambda found: (found["wall"], found["cpu"]),
        facts=lambda found: {entry: found[entry] for entry in kept},
        why_missing=why_missing,
    )


def missing(module: str, num_assets: int, largest: int):
    """Return why a package takes no part at a number of assets, None if it does."""
    if importlib.util.find_spec(module) is None:
        return f"{module} is not installed"
    return f"slow: up to {largest} assets only" if num_assets > largest else None


def fresh_fits(sample: Sample):
    """Return all contenders of a whole fit of a sample."""
    size = sample.model.num_assets
    return [
        fresh("jaxpapers", "copulas.fit: mode, whitening, low-rank VI, ELBO", sample),
        fresh(
            "numpyro SVI",
            "AutoLowRankMultivariateNormal from its own start, Adam, on our density",
            sample,
            missing("numpyro", size, LARGEST_NUMPYRO),
        ),
        fresh(
            "pyvinecopulib",
            "another model: a vine of t pair-copulas, structure selected",
            sample,
            missing("pyvinecopulib", size, size),
        ),
        fresh(
            "copulae",
            "another model: a t copula by maximum likelihood",
            sample,
            missing("copulae", size, LARGEST_T_COPULA),
        ),
        fresh(
            "copulax",
            "another model: a t copula by maximum likelihood, in JAX",
            sample,
            missing("copulax", size, size),
        ),
    ]
