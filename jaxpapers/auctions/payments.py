"""Payment rules, as modules: what each agent is charged for one token."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .aggregation import Aggregation, SwitchBids


class Sale(eqx.Module):
    """One token that was sold.

    Attributes:
        aggregation: the auction.
        distances: total variation between each agent's target and the others.
        influence: total variation between the mixture and that without the agent.
        switch: bids at which agents got the token.
    """

    aggregation: Aggregation
    distances: Float[Array, " agent"]
    influence: Float[Array, " agent"]
    switch: SwitchBids


class Payment(eqx.Module):
    """Payment rule. Interface."""

    @abc.abstractmethod
    def charge(self, key: PRNGKeyArray, sale: Sale) -> Float[Array, " agent"]:
        """What each agent pays.

        Args:
            key: a typed key, for rules that draw.
            sale: the token that was sold.

        Returns:
            Payments, in the unit of bids.
        """

    @abc.abstractmethod
    def expectation(self, sale: Sale) -> Float[Array, " agent"]:
        """What each agent pays in expectation over the token and the rule's own draws.

        Args:
            sale: the auction; its token and switch bids are not looked at.

        Returns:
            Payments, in the unit of bids.
        """

    @abc.abstractmethod
    def is_expected(self, aggregation: Aggregation) -> bool:
        """Whether charges do not depend on the token that was drawn.

        Args:
            aggregation: the auction.

        Returns:
            True where they are expectations over the token.
        """


class SecondPrice(Payment):
    """Second price by stable sampling: the bid at which the agent got the token, 0 if it did not.

    Only the linear rule has such a bid for every token. Under all other rules the expected Myerson
    payment is charged instead, and `Clearing.is_expected` says so; switch bids are then reported
    for attribution only.

    Source: Duetting et al. (2024), second-price payments; the closed form without a sampler that
    is stable for all agents at once is derived by us.
    """

    def charge(self, key, sale):
        """The switch bid, or the expected payment."""
        if sale.aggregation.has_switch_bids:
            return sale.switch.bids
        return self.expectation(sale)

    def expectation(self, sale):
        """The Myerson payment."""
        return sale.aggregation.expected_payments(sale.distances)

    def is_expected(self, aggregation):
        """Under rules without a switch bid for every token."""
        return not aggregation.has_switch_bids


class Myerson(Payment):
    """Expected payment `b x(b) - integral of x` with x the influence.

    In closed form under the linear rule, by quadrature under the others. Source: derived by us.
    """

    def charge(self, key, sale):
        """The expectation."""
        del key
        return self.expectation(sale)

    def expectation(self, sale):
        """The same."""
        return sale.aggregation.expected_payments(sale.distances)

    def is_expected(self, aggregation):
        """Always."""
        del aggregation
        return True


class OneDraw(Payment):
    """Unbiased estimate of the expected payment from one draw: `b (x(b) - x(z))`, z uniform.

    Costs one influence more instead of a quadrature. Source: derived by us.
    """

    def charge(self, key, sale):
        """One draw of a lower bid by agent."""
        bids = sale.aggregation.bids
        lower = bids * jax.random.uniform(key, bids.shape, bids.dtype)
        before = sale.aggregation.influence(lower, sale.distances)
        return jnp.where(sale.aggregation.is_alone(), 0, bids * (sale.influence - before))

    def expectation(self, sale):
        """The Myerson payment."""
        return sale.aggregation.expected_payments(sale.distances)

    def is_expected(self, aggregation):
        """Over the token, not over the lower bid."""
        del aggregation
        return True


class VCG(Payment):
    """What the others lose in the welfare that the rule maximises.

    `B KL(p_-i || q)` under the linear rule, `B KL(q || p_-i)` under the log-linear rule,
    `temperature KL(q || q_-i)` with a base model. Source: derived by us.
    """

    def charge(self, key, sale):
        """The externality."""
        del key
        return self.expectation(sale)

    def expectation(self, sale):
        """The same."""
        return sale.aggregation.externalities()

    def is_expected(self, aggregation):
        """Always."""
        del aggregation
        return True


class FirstPrice(Payment):
    """The own bid for each share of text that it moves, `b x(b)`; an expectation."""

    def charge(self, key, sale):
        """Bid times influence."""
        del key
        return self.expectation(sale)

    def expectation(self, sale):
        """The same."""
        return sale.aggregation.bids * sale.influence

    def is_expected(self, aggregation):
        """Always."""
        del aggregation
        return True


class AllPay(Payment):
    """The own bid for every token, whatever is drawn. Source: Duetting et al. (2024)."""

    def charge(self, key, sale):
        """The bid."""
        del key
        return self.expectation(sale)

    def expectation(self, sale):
        """The same."""
        return sale.aggregation.bids

    def is_expected(self, aggregation):
        """Always."""
        del aggregation
        return True


class NoPayment(Payment):
    """Nothing."""

    def charge(self, key, sale):
        """Zeros."""
        del key
        return self.expectation(sale)

    def expectation(self, sale):
        """The same."""
        return jnp.zeros_like(sale.aggregation.bids)

    def is_expected(self, aggregation):
        """Always."""
        del aggregation
        return True
