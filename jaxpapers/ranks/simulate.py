"""Monte Carlo over samples: how often intervals of each kind cover the truth."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .. import engine
from .model import RankRegression
from .populations import Population
from .results import RankRegressionFit, normal_interval
from .solve import fit


class CoverageDraws(eqx.Module):
    """Slopes and standard errors over simulated samples.

    Attributes:
        slope: estimates.
        bse: consistent standard errors.
        bse_homoskedastic: the usual OLS ones.
        bse_robust: HC1 (EHW) ones.
        truth: the estimand.
    """

    slope: Float[Array, " replicate"]
    bse: Float[Array, " replicate"]
    bse_homoskedastic: Float[Array, " replicate"]
    bse_robust: Float[Array, " replicate"]
    truth: Float[Array, ""]

    def coverage(self, level: float = 0.95) -> dict[str, Float[Array, ""]]:
        """Share of normal intervals that contain the truth, by kind of standard error.

        Args:
            level: nominal coverage, in (0, 1).

        Returns:
            Shares under "homoskedastic", "robust" and "consistent".

        Raises:
            ValueError: a level outside (0, 1).
        """
        kinds = {
            "homoskedastic": self.bse_homoskedastic,
            "robust": self.bse_robust,
            "consistent": self.bse,
        }
        covers = {}
        for name, bse in kinds.items():
            ends = normal_interval(self.slope, bse, level)
            inside = (ends[:, 0] <= self.truth) & (self.truth <= ends[:, 1])
            covers[name] = jnp.mean(inside, dtype=self.slope.dtype)
        return covers

    def standard_error_ratio(self) -> Float[Array, ""]:
        """Mean consistent standard error over the standard deviation of the estimates."""
        return jnp.mean(self.bse) / jnp.std(self.slope)


class SimulatedFit(eqx.Module):
    """One Monte Carlo replicate: a sample, fitted.

    Attributes:
        num_obs: sample size; static.
    """

    num_obs: int = eqx.field(static=True)

    def __call__(
        self, key: PRNGKeyArray, model: RankRegression, data: Population
    ) -> Float[Array, "4"]:
        """Samples and fits.

        Args:
            key: of this replicate.
            model: the regression.
            data: the population.

        Returns:
            Slope and its consistent, homoskedastic and robust standard error.
        """
        outcome, regressor = data.sample(key, self.num_obs)
        result: RankRegressionFit = fit(model, outcome, regressor)
        place = int(model.intercept)
        variances = [result.cov, result.cov_homoskedastic, result.cov_robust]
        errors = [jnp.sqrt(cov[place, place]) for cov in variances]
        return jnp.stack([result.params[place], *errors])


def coverage(
    key: PRNGKeyArray,
    model: RankRegression,
    population: Population,
    *,
    num_obs: int,
    num_replicates: int,
    batch_size: int = 100,
    mesh: jax.sharding.Mesh | None = None,
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> CoverageDraws:
    """Monte Carlo of estimates and standard errors, naive ones included, in one vmapped program.

    Args:
        key: a typed key; replicate r uses `fold_in(key, r)`.
        model: the regression, rank on rank.
        population: where samples come from.
        num_obs: size of each sample.
        num_replicates: number of samples.
        batch_size: samples computed together.
        mesh: devices to spread the batches over; None for one device.
        progress: shown while it runs; None for silence.
        checkpoint: where to save; None for nowhere.

    Returns:
        Estimates and standard errors of all samples beside the truth.

    Raises:
        ValueError: counts below 1; a model that is not rank on rank.
        TypeError: a key that is not typed.
    """
    engine.check_key(key)
    for name, count in (("num_obs", num_obs), ("num_replicates", num_replicates)):
        engine.check_count(name, count)
    engine.check_count("batch_size", batch_size)
    if (model.outcome, model.regressor, *model.increasing) != ("rank", "rank", True, True):
        raise ValueError("model must be rank on rank, both increasing: the truth is known for it")
    truth = population.slope(float(model.tie_weight))
    dtype = jnp.zeros(()).dtype
    model, population = jax.tree.map(lambda number: jnp.asarray(number, dtype), (model, population))
    rows = engine.replicate(
        key,
        SimulatedFit(num_obs),
        model,
        population,
        num_replicates=num_replicates,
        batch_size=min(batch_size, num_replicates),
        mesh=mesh,
        progress=progress,
        checkpoint=checkpoint,
    )
    slope, bse, homoskedastic, robust = rows.T
    return CoverageDraws(slope, bse, homoskedastic, robust, jnp.asarray(truth, dtype))
