"""Checks of the numbers of a market and of its policies."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import engine


def as_round(value: Any) -> Any:
    """Makes an int32 array of a Python int, and leaves others as they are.

    Args:
        value: number of a round.

    Returns:
        The array, or whatever else was given.
    """
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return jnp.asarray(value, jnp.int32) if is_number else value


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
