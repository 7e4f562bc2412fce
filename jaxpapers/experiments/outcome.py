"""What came of each experiment of one reproduction."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from .record import Record
from .registry import Experiment

QUICK_SECONDS = 60.0
"""Seconds that the experiments of one system may take together at quick scale, on 2 cores."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One experiment of a reproduction.

    Attributes:
        experiment: The registration.
        folder: Folder of its files.
        record: Its record, or None when it failed.
        ran: Whether it ran now; False when it was finished before.
        message: Why it failed; empty otherwise.
        seconds_lost: Seconds until it failed; 0 otherwise.
    """

    experiment: Experiment
    folder: Path
    record: Record | None
    ran: bool
    message: str = ""
    seconds_lost: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds the experiment took when it ran."""
        return self.seconds_lost if self.record is None else self.record.seconds


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """A reproduction: its outcomes and where the report is.

    Attributes:
        outcomes: One per experiment, in the order they ran.
        scale: Scale of the run.
        seed: Seed of the run.
        report: Path of `index.html`.
        seconds: Wall seconds of this call.
        command: The command line that does the same.
        paper_command: The command line that does it at paper scale.
        versions: Versions of jaxpapers, Python and the core packages.
        device: Device in words.
        dtype: JAX's default float during the run.
        commit: Git commit of the package, or None.
        finished: When it finished, UTC.
    """

    outcomes: tuple[Outcome, ...]
    scale: str
    seed: int
    report: Path
    seconds: float
    command: str
    paper_command: str
    versions: Mapping[str, str]
    device: str
    dtype: str
    commit: str | None
    finished: str

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The experiments that raised."""
        return tuple(outcome for outcome in self.outcomes if outcome.record is None)

    @property
    def system_seconds(self) -> dict[str, float]:
        """Seconds of all experiments of each system; those finished before count as they did."""
        seconds: dict[str, float] = {}
        for outcome in self.outcomes:
            system = outcome.experiment.system
            seconds[system] = seconds.get(system, 0.0) + outcome.seconds
        return seconds

    @property
    def over_budget(self) -> dict[str, float]:
        """Systems that took more than `QUICK_SECONDS` at quick scale, with their seconds."""
        if self.scale != "quick":
            return {}
        return {name: time for name, time in self.system_seconds.items() if time > QUICK_SECONDS}

    @property
    def exit_code(self) -> int:
        """0 when every experiment is finished, 1 otherwise; claims that fall short are no error."""
        return 1 if self.failed else 0
