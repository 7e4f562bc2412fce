"""Turning status codes into exceptions, outside jit."""

from typing import TypeVar

import numpy as np

from ..numerics.status import Status, status_message
from .checks import is_concrete

_T = TypeVar("_T")


class RunError(RuntimeError):
    """A computation ended with a status that is a failure."""


def require_ok(result_or_status: _T) -> _T:
    """Raises if a computation, or any case of a batch of them, failed.

    Args:
        result_or_status: a result with a field ``status``, or a status: a number or an integer
            array of any shape.

    Returns:
        Its argument, unchanged, if no status in it is a failure (`Status.is_failure`).

    Raises:
        RunError: at least one status is a failure. The message names each code found, how many
            cases have it, why, and what to do.
        TypeError: called under tracing, where values are not known.

    Example:
        >>> from jaxpapers import engine, numerics
        >>> root = numerics.find_root(lambda x, a: x**2 - a, 2.0, 3.0, 2.0)
        >>> engine.require_ok(root)
        Traceback (most recent call last):
            ...
        jaxpapers.engine.status.RunError: NO_BRACKET in 1 of 1: The function has the same sign ...
    """
    status = getattr(result_or_status, "status", result_or_status)
    if not is_concrete(status):
        raise TypeError("require_ok reads the value of a status: call it outside jit and vmap.")
    codes, counts = np.unique(np.asarray(status), return_counts=True)
    total = counts.sum()
    failures = [
        f"{code.name} in {count} of {total}: {status_message(code)}"
        for code, count in zip(map(Status, codes.tolist()), counts, strict=True)
        if code.is_failure
    ]
    if failures:
        raise RunError("\n".join(failures))
    return result_or_status
