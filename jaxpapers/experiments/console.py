"""Lines on a terminal or in a log while experiments run."""

import dataclasses
import io
import time
from typing import TextIO, cast

_LOG_SECONDS = 10.0


class ProgressStream(io.TextIOBase):
    """Passes the progress of engine runs on so that an experiment stays one line.

    On a terminal the bar of the next run replaces that of the last one; in a log at most one
    line each ten seconds is let through.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        """Start counting the seconds."""
        self._stream = stream
        self._written = time.monotonic()

    def isatty(self) -> bool:
        """Whether a person is looking on."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a bar or a line of progress.

        Args:
            text: The text.

        Returns:
            Its length.
        """
        if self.isatty():
            self._stream.write(text.replace("\n", ""))
        elif time.monotonic() - self._written >= _LOG_SECONDS:
            self._written = time.monotonic()
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        self._stream.flush()


@dataclasses.dataclass(frozen=True)
class Console:
    """Writes one line per experiment.

    On a terminal the line of the start is replaced by the line of the end; in a log both stay.

    Attributes:
        stream: Where to write.
    """

    stream: TextIO

    def progress_stream(self) -> TextIO:
        """Give a stream for the progress of engine runs.

        Returns:
            The stream; make one per experiment.
        """
        return cast(TextIO, ProgressStream(self.stream))

    def start(self, text: str) -> None:
        """Write the line of a start.

        Args:
            text: The line.
        """
        self._write(text if self.stream.isatty() else f"{text}\n")

    def end(self, text: str) -> None:
        """Write the line of an end.

        Args:
            text: The line.
        """
        self._write(f"\r\x1b[K{text}\n" if self.stream.isatty() else f"{text}\n")

    def line(self, text: str) -> None:
        """Write a line of its own.

        Args:
            text: The line.
        """
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.stream.write(text.encode(encoding, "replace").decode(encoding))
        self.stream.flush()
