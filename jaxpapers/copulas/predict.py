"""Forecasts from the posterior of a factor copula, and proper scores of forecasts."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from .. import engine
from .checks import check_copula_data
from .observed import observe
from .results import CopulaFit

DRAWS_AT_ONCE = 8


def predictive_draws(
    key: PRNGKeyArray, fit: CopulaFit, num_draws: int
) -> Float[Array, "draw asset"]:
    """Draws of the next observation: parameters from the posterior, then the copula.

    Args:
        key: a typed key; draw i uses `fold_in(key, i)`.
        fit: the posterior; parameters are its stored draws, one after another.
        num_draws: how many.

    Returns:
        Copula data in (0, 1); margins make returns of them, `KernelMargins.ppf`.

    Raises:
        TypeError: a key that is not typed, no fit, a count that is not an int.
        ValueError: a count below 1.
    """
    engine.check_key(key)
    _check_fit(fit)
    engine.check_count("num_draws", num_draws)
    return _predictive_draws(key, fit.model, fit.draws, num_draws)


@eqx.filter_jit
def _predictive_draws(key, model, draws, num_draws):
    places = jnp.arange(num_draws, dtype=jnp.int32)

    def one(place):
        params = draws[place % draws.shape[0]]
        return model.copula(params).sample(jax.random.fold_in(key, place), 1)[0]

    return engine.batched_map(one, places, batch_size=min(num_draws, 256))


def log_score(fit: CopulaFit, u: Float[ArrayLike, "obs asset"]) -> Float[Array, " obs"]:
    """Log predictive density of observations that were held out, in nats; larger is better.

    `log mean_s c(u_i | theta_s)` over the stored draws of the posterior.

    Args:
        fit: the posterior.
        u: copula data in (0, 1), by the margins of the fitted data.

    Returns:
        One score per observation; its sum compares families.

    Raises:
        TypeError: no fit, data that are not real numbers.
        ValueError: data outside (0, 1), another number of columns than the model's.
    """
    _check_fit(fit)
    u = check_copula_data(u)
    if u.shape[1] != fit.model.num_assets:
        raise ValueError(f"u has {u.shape[1]} columns, the model {fit.model.num_assets} assets")
    return _log_score(fit.model, fit.draws, observe(u))


@eqx.filter_jit
def _log_score(model, draws, observed):
    def one(params):
        return model.log_density(params, observed)

    terms = engine.batched_map(one, draws, batch_size=min(DRAWS_AT_ONCE, draws.shape[0]))
    log_count = jnp.log(jnp.asarray(draws.shape[0], terms.dtype))
    return jax.scipy.special.logsumexp(terms, axis=0) - log_count


@jax.jit
def crps(draws: Float[ArrayLike, " draw"], y: Float[ArrayLike, ""]) -> Float[Array, ""]:
    """Continuous ranked probability score of predictive draws; smaller is better.

    `E|X - y| - E|X - X'| / 2` over all pairs of draws, by sorting. Source: Gneiting and Raftery
    (2007).

    Args:
        draws: of the forecast, one variable.
        y: what came.

    Returns:
        The score, in the unit of y.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import copulas
        >>> print(copulas.crps(jnp.array([0.0, 1.0, 2.0]), 1.0))
        0.22222222
    """
    draws, y = _promoted(draws, y)
    return jnp.mean(jnp.abs(draws - y)) - 0.5 * _mean_difference(draws)


@jax.jit
def lower_tail_crps(
    draws: Float[ArrayLike, " draw"], y: Float[ArrayLike, ""], threshold: Float[ArrayLike, ""]
) -> Float[Array, ""]:
    """Threshold-weighted CRPS of the left tail; smaller is better.

    `int_{-inf}^r (F(z) - 1{y <= z})^2 dz`, which is the CRPS of `min(X, r)` at `min(y, r)`.
    Source: Gneiting and Ranjan (2011).

    Args:
        draws: of the forecast, one variable.
        y: what came.
        threshold: r, fixed before the forecast.

    Returns:
        The score, in the unit of y.
    """
    draws, y = _promoted(draws, y)
    return crps(jnp.minimum(draws, threshold), jnp.minimum(y, threshold))


@jax.jit
def energy_score(
    draws: Float[ArrayLike, "draw asset"], y: Float[ArrayLike, " asset"]
) -> Float[Array, ""]:
    """Energy score of joint predictive draws, `E|X - y| - E|X - X'| / 2`; smaller is better.

    The CRPS in several variables, with Euclidean norms over all pairs of draws. Source: Gneiting
    and Raftery (2007).

    Args:
        draws: of the forecast.
        y: what came.

    Returns:
        The score, in the unit of y.
    """
    draws, y = _promoted(draws, y)

    def distance(point):
        squares = jnp.sum((draws - point[None]) ** 2, axis=1)
        is_apart = squares > 0  # the root has no derivative at 0
        return jnp.mean(jnp.where(is_apart, jnp.sqrt(jnp.where(is_apart, squares, 1)), 0))

    return distance(y) - 0.5 * jnp.mean(jax.lax.map(distance, draws))


def _mean_difference(draws):
    """`E|X - X'|` over all pairs: `2 sum_i (2 i - n - 1) x_(i) / n^2`."""
    size = draws.shape[0]
    weights = 2 * jnp.arange(1, size + 1, dtype=draws.dtype) - size - 1
    ordered = jnp.sort(draws)
    return 2 * jnp.sum(weights * (ordered - ordered[size // 2])) / size**2


def _promoted(draws, y):
    dtype = jnp.result_type(draws, y, 1.0)
    return jnp.asarray(draws, dtype), jnp.asarray(y, dtype)


def _check_fit(fit: Any) -> None:
    if not isinstance(fit, CopulaFit):
        raise TypeError(f"fit must be a CopulaFit, got {type(fit).__name__}")
