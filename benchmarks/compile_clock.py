"""Seconds of compiling, as JAX and numba report them: not what a first run takes longer."""

import contextlib
import importlib
import time
from collections.abc import Iterator
from typing import Literal

import jax

JAX_EVENTS = "/jax/core/compile/"
NUMBA_EVENT = "numba:compile"


class CompileClock:
    """Adds up how long JAX traces, lowers and compiles, and how long numba compiles.

    JAX reports the length of each step when it ends, and steps nest (a jitted function called by
    a jitted function), so the union of the intervals is measured.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self._intervals: list[tuple[float, float]] = []
        self._numba_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of compiling so far."""
        return self._numba_seconds + sum(end - start for start, end in self._intervals)

    def listen_to_jax(self, event: str, duration_secs: float, **details: str | int) -> None:
        """Take in an event of `jax.monitoring` that just ended."""
        del details
        if not event.startswith(JAX_EVENTS):
            return
        end = time.perf_counter()
        start = end - duration_secs
        while self._intervals and self._intervals[-1][1] >= start:
            start = min(start, self._intervals.pop()[0])
        self._intervals.append((start, end))

    def add_numba(self, seconds: float) -> None:
        """Take in what numba compiled, nested compilations counted once."""
        self._numba_seconds += seconds


@contextlib.contextmanager
def compile_clock(compiler: Literal["jax", "numba"] | None) -> Iterator[CompileClock]:
    """Measure what a compiler does inside the block; of numba that is known when the block ends.

    Args:
        compiler: Who is asked; numba is imported for that. None: nobody, so that it is 0.
    """
    clock = CompileClock()
    with contextlib.ExitStack() as stack:
        if compiler == "jax":
            jax.monitoring.register_event_duration_secs_listener(clock.listen_to_jax)
            stack.callback(jax.monitoring.unregister_event_duration_listener, clock.listen_to_jax)
        if compiler == "numba":
            events = importlib.import_module("numba.core.event")
            stack.enter_context(events.install_timer(NUMBA_EVENT, clock.add_numba))
        yield clock
