"""Weights of a mixture, and of the mixtures without each agent; never by subtraction."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Rivals(eqx.Module):
    """Weights of the rows of an auction: agents, then the platform where there is one.

    `S - b_i` loses all digits where one bid dwarfs the others, so sums leave out the own bid
    instead.

    Attributes:
        weights: of the mixture, sum to 1.
        without: of the mixture without each agent, rows sum to 1.
        total: sum of the others' bids and the reserve, `B_i`.
        is_idle: whether nobody bids at all.
        is_alone: whether the others of an agent bid nothing, `B_i = 0`.
    """

    weights: Float[Array, " row"]
    without: Float[Array, "agent row"]
    total: Float[Array, " agent"]
    is_idle: Bool[Array, ""]
    is_alone: Bool[Array, " agent"]

    @staticmethod
    def of(
        bids: Float[Array, " agent"], reserve: Float[Array, ""], *, has_platform: bool
    ) -> "Rivals":
        """Weights at given bids.

        Args:
            bids: of the agents.
            reserve: weight of the platform; without a platform it is not used.
            has_platform: whether there is a platform.

        Returns:
            The weights. Where nobody bids they are those of the platform, without a platform all
            agents weigh the same.
        """
        num_agents = bids.shape[0]
        rows = jnp.concatenate([bids, reserve.astype(bids.dtype)[None]]) if has_platform else bids
        others = (1 - jnp.eye(num_agents, rows.shape[0], dtype=bids.dtype)) * rows[None]
        total, every = jnp.sum(others, axis=1), jnp.sum(rows)
        if has_platform:
            nobody = jnp.zeros_like(rows).at[-1].set(1)
        else:
            nobody = jnp.full_like(rows, 1 / num_agents)
        is_alone, is_idle = total == 0, every == 0
        return Rivals(
            jnp.where(is_idle, nobody, rows / jnp.where(is_idle, 1, every)),
            jnp.where(
                is_alone[:, None], nobody[None], others / jnp.where(is_alone, 1, total)[:, None]
            ),
            total,
            is_idle,
            is_alone,
        )


def weighted_logs(
    weights: Float[Array, "mean row"], rows: Float[Array, "row token"]
) -> Float[Array, "mean token"]:
    """Sums of weighted logarithms in which a weight of 0 counts for nothing, also times infinity.

    Args:
        weights: of any sign.
        rows: log-probabilities.

    Returns:
        One sum per row of weights.
    """
    total = jnp.zeros((weights.shape[0], rows.shape[1]), rows.dtype)
    for weight, row in zip(weights.T, rows, strict=True):
        has_weight = (weight != 0)[:, None]
        term = weight[:, None] * jnp.where(has_weight, row[None], 0)
        total = total + jnp.where(has_weight, term, 0)
    return total


def share_of(
    own_bids: Float[Array, " agent"], total: Float[Array, " agent"]
) -> Float[Array, " agent"]:
    """`b / (b + B)`, 0 where the own bid is.

    Args:
        own_bids: b.
        total: B, of the others.

    Returns:
        In [0, 1].
    """
    whole = own_bids + total
    has_bids = whole > 0
    return jnp.where(has_bids, own_bids / jnp.where(has_bids, whole, 1), 0)
