"""The cases of the copula benchmark: one gradient, a whole fit, gradients in batches."""

from functools import partial

import jax

from benchmarks.cases import copula_data
from benchmarks.cases.copula_answers import Exact
from benchmarks.cases.copula_contenders import (
    numpyro_step,
    our_batches,
    our_gradient,
    our_scan,
    quadrature_gradient,
)
from benchmarks.cases.copula_fresh import fresh_fits
from benchmarks.contenders import Case
from jaxpapers import copulas

GRADIENT_ASSETS = (5, 30, 93)
FIT_ASSETS = (5, 17, 30, 93)
BATCH_ASSETS = 30
BATCH_SIZES = (1, 8, 64)
GPU_ASSETS = 93
FIT_REPEATS = {93: 1}
MOST_FIT_REPEATS = 3
"""Runs of a whole fit by number of assets, and where none is given."""


def make_cases(sizes):
    """Return all cases in the order in which they are run.

    Args:
        sizes: Numbers of observations for other suites; here they are fixed.
    """
    del sizes
    names = [("gradient", size) for size in GRADIENT_ASSETS]
    names += [("batch", size) for size in BATCH_SIZES]
    if jax.default_backend() == "gpu":
        names += [("gpu", size) for size in BATCH_SIZES]
    names += [("fit", size) for size in FIT_ASSETS]
    return [make_case(name, size) for name, size in names]


def make_case(name, size):
    """Return the case of a name at a size.

    Args:
        name: One of BUILDERS.
        size: Number of assets, or of vectors of parameters in a batch.

    Raises:
        ValueError: If there is no case of this name.
    """
    if name not in BUILDERS:
        raise ValueError(f"case is {name!r}; needed is one of {', '.join(BUILDERS)}")
    is_batch = name in ASSETS_OF_BATCHES
    num_assets = ASSETS_OF_BATCHES[name] if is_batch else size
    other_sizes = copula_data.sizes(num_assets)
    return Case(
        name,
        size,
        "float64",
        partial(BUILDERS[name], size),
        size_name="vectors" if is_batch else "d",
        other_sizes={"d": num_assets, **other_sizes} if is_batch else other_sizes,
        most_repeats=FIT_REPEATS.get(size, MOST_FIT_REPEATS) if name == "fit" else None,
        is_fresh=name == "fit",
    )


def build_gradient(num_assets):
    """Return the contenders for one gradient of the log posterior."""
    sample = copula_data.draw_sample(num_assets)
    exact, observed = Exact(sample), copulas.observe(sample.u)
    return [
        our_gradient(sample, exact, observed),
        our_scan(sample, exact, observed),
        quadrature_gradient(sample, exact),
        numpyro_step(sample, exact, observed),
    ]


def build_batch(num_points, *, num_assets):
    """Return our contenders for gradients at several vectors of parameters."""
    sample = copula_data.draw_sample(num_assets)
    return our_batches(sample, Exact(sample), copula_data.points_near(sample, num_points))


def build_fit(num_assets):
    """Return the contenders for a whole fit, compiling included."""
    return fresh_fits(copula_data.draw_sample(num_assets))


ASSETS_OF_BATCHES = {"batch": BATCH_ASSETS, "gpu": GPU_ASSETS}
BUILDERS = {
    "gradient": build_gradient,
    "batch": partial(build_batch, num_assets=BATCH_ASSETS),
    "gpu": partial(build_batch, num_assets=GPU_ASSETS),
    "fit": build_fit,
}
"""What each case builds: one gradient at d assets; gradients at several vectors of parameters, on
a GPU at more assets; a whole fit at d assets in a fresh process."""
