"""What a rule makes of one auction: distributions with and without each agent, and payments."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..engine import Status
from ..numerics import gauss_legendre, matmul
from .rivals import Rivals, weighted_logs
from .tilt import Line, Tilt, gap_of_exponential, integrated_payment
from .tokens import over_chunks, sum_over_tokens

NUM_NODES = 64
FIRST, OTHERS = slice(0, 1), slice(1, None)
"""Rows of weights: that of the mixture, and those without each agent."""


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
        return distances * _share(own_bids, self.rivals.total)

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
        share = _share(self.bids, self.rivals.total)[:, None]

        def gaps(parts):
            has_mass = parts.others > 0
            ratio = parts.targets / jnp.where(has_mass, parts.others, 1)
            move = jnp.log1p(share * jnp.where(has_mass, ratio - 1, 0))
            return jnp.where(
                has_mass, parts.others * gap_of_exponential(move), share * parts.targets
            )

        return jnp.where(self.rivals.is_alone, 0, self.rivals.total * sum_over_tokens(self, gaps))


class TiltAggregation(Aggregation):
    """An auction under a rule that weighs logarithms.

    Attributes:
        rows: log-probabilities of agents, and of the platform where there is one.
        bids: of the agents.
        weights: of the mixture, and of those without each agent.
        log_normalisers: of the same.
        is_idle: which of them have no bid at all, or no token that nobody excludes; they are the
            platform's distribution, without one the plain mean.
        is_empty: whether no token is left to the mixture.
        scale: unit of bids along the path: `B_i`, or the temperature.
        has_platform: whether the last row is the platform's.
        is_relative: whether rows tilt the platform, else they tilt the others' mean.
    """

    rows: Float[Array, "row vocab"]
    bids: Float[Array, " agent"]
    weights: Float[Array, "mean row"]
    log_normalisers: Float[Array, " mean"]
    is_idle: Bool[Array, " mean"]
    is_empty: Bool[Array, ""]
    scale: Float[Array, " agent"]
    has_platform: bool = eqx.field(static=True)
    is_relative: bool = eqx.field(static=True)

    @property
    def has_switch_bids(self):
        """False."""
        return False

    @staticmethod
    def of(
        rows: Float[Array, "row vocab"],
        bids: Float[Array, " agent"],
        weights: Float[Array, "mean row"],
        is_idle: Bool[Array, " mean"],
        scale: Float[Array, " agent"],
        *,
        has_platform: bool,
        is_relative: bool,
    ) -> "TiltAggregation":
        """Normalises the means.

        Args:
            rows: log-probabilities.
            bids: of the agents.
            weights: of the mixture, and of those without each agent.
            is_idle: which of them have no bid at all.
            scale: unit of bids along the path.
            has_platform: whether the last row is the platform's.
            is_relative: whether rows tilt the platform.

        Returns:
            The aggregation.
        """
        bare = TiltAggregation(
            rows,
            bids,
            weights,
            jnp.zeros(weights.shape[0], rows.dtype),
            is_idle,
            jnp.asarray(False),
            scale,
            has_platform,
            is_relative,
        )
        normalisers = bare._normalisers()
        is_empty = (normalisers == -jnp.inf) & ~is_idle
        return eqx.tree_at(
            lambda a: (a.log_normalisers, a.is_idle, a.is_empty),
            bare,
            (jnp.where(is_empty, 0, normalisers), is_idle | is_empty, is_empty[0]),
        )

    def log_mixture(self):
        """Logarithm of the normalised weighted product."""
        return self._logs(self.rows, FIRST)[0]

    def at(self, rows):
        """Normalised products; every bid pulls towards the mixture itself."""
        mixture = jnp.exp(self._logs(rows, FIRST)[0])
        others = jnp.exp(self._logs(rows, OTHERS))
        return Distributions(mixture, others, jnp.broadcast_to(mixture, others.shape))

    def is_void(self):
        """Where the agents' supports have no token in common."""
        return self.is_empty

    def is_alone(self):
        """Where the others and the reserve are 0; never with a base model, which is a rival."""
        return self.scale == 0

    def influence(self, own_bids, distances):
        """Along the path of each agent's bid."""
        found = jax.vmap(Tilt.influence)(self.tilts(), self._theta(own_bids))
        alone = jnp.where(own_bids > 0, distances, 0)
        return self._unless_void(jnp.where(self.is_alone(), alone, found))

    def expected_payments(self, distances):
        """By quadrature along the path of each agent's bid."""
        del distances
        ends = self._line_ends(self.bids)
        integrals = jax.vmap(integrated_payment, in_axes=(0, None, 0))(
            self.tilts(), self._line, ends
        )
        return self._unless_void(jnp.where(self.is_alone(), 0, self.scale * integrals))

    def switch_bids(self, token, column, height):
        """Where the path of a token that is not flagged passes the height."""
        is_gained = (column.others < height) & (height < column.targets) & (self.bids > 0)[:, None]
        tilts = self.tilts()
        bids = jax.vmap(self._switch, in_axes=(0, None, None, 0, 0))(
            tilts, token, height, self.scale, self._line_ends(self.bids)
        )
        is_flagged = jax.vmap(Tilt.crossed)(tilts)[:, token] & is_gained[:, 0]
        is_charged = is_gained[:, 0] & ~self.is_alone() & ~self.is_empty
        bids = jnp.where(is_charged, jnp.minimum(bids, self.bids), 0)
        status = jnp.where(is_flagged, Status.NOT_MONOTONE, Status.OK).astype(jnp.int32)
        return SwitchBids(jnp.where(is_flagged, jnp.nan, bids), status)

    def externalities(self):
        """`B_i KL(q || p_-i)`, or the temperature times it."""
        found = jax.vmap(Tilt.divergence)(self.tilts(), self._theta(self.bids))
        return self._unless_void(jnp.where(self.is_alone(), 0, self.scale * found))

    @property
    def _line(self):
        return Line(is_share=not self.is_relative)

    def _line_ends(self, own_bids):
        """Variable of integration at a bid: `log(1 + b / B)`, or `b / temperature`."""
        ratio = own_bids / jnp.where(self.scale > 0, self.scale, 1)
        return ratio if self.is_relative else jnp.log1p(ratio)

    def _theta(self, own_bids):
        if self.is_relative:
            return self._line_ends(own_bids)
        return _share(own_bids, self.scale)

    def tilts(self) -> Tilt:
        """Path of every agent, stacked."""
        others = self._logs(self.rows, OTHERS)
        base = self.rows[-1:] if self.is_relative else others
        agents = self.rows[: self.num_agents]
        has_base = base > -jnp.inf
        slopes = jnp.where(has_base, agents - jnp.where(has_base, base, 0), -jnp.inf)
        return jax.vmap(Tilt.of)(others, slopes)

    def _switch(self, tilt, token, height, scale, end):
        """Bisection for where the token's probability passes the height."""
        base, slope = tilt.log_reference[token], tilt.slopes[token]
        wanted = jnp.log(jnp.maximum(height, jnp.finfo(height.dtype).tiny))

        def halve(_, bounds):
            middle = 0.5 * (bounds[0] + bounds[1])
            theta = self._line.theta(middle)
            is_below = base + theta * slope - tilt.log_partition(theta) < wanted
            return jnp.where(is_below, middle, bounds[0]), jnp.where(is_below, bounds[1], middle)

        _, y = jax.lax.fori_loop(0, 50, halve, (jnp.zeros_like(end), end))
        return scale * (y if self.is_relative else jnp.expm1(y))

    def _normalisers(self):
        """Logarithms of the sums of weighted products, mean by mean."""

        def of_means(means):
            def largest_and_sum(rows):
                sums = self._sums(rows, means)
                largest = jnp.max(sums, axis=1, keepdims=True)
                finite = jnp.where(largest > -jnp.inf, largest, 0)
                return largest, jnp.sum(jnp.exp(sums - finite), axis=1, keepdims=True)

            largest, totals = over_chunks(self.rows, largest_and_sum)
            return jax.nn.logsumexp(largest, axis=1, b=totals)

        return jnp.concatenate([of_means(FIRST), of_means(OTHERS)])

    def _sums(self, rows, means):
        """Weighted logarithms before they are normalised."""
        sums = weighted_logs(self.weights[means], rows)
        return jnp.where(rows[-1:] == -jnp.inf, -jnp.inf, sums) if self.is_relative else sums

    def _logs(self, rows, means):
        """Logarithms of the mixture, or of those without each agent."""
        logs = self._sums(rows, means) - self.log_normalisers[means][:, None]
        plain = rows[-1] if self.has_platform else _log_mean(rows)
        return jnp.where(self.is_idle[means][:, None], plain[None], logs)

    def _unless_void(self, values):
        return jnp.where(self.is_empty, 0, values)


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


def _share(own_bids, total):
    """`b / (b + B)`, 0 where the own bid is."""
    whole = own_bids + total
    has_bids = whole > 0
    return jnp.where(has_bids, own_bids / jnp.where(has_bids, whole, 1), 0)


def _log_mean(rows):
    return jax.nn.logsumexp(rows, axis=0) - jnp.log(jnp.asarray(rows.shape[0], rows.dtype))
