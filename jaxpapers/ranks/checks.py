"""Checks of what the verbs of rank regressions are given."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from .. import engine
from ..numerics import RankOrder
from .model import RankRegression


def check_instance(name: str, value: Any, kind: type) -> None:
    """Checks that an argument is a module of a kind.

    Args:
        name: what the caller calls it.
        value: the argument.
        kind: the class that is needed.

    Raises:
        TypeError: something else.
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise TypeError(f"{name} must be {article} {kind.__name__}, got {type(value).__name__}")


def check_values(arrays: Mapping[str, Any]) -> None:
    """Checks that values are finite, and that JAX will not round or cut them off in silence.

    Args:
        arrays: for each name an array; traced ones pass.

    Raises:
        ValueError: non-finite values; NumPy integers beyond the integers JAX has.
    """
    engine.check_finite(arrays)
    for name, value in arrays.items():
        engine.warn_if_truncated(name, value)
        _check_integers(name, value)


def _check_integers(name, value):
    """Refuses NumPy integers that JAX would cut off: 64 bits while x64 is off."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or not value.size:
        return
    bounds = np.iinfo(jnp.result_type(value))
    if value.max() > bounds.max or value.min() < bounds.min:
        raise ValueError(
            f"{name} holds integers beyond {bounds.dtype}; convert it to float or enable x64: "
            'jax.config.update("jax_enable_x64", True)'
        )


def check_data(
    model: RankRegression,
    outcome: ArrayLike,
    regressor: ArrayLike | None,
    covariates: ArrayLike | None,
    groups: ArrayLike | None,
    num_groups: int | None,
) -> int:
    """Checks shapes always and values where they are concrete.

    Args:
        model: the regression.
        outcome: `(obs,)`.
        regressor: `(obs,)` or None.
        covariates: `(obs, covariate)` or None.
        groups: `(obs,)` integers or None.
        num_groups: number of groups or None.

    Returns:
        The number of groups, 1 without groups.

    Raises:
        ValueError: as `fit`.
        TypeError: as `fit`.
    """
    check_instance("model", model, RankRegression)
    named: dict[str, tuple] = {"outcome": (outcome, ("obs",))}
    if regressor is not None:
        named["regressor"] = (regressor, ("obs",))
    if covariates is not None:
        named["covariates"] = (covariates, ("obs", "covariate"))
    sizes = engine.check_shapes(named, kind="real")
    check_values({name: value for name, (value, _) in named.items()})
    num_columns = model.num_columns(
        has_regressor=regressor is not None, num_covariates=sizes.get("covariate", 0)
    )
    if num_columns == 0:
        raise ValueError("regressor is None and there are no covariates and no intercept")
    num_groups = check_groups(groups, num_groups, sizes["obs"])
    if sizes["obs"] < num_columns * num_groups:
        raise ValueError(
            f"outcome has {sizes['obs']} observations; needed are at least "
            f"{num_columns * num_groups}, one per coefficient"
        )
    return num_groups


def check_order(order: tuple | None, num_obs: int) -> None:
    """Checks orders of the outcome and the regressor.

    Args:
        order: as in `fit`.
        num_obs: sample size.

    Raises:
        TypeError: not a pair of orders.
        ValueError: an order of another length.
    """
    if order is None:
        return
    if not isinstance(order, tuple | list) or len(order) != 2:
        raise TypeError("order must be a pair of rank orders: of the outcome and the regressor")
    for name, one in zip(("outcome", "regressor"), order, strict=True):
        if one is None:
            continue
        check_instance(f"the order of the {name}", one, RankOrder)
        if one.order.shape != (num_obs,):
            raise ValueError(
                f"the order of the {name} must have shape ({num_obs},), got {one.order.shape}"
            )


def check_groups(groups: ArrayLike | None, num_groups: int | None, num_obs: int) -> int:
    """Checks group numbers and counts them where they are concrete.

    Args:
        groups: `(obs,)` integers or None.
        num_groups: number of groups or None.
        num_obs: sample size.

    Returns:
        The number of groups, 1 without groups.

    Raises:
        ValueError: another shape, numbers out of range, no number of groups under tracing.
        TypeError: groups that are not integers, a number of groups that is not an int.
    """
    if groups is None:
        if num_groups is not None:
            raise ValueError(f"num_groups is {num_groups} but groups is None")
        return 1
    engine.check_array("groups", groups, (num_obs,), kind="integer")
    if num_groups is not None:
        engine.check_count("num_groups", num_groups)
    if not engine.is_concrete(groups):
        if num_groups is None:
            raise ValueError(
                "num_groups is None; needed under jit or vmap, where groups are traced"
            )
        return num_groups
    lowest, highest = _extremes(groups)
    num_groups = max(highest + 1, 1) if num_groups is None else num_groups
    if lowest < 0 or highest >= num_groups:
        raise ValueError(
            f"groups has values from {lowest} to {highest}; needed are 0 to {num_groups - 1}"
        )
    return num_groups


def _extremes(groups):
    """Lowest and highest group number; `0, 0` of none. One transfer from the device."""
    if not np.size(groups):
        return 0, 0
    if not isinstance(groups, jax.Array):
        return int(np.min(groups)), int(np.max(groups))
    with jax.ensure_compile_time_eval():  # inside jit constants are looked at as well
        lowest, highest = jax.device_get(_extremes_on_device(groups))
    return int(lowest), int(highest)


@jax.jit
def _extremes_on_device(groups):
    return jnp.min(groups), jnp.max(groups)


def float_dtype(*arrays: ArrayLike | None) -> jnp.dtype:
    """Floating dtype of a computation on some inputs.

    Args:
        *arrays: inputs, of which integers and None do not count.

    Returns:
        The common floating dtype, JAX's default where there is none.
    """
    dtypes = [jnp.result_type(array) for array in arrays if array is not None]
    floats = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
    return jnp.result_type(*floats) if floats else jnp.zeros(()).dtype
