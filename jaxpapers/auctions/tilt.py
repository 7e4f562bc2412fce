"""Exponential paths: distributions along one agent's bid under log-linear rules.

Along its own bid an agent tilts what the others say, `log q_t(theta) = log r_t + theta s_t -
A(theta)`. A token whose probability is above `r_t` at first may fall below it later: once, because
`A(theta) / theta` rises. All of this module is derived by us.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..numerics import gauss_legendre, matmul

NUM_PANELS = 8
NUM_NODES = 8
NUM_NEWTON = 6
EDGE = 1e-4
SMALL = 0.5
"""Largest exponent of which `expm1` is summed instead of `exp`."""


class Tilt(eqx.Module):
    """Distributions `q_t(theta) ∝ r_t exp(theta s_t)` of one agent.

    Tokens that the agent excludes leave at once when theta is above 0.

    Attributes:
        log_reference: `log r`, the distribution without the agent.
        slopes: `s`, 0 at tokens that are not common.
        is_common: whether neither r nor the agent excludes a token.
    """

    log_reference: Float[Array, " vocab"]
    slopes: Float[Array, " vocab"]
    is_common: Bool[Array, " vocab"]

    @staticmethod
    def of(log_reference: Float[Array, " vocab"], slopes: Float[Array, " vocab"]) -> "Tilt":
        """Marks what is excluded.

        Args:
            log_reference: log-probabilities without the agent.
            slopes: tilts, minus infinity or not a number where the agent excludes a token.

        Returns:
            The tilt.
        """
        is_common = jnp.isfinite(log_reference) & jnp.isfinite(slopes)
        return Tilt(log_reference, jnp.where(is_common, slopes, 0), is_common)

    @property
    def reference(self) -> Float[Array, " vocab"]:
        """Probabilities without the agent, of common tokens; the others are 0."""
        return jnp.where(self.is_common, jnp.exp(self._finite_logs), 0)

    @property
    def vetoed(self) -> Float[Array, ""]:
        """What the others give to tokens that the agent excludes."""
        has_mass = ~self.is_common & (self.log_reference > -jnp.inf)
        return jnp.sum(jnp.where(has_mass, jnp.exp(jnp.where(has_mass, self.log_reference, 0)), 0))

    @property
    def _finite_logs(self):
        return jnp.where(self.is_common, self.log_reference, 0)

    def log_partition(self, theta: Float[Array, ""]) -> Float[Array, ""]:
        """`A(theta)`; relative to its size right also where the tilt is slight.

        Args:
            theta: above 0.

        Returns:
            The logarithm of the sum of `r_t exp(theta s_t)` over common tokens.
        """
        return joined_partition(jax.tree.map(lambda x: x[None], self.partition_parts(theta)))

    def partition_parts(self, theta: Float[Array, ""]) -> "PartitionParts":
        """What `A(theta)` is joined from, of some tokens.

        Args:
            theta: above 0.

        Returns:
            Sums over the tokens.
        """
        moves = theta * self.slopes
        gain = jnp.sum(self.reference * jnp.expm1(jnp.clip(moves, -SMALL, SMALL))) - self.vetoed
        logs = jnp.where(self.is_common, self._finite_logs + moves, -jnp.inf)
        largest = jnp.max(logs)
        finite = jnp.where(largest > -jnp.inf, largest, 0)
        return PartitionParts(
            gain, jnp.max(jnp.abs(moves)), largest, jnp.sum(jnp.exp(logs - finite))
        )

    def probabilities(
        self, theta: Float[Array, ""], log_partition: Float[Array, ""]
    ) -> Float[Array, " vocab"]:
        """`q(theta)`.

        Args:
            theta: above 0.
            log_partition: `A(theta)`.

        Returns:
            Probabilities.
        """
        logs = self._finite_logs + theta * self.slopes - log_partition
        return jnp.where(self.is_common, jnp.exp(logs), 0)

    def changes(
        self, theta: Float[Array, ""], log_partition: Float[Array, ""]
    ) -> Float[Array, " vocab"]:
        """`|q_t(theta) - r_t|`.

        Args:
            theta: at least 0.
            log_partition: `A(theta)`.

        Returns:
            By token; 0 where theta is 0.
        """
        moves = theta * self.slopes - log_partition
        is_far = moves > 1
        near = self.reference * jnp.expm1(jnp.where(is_far, 0, moves))
        far = self.probabilities(theta, log_partition) - self.reference
        gone = jnp.where(self.is_common, 0, jnp.exp(self.log_reference))
        return jnp.where(theta > 0, jnp.abs(jnp.where(is_far, far, near)) + gone, 0)

    def gaps(
        self, theta: Float[Array, ""], log_partition: Float[Array, ""]
    ) -> Float[Array, " vocab"]:
        """Terms of `KL(q(theta) || r)`, each at least 0, in nats.

        Args:
            theta: at least 0.
            log_partition: `A(theta)`.

        Returns:
            By token; 0 where theta is 0.
        """
        moves = theta * self.slopes - log_partition
        terms = self.probabilities(theta, log_partition) * gap_of_exponential(-moves)
        gone = jnp.exp(self.log_reference)
        return jnp.where(theta > 0, jnp.where(self.is_common, terms, gone), 0)

    def crossed(self) -> Bool[Array, " vocab"]:
        """Tokens whose probability is not monotone between the two ends, theta 0 and 1.

        Source: derived by us; `-KL(r || p) < s_t < KL(p || r)` with p the distribution at 1.

        Returns:
            Whether a token breaks robust monotonicity.
        """
        one = jnp.ones_like(self.vetoed)
        target = self.probabilities(one, self.log_partition(one))
        total = jnp.sum(jnp.where(self.is_common, self.reference * self.slopes, 0))
        below = jnp.where(self.vetoed > 0, -jnp.inf, total)
        above = jnp.sum(jnp.where(self.is_common, target * self.slopes, 0))
        distance = jnp.sum(jnp.abs(target - self.reference)) + self.vetoed
        differs = distance > 32 * jnp.finfo(distance.dtype).eps
        inside = (self.slopes > below) & (self.slopes < above)
        return self.is_common & inside & differs


class PartitionParts(NamedTuple):
    """Sums over some tokens from which `A(theta)` is joined.

    Attributes:
        gain: `sum r_t (exp(theta s_t) - 1)`, less what leaves at once.
        most: largest `|theta s_t|`.
        largest: largest `log r_t + theta s_t`.
        total: sum of exponentials of these, relative to the largest.
    """

    gain: Float[Array, "*part"]
    most: Float[Array, "*part"]
    largest: Float[Array, "*part"]
    total: Float[Array, "*part"]


def joined_partition(parts: PartitionParts) -> Float[Array, ""]:
    """`A(theta)` from its parts.

    Args:
        parts: stacked along one axis.

    Returns:
        The logarithm.
    """
    is_slight = jnp.max(parts.most) < SMALL
    slight = jnp.log1p(jnp.where(is_slight, jnp.sum(parts.gain), 0))
    return jnp.where(is_slight, slight, jax.nn.logsumexp(parts.largest, b=parts.total))


def gap_of_exponential(x: Float[Array, "*case"]) -> Float[Array, "*case"]:
    """`exp(x) - 1 - x`, at least 0 and without cancellation near 0.

    Args:
        x: any number.

    Returns:
        The gap.
    """
    is_small = jnp.abs(x) < 0.1
    small = jnp.where(is_small, x, 0)
    series = jnp.zeros_like(x)
    for power in range(9, 1, -1):
        series = (1 + series) * small / power
    return jnp.where(is_small, series * small, jnp.expm1(jnp.where(is_small, 0, x)) - x)


class Panel(NamedTuple):
    """What is known of a path on one panel of its quadrature.

    Attributes:
        lower: lower end of the variable of integration.
        width: of the panel.
        partition: Legendre coefficients of `A`.
        slope: those of `A'`.
        ends: `A / theta` at both ends, minus infinity where a token leaves at once.
    """

    lower: Float[Array, ""]
    width: Float[Array, ""]
    partition: Float[Array, " node"]
    slope: Float[Array, " node"]
    ends: tuple[Float[Array, ""], Float[Array, ""]]


class Line(eqx.Module):
    """How theta runs with the variable of integration y.

    Attributes:
        is_share: theta is the share `z / (z + B)` of the bid z, `1 - exp(-y)`; else it is y.
    """

    is_share: bool = eqx.field(static=True)

    def theta(self, y: Float[Array, "*case"]) -> Float[Array, "*case"]:
        """Theta at y.

        Args:
            y: at least 0.

        Returns:
            Theta.
        """
        return -jnp.expm1(-y) if self.is_share else y

    def rate(self, y: Float[Array, "*case"]) -> Float[Array, "*case"]:
        """Derivative of theta.

        Args:
            y: at least 0.

        Returns:
            The derivative.
        """
        return jnp.exp(-y) if self.is_share else jnp.ones_like(y)


def integrated_payment(tilt: Tilt, line: Line, end: Float[Array, ""]) -> Float[Array, ""]:
    """Integral of the bid over the influence it adds, divided by the scale of bids.

    `integral of theta(y) sum over tokens above r of q_t (s_t - A') dy` up to `end`, on panels that
    widen; a token that falls below `r_t` within a panel is integrated up to where it does.

    Args:
        tilt: the path.
        line: how theta runs.
        end: upper limit of y.

    Returns:
        The integral.
    """
    steps = jnp.arange(NUM_PANELS + 1, dtype=end.dtype) / NUM_PANELS
    bounds = end * steps**2
    first = _ratio_at_zero(tilt)

    def over_panel(carry, ends):
        total, ratio, is_above = carry
        panel = _panel(tilt, line, ends[0], ends[1], ratio)
        stays = is_above & (tilt.slopes > panel.ends[1])
        whole = jnp.sum(jnp.where(stays, _over(tilt, line, panel, None), 0))
        part = jnp.sum(jnp.where(is_above & ~stays, _over(tilt, line, panel, tilt.slopes), 0))
        return (total + whole + part, panel.ends[1], stays), None

    is_above = tilt.is_common & (tilt.slopes > first)
    start = (jnp.zeros_like(end), first, is_above)
    (total, _, _), _ = jax.lax.scan(over_panel, start, (bounds[:-1], bounds[1:]))
    return total


def _ratio_at_zero(tilt):
    """Limit of `A / theta` at 0."""
    mean = jnp.sum(jnp.where(tilt.is_common, tilt.reference * tilt.slopes, 0))
    return jnp.where(tilt.vetoed > 0, -jnp.inf, mean)


def _panel(tilt, line, lower, upper, ratio):
    """Coefficients of `A` and `A'` on one panel, from its nodes."""
    width = upper - lower
    nodes, transform = _legendre()
    y = lower + width * jnp.asarray(nodes, width.dtype)

    def at(y):
        theta = line.theta(y)
        log_partition = tilt.log_partition(theta)
        masses = tilt.probabilities(theta, log_partition)
        return log_partition, jnp.sum(masses * tilt.slopes)

    values, slopes = jax.lax.map(at, y)
    both = matmul(jnp.asarray(transform, width.dtype), jnp.stack([values, slopes], axis=1))
    theta = line.theta(upper)
    last = tilt.log_partition(theta) / jnp.where(theta > 0, theta, 1)
    return Panel(lower, width, both[:, 0], both[:, 1], (ratio, jnp.where(theta > 0, last, ratio)))


def _over(tilt, line, panel, slopes):
    """Each token's integral over a panel, whole, or up to where the token falls below `r_t`."""
    nodes, weights = gauss_legendre(NUM_NODES, 0, 1, dtype=panel.width.dtype)
    reach = 1 if slopes is None else 0.5 * (1 + _crossing(line, panel, slopes))

    def add(total, rule):
        node, weight = rule
        x = 2 * node * reach - 1
        y = panel.lower + panel.width * node * reach
        theta = line.theta(y)
        masses = tilt.probabilities(theta, _series(panel.partition, x))
        rise = tilt.slopes - _series(panel.slope, x)
        return total + weight * reach * panel.width * theta * masses * rise, None

    total, _ = jax.lax.scan(add, jnp.zeros_like(tilt.slopes), (nodes, weights))
    return total


