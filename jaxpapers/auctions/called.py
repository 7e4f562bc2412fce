"""Auctions under a rule of the user's, by calling it with other bids."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..engine import Status
from ..numerics import gauss_legendre
from .aggregation import Aggregation, Distributions, SwitchBids

NUM_NODES = 64


class CalledAggregation(Aggregation):
    """An auction under a rule of the user's.

    Attributes:
        rows: logarithms of the mixture, and of those without each agent.
        bids: of the agents.
        log_probs: of the agents.
        platform: that of the platform, or None.
        function: the rule.
    """

    rows: Float[Array, "row vocab"]
    bids: Float[Array, " agent"]
    log_probs: Float[Array, "agent vocab"]
    platform: Float[Array, " vocab"] | None
    function: Any

    @property
    def has_switch_bids(self):
        """False."""
        return False

    @staticmethod
    def of(
        function: Any,
        bids: Float[Array, " agent"],
        log_probs: Float[Array, "agent vocab"],
        platform: Float[Array, " vocab"] | None,
    ) -> "CalledAggregation":
        """Calls the rule with all bids, and with each bid in turn set to 0.

        Args:
            function: `(bids, log_probs, platform) -> log q`.
            bids: of the agents.
            log_probs: of the agents.
            platform: that of the platform, or None.

        Returns:
            The aggregation.

        Raises:
            ValueError: the function gives something else than one number per token.
        """
        num_agents, vocab_size = log_probs.shape
        own = jnp.eye(num_agents, dtype=bool)
        every = jnp.concatenate([bids[None], jnp.where(own, 0, bids[None])])
        rows = jax.vmap(lambda b: jnp.asarray(function(b, log_probs, platform)))(every)
        if rows.shape != (num_agents + 1, vocab_size):
            raise ValueError(
                f"function must give log q of shape ({vocab_size},), got {rows.shape[1:]}"
            )
        rows = rows.astype(bids.dtype)
        return CalledAggregation(rows, bids, log_probs, platform, function)

    def log_mixture(self):
        """What the rule gave."""
        return self.rows[0]

    def at(self, rows):
        """What the rule gave, with and without each agent."""
        masses = jnp.exp(rows)
        return Distributions(masses[0], masses[1:], jnp.broadcast_to(masses[0], masses[1:].shape))

    def is_void(self):
        """Never; a rule that gives no distribution is found by its sum."""
        return jnp.asarray(False)

    def is_alone(self):
        """Where the others bid 0 and there is no platform."""
        others = jnp.where(jnp.eye(self.num_agents, dtype=bool), 0, self.bids[None])
        return jnp.all(others == 0, axis=1) & (self.platform is None)

    def influence(self, own_bids, distances):
        """By calling the rule at those bids."""
        del distances
        return jax.vmap(self._influence_of)(jnp.arange(self.num_agents), own_bids)

    def expected_payments(self, distances):
        """By Gauss-Legendre quadrature over the own bid; kinks are not split."""
        nodes, weights = gauss_legendre(NUM_NODES, 0, 1, dtype=self.bids.dtype)
        own_bids = nodes[:, None] * self.bids[None]
        along = jax.lax.map(lambda z: self.influence(z, distances), own_bids)
        mean = jnp.sum(weights[:, None] * along, axis=0)
        paid = self.bids * (self.influence(self.bids, distances) - mean)
        return jnp.where(self.is_alone(), 0, paid)

    def switch_bids(self, token, column, height):
        """Not known: the rule need not be monotone."""
        del token
        is_gained = ((column.others < height) & (height < column.targets))[:, 0]
        status = jnp.where(is_gained, Status.NOT_MONOTONE, Status.OK).astype(jnp.int32)
        return SwitchBids(jnp.where(is_gained, jnp.nan, 0).astype(self.bids.dtype), status)

    def externalities(self):
        """None.

        Returns:
            Nothing.

        Raises:
            TypeError: always; the rule maximises no welfare that is known.
        """
        raise TypeError("VCG payments need a rule that maximises a known welfare, not a CalledRule")

    def _influence_of(self, agent, own_bid):
        bids = self.bids.at[agent].set(own_bid)
        mixture = jnp.exp(jnp.asarray(self.function(bids, self.log_probs, self.platform)))
        change = jnp.sum(jnp.abs(mixture - jnp.exp(self.rows[agent + 1])))
        return jnp.where(own_bid > 0, 0.5 * change, 0).astype(self.bids.dtype)
