"""What is compared with what: contenders, and the cases in which they meet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contender:
    """One way to do the job of a case.

    Attributes:
        name: What the tables call it.
        note: How it does the job, in a phrase.
        run: Does the job and waits until it is done.
        error: Takes what `run` gave; returns how far it is off in units of what is tolerated.
        seconds: Takes what `run` gave; returns the wall and CPU seconds that the contender measured
            itself, for one that runs in another program. None: the harness measures.
        memory: Returns megabytes by name of what the process's peak does not show. None: nothing.
        why_missing: Why it cannot be run here; None if it can.
    """

    name: str
    note: str
    run: Callable[[], Any]
    error: Callable[[Any], float]
    seconds: Callable[[Any], tuple[float, float]] | None = None
    memory: Callable[[Any], Mapping[str, float]] | None = None
    why_missing: str | None = None


@dataclass(frozen=True)
class Case:
    """A job at one size.

    Attributes:
        name: What the tables call it; the same for all its sizes.
        size: Number of observations.
        dtype: Of the data.
        build: Makes the data and returns the contenders; nothing is computed by them yet.
    """

    name: str
    size: int
    dtype: str
    build: Callable[[], list[Contender]]
