"""Variational inference as numpyro has it: a low-rank normal, its own start, Adam.

The density is ours, handed over by `numpyro.factor`: what is compared is the way to fit it.
"""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoLowRankMultivariateNormal

SITE = "params"
LEARNING_RATE = 0.01


class LowRankSVI:
    """numpyro's SVI on the log posterior of a factor copula.

    Attributes:
        guide: The approximation.
        svi: numpyro's own algorithm.
    """

    def __init__(self, model, learning_rate=LEARNING_RATE):
        """Set up the algorithm.

        Args:
            model: A factor model.
            learning_rate: Of Adam.
        """
        self._model = model

        def density(observed):
            flat = dist.ImproperUniform(dist.constraints.real_vector, (), (model.num_params,))
            params = numpyro.sample(SITE, flat)
            numpyro.factor("log_posterior", model.log_prob(params, observed))

        self.guide = AutoLowRankMultivariateNormal(density)
        self.svi = SVI(density, self.guide, numpyro.optim.Adam(learning_rate), Trace_ELBO())

    def start(self, key, observed):
        """Return the state from which the steps begin, numpyro's own default."""
        return self.svi.init(key, observed)

    def make_steps(self, num_steps):
        """Return a compiled function of state and data that takes some steps in one scan."""

        def take(state, observed):
            return jax.lax.scan(
                lambda state, _: self.svi.update(state, observed), state, length=num_steps
            )

        return jax.jit(take)

    def center(self, state):
        """Return the mean of the approximation, shape (param,)."""
        return self.svi.get_params(state)["auto_loc"]

    def elbo_terms(self, key, state, observed, num_draws, batch_size):
        """Return fresh draws, the log posterior at each, and their terms of the ELBO.

        Args:
            key: A typed key.
            state: Where the steps ended.
            observed: The data.
            num_draws: How many.
            batch_size: How many at once.
        """
        posterior = self.guide.get_posterior(self.svi.get_params(state))

        def term(key, observed):
            params = posterior.sample(key)
            value = self._model.log_prob(params, observed)
            return params, value, value - jnp.asarray(posterior.log_prob(params))

        @jax.jit
        def terms(keys, observed):
            return jax.lax.map(lambda key: term(key, observed), keys, batch_size=batch_size)

        return terms(jax.random.split(key, num_draws), observed)
