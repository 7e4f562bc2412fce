"""A fit that saves itself often: run as a program it is there to be killed.

    python killed_fit.py FAMILY OUTPUT [DIRECTORY [SEED]]

writes kept draws, ELBO and modes to OUTPUT, and saves itself in DIRECTORY, if one is given.
"""

import sys

import copula_data
import jax
import numpy as np

from jaxpapers import copulas, engine

NUM_STEPS = 300
MODELS = {"gaussian": copulas.GaussianFactorModel, "skew-t": copulas.SkewTFactorModel}


def main(family, output, directory=None, seed="4"):
    checkpoint = None if directory is None else engine.Checkpoint(directory, every_steps=25)
    with jax.enable_x64(True):
        found = copulas.fit(
            jax.random.key(int(seed)),
            MODELS[family](copula_data.NUM_ASSETS, copula_data.NUM_FACTORS),
            copula_data.sample(),
            copulas.FactorGaussianVI(rank=2),
            num_steps=NUM_STEPS,
            num_starts=2,
            num_draws=200,
            checkpoint=checkpoint,
        )
        kept = jax.device_get((found.draws, found.elbo, found.modes.log_posterior))
    np.savez(output, *kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
