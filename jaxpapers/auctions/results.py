"""What comes back from an auction."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Clearing(eqx.Module):
    """One token that was drawn and paid for.

    Attributes:
        token: the token, int32.
        mixture: probabilities `q` of all tokens.
        probabilities: `p_i` of the token.
        probability: `q` of the token.
        payments: what each agent is charged, in the unit of bids.
        influence: `TV(q, p_-i)`, the share of text that the agent's bid moves, in [0, 1].
        switch_bids: the bid at which the agent got the token, 0 if its bid changed nothing; NaN
            where no single bid did.
        counterfactuals: the token without the agent, int32; its law is `p_-i`.
        is_expected: whether payments are expectations over the token.
        status: OK; DISJOINT where the rule has no answer and nobody is charged; INVALID_BIDS or
            NOT_A_DISTRIBUTION for bad input.
        switch_status: by agent OK, or NOT_MONOTONE where its switch bid is NaN.
    """

    token: Int[Array, ""]
    mixture: Float[Array, " vocab"]
    probabilities: Float[Array, " agent"]
    probability: Float[Array, ""]
    payments: Float[Array, " agent"]
    influence: Float[Array, " agent"]
    switch_bids: Float[Array, " agent"]
    counterfactuals: Int[Array, " agent"]
    is_expected: Bool[Array, ""]
    status: Int[Array, ""]
    switch_status: Int[Array, " agent"]

    @property
    def revenue(self) -> Float[Array, ""]:
        """Sum of payments."""
        return jnp.sum(self.payments, axis=-1)


class Influence(eqx.Module):
    """How much of the distribution each agent's bid moves.

    Attributes:
        influence: `TV(q, p_-i)`, in [0, 1].
        status: OK, or what is wrong with the auction, as in `Clearing`.
    """

    influence: Float[Array, " agent"]
    status: Int[Array, ""]


class ExpectedPayments(eqx.Module):
    """Expected second-price payments of one token.

    Attributes:
        payments: `b x(b) - integral of x` with x the influence, in the unit of bids.
        status: OK, or what is wrong with the auction, as in `Clearing`.
    """

    payments: Float[Array, " agent"]
    status: Int[Array, ""]

    @property
    def revenue(self) -> Float[Array, ""]:
        """Sum of payments."""
        return jnp.sum(self.payments, axis=-1)


class Generation(eqx.Module):
    """A text that was sold token by token; `replicate` gives one more leading axis.

    Attributes:
        tokens: the text, int32.
        bids: of each agent for each token.
        probabilities: `p_i` of the token drawn.
        probability: `q` of it.
        payments: what each agent is charged for each token, in the unit of bids.
        influence: share of the distribution that each agent's bid moves, in [0, 1].
        switch_bids: as in `Clearing`.
        counterfactuals: the token without the agent, int32.
        is_expected: whether payments are expectations over the token.
        status: of each token, as in `Clearing`.
        switch_status: of each token and agent, as in `Clearing`.
    """

    tokens: Int[Array, "*replicate time"]
    bids: Float[Array, "*replicate time agent"]
    probabilities: Float[Array, "*replicate time agent"]
    probability: Float[Array, "*replicate time"]
    payments: Float[Array, "*replicate time agent"]
    influence: Float[Array, "*replicate time agent"]
    switch_bids: Float[Array, "*replicate time agent"]
    counterfactuals: Int[Array, "*replicate time agent"]
    is_expected: Bool[Array, "*replicate time"]
    status: Int[Array, "*replicate time"]
    switch_status: Int[Array, "*replicate time agent"]

    @staticmethod
    def of(bids: Float[Array, " agent"], sold: Clearing) -> "Generation":
        """The row of one token.

        Args:
            bids: of the agents.
            sold: the token.

        Returns:
            What is kept of it: all but the mixture.
        """
        kept = {
            field.name: getattr(sold, field.name)
            for field in dataclasses.fields(sold)
            if field.name not in ("token", "mixture")
        }
        return Generation(tokens=sold.token, bids=bids, **kept)

    @property
    def charged(self) -> Float[Array, "*replicate agent"]:
        """Sum of each agent's payments over the text."""
        return jnp.sum(self.payments, axis=-2)

    @property
    def revenue(self) -> Float[Array, "*replicate"]:
        """Sum of all payments."""
        return jnp.sum(self.payments, axis=(-1, -2))

    @property
    def log_likelihood(self) -> Float[Array, "*replicate"]:
        """Log-probability of the text under the mixture, in nats."""
        return jnp.sum(jnp.log(self.probability), axis=-1)
