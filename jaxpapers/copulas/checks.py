"""Checks of what copulas are made of and asked about."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import engine
from .copula import Copula
from .correlation import Correlation, DenseCorrelation, FactorCorrelation, factor_correlation


def check_copula(copula: Any) -> None:
    """Checks that an argument is a copula.

    Args:
        copula: the argument.

    Raises:
        TypeError: something else.
    """
    if not isinstance(copula, Copula):
        raise TypeError(f"copula must be a Copula, got {type(copula).__name__}")


def check_family(family: Any) -> None:
    """Checks that an argument is a family of skew-t copulas: a class with skewness and nu.

    Args:
        family: the argument.

    Raises:
        TypeError: something else.
    """
    fields = getattr(family, "__dataclass_fields__", ())
    is_family = isinstance(family, type) and issubclass(family, Copula) and len(fields) == 3
    if not is_family or "nu" not in fields:
        given = family.__name__ if isinstance(family, type) else type(family).__name__
        raise TypeError(
            f"family must be the class SkewTCopula, GHSkewTCopula or SahuSkewTCopula, got {given}"
        )


def check_correlation(correlation: Any) -> DenseCorrelation:
    """Checks that a matrix is a correlation matrix.

    Args:
        correlation: the argument; traced values pass.

    Returns:
        The correlation by its Cholesky factor.

    Raises:
        TypeError: not of real numbers.
        ValueError: not square, fewer than 2 assets, not finite, not symmetric, another diagonal
            than 1, not positive definite in its precision.
    """
    sizes = engine.check_array("correlation", correlation, ("asset", "asset"))
    _check_assets("correlation", sizes["asset"])
    engine.check_finite({"correlation": correlation})
    matrix = jnp.asarray(correlation, jnp.result_type(correlation, 1.0))
    if engine.is_concrete(correlation):
        _check_values(np.asarray(correlation), float(jnp.finfo(matrix.dtype).eps))
    return DenseCorrelation(jnp.linalg.cholesky(matrix))


def _check_values(matrix, eps):
    """Symmetric, ones on the diagonal, positive definite, all but for some roundings."""
    slack = 100 * eps
    apart = np.max(np.abs(matrix - matrix.T))
    if apart > slack:
        raise ValueError(f"correlation must be symmetric, got entries {apart:.3g} apart")
    off = np.max(np.abs(np.diagonal(matrix) - 1))
    if off > slack:
        raise ValueError(f"correlation must have ones on its diagonal, got one {off:.3g} away")
    lowest = np.linalg.eigvalsh(matrix.astype(np.float64))[0]
    if lowest < matrix.shape[0] * eps:
        raise ValueError(
            f"correlation must be positive definite, got a lowest eigenvalue of {lowest:.3g}; "
            f"needed is {matrix.shape[0] * eps:.3g} in this precision"
        )


def check_loadings(loadings: Any) -> FactorCorrelation:
    """Checks that loadings are a finite matrix of at least two assets.

    Args:
        loadings: G; traced values pass.

    Returns:
        The correlation of `G G' + I`.

    Raises:
        TypeError: not of real numbers.
        ValueError: not a matrix, fewer than two assets, no factor, not finite.
    """
    sizes = engine.check_array("loadings", loadings, ("asset", "factor"))
    _check_assets("loadings", sizes["asset"])
    if sizes["factor"] < 1:
        raise ValueError("loadings must be on at least 1 factor, got 0 columns")
    engine.check_finite({"loadings": loadings})
    return factor_correlation(jnp.asarray(loadings, jnp.result_type(loadings, 1.0)))


def check_vector(name: str, vector: Any, like: Correlation) -> Float[Array, " asset"]:
    """Checks a slant or skewness, one number per asset.

    Args:
        name: what the caller calls it.
        vector: the argument; traced values pass.
        like: the correlation that it goes with.

    Returns:
        The vector as a JAX array in the dtype of the correlation.

    Raises:
        TypeError: not of real numbers.
        ValueError: another length, or not finite.
    """
    engine.check_array(name, vector, (like.num_assets,))
    engine.check_finite({name: vector})
    return jnp.asarray(vector, like.dtype)


def check_nu(nu: Any, like: Correlation) -> Float[Array, ""]:
    """Checks degrees of freedom.

    Args:
        nu: the argument; a traced value passes.
        like: the correlation that they go with.

    Returns:
        The degrees of freedom as a JAX array in the dtype of the correlation.

    Raises:
        TypeError: not a real number.
        ValueError: not a scalar, not finite, not above 2.
    """
    engine.check_array("nu", nu, ())
    if engine.is_concrete(nu) and not 2 < float(nu) < float("inf"):
        raise ValueError(
            f"nu must be above 2 and finite, got {float(nu)}; without heavy tails take "
            "SkewNormalCopula or GaussianCopula"
        )
    return jnp.asarray(nu, like.dtype)


def check_point(u: Any, num_assets: int) -> Float[Array, " asset"]:
    """Checks the shape of one point at which a copula is evaluated.

    Args:
        u: the argument.
        num_assets: how many numbers it must have.

    Returns:
        The point as a JAX array.

    Raises:
        TypeError: not of real numbers.
        ValueError: another shape.
    """
    engine.check_array("u", u, (num_assets,))
    return jnp.asarray(u, jnp.result_type(u, 1.0))


def check_draws(key: Any, num_draws: Any) -> None:
    """Checks what draws are asked for.

    Args:
        key: a typed key.
        num_draws: how many.

    Raises:
        TypeError: no typed key, a number that is not an int.
        ValueError: an array of keys, no draws.
    """
    engine.check_key(key)
    engine.check_count("num_draws", num_draws)


def check_level(level: Any) -> None:
    """Checks the level of a corner of the unit square.

    Args:
        level: the argument; a traced value passes.

    Raises:
        TypeError: not a real number.
        ValueError: not a scalar, outside (0, 1/2].
    """
    engine.check_array("level", level, ())
    if engine.is_concrete(level) and not 0 < float(level) <= 0.5:
        raise ValueError(f"level must lie in (0, 1/2], got {float(level)}")


def check_copula_data(u: Any) -> Float[Array, "obs asset"]:
    """Checks copula data.

    Args:
        u: the argument; traced values pass.

    Returns:
        The data as a JAX array.

    Raises:
        TypeError: not of real numbers.
        ValueError: not a matrix of at least 2 assets, no observations, values outside (0, 1) or
            NaN.
    """
    sizes = engine.check_array("u", u, ("obs", "asset"))
    if sizes["asset"] < 2:
        raise ValueError(f"u must have at least 2 assets, one per column, got {sizes['asset']}")
    if sizes["obs"] < 1:
        raise ValueError("u must have at least 1 observation, one per row, got 0")
    engine.check_finite({"u": u})
    engine.warn_if_truncated("u", u)
    dtype = jnp.result_type(u, 1.0)
    if engine.is_concrete(u):
        values = np.asarray(u).astype(dtype)
        outside = int(np.count_nonzero((values <= 0) | (values >= 1)))
        if outside:
            raise ValueError(
                f"u must lie strictly between 0 and 1, got {outside} values on or outside the "
                "border; make copula data by pseudo_observations"
            )
    return jnp.asarray(u, dtype)


def check_data(data: Any) -> Float[Array, "obs asset"]:
    """Checks data of which margins are taken.

    Args:
        data: the argument; traced values pass.

    Returns:
        The data as a JAX array.

    Raises:
        TypeError: not of real numbers.
        ValueError: not a matrix, fewer than 2 observations, values that are not finite, a column
            without variation.
    """
    sizes = engine.check_array("data", data, ("obs", "asset"))
    if sizes["obs"] < 2:
        raise ValueError(f"data must have at least 2 observations, got {sizes['obs']}")
    engine.check_finite({"data": data})
    engine.warn_if_truncated("data", data)
    if engine.is_concrete(data):
        values = np.asarray(data)
        constant = np.flatnonzero(values.max(axis=0) == values.min(axis=0))
        if constant.size:
            raise ValueError(f"data has no variation in columns {constant.tolist()}; drop them")
    return jnp.asarray(data, jnp.result_type(data, 1.0))


def _check_assets(name, num_assets):
    if num_assets < 2:
        raise ValueError(f"{name} must be of at least 2 assets, got {num_assets}")
