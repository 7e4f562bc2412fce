"""An evacuation in a process with other flags of XLA, which does a job whenever it is asked."""

import argparse
import functools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).resolve()


@dataclass(frozen=True)
class Child:
    """A process that runs our evacuation; started when it is asked first, ends with this one.

    Attributes:
        sizes: Number of agents and of worlds.
        flags: Of XLA.
    """

    sizes: Sequence[int]
    flags: str

    def ask(self):
        """Have the job done once.

        Returns:
            What the child measured: the curve, units, seconds, compile seconds and memory.

        Raises:
            RuntimeError: If the child has ended.
        """
        process = _started(tuple(self.sizes), self.flags)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{SCRIPT.name} ended with status {process.wait()}")
        return json.loads(line)


@functools.cache
def _started(sizes, flags):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, sizes)],
        env=os.environ | {"XLA_FLAGS": flags},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main():
    """Do the job once for each line that is read, and print what it took as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("num_agents", type=int)
    parser.add_argument("num_worlds", type=int)
    settings = parser.parse_args()

    from benchmarks.compile_clock import compile_clock
    from benchmarks.measure import resident_peak
    from benchmarks.run import ready_process

    with ready_process():
        from benchmarks.cases import games

        job = games.evacuation_job(settings.num_agents, settings.num_worlds)
        for _ in sys.stdin:
            before = resident_peak()
            with compile_clock("jax") as clock:
                work = job()
            told = {
                "mean": work.answer.mean.tolist(),
                "variance": work.answer.variance.tolist(),
                "num_worlds": work.answer.num_worlds,
                "units": work.units,
                "wall": work.wall,
                "cpu": work.cpu,
                "compile_seconds": clock.seconds,
                "memory": {"before_mb": before, "peak_mb": resident_peak()},
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(SCRIPT.parents[2]))
    main()
