import io

import jax.numpy as jnp
import pytest
from algorithms import Halving, regression_problem, tree_bytes

from jaxpapers.engine import Progress, run


class Terminal(io.StringIO):
    def isatty(self):
        return True


def written(stream, seconds_between, num_steps=30, chunk_size=10):
    progress = Progress("fit", stream=stream, seconds_between=seconds_between)
    run(*regression_problem(), num_steps=num_steps, chunk_size=chunk_size, progress=progress)
    return stream.getvalue()


def test_log_gets_plain_lines():
    lines = written(io.StringIO(), seconds_between=0.0).splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "fit: 10/30 steps",
        "fit: 20/30 steps",
        "fit: 30/30 steps",
        "fit: 30/30 steps",
    ]
    assert "about" in lines[0]
    assert "left" in lines[0]


def test_log_gets_only_the_last_line_of_a_short_run():
    lines = written(io.StringIO(), seconds_between=None).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("fit: 30/30 steps, ")


def test_terminal_gets_one_line_that_is_rewritten():
    text = written(Terminal(), seconds_between=0.0)
    assert text.count("\n") == 1
    assert text.endswith("\n")
    bars = text.split("\r\033[K")[1:]
    assert bars[0].startswith("fit [##########....................] 10/30 steps, ")
    assert bars[-1].startswith("fit [##############################] 30/30 steps, ")


def test_standard_error_is_the_default(capsys):
    written_to = Progress("fit", unit="batches")
    run(*regression_problem(), num_steps=10, chunk_size=10, progress=written_to)
    captured = capsys.readouterr()
    assert captured.err.startswith("fit: 10/10 batches, ")
    assert captured.out == ""


def test_silence_without_progress(capsys):
    run(*regression_problem(), num_steps=10, chunk_size=10)
    assert capsys.readouterr() == ("", "")


def test_last_line_says_why_a_run_stopped_early():
    stream, (key, *_) = io.StringIO(), regression_problem()
    start = jnp.asarray(1.0, jnp.float32)
    run(
        key,
        Halving(start / 3),
        None,
        start,
        num_steps=30,
        progress=Progress("halve", stream=stream),
    )
    assert stream.getvalue().startswith("halve: 2/30 steps, ")
    assert stream.getvalue().endswith(" s, CONVERGED\n")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_watching_changes_nothing(stream):
    problem = regression_problem()
    watched = Progress("fit", stream=stream, seconds_between=0.0)
    result = run(*problem, num_steps=30, chunk_size=10, progress=watched)
    assert tree_bytes(result) == tree_bytes(run(*problem, num_steps=30, chunk_size=10))
