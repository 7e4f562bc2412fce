"""What the experiments on copulas share: timed fits, and distances to a known truth."""

from functools import partial

import jax
import numpy as np

from .. import copulas
from ..engine import Algorithm
from .clock import timed
from .context import Context


def timed_fit(
    key: jax.Array,
    context: Context,
    name: str,
    model: copulas.FactorModel,
    u: np.ndarray,
    algorithm: Algorithm | None = None,
    *,
    num_steps: int,
) -> tuple[copulas.CopulaFit, float, float]:
    """Fits a model with the counts of the settings, saved under a name of its own.

    Args:
        key: a typed key.
        context: of the experiment; its settings hold `num_starts` and `num_draws`.
        name: of the fit, for progress and checkpoint.
        model: the model.
        u: copula data `(obs, asset)`.
        algorithm: as `copulas.fit`.
        num_steps: as `copulas.fit`.

    Returns:
        The posterior, seconds of running and of compiling.
    """
    fit = partial(
        copulas.fit,
        key,
        model,
        u,
        algorithm,
        num_steps=num_steps,
        num_starts=context.settings["num_starts"],
        num_draws=context.settings["num_draws"],
        progress=context.progress(name),
        checkpoint=context.checkpoint(name.replace(" ", "-").lower()),
    )
    return timed(fit)


def root_mean_square(values: np.ndarray) -> float:
    """Gives the root of the mean square of numbers.

    Args:
        values: the numbers.

    Returns:
        The root.
    """
    return float(np.sqrt(np.mean(np.square(values))))


def correlation_error(found: np.ndarray, true: np.ndarray) -> float:
    """Gives the root mean squared error of the correlations of all pairs.

    Args:
        found: `(asset, asset)`.
        true: `(asset, asset)`.

    Returns:
        The error.
    """
    pairs = np.tril_indices(len(true), -1)
    return root_mean_square((found - true)[pairs])
