"""Showing how far a run is: a bar on a terminal, plain lines in a log."""

import dataclasses
import sys
import time
from typing import TextIO

from ..numerics.status import Status

_BAR_WIDTH = 30
_TERMINAL_SECONDS = 0.1
_LOG_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Progress:
    """Asks `run` to show how far it is.

    On a terminal it is one line that is rewritten; elsewhere plain lines, at most one each ten
    seconds and one at the end. It is only written to between compiled chunks, so it cannot change
    a result.

    Attributes:
        label: what is running.
        unit: what is counted.
        stream: where to write; None means standard error.
        seconds_between: shortest time between two writes; None means 0.1 on a terminal and 10
            elsewhere.
    """

    label: str
    unit: str = "steps"
    stream: TextIO | None = None
    seconds_between: float | None = None


class Reporter:
    """Writes the progress of one run.

    Args:
        progress: how to write; None means silence.
        total: number of steps asked for.
        done: number of steps already done when the run starts.
    """

    def __init__(self, progress: Progress | None, total: int, done: int):
        self._progress = progress
        self._total = total
        self._done_at_start = done
        self._started = self._written = time.monotonic()
        if progress is None:
            return
        self._stream = sys.stderr if progress.stream is None else progress.stream
        self._on_terminal = self._stream.isatty()
        default = _TERMINAL_SECONDS if self._on_terminal else _LOG_SECONDS
        self._wait = default if progress.seconds_between is None else progress.seconds_between

    def update(self, done: int) -> None:
        """Tells that `done` steps are done; writes if the last write is long enough ago."""
        if self._progress is None or time.monotonic() - self._written < self._wait:
            return
        self._written = time.monotonic()
        elapsed = self._written - self._started
        left = (self._total - done) * elapsed / max(done - self._done_at_start, 1)
        self._write(done, f"{elapsed:.0f} s, about {left:.0f} s left")

    def finish(self, done: int, status: int) -> None:
        """Writes the last line, with the reason where the run stopped early."""
        if self._progress is None:
            return
        reason = "" if done == self._total else f", {Status(status).name}"
        self._write(done, f"{time.monotonic() - self._started:.1f} s{reason}")
        if self._on_terminal:
            self._stream.write("\n")
            self._stream.flush()

    def _write(self, done: int, times: str) -> None:
        assert self._progress is not None
        count = f"{done}/{self._total} {self._progress.unit}, {times}"
        if self._on_terminal:
            filled = _BAR_WIDTH * done // self._total
            bar = "#" * filled + "." * (_BAR_WIDTH - filled)
            self._stream.write(f"\r\033[K{self._progress.label} [{bar}] {count}")
        else:
            self._stream.write(f"{self._progress.label}: {count}\n")
        self._stream.flush()
