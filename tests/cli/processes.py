"""The command line as a process of its own, and its mistakes."""

import os
import subprocess
import sys

from jaxpapers import cli


def run(*words):
    """What a process prints; programs are compiled without optimisation."""
    command = [sys.executable, "-m", "jaxpapers", *words]
    surroundings = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=surroundings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def complaint(capsys, *words):
    """The one line of a mistake."""
    assert cli.main([*words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("jaxpapers: error: ")
    assert printed.err.count("\n") == 1
    return printed.err
