"""Seconds of compiling, as JAX and numba report them: not what a first run takes longer."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Literal

from jaxpapers.experiments.clock import CompileClock

NUMBA_EVENT = "numba:compile"


class NumbaClock:
    """Adds up how long numba compiles, nested compilations counted once; else stays at zero."""

    def __init__(self) -> None:
        """Start at zero."""
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Take in what numba compiled."""
        self.seconds += seconds


@contextlib.contextmanager
def compile_clock(compiler: Literal["jax", "numba"] | None) -> Iterator[CompileClock | NumbaClock]:
    """Measure what a compiler does inside the block; of numba that is known when the block ends.

    Args:
        compiler: Who is asked; numba is imported for that. None: nobody, so that it is 0.
    """
    if compiler == "jax":
        with CompileClock() as clock:
            yield clock
        return
    clock = NumbaClock()
    with contextlib.ExitStack() as stack:
        if compiler == "numba":
            events = importlib.import_module("numba.core.event")
            stack.enter_context(events.install_timer(NUMBA_EVENT, clock.add))
        yield clock
