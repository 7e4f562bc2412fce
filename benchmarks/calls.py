"""Calls too short to be timed one by one: several in a run, and seconds of each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Calls:
    """What repeated calls gave and took.

    Attributes:
        answer: What the last call gave.
        wall: Wall seconds of one job.
        cpu: CPU seconds of one job, all threads.
    """

    answer: Any
    wall: float
    cpu: float

    @property
    def seconds(self) -> tuple[float, float]:
        """Wall and CPU seconds of one job."""
        return self.wall, self.cpu


def repeated(call: Callable[[], Any], num_calls: int, *, jobs_per_call: int = 1) -> Calls:
    """Make a call several times, each time until it is done.

    Args:
        call: What is called.
        num_calls: How often.
        jobs_per_call: How many jobs a call does; seconds are those of one.

    Returns:
        What the last call gave, and what one job took.
    """
    answer = None
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    for _ in range(num_calls):
        answer = jax.block_until_ready(call())
    wall, cpu = time.perf_counter() - wall_start, time.process_time() - cpu_start
    num_jobs = num_calls * jobs_per_call
    return Calls(answer, wall / num_jobs, cpu / num_jobs)
