"""Variational inference on the exact log posterior, in whitened coordinates."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Algorithm, finite_status
from .gaussians import FactorGaussian, FullGaussian, Gaussian
from .mode import cosine_rate
from .model import FactorModel, as_number
from .observed import Observed
from .whitening import Whitening

MOST_ABOVE = 100.0
"""Log posteriors this far above the mode are errors of arithmetic, and rejected."""
AVERAGED = 0.1
"""Share of the steps, at the end, over which iterates are averaged."""


class VIData(eqx.Module):
    """What a variational fit is given.

    Attributes:
        observed: the copula data.
        whitening: coordinates of the posterior.
        horizon: number of steps over which the learning rate falls, int32.
    """

    observed: Observed
    whitening: Whitening
    horizon: Int[Array, ""]


class VIState(eqx.Module):
    """Where a variational fit stands.

    Attributes:
        family: the approximation now.
        average: its mean over the last steps so far.
        memory: what the optimiser remembers.
        count: steps taken, int32.
    """

    family: Gaussian
    average: Gaussian
    memory: Any
    count: Int[Array, ""]


class VIInfo(eqx.Module):
    """What a step tells.

    Attributes:
        elbo: its estimate of the evidence lower bound, in nats, of the draws that were kept.
        num_rejected: draws rejected because their log posterior was not finite or impossible.
    """

    elbo: Float[Array, ""]
    num_rejected: Int[Array, ""]


class VariationalInference(Algorithm):
    """Reparameterised stochastic gradient ascent of the ELBO, sticking the landing.

    The score of q has mean zero and is left out of the gradient (sticking the landing), which
    halves its noise. The iterates at the end are averaged.
    """

    num_draws: eqx.AbstractVar[int]

    @abc.abstractmethod
    def first(self, key: PRNGKeyArray, num_params: int, dtype: Any) -> Gaussian:
        """The approximation at the start.

        Args:
            key: a typed key.
            num_params: number of parameters.
            dtype: floating dtype.

        Returns:
            The approximation.
        """

    @abc.abstractmethod
    def loss(
        self,
        key: PRNGKeyArray,
        family: Gaussian,
        model: FactorModel,
        data: VIData,
        noise: Float[Array, "draw noise"],
    ) -> tuple[Float[Array, ""], VIInfo]:
        """What is descended.

        Args:
            key: a typed key, for what is drawn beside the parameters.
            family: the approximation.
            model: the model.
            data: data and coordinates.
            noise: standard normal, one row per draw.

        Returns:
            A number whose gradient estimates that of the negative ELBO, and what to tell.
        """

    @abc.abstractmethod
    def optimiser(self, count: Int[Array, ""], horizon: Int[Array, ""]) -> Any:
        """The optax transformation of gradients into steps.

        Args:
            count: steps taken.
            horizon: steps until the end.

        Returns:
            The transformation.
        """

    @abc.abstractmethod
    def num_averaged(self, horizon: Int[Array, ""]) -> Int[Array, ""]:
        """How many iterates at the end are averaged.

        Args:
            horizon: number of all steps.

        Returns:
            The number, int32.
        """

    def init(self, key: PRNGKeyArray, model: FactorModel, data: VIData) -> VIState:
        """A standard normal in whitened coordinates."""
        family = self.first(key, model.num_params, data.whitening.center.dtype)
        count = jnp.zeros((), jnp.int32)
        return VIState(family, family, self.optimiser(count, data.horizon).init(family), count)

    def step(self, key, model, data, state):
        """One step: draws, gradient, optimiser, average."""
        draw_key, latent_key = jax.random.split(key)
        keys = jax.vmap(lambda i: jax.random.fold_in(draw_key, i))(jnp.arange(self.num_draws))
        noise = jax.vmap(state.family.noise)(keys)

        def loss(family):
            return self.loss(latent_key, family, model, data, noise)

        gradients, info = jax.grad(loss, has_aux=True)(state.family)
        gradients = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), gradients)
        optimiser = self.optimiser(state.count, data.horizon)
        moves, memory = optimiser.update(gradients, state.memory, state.family)
        family: Any = optax.apply_updates(state.family, moves)
        first = data.horizon - self.num_averaged(data.horizon)
        share = 1 / jnp.maximum(state.count - first + 1, 1).astype(info.elbo.dtype)
        average = jax.tree.map(lambda mean, new: mean + share * (new - mean), state.average, family)
        return VIState(family, average, memory, state.count + 1), info

    def status(self, state, info):
        """Goes on while the approximation is finite."""
        return finite_status(state.family)


class FactorGaussianVI(VariationalInference):
    """Variational inference with a factor Gaussian, `N(mean, B B' + D^2)`: the default.

    Attributes:
        rank: columns of B; static.
        learning_rate: of Adam at the start, in whitened standard deviations.
        final: share of it at the end.
        num_draws: draws per step; one is enough on a CPU; static.
    """

    rank: int = eqx.field(static=True, default=5)
    learning_rate: Float[Array, ""] = eqx.field(converter=as_number, default=0.03)
    final: Float[Array, ""] = eqx.field(converter=as_number, default=0.02)
    num_draws: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        """Checks the settings."""
        engine.check_count("rank", self.rank)
        engine.check_count("num_draws", self.num_draws)
        check_rate(self.learning_rate)

    def first(self, key: PRNGKeyArray, num_params: int, dtype: Any) -> Gaussian:
        """Near the standard normal, factors small."""
        factors = 0.01 * jax.random.normal(key, (num_params, self.rank), dtype)
        zeros = jnp.zeros(num_params, dtype)
        return FactorGaussian(zeros, factors, zeros)

    def loss(self, key, family, model, data, noise):
        """Negative ELBO on the exact log posterior."""
        del key
        return exact_loss(family, model, data, noise)

    def optimiser(self, count, horizon):
        """Adam with a learning rate that falls along a cosine."""
        return adam(self.learning_rate, self.final, count, horizon)

    def num_averaged(self, horizon):
        """The last tenth."""
        return last_share(horizon)


class FullRankVI(VariationalInference):
    """Variational inference with a full covariance; for up to about 50 parameters.

    Attributes:
        learning_rate: of Adam at the start, in whitened standard deviations.
        final: share of it at the end.
        num_draws: draws per step; static.
    """

    learning_rate: Float[Array, ""] = eqx.field(converter=as_number, default=0.03)
    final: Float[Array, ""] = eqx.field(converter=as_number, default=0.02)
    num_draws: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        """Checks the settings."""
        engine.check_count("num_draws", self.num_draws)
        check_rate(self.learning_rate)

    def first(self, key: PRNGKeyArray, num_params: int, dtype: Any) -> Gaussian:
        """The standard normal."""
        del key
        zeros = jnp.zeros(num_params, dtype)
        return FullGaussian(zeros, jnp.zeros(num_params * (num_params - 1) // 2, dtype), zeros)

    def loss(self, key, family, model, data, noise):
        """Negative ELBO on the exact log posterior."""
        del key
        return exact_loss(family, model, data, noise)

    def optimiser(self, count, horizon):
        """Adam as for the factor Gaussian; the root below its diagonal moves slower."""
        return optax.chain(adam(self.learning_rate, self.final, count, horizon), slower_root())

    def num_averaged(self, horizon):
        """The last tenth."""
        return last_share(horizon)


def check_rate(learning_rate: Any) -> None:
    """Checks a learning rate.

    Args:
        learning_rate: the argument; a traced value passes.

    Raises:
        ValueError: not in (0, 1).
    """
    engine.check_probability("learning_rate", learning_rate)


def elbo_terms(
    family: Gaussian, model: FactorModel, data: VIData, noise: Float[Array, " noise"]
) -> tuple[Float[Array, " param"], Float[Array, ""], Bool[Array, ""]]:
    """One draw of q, its term of the ELBO, and whether its log posterior can be true.

    Args:
        family: q, in whitened coordinates.
        model: the model.
        data: data and coordinates.
        noise: standard normal.

    Returns:
        Parameters, `log posterior - log q(params)`, and False where the log posterior is not
        finite or more than 100 above the mode.
    """
    xi = family.draw(noise)
    params = data.whitening.params(xi)
    log_posterior = model.log_prob(params, data.observed)
    still = jax.lax.stop_gradient(family)
    term = log_posterior - still.log_prob(xi) + data.whitening.log_det
    is_sound = jnp.isfinite(term) & (log_posterior < data.whitening.highest + MOST_ABOVE)
    return params, term, is_sound


def exact_loss(
    family: Gaussian, model: FactorModel, data: VIData, noise: Float[Array, "draw noise"]
) -> tuple[Float[Array, ""], VIInfo]:
    """Negative ELBO over the draws that are sound.

    Args:
        family: q.
        model: the model.
        data: data and coordinates.
        noise: standard normal, one row per draw.

    Returns:
        The loss, and what to tell.
    """
    _, terms, sound = jax.vmap(lambda one: elbo_terms(family, model, data, one))(noise)
    count = jnp.maximum(jnp.sum(sound), 1)
    total = jnp.sum(jnp.where(sound, terms, 0)) / count
    return -total, VIInfo(total, jnp.sum(~sound, dtype=jnp.int32))


def adam(
    rate: Any, final: Any, count: Int[Array, ""], horizon: Int[Array, ""]
) -> optax.GradientTransformation:
    """Adam with a learning rate that falls along a cosine.

    Args:
        rate: at the start.
        final: share of it at the end.
        count: steps taken.
        horizon: steps until the end.

    Returns:
        The transformation.
    """
    dtype = jnp.result_type(float)
    now = cosine_rate(jnp.asarray(rate, dtype), jnp.asarray(final, dtype), count, horizon)
    return optax.chain(optax.scale_by_adam(), optax.scale(-now))


def slower_root() -> optax.GradientTransformation:
    """Divides steps of a full-rank root below its diagonal by the root of its size."""

    def slower(moves, params):
        del params
        size = jnp.sqrt(jnp.asarray(moves.mean.shape[0], moves.lower.dtype))
        return eqx.tree_at(lambda m: m.lower, moves, moves.lower / size)

    return optax.stateless(slower)


def last_share(horizon: Int[Array, ""]) -> Int[Array, ""]:
    """The last tenth of all steps.

    Args:
        horizon: their number.

    Returns:
        How many they are, int32.
    """
    return jnp.ceil(AVERAGED * horizon).astype(jnp.int32)
