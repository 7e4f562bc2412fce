"""Numbers of games and policies: their types, and checks of what is known."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import engine


def as_integer(value: Any) -> Any:
    """Gives a Python int the dtype int32, and leaves others as they are.

    Args:
        value: the number.

    Returns:
        The array, or whatever else was given.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return jnp.asarray(value, jnp.int32)


def check_integer(name: str, value: Any, minimum: int) -> None:
    """Checks an integer that may be an array; a traced one passes.

    Args:
        name: what the caller calls it.
        value: the number.
        minimum: the smallest allowed value.

    Raises:
        TypeError: not an integer.
        ValueError: not a scalar, or too small.
    """
    engine.check_array(name, value, (), "integer")
    if engine.is_concrete(value) and int(value) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {int(value)}.")


def check_within(name: str, value: Any, low: float, high: float = np.inf) -> None:
    """Checks that a parameter is a scalar in a closed interval, and finite; a traced one passes.

    Args:
        name: what the caller calls it.
        value: the argument.
        low: the smallest allowed value.
        high: the largest allowed value.

    Raises:
        TypeError: not a real scalar.
        ValueError: not a scalar, or outside.
    """
    engine.check_array(name, value, ())
    if not engine.is_concrete(value):
        return
    number = float(value)
    if not (low <= number <= high and np.isfinite(number)):
        wanted = f"at least {low:g}" if high == np.inf else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{name} must be finite and {wanted}, got {number:g}.")