def _crossing(line, panel, slopes):
    """Where on a panel, in (-1, 1], `A / theta` passes a token's slope; Newton's method."""
    least = EDGE - 1  # where theta is 0, the ratio is not known
    first, last = panel.ends
    is_known = jnp.isfinite(first) & (last > first)
    low = jnp.where(is_known, first, 0)
    span = jnp.where(is_known, last - low, 1)
    x = jnp.where(is_known, 2 * (slopes - low) / span - 1, 0)

    def newton(_, x):
        y = panel.lower + 0.5 * panel.width * (1 + x)
        theta = line.theta(y)
        ratio = _series(panel.partition, x) / theta
        rate = line.rate(y) * (_series(panel.slope, x) - ratio) / theta * 0.5 * panel.width
        is_rising = rate > 0
        step = jnp.where(is_rising, (slopes - ratio) / jnp.where(is_rising, rate, 1), 0)
        return jnp.clip(x + step, least, 1)

    return jax.lax.fori_loop(0, NUM_NEWTON, newton, jnp.clip(x, least, 1))


def _series(coefficients, x):
    """Legendre series by its recurrence."""
    before, here = jnp.ones_like(x), x
    total = coefficients[0] + coefficients[1] * here
    for degree in range(1, NUM_NODES - 1):
        before, here = here, ((2 * degree + 1) * x * here - degree * before) / (degree + 1)
        total = total + coefficients[degree + 1] * here
    return total


def _legendre():
    """Nodes on [0, 1], and the matrix that turns values there into coefficients on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(NUM_NODES)
    basis = np.polynomial.legendre.legvander(nodes, NUM_NODES - 1)
    scale = (2 * np.arange(NUM_NODES) + 1) / 2
    return 0.5 * (nodes + 1), scale[:, None] * basis.T * weights
