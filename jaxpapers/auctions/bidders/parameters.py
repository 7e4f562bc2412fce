"""Numbers of a bidder, checked where their values are known."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ... import engine

SUM_TOLERANCE = 1e-5
SUM_ROUNDINGS = 8


def float_dtype() -> Any:
    """The dtype that JAX gives to Python floats now: float32, or float64 in double precision.

    Returns:
        A dtype.
    """
    return jax.dtypes.canonicalize_dtype(np.float64)


def as_float(value: Any) -> Array:
    """A JAX array of floats: one that is stays, anything else is given JAX's default dtype.

    A model must not hold NumPy arrays of float64: JAX (0.10) remembers those that it has seen in
    double precision inside nested jits, and then refuses them in single precision.

    Args:
        value: an array or a number.

    Returns:
        The array.
    """
    is_ready = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating)
    return jnp.asarray(value) if is_ready else jnp.asarray(value, float_dtype())


def as_number(name: str, *, largest: float = np.inf) -> Callable[[Any], Array]:
    """Converter of a positive, finite number.

    Args:
        name: what the caller calls it.
        largest: the largest allowed value.

    Returns:
        A converter for `equinox.field`, which raises TypeError for what is no real number and
        ValueError for another shape or a value outside (0, largest].
    """

    def convert(value: Any) -> Array:
        engine.check_array(name, value, ())
        number = float(value) if engine.is_concrete(value) else 1.0
        if not (0 < number <= largest and number < np.inf):
            wanted = "positive and finite" if largest == np.inf else f"in (0, {largest:g}]"
            raise ValueError(f"{name} must be {wanted}, got {number:g}.")
        return as_float(value)

    return convert


def as_vector(name: str, size: str) -> Callable[[Any], Array]:
    """Converter of a vector of finite numbers, given as an array, a list or a tuple.

    Args:
        name: what the caller calls it.
        size: the name of its length.

    Returns:
        A converter for `equinox.field`, which raises TypeError for what holds no real numbers and
        ValueError for another number of axes or for values that are not finite.
    """

    def convert(value: Any) -> Array:
        if isinstance(value, list | tuple) and engine.is_concrete(value):
            value = np.asarray(value)
        elif isinstance(value, list | tuple):
            value = jnp.stack([jnp.asarray(entry) for entry in value])
        engine.check_array(name, value, (size,))
        engine.check_finite({name: value})
        return as_float(value)

    return convert


def check_log_rows(name: str, rows: Any) -> None:
    """Checks that every row holds natural-log probabilities that sum to one.

    Sums may be off by 1e-5, and by eight roundings in dtypes of half precision. Traced rows pass.

    Args:
        name: what the caller calls them.
        rows: array (row, vocab).

    Raises:
        ValueError: a value is NaN or a row does not sum to one.
    """
    if not engine.is_concrete(rows):
        return
    values = np.asarray(rows).astype(np.float64)
    with np.errstate(over="ignore"):
        sums = np.exp(values).sum(axis=-1)
    tolerance = max(SUM_TOLERANCE, SUM_ROUNDINGS * float(jnp.finfo(rows.dtype).eps))
    wrong = np.flatnonzero(~(np.abs(sums - 1) <= tolerance))
    if wrong.size:
        raise ValueError(
            f"{name} must hold log probabilities: the exponentials of row {wrong[0]} sum to "
            f"{sums[wrong[0]]:.6g}, not to 1; jax.nn.log_softmax normalises logits."
        )
