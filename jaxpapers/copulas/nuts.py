"""No-U-turn sampling of the exact posterior in whitened coordinates, by numpyro's kernel."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Algorithm, finite_status
from .model import FactorModel
from .vi import VIData

LARGEST_POTENTIAL = 1e10
"""Potential of points whose log posterior is not finite, so that they are never accepted."""


class NUTSInfo(eqx.Module):
    """What a step tells.

    Attributes:
        xi: the draw, in whitened coordinates.
        log_posterior: of the draw, in nats.
        is_diverging: whether the trajectory diverged.
        num_leapfrogs: gradients it took.
    """

    xi: Float[Array, " param"]
    log_posterior: Float[Array, ""]
    is_diverging: Bool[Array, ""]
    num_leapfrogs: Int[Array, ""]


class NUTS(Algorithm):
    """No-U-turn sampler on the exact log posterior: the reference for accuracy.

    The kernel is numpyro's; step size and a diagonal mass matrix are adapted in `num_warmup` steps
    that come before the draws.

    Attributes:
        num_warmup: steps of adaptation; static.
        num_chains: independent chains; static.
        target_acceptance: acceptance rate that the step size aims at.
        max_tree_depth: trajectories have at most 2^this leapfrog steps; static.
    """

    num_warmup: int = eqx.field(static=True, default=500)
    num_chains: int = eqx.field(static=True, default=2)
    target_acceptance: float = eqx.field(static=True, default=0.85)
    max_tree_depth: int = eqx.field(static=True, default=8)

    def __check_init__(self):
        """Checks the settings."""
        engine.check_count("num_warmup", self.num_warmup, 10)
        engine.check_count("num_chains", self.num_chains)
        engine.check_count("max_tree_depth", self.max_tree_depth)
        engine.check_probability("target_acceptance", self.target_acceptance)

    def init(self, key: PRNGKeyArray, model: FactorModel, data: VIData) -> Any:
        """A draw around the mode, step size 1."""
        start_key, kernel_key = jax.random.split(key)
        center = data.whitening.center
        start = 0.5 * jax.random.normal(start_key, center.shape, center.dtype)
        state, _ = self._kernel(model, data, start, kernel_key)
        return state

    def step(self, key, model, data, state):
        """One trajectory; adapts while it warms up."""
        _, move = self._kernel(model, data, state.z, key)
        state = move(state._replace(rng_key=jax.random.key_data(key)))
        highest = -state.potential_energy
        info = NUTSInfo(
            xi=state.z,
            log_posterior=highest,
            is_diverging=state.diverging,
            num_leapfrogs=jnp.asarray(state.num_steps, jnp.int32),
        )
        return state, info

    def status(self, state, info):
        """Goes on while the draw is finite."""
        return finite_status(info.xi)

    def _kernel(self, model, data, start, key):
        """The state at a start, and the kernel's step; numpyro sets up the latter by the former."""
        from numpyro.infer.hmc import hmc

        def potential(xi):
            value = model.log_prob(data.whitening.params(xi), data.observed)
            return jnp.where(jnp.isfinite(value), -value, LARGEST_POTENTIAL)

        begin, move = hmc(potential_fn=potential, algo="NUTS")
        state = begin(
            start,
            self.num_warmup,
            target_accept_prob=self.target_acceptance,
            max_tree_depth=self.max_tree_depth,
            rng_key=jax.random.key_data(key),
        )
        return state, move
