"""A bootstrap that saves after every batch: run as a program it is there to be killed."""

import sys

import jax
import rank_cases
from rank_definition import Setting

from jaxpapers import engine, ranks

NUM_REPLICATES = 80
BATCH_SIZE = 4


def bootstrap(directory, seed=9):
    """Parameters of the draws, as NumPy; `directory` None saves nothing."""
    checkpoint = None if directory is None else engine.Checkpoint(directory, every_steps=1)
    case = rank_cases.sample(seed=90, ties=True)
    with jax.enable_x64(True):
        draws = ranks.bootstrap(
            jax.random.key(seed),
            rank_cases.model(Setting(tie_weight=0.5)),
            case.outcome,
            case.regressor,
            num_replicates=NUM_REPLICATES,
            batch_size=BATCH_SIZE,
            checkpoint=checkpoint,
        )
        return jax.device_get(draws.params)


if __name__ == "__main__":
    bootstrap(sys.argv[1])
