import io
import logging
import os
import random
import shutil
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from algorithms import (
    AdamAscent,
    Custom,
    Halving,
    RandomWalk,
    regression_problem,
    tree_bytes,
)

from jaxpapers.engine import Checkpoint, Progress, ReplicateData, Replicates, Status, run

KEY = jax.random.key(21)
UNFINISHED = ".orbax-checkpoint-tmp"


def saved_steps(directory):
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return sorted(int(name) for name in names if name.isdigit())


def unfinished(directory):
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return [name for name in names if UNFINISHED in name]


def test_a_checkpoint_changes_no_bit_and_keeps_two_saves(tmp_path, x64):
    expected = tree_bytes(run(*regression_problem(), num_steps=12))
    settings = Checkpoint(tmp_path, every_steps=5)
    assert tree_bytes(run(*regression_problem(), num_steps=12, checkpoint=settings)) == expected
    assert saved_steps(tmp_path) == [10, 12]
    stored = run(*regression_problem(), num_steps=12, checkpoint=settings)
    assert tree_bytes(stored) == expected


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    problem, settings = regression_problem(), Checkpoint(tmp_path)
    run(*problem, num_steps=7, checkpoint=settings)
    stream = io.StringIO()
    progress = Progress("fit", stream=stream, seconds_between=0.0)
    longer = run(*problem, num_steps=12, chunk_size=1, checkpoint=settings, progress=progress)
    assert stream.getvalue().startswith("fit: 8/12 steps")
    assert tree_bytes(longer) == tree_bytes(run(*problem, num_steps=12))


def test_a_finished_run_is_not_run_again(tmp_path, count_compiles):
    key, start = jax.random.key(0), jnp.asarray(1.0, jnp.float32)
    problem = key, Halving(start / 3), None, start
    first = run(*problem, num_steps=50, chunk_size=11, checkpoint=Checkpoint(tmp_path))
    with count_compiles() as compiles:
        again = run(*problem, num_steps=90, chunk_size=12, checkpoint=Checkpoint(tmp_path))
    assert compiles.count("_run_chunk") == 0
    assert again.status == Status.CONVERGED
    assert tree_bytes(again) == tree_bytes(first)


def test_resuming_traces_the_step_once(tmp_path):
    traces = []

    def move(key, state):
        traces.append(key)
        return state / 2, {"state": state}

    problem = KEY, Custom(jnp.asarray(1.0, jnp.float32), move), None, None
    run(*problem, num_steps=3, checkpoint=Checkpoint(tmp_path))
    jax.clear_caches()
    del traces[:]
    run(*problem, num_steps=5, checkpoint=Checkpoint(tmp_path))
    assert len(traces) == 1


def test_empty_arrays_and_every_dtype_survive(tmp_path):
    state = {
        "none": jnp.zeros((0, 3)),
        "flag": jnp.asarray([True, False]),
        "half": jnp.ones(2, jnp.bfloat16),
        "count": jnp.asarray(3, jnp.uint8),
    }
    problem = KEY, Custom(None, lambda key, state: (state, state)), None, None
    first = run(*problem, num_steps=2, state=state, checkpoint=Checkpoint(tmp_path))
    again = run(*problem, num_steps=2, state=state, checkpoint=Checkpoint(tmp_path))
    assert tree_bytes(again) == tree_bytes(first)
    assert tree_bytes(again.state) == tree_bytes(state)


def test_replicates_resume(tmp_path):
    data = ReplicateData(KEY, jnp.arange(5.0))
    problem = KEY, Replicates(bits_of, num_replicates=20, batch_size=3), None, data
    run(*problem, num_steps=2, chunk_size=1, checkpoint=Checkpoint(tmp_path))
    resumed = run(*problem, num_steps=7, chunk_size=1, checkpoint=Checkpoint(tmp_path))
    assert tree_bytes(resumed) == tree_bytes(run(*problem, num_steps=7, chunk_size=1))


def bits_of(key, model, data):
    return jax.random.bits(key, data.shape)


@pytest.fixture(scope="module")
def three_steps(tmp_path_factory):
    """Directory that holds three steps of the regression."""
    directory = tmp_path_factory.mktemp("three_steps")
    run(*regression_problem(), num_steps=3, checkpoint=Checkpoint(directory))
    return directory


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("key", lambda k, a, m, d: (jax.random.key(8), a, m, d)),
        ("algorithm", lambda k, a, m, d: (k, AdamAscent(a.learning_rate * 2), m, d)),
        ("model", lambda k, a, m, d: (k, a, m + 1, d)),
        ("data", lambda k, a, m, d: (k, a, m, (d[0], d[1] + 1))),
        ("key, model", lambda k, a, m, d: (jax.random.key(8), a, m + 1, d)),
    ],
)
def test_another_run_is_refused(part, change, three_steps):
    problem = regression_problem()
    verb = "differ" if "," in part else "differs"
    message = f"holds another run: {part} {verb}. Give this run a directory of its own"
    with pytest.raises(ValueError, match=message):
        run(*change(*problem), num_steps=3, checkpoint=Checkpoint(three_steps))


