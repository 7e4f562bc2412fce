"""Seconds, split into compiling and running."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.monitoring

_COMPILE_EVENTS = "/jax/core/compile/"


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Calls a function and waits for its arrays.

    Args:
        function: takes nothing.

    Returns:
        What it returned, seconds of running, and seconds of compiling beside them.
    """
    with CompileClock() as clock:
        start = time.perf_counter()
        result = jax.block_until_ready(function())
        total = time.perf_counter() - start
    return result, max(total - clock.seconds, 0.0), clock.seconds


class CompileClock:
    """Measures how long JAX traces, lowers and compiles, as a context manager.

    JAX reports the length of each of these steps when it ends. Steps nest (a jitted function
    called by a jitted function), so the clock measures the union of the intervals.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self._intervals: list[tuple[float, float]] = []

    def __enter__(self) -> "CompileClock":
        """Listen to JAX."""
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop listening."""
        jax.monitoring.unregister_event_duration_listener(self._listen)

    @property
    def seconds(self) -> float:
        """Seconds of compiling since the clock was entered."""
        return sum(end - start for start, end in self._intervals)

    def _listen(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        del kwargs
        if not event.startswith(_COMPILE_EVENTS):
            return
        end = time.perf_counter()
        start = end - duration_secs
        while self._intervals and self._intervals[-1][1] >= start:
            start = min(start, self._intervals.pop()[0])
        self._intervals.append((start, end))
