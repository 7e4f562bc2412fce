"""Single or double precision: the scope that chooses, and the warning where digits are lost."""

import sys
import warnings
from contextlib import AbstractContextManager

import jax
import numpy as np


class PrecisionWarning(UserWarning):
    """Digits of the caller's data are about to be lost."""


_warned: set[str] = set()


def double_precision() -> AbstractContextManager:
    """Scope in which JAX computes in double precision.

    Put it around a whole verb, never inside jit. Hand NumPy arrays out of it: outside the scope a
    float64 JAX array falls back to float32 in most operations.

    Returns:
        A context manager.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import engine
        >>> with engine.double_precision():
        ...     print(jnp.sqrt(2.0))
        1.4142135623730951
    """
    return jax.enable_x64(True)


def warn_if_truncated(name: str, value: object) -> None:
    """Warns where a NumPy float64 array will be rounded to float32.

    JAX rounds silently while its double precision is off; rounding also makes new ties. Warns once
    per process and name.

    Args:
        name: what the caller calls the array.
        value: anything; only NumPy float64 arrays are looked at.
    """
    is_double = isinstance(value, np.ndarray) and value.dtype == np.float64
    keeps_double = jax.dtypes.canonicalize_dtype(np.float64) == np.float64
    if not is_double or keeps_double or name in _warned:
        return
    _warned.add(name)
    warnings.warn(
        f"{name} is float64, but JAX computes in float32 here: values are rounded to about 7 "
        "digits, which can make new ties. Put jax.config.update('jax_enable_x64', True) at the "
        "top of the program, or call inside `with jaxpapers.engine.double_precision():`.",
        PrecisionWarning,
        stacklevel=_level_outside(),
    )


def _level_outside() -> int:
    """How far up the first caller outside the package is, as `warnings.warn` here counts."""
    frame, level = sys._getframe(1), 1
    package = __name__.partition(".")[0]
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level
