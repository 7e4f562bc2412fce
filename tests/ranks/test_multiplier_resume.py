"""A multiplier bootstrap that is interrupted goes on where it was, and ends with the same bytes."""

import functools
import io

import jax
import numpy as np
import pytest
import rank_cases
from rank_definition import Setting

from jaxpapers import engine, ranks

NUM_REPLICATES = 40
BATCH_SIZE = 4
NUM_STEPS = NUM_REPLICATES // BATCH_SIZE
STOP = 6


class Stopping(io.StringIO):
    """Interrupts the program when a given number of batches is reported."""

    def write(self, text):
        if f": {STOP}/{NUM_STEPS} batches" in text:
            raise KeyboardInterrupt
        return super().write(text)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@functools.cache
def fitted():
    return rank_cases.fit(Setting(tie_weight=0.5), rank_cases.sample(seed=90, ties=True))


def draw(directory, stream, seed=3):
    checkpoint = None if directory is None else engine.Checkpoint(directory, every_steps=2)
    return np.asarray(
        ranks.multiplier_bootstrap(
            jax.random.key(seed),
            fitted(),
            num_replicates=NUM_REPLICATES,
            batch_size=BATCH_SIZE,
            progress=engine.Progress("draws", unit="batches", stream=stream, seconds_between=0.0),
            checkpoint=checkpoint,
        ).errors
    )


def test_interrupted_multiplier_bootstrap_goes_on_to_the_same_bytes(tmp_path):
    directory = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        draw(directory, Stopping())
    assert max(int(path.name) for path in directory.glob("[0-9]*")) == STOP
    log = io.StringIO()
    resumed = draw(directory, log)
    assert log.getvalue().startswith(f"draws: {STOP + 1}/{NUM_STEPS} batches")
    assert resumed.tobytes() == draw(None, io.StringIO()).tobytes()
    with pytest.raises(ValueError, match="holds another run: key"):
        draw(directory, io.StringIO(), seed=4)
