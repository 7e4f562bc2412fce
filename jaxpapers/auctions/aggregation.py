"""What a rule makes of one auction: distributions with and without each agent, and payments."""

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int


class Distributions(NamedTuple):
    """Probabilities of some tokens.

    Attributes:
        mixture: `q`.
        others: `p_-i = q(0, b_-i)` for each agent.
        targets: where an agent's bid pulls `p_-i`.
    """

    mixture: Float[Array, " token"]
    others: Float[Array, "agent token"]
    targets: Float[Array, "agent token"]


class SwitchBids(NamedTuple):
    """Bids at which agents got the drawn token.

    Attributes:
        bids: 0 where an agent did not change the token, NaN where no single bid did.
        status: OK, or NOT_MONOTONE where the bid is NaN.
    """

    bids: Float[Array, " agent"]
    status: Int[Array, " agent"]


class Aggregation(eqx.Module):
    """One auction under one rule. Interface; each rule makes its own.

    Attributes:
        rows: what distributions are computed from, token by token.
        bids: of the agents.
    """

    rows: eqx.AbstractVar[Float[Array, "row vocab"]]
    bids: eqx.AbstractVar[Float[Array, " agent"]]

    @property
    @abc.abstractmethod
    def has_switch_bids(self) -> bool:
        """Whether every token has one bid at which an agent got it."""

    @property
    def num_agents(self) -> int:
        """Number of agents."""
        return self.bids.shape[0]

    @abc.abstractmethod
    def log_mixture(self) -> Float[Array, " vocab"]:
        """Logarithm of q."""

    @abc.abstractmethod
    def at(self, rows: Float[Array, "row token"]) -> Distributions:
        """Probabilities at some columns of the rows.

        Args:
            rows: those columns.

        Returns:
            Probabilities there.
        """

    @abc.abstractmethod
    def is_void(self) -> Bool[Array, ""]:
        """Whether every token is excluded by somebody, so that the rule has no answer."""

    @abc.abstractmethod
    def is_alone(self) -> Bool[Array, " agent"]:
        """Whether an agent has no rival at all; then it pays nothing for what it moves."""

    @abc.abstractmethod
    def influence(
        self, own_bids: Float[Array, " agent"], distances: Float[Array, " agent"]
    ) -> Float[Array, " agent"]:
        """`TV(q, p_-i)` if an agent's own bid were another one.

        Args:
            own_bids: for each agent the bid that replaces its own; those of others stay.
            distances: total variation between target and others, by agent.

        Returns:
            In [0, 1].
        """

    @abc.abstractmethod
    def expected_payments(self, distances: Float[Array, " agent"]) -> Float[Array, " agent"]:
        """`b x(b) - integral of x` with x the influence (Myerson).

        Args:
            distances: as in `influence`.

        Returns:
            Expected payments per token.
        """

    @abc.abstractmethod
    def switch_bids(
        self, token: Int[Array, ""], column: Distributions, height: Float[Array, ""]
    ) -> SwitchBids:
        """Bids at which each agent got the token.

        Args:
            token: the one drawn.
            column: probabilities of it.
            height: `u q_t` with u uniform on [0, 1).

        Returns:
            Bids and their status.
        """

    @abc.abstractmethod
    def externalities(self) -> Float[Array, " agent"]:
        """What the others lose by an agent's bid, in the welfare that the rule maximises.

        Raises:
            TypeError: the rule maximises no welfare that is known.
        """
