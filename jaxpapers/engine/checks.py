"""Checks of arguments at the public boundary.

Shapes, dtypes and static options are always checked. Values are checked only where they are
concrete: under tracing such a check does nothing.
"""

from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Kind = Literal["real", "integer", "any"]
Shape = tuple[int | str | None, ...]

_KINDS = {
    "real": ((jnp.floating, jnp.integer), "real numbers (floats or integers)"),
    "integer": ((jnp.integer,), "integers"),
    "any": ((jnp.number, jnp.bool_), "numbers or booleans"),
}


def is_concrete(*trees: Any) -> bool:
    """True if no leaf is being traced, so that all values are known.

    Constants are known inside jit too, but what is computed from them there is traced.

    Args:
        *trees: any pytrees.

    Returns:
        A Python bool.
    """
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees))


def check_key(key: Any) -> None:
    """Checks that `key` is one typed random key.

    Args:
        key: the argument.

    Raises:
        TypeError: not a typed key (an old-style ``uint32`` key, a seed ...).
        ValueError: an array of keys.
    """
    if not (isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        got = _describe(key)
        raise TypeError(f"key must be a typed random key, as jax.random.key(0) makes; got {got}.")
    if key.shape:
        raise ValueError(
            f"key must be one random key, got an array of keys of shape {key.shape}; "
            "use jax.vmap over keys for several."
        )


def check_count(name: str, value: Any, minimum: int = 1) -> None:
    """Checks that `value` is a Python int, at least `minimum`.

    Args:
        name: what the caller calls it.
        value: the argument.
        minimum: the smallest allowed value.

    Raises:
        TypeError: not an int (booleans and arrays are not).
        ValueError: too small.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a Python int, got {_describe(value)}.")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}.")


def check_probability(name: str, value: Any) -> None:
    """Checks that a scalar lies strictly between 0 and 1; a traced one passes.

    Args:
        name: what the caller calls it.
        value: the argument.

    Raises:
        TypeError: not a real scalar.
        ValueError: outside (0, 1).
    """
    check_array(name, value, ())
    if is_concrete(value) and not 0.0 < float(value) < 1.0:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {float(value)}.")


def check_array(name: str, value: Any, shape: Shape, kind: Kind = "real") -> dict[str, int]:
    """Checks shape and kind of an array.

    Args:
        name: what the caller calls it.
        value: the argument: a JAX or NumPy array, or a Python number.
        shape: one entry per axis: a size, the name of a size, or None for any size.
        kind: "real" (floats or integers), "integer", or "any".

    Returns:
        The size of each named axis.

    Raises:
        TypeError: not an array, or of another kind.
        ValueError: of another shape, or one name stands for two sizes.
    """
    if not isinstance(value, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
        raise TypeError(f"{name} must be an array, got {_describe(value)}.")
    allowed, description = _KINDS[kind]
    dtype = value.dtype if isinstance(value, jax.Array) else np.asarray(value).dtype
    if not any(jnp.issubdtype(dtype, family) for family in allowed):
        raise TypeError(f"{name} must hold {description}, got {_describe(value)}.")
    actual = np.shape(value)
    sizes: dict[str, int] = {}
    if len(actual) != len(shape):
        _raise_shape(name, shape, actual)
    for expected, size in zip(shape, actual, strict=True):
        if isinstance(expected, str):
            expected = sizes.setdefault(expected, size)
        if expected is not None and expected != size:
            _raise_shape(name, shape, actual)
    return sizes


def check_shapes(arrays: Mapping[str, tuple[Any, Shape]], kind: Kind = "any") -> dict[str, int]:
    """Checks shapes of several arrays against each other.

    Args:
        arrays: for each name the array and its shape, as `check_array` takes them.
        kind: as in `check_array`, for all.

    Returns:
        The size of each named axis.

    Raises:
        TypeError: as `check_array`.
        ValueError: as `check_array`, or one name stands for two sizes in two arrays.
    """
    sizes: dict[str, int] = {}
    owner: dict[str, str] = {}
    for name, (value, shape) in arrays.items():
        for axis, size in check_array(name, value, shape, kind).items():
            if sizes.setdefault(axis, size) != size:
                raise ValueError(
                    f"{owner[axis]} and {name} must agree in '{axis}', "
                    f"got {sizes[axis]} and {size}."
                )
            owner.setdefault(axis, name)
    return sizes


def check_finite(arrays: Mapping[str, Any]) -> None:
    """Checks that arrays hold no NaN and no infinity.

    NumPy arrays are looked at where they are; all JAX arrays share one compiled reduction and one
    transfer. Traced and integer arrays pass.

    Args:
        arrays: for each name an array.

    Raises:
        ValueError: an array holds non-finite values; the message says how many and where the
            first is.
    """
    arrays = {name: value for name, value in arrays.items() if is_concrete(value)}
    on_device = {name: value for name, value in arrays.items() if isinstance(value, jax.Array)}
    on_host = {name: np.asarray(value) for name, value in arrays.items() if name not in on_device}
    found = {name: _non_finite(value, np) for name, value in on_host.items()}
    if on_device:
        with jax.ensure_compile_time_eval():  # inside jit constants are looked at as well
            found |= jax.device_get(_non_finite_on_device(on_device))
    for name, value in arrays.items():
        count, first = (int(number) for number in found[name])
        if count:
            where = ", ".join(str(int(i)) for i in np.unravel_index(first, np.shape(value)))
            raise ValueError(
                f"{name} holds {count} non-finite value{'s' if count > 1 else ''} (NaN or "
                f"infinite), the first at [{where}]; drop or replace them first."
            )


@jax.jit
def _non_finite_on_device(arrays):
    return {name: _non_finite(value, jnp) for name, value in arrays.items()}


def _non_finite(value, numpy):
    """Number of non-finite values and flat index of the first, by NumPy or by JAX's NumPy."""
    if not jnp.issubdtype(value.dtype, jnp.inexact) or not value.size:
        return 0, 0
    bad = ~numpy.isfinite(value).reshape(-1)
    return bad.sum(), bad.argmax()


def _raise_shape(name: str, shape: Shape, actual: tuple[int, ...]) -> NoReturn:
    wanted = ", ".join("any" if axis is None else str(axis) for axis in shape)
    wanted = f"({wanted},)" if len(shape) == 1 else f"({wanted})"
    raise ValueError(f"{name} must have shape {wanted}, got {actual}.")


def _describe(value: Any) -> str:
    if isinstance(value, jax.Array | np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return f"{type(value).__name__} {value!r:.60}"
