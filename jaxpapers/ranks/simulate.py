"""Monte Carlo over samples: how often intervals of each kind cover the truth."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Status
from .checks import check_instance
from .draws import status_of_replicates
from .model import RankRegression
from .populations import Population
from .results import RankRegressionFit, normal_interval
from .solve import fit


class CoverageDraws(eqx.Module):
    """Slopes and standard errors over simulated samples.

    A sample that does not identify the slope (a regressor all tied) is NaN; it is left out of
    every summary and counted by `num_failed`. `status` says so.

    Attributes:
        slope: estimates.
        bse: consistent standard errors.
        bse_homoskedastic: the usual OLS ones.
        bse_robust: HC1 (EHW) ones.
        truth: the estimand.

    Example:
        >>> import jax
        >>> from jaxpapers import ranks
        >>> model, population = ranks.RankRegression(), ranks.Flip(0.3)
        >>> draws = ranks.coverage(
        ...     jax.random.key(0), model, population, num_obs=40, num_replicates=200
        ... )
        >>> print(draws.truth, draws.slope.mean(), draws.coverage(0.95)["consistent"])
        0.872 0.86709285 0.885
    """

    slope: Float[Array, " replicate"]
    bse: Float[Array, " replicate"]
    bse_homoskedastic: Float[Array, " replicate"]
    bse_robust: Float[Array, " replicate"]
    truth: Float[Array, ""]

    def _sound(self):
        parts = (self.slope, self.bse, self.bse_homoskedastic, self.bse_robust)
        return jnp.all(jnp.isfinite(jnp.stack(parts)), axis=0)

    @property
    def num_failed(self) -> Int[Array, ""]:
        """Number of samples left out."""
        return jnp.sum(~self._sound(), axis=-1, dtype=jnp.int32)

    @property
    def status(self) -> Int[Array, ""]:
        """OK; INCOMPLETE if some samples failed, SINGULAR if more than a tenth of them did."""
        return status_of_replicates(self.num_failed, self.slope.shape[-1], Status.OK)

    def coverage(self, level: float = 0.95) -> dict[str, Float[Array, ""]]:
        """Share of normal intervals that contain the truth, by kind of standard error.

        Of the samples that could be estimated; NaN where none could.

        Args:
            level: nominal coverage, in (0, 1).

        Returns:
            Shares under "homoskedastic", "robust" and "consistent".

        Raises:
            ValueError: a level outside (0, 1).
        """
        sound = self._sound()
        kinds = {
            "homoskedastic": self.bse_homoskedastic,
            "robust": self.bse_robust,
            "consistent": self.bse,
        }
        covers = {}
        for name, bse in kinds.items():
            ends = normal_interval(self.slope, bse, level)
            truth = self.truth[..., None]
            inside = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
            covers[name] = jnp.mean(inside, axis=-1, dtype=self.slope.dtype, where=sound)
        return covers

    def standard_error_ratio(self) -> Float[Array, ""]:
        """Mean consistent standard error over the standard deviation of the estimates."""
        sound = self._sound()
        return jnp.mean(self.bse, axis=-1, where=sound) / jnp.std(self.slope, axis=-1, where=sound)


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

    Samples are drawn and fitted in JAX's default float. Estimates and standard errors of a given
    sample are right to 1e-6 (relative) in float32 and 1e-11 in float64, both far below the Monte
    Carlo error; the truth is computed in float64 and rounded once.

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
        Estimates and standard errors of all samples beside the truth, and a status.

    Raises:
        ValueError: counts below 1; a model that is not rank on rank.
        TypeError: a key that is not typed, a model or population that is none.
    """
    engine.check_key(key)
    check_instance("model", model, RankRegression)
    check_instance("population", population, Population)
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
