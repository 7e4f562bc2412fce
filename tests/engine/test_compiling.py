"""The flag that makes XLA compile quickly: never against the user, never where it is unknown."""

import os
import subprocess
import sys

import jax
import pytest

from jaxpapers import engine

FLAG = "--xla_cpu_use_fusion_emitters"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, f"{FLAG}=false"),
        ("--xla_other=1", f"--xla_other=1 {FLAG}=false"),
        (f"{FLAG}=true", f"{FLAG}=true"),
    ],
)
def test_the_flag_is_added_where_it_is_not_set(monkeypatch, before, after):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if before is not None:
        monkeypatch.setenv("XLA_FLAGS", before)
    assert engine.compile_quickly()
    assert os.environ["XLA_FLAGS"] == after
    assert engine.compile_quickly()
    assert os.environ["XLA_FLAGS"] == after


def test_another_release_is_left_alone(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(jax, "__version_info__", (0, 99, 0))
    assert not engine.compile_quickly()
    assert "XLA_FLAGS" not in os.environ


def test_this_release_knows_the_flag():
    """XLA ends a process that gives it a flag it does not know."""
    program = (
        "from jaxpapers import engine; assert engine.compile_quickly()\n"
        "import jax; print(jax.jit(lambda x: x + 1)(1))"
    )
    settings = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False
    )
    assert done.stdout == "2\n", done.stderr
