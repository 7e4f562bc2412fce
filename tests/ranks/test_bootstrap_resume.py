"""A bootstrap that is killed goes on where it was, and ends with the same bytes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_bootstrap
import pytest

NUM_STEPS = killed_bootstrap.NUM_REPLICATES // killed_bootstrap.BATCH_SIZE


def saved_steps(directory):
    return [int(path.name) for path in directory.glob("*") if path.name.isdigit()]


def kill_after_some_saves(directory, *, at_least, seconds=120):
    """Runs the program until some saves are there, kills it without warning."""
    program = subprocess.Popen([sys.executable, killed_bootstrap.__file__, str(directory)])
    deadline = time.monotonic() + seconds
    while max(saved_steps(directory), default=0) < at_least:
        assert program.poll() is None, "the program ended before it could be killed"
        assert time.monotonic() < deadline, "the program saved nothing"
        time.sleep(0.005)
    program.send_signal(signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_killed_bootstrap_goes_on_to_the_same_bytes(tmp_path):
    directory = Path(tmp_path) / "run"
    kill_after_some_saves(directory, at_least=2)
    assert 0 < max(saved_steps(directory)) < NUM_STEPS
    resumed = killed_bootstrap.bootstrap(directory)
    assert max(saved_steps(directory)) == NUM_STEPS
    assert resumed.tobytes() == killed_bootstrap.bootstrap(None).tobytes()
    with pytest.raises(ValueError, match="holds another run"):
        killed_bootstrap.bootstrap(directory, seed=10)
