"""A fit that is killed goes on where it was, and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time

import killed_fit
import numpy as np
import pytest


def saved_steps(directory):
    return [int(path.name) for path in directory.glob("*") if path.name.isdigit()]


def start(tmp_path, family, output, *rest):
    """The program, which finds what an earlier one has compiled."""
    settings = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
    }
    command = [sys.executable, killed_fit.__file__, family, str(tmp_path / output), *map(str, rest)]
    return subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.PIPE, text=True)


def kill_after_some_saves(program, directory, *, seconds=240):
    """Waits until a stage has saved itself, then kills the program without warning."""
    deadline = time.monotonic() + seconds
    while not saved_steps(directory):
        assert program.poll() is None, "the program ended before it could be killed"
        assert time.monotonic() < deadline, "the program saved nothing"
        time.sleep(0.005)
    program.send_signal(signal.SIGKILL)
    program.communicate()
    assert program.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "family", ["gaussian", pytest.param("skew-t", marks=pytest.mark.acceptance)]
)
def test_killed_fit_goes_on_to_the_same_bytes(family, tmp_path):
    """Killed while it searches the mode, killed again while it takes steps, then let go on."""
    directory = tmp_path / "run"
    kill_after_some_saves(start(tmp_path, family, "none.npz", directory), directory / "mode")
    assert not saved_steps(directory / "steps")
    kill_after_some_saves(start(tmp_path, family, "none.npz", directory), directory / "steps")
    assert 0 < max(saved_steps(directory / "steps")) < killed_fit.NUM_STEPS
    for output, rest in (("resumed.npz", [directory]), ("whole.npz", [])):
        program = start(tmp_path, family, output, *rest)
        _, message = program.communicate()
        assert program.returncode == 0, message
    assert not (tmp_path / "none.npz").exists()
    with np.load(tmp_path / "resumed.npz") as resumed, np.load(tmp_path / "whole.npz") as whole:
        assert resumed.files == whole.files
        for name in whole.files:
            assert resumed[name].tobytes() == whole[name].tobytes()
    if family == "gaussian":
        return
    program = start(tmp_path, family, "none.npz", directory, 5)
    _, message = program.communicate()
    assert program.returncode == 1
    assert "holds another run: key differs" in message
