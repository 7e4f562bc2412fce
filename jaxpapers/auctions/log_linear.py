"""Auctions under rules that weigh logarithms: normalised products, payments by quadrature."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..engine import Status
from .aggregation import Aggregation, Distributions, SwitchBids
from .rivals import share_of, weighted_logs
from .tilt import Line, Tilt, integrated_payment, joined_partition
from .tokens import by_block, over_chunks

FIRST, OTHERS = slice(0, 1), slice(1, None)
"""Rows of weights: that of the mixture, and those without each agent."""


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
        found = 0.5 * self._summed(Tilt.changes, self._theta(own_bids))
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
        found = self._summed(Tilt.gaps, self._theta(self.bids))
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
        return share_of(own_bids, self.scale)

    def tilts(self, rows: Float[Array, "row token"] | None = None) -> Tilt:
        """Paths of the agents, stacked.

        Args:
            rows: some columns of the rows; all of them where None.

        Returns:
            One path per agent.
        """
        rows = self.rows if rows is None else rows
        others = self._logs(rows, OTHERS)
        base = rows[-1:] if self.is_relative else others
        has_base = base > -jnp.inf
        agents = rows[: self.num_agents]
        slopes = jnp.where(has_base, agents - jnp.where(has_base, base, 0), -jnp.inf)
        return jax.vmap(Tilt.of)(others, slopes)

    def _summed(self, terms, theta):
        """Sums over tokens of terms along the paths, by agent; in passes over chunks of tokens."""

        def parts(rows):
            found = jax.vmap(Tilt.partition_parts)(self.tilts(rows), theta)
            return jax.tree.map(lambda x: x[:, None], found)

        partitions = jax.vmap(joined_partition)(over_chunks(self.rows, parts))

        def sums(rows):
            return by_block(jax.vmap(terms)(self.tilts(rows), theta, partitions))

        return jnp.sum(over_chunks(self.rows, sums), axis=1)

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


def _log_mean(rows):
    return jax.nn.logsumexp(rows, axis=0) - jnp.log(jnp.asarray(rows.shape[0], rows.dtype))
