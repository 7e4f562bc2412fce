"""What a fit of a factor copula gives back."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .. import engine
from .copula import Copula
from .correlation import DenseCorrelation
from .families import (
    GaussianCopula,
    SkewNormalCopula,
    SkewTCopula,
    TCopula,
    slant_of_skewness,
)
from .gaussians import Gaussian
from .mode import Modes
from .model import FactorModel
from .whitening import Whitening


class FactorMoments(eqx.Module):
    """A moment of the posterior, of what is identified; None where the family has no such thing.

    Attributes:
        correlation: of Omega.
        delta: of the skewness of each margin.
        alpha: of the slant.
        nu: of the degrees of freedom.
    """

    correlation: Float[Array, "asset asset"]
    delta: Float[Array, " asset"] | None
    alpha: Float[Array, " asset"] | None
    nu: Float[Array, ""] | None


class CopulaFit(eqx.Module):
    """Posterior of a factor copula, by whatever algorithm.

    Attributes:
        model: the model.
        draws: draws of the unconstrained parameters from the approximation or the chains.
        log_posterior: exact log posterior at the highest mode found, in nats.
        modes: what each start of the search reached.
        whitening: coordinates in which the algorithm worked.
        approximation: the Gaussian over whitened coordinates; None for NUTS.
        elbo: evidence lower bound over fresh draws, in nats; NaN for NUTS.
        elbo_se: its Monte Carlo standard error.
        pareto_k: PSIS k-hat; below .5 good, below .7 usable; NaN for NUTS.
        weighted: draws of the approximation drawn again by their smoothed importance weights, as
            many as `draws`; None for NUTS.
        log_evidence: importance-sampling estimate, right where `pareto_k` is below .7.
        num_rejected: draws left out because their log posterior was impossible, of all that were
            taken; for NUTS diverging trajectories.
        trace: ELBO estimate of each step, or log posterior of each draw by NUTS.
        r_hat: largest potential scale reduction of what is identified; NaN for variational fits.
        status: how it went, int32; see `engine.status_message`.
        state: of the algorithm, from which `resume` goes on.
        num_steps: steps taken so far.
    """

    model: FactorModel
    draws: Float[Array, "draw param"]
    log_posterior: Float[Array, ""]
    modes: Modes
    whitening: Whitening
    approximation: Gaussian | None
    elbo: Float[Array, ""]
    elbo_se: Float[Array, ""]
    pareto_k: Float[Array, ""]
    weighted: Float[Array, "draw param"] | None
    log_evidence: Float[Array, ""]
    num_rejected: Int[Array, ""]
    trace: Float[Array, " step"]
    r_hat: Float[Array, ""]
    status: Int[Array, ""]
    state: Any
    num_steps: Int[Array, ""]

    @property
    def mean(self) -> FactorMoments:
        """Posterior means."""
        return _moments(self.model, self.draws)[0]

    @property
    def sd(self) -> FactorMoments:
        """Posterior standard deviations."""
        return _moments(self.model, self.draws)[1]

    def corrected(self) -> "CopulaFit":
        """The same fit with its draws corrected by importance weights.

        Means, deviations and dependence are then those of the posterior itself where `pareto_k` is
        below .7. Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024).

        Returns:
            A fit whose `draws` are `weighted`; that by NUTS itself.
        """
        if self.weighted is None:
            return self
        return dataclasses.replace(self, draws=self.weighted)

    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw param"]:
        """Draws of the unconstrained parameters.

        Args:
            key: a typed key.
            num_draws: how many.

        Returns:
            Fresh draws of the approximation; for NUTS the stored draws, drawn with replacement.

        Raises:
            TypeError: a key that is not typed, a count that is not an int.
            ValueError: a count below 1.
        """
        engine.check_key(key)
        engine.check_count("num_draws", num_draws)
        if self.approximation is None:
            return jax.random.choice(key, self.draws, (num_draws,))
        places = jnp.arange(num_draws, dtype=jnp.int32)
        return draw_params(key, self.approximation, self.whitening, places)

    def mean_copula(self) -> Copula:
        """Copula at the posterior means of Omega, delta and nu.

        The means are admissible: `E[delta] E[delta]' <= E[delta delta'] < E[Omega]`.

        Returns:
            A copula of the model's family.
        """
        mean = self.mean
        dense = DenseCorrelation(jnp.linalg.cholesky(mean.correlation))
        if mean.delta is None:
            return GaussianCopula(dense) if mean.nu is None else TCopula(dense, mean.nu)
        alpha = slant_of_skewness(dense, mean.delta)
        if mean.nu is None:
            return SkewNormalCopula(dense, alpha)
        return SkewTCopula(dense, alpha, mean.nu)


def draw_params(
    key: PRNGKeyArray, family: Gaussian, whitening: Whitening, places: Int[Array, " draw"]
) -> Float[Array, "draw param"]:
    """Draws of parameters from an approximation; draw i uses `fold_in(key, i)`.

    Args:
        key: a typed key.
        family: the approximation over whitened coordinates.
        whitening: the coordinates.
        places: which draws.

    Returns:
        Unconstrained parameters.
    """

    def one(index):
        return whitening.params(family.draw(family.noise(jax.random.fold_in(key, index))))

    return jax.vmap(one)(places)


@eqx.filter_jit
def _moments(model, draws):
    """Means and standard deviations over draws, one draw at a time."""

    def identified(params):
        given, copula = model.unpack(params), model.copula(params)
        delta = None if given.alpha is None else copula.skewness
        return FactorMoments(copula.correlation.matrix(), delta, given.alpha, given.nu)

    def add(sums, params):
        value = identified(params)
        return jax.tree.map(lambda s, v: (s[0] + v, s[1] + v * v), sums, value, is_leaf=_is_pair), 0

    shape = jax.eval_shape(identified, draws[0])
    first = jax.tree.map(lambda s: (jnp.zeros(s.shape, s.dtype),) * 2, shape)
    sums, _ = jax.lax.scan(add, first, draws)
    size = draws.shape[0]
    mean = jax.tree.map(lambda s: s[0] / size, sums, is_leaf=_is_pair)

    def deviation(pair):
        variance = (pair[1] - pair[0] ** 2 / size) / max(size - 1, 1)
        return jnp.sqrt(jnp.maximum(variance, 0))

    return mean, jax.tree.map(deviation, sums, is_leaf=_is_pair)


def _is_pair(leaf):
    return isinstance(leaf, tuple)
