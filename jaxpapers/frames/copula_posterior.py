"""Draws from the posterior of a copula, as NumPy arrays of what is identified, and of its pairs."""

from contextlib import nullcontext
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from .. import copulas, engine
from ..copulas.families import slant_of_skewness

CORNERS = ("LL", "UR", "LR", "UL")


@dataclass(frozen=True, eq=False)
class CopulaPosterior:
    """One row per draw; None where the family has no such thing.

    Attributes:
        correlation: Omega.
        loadings: G, not identified beyond what it does to Omega.
        delta: skewness of each margin.
        alpha: slant.
        nu: degrees of freedom.
    """

    correlation: Float[np.ndarray, "draw asset asset"]
    loadings: Float[np.ndarray, "draw asset factor"]
    delta: Float[np.ndarray, "draw asset"] | None
    alpha: Float[np.ndarray, "draw asset"] | None
    nu: Float[np.ndarray, " draw"] | None


def copula_posterior(fit: copulas.CopulaFit) -> CopulaPosterior:
    """The paper's parameters of all stored draws.

    Args:
        fit: in NumPy arrays.

    Returns:
        The draws, in float64 or float32 as the fit.
    """
    with _precision_of(fit):
        found = jax.tree.map(np.asarray, _identified(fit.model, jnp.asarray(fit.draws)))
    return CopulaPosterior(**found)


@eqx.filter_jit
def _identified(model, draws):
    def one(params):
        given, copula = model.unpack(params), model.copula(params)
        return {
            "correlation": copula.correlation.matrix(),
            "loadings": given.loadings,
            "delta": None if given.alpha is None else copula.skewness,
            "alpha": given.alpha,
            "nu": given.nu,
        }

    return jax.lax.map(one, draws)


def pair_dependence(
    fit: copulas.CopulaFit, level: float, places: Int[np.ndarray, " asset"] | None, num_draws: int
) -> dict[str, Float[np.ndarray, "draw pair"]]:
    """Quantile dependence of all pairs of some assets, over draws of the posterior.

    Args:
        fit: in NumPy arrays.
        level: u in (0, 1/2].
        places: of the assets in the model; None for all.
        num_draws: evenly spaced draws that are used; all where there are fewer.

    Returns:
        By corner, and "asymmetry", which is UR - LL; pairs row by row of the upper triangle.
    """
    total = fit.draws.shape[0]
    chosen = np.unique(np.linspace(0, total - 1, min(num_draws, total)).round().astype(int))
    upper = np.triu_indices(fit.model.num_assets if places is None else len(places), 1)
    with _precision_of(fit):
        among = None if places is None else jnp.asarray(places, jnp.int32)
        batch = _copulas(fit.model, jnp.asarray(fit.draws[chosen]), among)
        matrices = copulas.posterior_quantile_dependence(batch, level)
        found = {name: np.asarray(getattr(matrices, name))[:, *upper] for name in CORNERS}
    return {**found, "asymmetry": found["UR"] - found["LL"]}


@eqx.filter_jit
def _copulas(model, draws, places):
    """The copula of some of the assets at each draw, as one module."""

    def one(params):
        copula = model.copula(params)
        return copula if places is None else _among(copula, places)

    return jax.vmap(one)(draws)


def _among(copula, places):
    """The copula of some of the assets, which is of the same family."""
    matrix = copula.correlation.matrix()[places][:, places]
    normal = copulas.GaussianCopula.from_correlation(matrix)
    if isinstance(copula, copulas.GaussianCopula):
        return normal
    if isinstance(copula, copulas.TCopula):
        return copulas.TCopula.from_correlation(matrix, nu=copula.nu)
    alpha = slant_of_skewness(normal.correlation, copula.skewness[places])
    if isinstance(copula, copulas.SkewNormalCopula):
        return copulas.SkewNormalCopula.from_correlation(matrix, alpha=alpha)
    return copulas.SkewTCopula.from_correlation(matrix, alpha=alpha, nu=copula.nu)


def plug_in_asymmetry(fit: copulas.CopulaFit, level: float) -> Float[np.ndarray, "asset asset"]:
    """`UR - LL` of all pairs at the posterior means.

    Args:
        fit: in NumPy arrays.
        level: u in (0, 1/2].

    Returns:
        The matrix; zeros on its diagonal.
    """
    with _precision_of(fit):
        return np.asarray(copulas.quantile_dependence(fit.mean_copula(), level).asymmetry)


def predictive_u(
    key: jax.Array, fit: copulas.CopulaFit, num_draws: int
) -> Float[np.ndarray, "draw asset"]:
    """Draws of the next observation, parameters and copula both drawn.

    Args:
        key: a typed key.
        fit: in NumPy arrays.
        num_draws: how many.

    Returns:
        Points in (0, 1).
    """
    with _precision_of(fit):
        on_device = eqx.tree_at(lambda fit: fit.draws, fit, jnp.asarray(fit.draws))
        return np.asarray(copulas.predictive_draws(key, on_device, num_draws))


def _precision_of(fit):
    """The scope in which arrays of a fit keep their digits."""
    return engine.double_precision() if fit.draws.dtype == np.float64 else nullcontext()
