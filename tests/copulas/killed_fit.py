"""A fit that saves itself often: run as a program it is there to be killed."""

import sys

import copula_data
import jax

from jaxpapers import copulas, engine

NUM_STEPS = 300


def fit(directory, seed=4, family="gaussian"):
    """Kept draws and ELBO, as NumPy; `directory` None saves nothing."""
    models = {"gaussian": copulas.GaussianFactorModel, "skew-t": copulas.SkewTFactorModel}
    model = models[family](copula_data.NUM_ASSETS, copula_data.NUM_FACTORS)
    checkpoint = None if directory is None else engine.Checkpoint(directory, every_steps=25)
    with jax.enable_x64(True):
        found = copulas.fit(
            jax.random.key(seed),
            model,
            copula_data.sample(),
            copulas.FactorGaussianVI(rank=2),
            num_steps=NUM_STEPS,
            num_starts=2,
            num_draws=200,
            checkpoint=checkpoint,
        )
        return jax.device_get((found.draws, found.elbo, found.modes.log_posterior))


if __name__ == "__main__":
    fit(sys.argv[1], family=sys.argv[2])