def test_another_start_and_another_precision_are_refused(three_steps):
    problem, settings = regression_problem(), Checkpoint(three_steps)
    state = run(*problem, num_steps=3, checkpoint=settings).state
    with pytest.raises(ValueError, match="another run: starting state, first_step differ"):
        run(*problem, num_steps=3, state=state, first_step=3, checkpoint=settings)
    with (
        jax.enable_x64(True),
        pytest.raises(ValueError, match=r"another run: .*data, layout of state and info differ"),
    ):
        run(*regression_problem(), num_steps=3, checkpoint=settings)


def test_fewer_steps_than_saved_are_refused(three_steps):
    with pytest.raises(ValueError, match="holds 3 steps of this run, and num_steps=2 asks for"):
        run(*regression_problem(), num_steps=2, checkpoint=Checkpoint(three_steps))


def test_seconds_between_saves(tmp_path):
    settings = Checkpoint(tmp_path, every_seconds=1e-9)
    run(*regression_problem(), num_steps=4, chunk_size=1, checkpoint=settings)
    assert saved_steps(tmp_path) == [3, 4]


@pytest.mark.parametrize(
    ("error", "message", "settings"),
    [
        (ValueError, "every_steps must be at least 1, got 0", {"every_steps": 0}),
        (TypeError, "every_steps must be a Python int, got float", {"every_steps": 1.0}),
        (ValueError, "every_seconds must be positive, got 0", {"every_seconds": 0}),
    ],
)
def test_rules_out_of_range_are_named(error, message, settings, tmp_path):
    with pytest.raises(error, match=message):
        Checkpoint(tmp_path, **settings)


def test_orbax_logs_nothing(tmp_path, caplog, capfd):
    caplog.set_level(logging.WARNING)
    for num_steps in (2, 4):
        run(*regression_problem(), num_steps=num_steps, checkpoint=Checkpoint(tmp_path))
    assert [record for record in caplog.records if record.name == "absl"] == []
    assert capfd.readouterr() == ("", "")


def walk(size):
    scale = jnp.asarray(0.5, jnp.float32)
    return KEY, RandomWalk(size, scale), None, None


def cut_short(source, target):
    """A save that orbax was writing when its process ended: under a temporary name, not whole."""
    shutil.copytree(source, target)
    for folder, _, files in os.walk(target):
        for name in files[::2]:
            os.unlink(os.path.join(folder, name))


def test_a_save_that_was_cut_short_is_ignored_and_removed(tmp_path):
    settings = Checkpoint(tmp_path)
    run(*walk(10), num_steps=4, checkpoint=settings)
    cut_short(tmp_path / "4", tmp_path / f"5{UNFINISHED}-1700000000")
    resumed = run(*walk(10), num_steps=6, checkpoint=settings)
    assert unfinished(tmp_path) == []
    assert tree_bytes(resumed) == tree_bytes(run(*walk(10), num_steps=6))


def save_each_step(directory, size, num_steps):
    """In a child: a run that spends most of its time in saving."""
    run(*walk(size), num_steps=num_steps, checkpoint=Checkpoint(directory, every_steps=1))


def report_each_step(directory, size, num_steps, pipe):
    """In a child: a run that tells each step after it is saved, and takes a while for the next."""
    stream = os.fdopen(os.dup(pipe.fileno()), "w")
    progress = Progress("walk", stream=stream, seconds_between=0.0)
    settings = Checkpoint(directory, every_steps=3)
    run(*walk(size), num_steps=num_steps, chunk_size=1, checkpoint=settings, progress=progress)


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.slow
def test_killed_in_the_middle_of_a_run(forkserver, tmp_path):
    size, num_steps = 200_000, 30
    reader, writer = forkserver.Pipe(duplex=False)
    child = forkserver.Process(target=report_each_step, args=(tmp_path, size, num_steps, writer))
    child.start()
    writer.close()
    with os.fdopen(os.dup(reader.fileno())) as lines:
        reported = next(line for line in lines if "walk: 8/30" in line)
    child.kill()
    child.join()
    assert reported
    assert child.exitcode == -9
    assert 6 <= saved_steps(tmp_path)[-1] < num_steps
    resumed = run(*walk(size), num_steps=num_steps, checkpoint=Checkpoint(tmp_path))
    assert tree_bytes(resumed) == tree_bytes(run(*walk(size), num_steps=num_steps))


@pytest.mark.slow
def test_killed_in_the_middle_of_saves(forkserver, tmp_path):
    size, num_steps, delays = 1_000_000, 40, random.Random(0)
    found_unfinished = 0
    for _ in range(3):
        before = saved_steps(tmp_path)
        child = forkserver.Process(target=save_each_step, args=(tmp_path, size, num_steps))
        child.start()
        wait_until(lambda before=before: saved_steps(tmp_path)[-1:] > before[-1:])
        wait_until(lambda: unfinished(tmp_path))
        time.sleep(delays.uniform(0.0, 0.05))
        child.kill()
        child.join()
        assert child.exitcode == -9
        found_unfinished += bool(unfinished(tmp_path))
    assert found_unfinished
    assert saved_steps(tmp_path)[-1] < num_steps
    resumed = run(*walk(size), num_steps=num_steps, checkpoint=Checkpoint(tmp_path))
    assert unfinished(tmp_path) == []
    assert tree_bytes(resumed) == tree_bytes(run(*walk(size), num_steps=num_steps))
    assert np.isfinite(resumed.state["extent"])
