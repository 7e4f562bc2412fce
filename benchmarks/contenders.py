"""What is compared with what: contenders, and the cases in which they meet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


def not_run(*answer: Any) -> Any:
    """Stand in for the functions of a contender that says why it is missing.

    Raises:
        AssertionError: Always: nobody runs such a contender.
    """
    del answer
    raise AssertionError("a contender without a job was run; needed is run, or why_missing")


@dataclass(frozen=True)
class Contender:
    """One way to do the job of a case.

    Attributes:
        name: What the tables call it.
        note: How it does the job, in a phrase.
        run: Does the job and waits until it is done; may be left out where `why_missing` is given.
        error: Takes what `run` gave; returns how far it is off in units of what is tolerated;
            may be left out likewise.
        seconds: Takes what `run` gave; returns the wall and CPU seconds that the contender measured
            itself, for one that runs in another program. None: the harness measures.
        memory: Returns megabytes by name of what the process's peak does not show. None: nothing.
        compiler: Who compiles what it runs, "jax" or "numba", and is asked how long that took.
            None: nobody does.
        facts: Takes what the first run gave; returns entries of the record: `answer`, numbers by
            name that tell of the answer, and of one that runs in another program what that says
            itself, `compile_seconds` and `memory`. None: nothing.
        why_missing: Why it cannot be run here; None if it can.
    """

    name: str
    note: str
    run: Callable[[], Any] = not_run
    error: Callable[[Any], float] = not_run
    seconds: Callable[[Any], tuple[float, float]] | None = None
    memory: Callable[[Any], Mapping[str, float]] | None = None
    compiler: Literal["jax", "numba"] | None = None
    facts: Callable[[Any], Mapping[str, Any]] | None = None
    why_missing: str | None = None


@dataclass(frozen=True)
class Case:
    """A job at one size.

    Attributes:
        name: What the tables call it; the same for all its sizes.
        size: Number of observations, or what `size_name` says.
        dtype: Of the data.
        build: Makes the data and returns the contenders; nothing is computed by them yet.
        size_name: What the tables call the size.
        other_sizes: Further sizes by name, for the record.
        most_repeats: Largest number of timed runs, of a case that takes minutes. None: as many as
            are asked for.
        is_fresh: Whether each run is in a process of its own, so that the first counts as well.
    """

    name: str
    size: int
    dtype: str
    build: Callable[[], list[Contender]]
    size_name: str = "n"
    other_sizes: Mapping[str, int] = field(default_factory=dict)
    most_repeats: int | None = None
    is_fresh: bool = False
