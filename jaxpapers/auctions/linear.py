"""Auctions under the linear rule: means of distributions, payments in closed form."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics import matmul
from .aggregation import Aggregation, Distributions, SwitchBids
from .rivals import Rivals, share_of
from .tilt import gap_of_exponential
from .tokens import sum_over_tokens


class LinearAggregation(Aggregation):
    """An auction under the linear rule.

    Attributes:
        rows: log-probabilities of agents, and of the platform where there is one.
        bids: of the agents.
        rivals: weights of the means.
    """

    rows: Float[Array, "row vocab"]
    bids: Float[Array, " agent"]
    rivals: Rivals

    @property
    def has_switch_bids(self):
        """True."""
        return True

    def log_mixture(self):
        """Logarithm of the mean."""
        return jax.nn.logsumexp(self.rows, axis=0, b=self.rivals.weights[:, None])

    def at(self, rows):
        """Means of probabilities; targets are the agents' own distributions."""
        masses = jnp.exp(rows)
        weights = jnp.concatenate([self.rivals.weights[None], self.rivals.without])
        means = matmul(weights, masses)
        return Distributions(means[0], means[1:], masses[: self.num_agents])

    def is_void(self):
        """Never."""
        return jnp.asarray(False)

    def is_alone(self):
        """Where the others and the reserve are 0."""
        return self.rivals.is_alone

    def influence(self, own_bids, distances):
        """The distance times the agent's share of the weights."""
        return distances * share_of(own_bids, self.rivals.total)

    def expected_payments(self, distances):
        """`TV(p_i, p_-i) (B ln(1 + b/B) - b B / (b + B))`."""
        return distances * payment_per_distance(self.bids, self.rivals.total)

    def switch_bids(self, token, column, height):
        """`B (h - p_-i) / (p_i - h)`, where the agent gained the token."""
        del token
        is_gained = (column.others < height) & (height < column.targets)
        gap = column.targets - height
        ratio = (height - column.others) / jnp.where(is_gained, gap, 1)
        bids = jnp.where(is_gained[:, 0], self.rivals.total * ratio[:, 0], 0)
        bids = jnp.where(self.bids > 0, jnp.minimum(bids, self.bids), 0)
        return SwitchBids(bids, jnp.zeros(self.num_agents, jnp.int32))

    def externalities(self):
        """`B_i KL(p_-i || q)`, by terms that are at least 0."""
        share = share_of(self.bids, self.rivals.total)[:, None]

        def gaps(parts):
            has_mass = parts.others > 0
            ratio = parts.targets / jnp.where(has_mass, parts.others, 1)
            move = jnp.log1p(share * jnp.where(has_mass, ratio - 1, 0))
            return jnp.where(
                has_mass, parts.others * gap_of_exponential(move), share * parts.targets
            )

        return jnp.where(self.rivals.is_alone, 0, self.rivals.total * sum_over_tokens(self, gaps))


def payment_per_distance(
    bids: Float[Array, " agent"], total: Float[Array, " agent"]
) -> Float[Array, " agent"]:
    """`B ln(1 + b/B) - b B / (b + B)`; relative to its size right for all b / B.

    Source: derived by us; the Myerson integral of `b / (b + B)`.

    Args:
        bids: of the agents.
        total: of the others.

    Returns:
        Expected payment for each unit of distance; 0 where the others bid nothing.
    """
    has_others = total > 0
    largest = jnp.finfo(bids.dtype).max
    ratio = jnp.minimum(bids / jnp.where(has_others, total, 1), largest)
    is_small = ratio < 0.01
    small = jnp.where(is_small, ratio, 0)
    series = jnp.zeros_like(ratio)
    for power in range(9, 1, -1):
        series = small * ((power - 1) / power - series)
    large = jnp.where(is_small, 1, ratio)
    closed = jnp.log1p(large) - large / (1 + large)
    return jnp.where(has_others, total * jnp.where(is_small, small * series, closed), 0)
