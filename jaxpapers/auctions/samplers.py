"""How a token is drawn from the mixture; each takes its own randomness from one key."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .aggregation import Aggregation
from .linear import LinearAggregation
from .tokens import by_block, draw_place, draw_token, over_chunks


class Sampler(eqx.Module):
    """Draws tokens of an aggregation. Interface."""

    @abc.abstractmethod
    def sample(
        self, key: PRNGKeyArray, aggregation: Aggregation, sums: Float[Array, " block"]
    ) -> Int[Array, ""]:
        """Draws a token.

        Args:
            key: a typed key.
            aggregation: the auction.
            sums: masses of the mixture by block of tokens.

        Returns:
            The token, int32.
        """


class InverseCDF(Sampler):
    """Inverse cdf over blocks of tokens, then over the tokens of one block: the default."""

    def sample(self, key, aggregation, sums):
        """One uniform, two searches."""
        uniform = jax.random.uniform(key, (), sums.dtype)
        return draw_token(
            uniform, sums, aggregation.rows, lambda rows: aggregation.at(rows).mixture
        )


class Ancestral(Sampler):
    """An agent by its bid, then a token of its distribution; for the linear rule.

    Reads the distribution of one agent only, so that a step without further outputs costs a part
    of what the mixture does.
    """

    def sample(self, key, aggregation, sums):
        """Two uniforms.

        Args:
            key: a typed key.
            aggregation: an auction under the linear rule.
            sums: not used.

        Returns:
            The token, int32.

        Raises:
            TypeError: an auction under another rule.
        """
        if not isinstance(aggregation, LinearAggregation):
            raise TypeError("Ancestral draws from a mean of agents: it needs a LinearRule")
        agent_key, token_key = jax.random.split(key)
        rows, weights = aggregation.rows, aggregation.rivals.weights
        agent, _ = draw_place(jax.random.uniform(agent_key, (), rows.dtype), weights)
        own = jax.lax.dynamic_slice_in_dim(rows, agent, 1, axis=0)
        uniform = jax.random.uniform(token_key, (), rows.dtype)
        sums = over_chunks(own, lambda rows: by_block(_only(rows)))
        return draw_token(uniform, sums, own, _only)


class ExponentialRace(Sampler):
    """The first of exponential clocks with the tokens' probabilities as rates.

    With one key the clocks are the same at every bid, so that sweeps over bids are coupled: tokens
    change rarely, and differences have little noise. Costs one exponential per token.
    """

    def sample(self, key, aggregation, sums):
        """One exponential per token of the vocabulary."""
        del sums
        log_rates = aggregation.log_mixture()
        clocks = jax.random.exponential(key, log_rates.shape, log_rates.dtype)
        return jnp.argmax(log_rates - jnp.log(clocks)).astype(jnp.int32)


def _only(rows):
    return jnp.exp(rows[0])
