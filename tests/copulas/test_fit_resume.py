"""A fit that is killed goes on where it was, and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_fit
import pytest


def saved_steps(directory):
    return [int(path.name) for path in directory.glob("*") if path.name.isdigit()]


def compiled_once(folder):
    """Settings by which the second program finds what the first has compiled."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
    }


def kill_after_some_saves(directory, stage, family, *, seconds=240):
    """Runs the program until a stage has saved itself, kills it without warning."""
    command = [sys.executable, killed_fit.__file__, str(directory), family]
    program = subprocess.Popen(command, env=os.environ | compiled_once(directory.parent))
    deadline = time.monotonic() + seconds
    while not saved_steps(directory / stage):
        assert program.poll() is None, "the program ended before it could be killed"
        assert time.monotonic() < deadline, "the program saved nothing"
        time.sleep(0.005)
    program.send_signal(signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    "family", ["gaussian", pytest.param("skew-t", marks=pytest.mark.acceptance)]
)
def test_killed_fit_goes_on_to_the_same_bytes(family, tmp_path):
    """Killed while it searches the mode, killed again while it takes steps, then let go on."""
    directory = Path(tmp_path) / "run"
    kill_after_some_saves(directory, "mode/adam", family)
    assert not saved_steps(directory / "steps")
    kill_after_some_saves(directory, "steps", family)
    assert 0 < max(saved_steps(directory / "steps")) < killed_fit.NUM_STEPS
    resumed, whole = (killed_fit.fit(where, family=family) for where in (directory, None))
    for found, expected in zip(resumed, whole, strict=True):
        assert found.tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="holds another run"):
        killed_fit.fit(directory, seed=5, family=family)
