"""Flags that make XLA compile quickly and fold loops: never against the user or where unknown."""

import os
import subprocess
import sys

import jax
import pytest

from jaxpapers import engine

FOLDING = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold"
FLAGS = {
    engine.compile_quickly: ("--xla_cpu_use_fusion_emitters", "false"),
    engine.fold_loops: tuple(f"{FOLDING}=1048576".split("=", 1)),
}
VERBS = pytest.mark.parametrize("verb", FLAGS, ids=lambda verb: verb.__name__)


@VERBS
@pytest.mark.parametrize("before", [None, "--xla_other=1", "own"])
def test_the_flag_is_added_where_it_is_not_set(monkeypatch, verb, before):
    flag, value = FLAGS[verb]
    before = f"{flag}=else" if before == "own" else before
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if before is not None:
        monkeypatch.setenv("XLA_FLAGS", before)
    own = before if before and flag in before else f"{flag}={value}"
    after = own if before in (None, own) else f"{before} {own}"
    for _ in range(2):
        assert verb()
        assert os.environ["XLA_FLAGS"] == after


@VERBS
def test_another_release_is_left_alone(monkeypatch, verb):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(jax, "__version_info__", (0, 99, 0))
    assert not verb()
    assert "XLA_FLAGS" not in os.environ
    assert engine.loop_options() == {}


def test_options_of_loops_are_known_to_this_release():
    add = jax.jit(lambda x: x + 1, compiler_options=engine.loop_options())
    assert add(1) == 2


def test_this_release_knows_the_flag():
    """XLA ends a process that gives it a flag it does not know."""
    program = (
        "from jaxpapers import engine; assert engine.compile_quickly() and engine.fold_loops()\n"
        "import jax; print(jax.jit(lambda x: x + 1)(1))"
    )
    settings = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False
    )
    assert done.stdout == "2\n", done.stderr
