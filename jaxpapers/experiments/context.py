"""What an experiment is given when it runs."""

import dataclasses
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import jax

from .. import engine


@dataclasses.dataclass(frozen=True)
class Context:
    """Scale, seed, settings and folders of one run of one experiment.

    Attributes:
        name: Name of the experiment.
        scale: `"quick"`, `"paper"` or `"full"`.
        seed: Seed of the whole reproduction.
        settings: The experiment's settings at this scale.
        output: Folder of the experiment's tables, figures and record.
        checkpoints: Folder of its checkpoints, removed once it is finished.
        progress_stream: Where progress is shown.
    """

    name: str
    scale: str
    seed: int
    settings: Mapping[str, Any]
    output: Path
    checkpoints: Path
    progress_stream: TextIO

    @property
    def key(self) -> jax.Array:
        """The key of this experiment: the seed's, folded with the experiment's name.

        It does not depend on which other experiments run.
        """
        return jax.random.fold_in(jax.random.key(self.seed), zlib.crc32(self.name.encode()))

    def checkpoint(
        self, name: str, *, every_steps: int | None = None, every_seconds: float | None = 30.0
    ) -> engine.Checkpoint:
        """Give the checkpoint of one engine run inside the experiment.

        Args:
            name: Name of the run; each run of the experiment needs its own.
            every_steps: Save at least this often, in steps, or None.
            every_seconds: Save at least this often, in seconds, or None.

        Returns:
            The checkpoint; when an earlier attempt was interrupted, the run resumes from it.
        """
        return engine.Checkpoint(
            self.checkpoints / name, every_steps=every_steps, every_seconds=every_seconds
        )

    def progress(self, label: str, *, unit: str = "steps") -> engine.Progress:
        """Give a progress bar on the console of the reproduction.

        Args:
            label: What is being done, in a few words.
            unit: What is counted.

        Returns:
            A bar on a terminal, lines in a log.
        """
        return engine.Progress(f"{self.name}: {label}", unit=unit, stream=self.progress_stream)
