"""Factor copulas from a table of prices or returns."""

import dataclasses
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import copulas, engine
from .copula_results import FactorCopulaResult
from .copula_sample import CopulaSample, Margins, Missing, read_copula_sample
from .copula_settings import (
    MODELS,
    NUM_STEPS,
    AlgorithmName,
    CopulaSettings,
    Family,
    Precision,
    Values,
    chosen_algorithm,
)
from .names import check_choice
from .seeds import random_key


def fit_copula(
    seed: int | jax.Array,
    table: Any,
    *,
    num_factors: int,
    values: Values,
    date: str | None = None,
    family: Family = "skew-t",
    margins: Margins = "empirical",
    algorithm: AlgorithmName = "vi",
    num_steps: int | None = None,
    rank: int | None = None,
    missing: Missing = "drop",
    precision: Precision = "double",
    progress: engine.Progress | None = None,
    checkpoint: str | Path | None = None,
) -> FactorCopulaResult:
    """Fits a factor copula to a wide table of prices or returns.

    Prices become log returns from row to row, returns become copula data by their margins, and the
    copula's posterior is found on its exact likelihood. Computes in double precision whatever JAX
    is set to, and hands back NumPy and pandas.

    Source: Deng, Smith and Maneesoonthorn (2025); the inference as in `copulas.fit`.

    Args:
        seed: a seed or a typed key; the same one gives the same posterior.
        table: a pandas, polars or pyarrow table, or a dict of arrays, assets as columns.
        num_factors: K, below the number of assets.
        values: whether the table holds "prices" or "returns".
        date: column of dates; None for the index of pandas, or for rows in order.
        family: "skew-t", or its limits "skew-normal", "t" and "gaussian".
        margins: "empirical", ranks over rows + 1, tied returns sharing their mid-rank (the summary
            says how many are tied); or "kernel", Gaussian-kernel estimates.
        algorithm: "vi", variational with a factor Gaussian; "full-rank", with a full covariance,
            for up to about 50 parameters; "hybrid", the paper's, skew-t only; "nuts", chains.
        num_steps: of the optimiser, for "nuts" draws of each chain; None for 2,000, for "hybrid"
            5,000, for "nuts" 1,000.
        rank: factors of the Gaussian of "vi" and "hybrid"; None for 5.
        missing: "drop" leaves rows with a missing return out and counts them, "raise" refuses them.
        precision: "double", or "single", in which the search for the mode ends early.
        progress: shown while the algorithm runs; None for silence.
        checkpoint: folder in which the fit saves itself, so that the same call goes on after it
            was killed; None for nowhere.

    Returns:
        The posterior, labelled.

    Raises:
        TypeError: a table of an unknown kind, arguments of the wrong type.
        ValueError: choices that do not exist, as many factors as assets; dates, prices or returns
            that cannot be used; fewer complete rows than assets; two assets that are the same.

    Example:
        >>> import numpy as np
        >>> from jaxpapers import frames
        >>> market, own = np.random.default_rng(0).normal(size=(2, 2, 60))
        >>> returns = {"A": market[0] + own[0], "B": market[0] + own[1]}
        >>> fit = frames.fit_copula(
        ...     0, returns, num_factors=1, values="returns", family="gaussian", num_steps=50
        ... )
        >>> print(fit.nobs, fit.assets, fit.status.is_failure)
        60 ('A', 'B') False
    """
    _check_choices(family, margins, algorithm, values, missing, precision)
    num_steps = NUM_STEPS[algorithm] if num_steps is None else num_steps
    engine.check_count("num_steps", num_steps)
    method = chosen_algorithm(algorithm, family, rank)
    key = random_key(seed)
    sample = read_copula_sample(table, values, date=date, margins=margins, missing=missing)
    settings = CopulaSettings(
        family=family,
        num_factors=num_factors,
        values=values,
        algorithm=algorithm,
        num_steps=num_steps,
        rank=getattr(method, "rank", None),
        num_chains=getattr(method, "num_chains", 1),
        precision=precision,
        seed=seed if isinstance(seed, int) else None,
    )
    model = settings.model(len(sample.assets))
    store = None if checkpoint is None else engine.Checkpoint(checkpoint)
    fit = _fit(key, model, sample, method, settings, progress, store)
    return FactorCopulaResult(fit, sample, settings)


def _check_choices(family, margins, algorithm, values, missing, precision):
    check_choice("family", family, tuple(MODELS))
    check_choice("margins", margins, ("empirical", "kernel"))
    check_choice("algorithm", algorithm, tuple(NUM_STEPS))
    check_choice("values", values, ("prices", "returns"))
    check_choice("missing", missing, ("drop", "raise"))
    check_choice("precision", precision, ("double", "single"))


def _fit(
    key: jax.Array,
    model: copulas.FactorModel,
    sample: CopulaSample,
    algorithm: engine.Algorithm,
    settings: CopulaSettings,
    progress: engine.Progress | None,
    checkpoint: engine.Checkpoint | None,
) -> copulas.CopulaFit:
    """The fit in NumPy arrays; ranks were taken in double precision, before any cast."""
    double = settings.precision == "double"
    u = sample.u if double else _single(sample.u)
    with engine.double_precision() if double else nullcontext():
        fit = copulas.fit(
            key,
            model,
            jnp.asarray(u),
            algorithm,
            num_steps=settings.num_steps,
            progress=progress,
            checkpoint=checkpoint,
        )
        fit = jax.tree.map(_on_host, fit)
    return dataclasses.replace(fit, model=model)


def _single(u):
    """Copula data in float32, held off the border that rounding may take them to."""
    info = np.finfo(np.float32)
    return np.clip(u.astype(np.float32), info.tiny, 1 - info.epsneg)


def _on_host(leaf):
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key else np.asarray(leaf)
