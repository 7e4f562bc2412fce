"""What a mixture is worth: welfare of agents, distances to what they want, regret of a rule."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from .. import engine
from ..engine import Status
from .checks import LARGEST_GAP, check_kind
from .model import BaseModelRule, LinearRule, LogLinearRule, Rule, as_number, auction
from .solve import influence
from .tilt import gap_of_exponential

NEAR = 1e-3
"""Exponents below which a power mean is summed by `expm1`."""


class Measures(eqx.Module):
    """What one mixture is worth to everybody. Divergences in nats.

    A divergence is infinite where its first distribution has mass and its second has none, and
    welfare is then minus infinity, unless the agent bids 0: such an agent counts for nothing.

    Attributes:
        pretraining: `-sum b_i KL(p_i || q)`, at most 0; minus infinity where q excludes a token of
            an agent that bids.
        rlhf: `-sum b_i KL(q || p_i)`, at most 0; minus infinity where an agent that bids excludes
            a token of q.
        distances: total variation between q and each agent's distribution, in [0, 1].
        divergences_to: `KL(p_i || q)`, at least 0.
        divergences_from: `KL(q || p_i)`, at least 0.
        platform_distance: total variation between q and the platform's; None without a platform.
        platform_divergence: `KL(q || p_0)`; None without a platform.
        entropy: of q.
        status: as in `Influence`.
    """

    pretraining: Float[Array, ""]
    rlhf: Float[Array, ""]
    distances: Float[Array, " agent"]
    divergences_to: Float[Array, " agent"]
    divergences_from: Float[Array, " agent"]
    platform_distance: Float[Array, ""] | None
    platform_divergence: Float[Array, ""] | None
    entropy: Float[Array, ""]
    status: Int[Array, ""]


class Regret(eqx.Module):
    """What a mixture lacks in a welfare.

    Attributes:
        regret: welfare of the best mixture less that of the given one, at least 0; infinite where
            the given one has welfare minus infinity.
        status: as in `Influence`; also NOT_A_DISTRIBUTION for a mixture that does not sum to one.
            With DISJOINT every mixture has welfare minus infinity, and the regret is 0.
    """

    regret: Float[Array, ""]
    status: Int[Array, ""]


def measure(
    rule: Rule,
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
) -> Measures:
    """Welfare, distances and entropy of the mixture that a rule makes.

    Divergences are sums of terms that are at least 0, right to a few roundings of a logarithm
    relative to their size. Source: welfares of Duetting et al. (2024); the platform's reserve
    counts in neither of them.

    Args:
        rule: how distributions are aggregated.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.

    Returns:
        Measures, with a status.

    Raises:
        TypeError: arrays of the wrong kind, a rule that is none.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.6, 0.4], [0.2, 0.8]]))
        >>> found = auctions.measure(auctions.LinearRule(), jnp.asarray([1.0, 3.0]), p)
        >>> print(found.distances.round(4), found.pretraining.round(4))
        [0.3 0.1] -0.2692
    """
    check_kind("rule", rule, Rule)
    return _measure(rule, *auction(bids, log_probs, platform))


@eqx.filter_jit
def _measure(rule, bids, log_probs, platform):
    mixture = rule.aggregate(bids, log_probs, platform).log_mixture()
    to_own = jax.vmap(divergence, (0, None))(log_probs, mixture)
    from_own = jax.vmap(divergence, (None, 0))(mixture, log_probs)
    return Measures(
        pretraining=-_weighted(bids, to_own),
        rlhf=-_weighted(bids, from_own),
        distances=jax.vmap(_distance, (0, None))(log_probs, mixture),
        divergences_to=to_own,
        divergences_from=from_own,
        platform_distance=None if platform is None else _distance(platform, mixture),
        platform_divergence=None if platform is None else divergence(mixture, platform),
        entropy=_entropy(mixture),
        status=influence(rule, bids, log_probs, platform).status,
    )


def total_value(
    values: Float[ArrayLike, "*case agent"], influence: Float[ArrayLike, "*case agent"]
) -> Float[Array, "*case"]:
    """Sum of values times influence, what all agents together get per token.

    Args:
        values: of a unit of influence to each agent, in the unit of bids.
        influence: share of text that each agent moves, in [0, 1].

    Returns:
        The sum over agents.

    Raises:
        ValueError: shapes that differ.
    """
    if jnp.shape(values) != jnp.shape(influence):
        raise ValueError(
            f"values and influence must have one shape, got {jnp.shape(values)} and "
            f"{jnp.shape(influence)}"
        )
    return jnp.sum(jnp.asarray(values) * jnp.asarray(influence), axis=-1)


def regret(
    rule: Rule,
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    mixture: Float[ArrayLike, " vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
) -> Regret:
    """What a mixture lacks in the welfare that a rule maximises.

    With S the sum of bids and the reserve: `S KL(q_linear || q)` for `-sum b_i KL(p_i || q)`,
    `S KL(q || q_loglinear)` for `-sum b_i KL(q || p_i)`, `temperature KL(q || q_base)` for
    `sum b_i E_q[log(p_i / p_0)] - temperature KL(q || p_0)`. The VCG payment of an agent is the
    regret of q in the welfare of the others, its own bid set to 0. Source: derived by us.

    Args:
        rule: `LinearRule`, `LogLinearRule` or `BaseModelRule`: the one that maximises the welfare.
        bids: weights of the welfare, at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        mixture: probabilities, as `Clearing.mixture`; they may come from any rule.
        platform: log-probabilities of the platform, or None.

    Returns:
        The regret in the unit of bids times nats, with a status.

    Raises:
        TypeError: arrays of the wrong kind, a rule that maximises no welfare that is known.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.6, 0.4], [0.2, 0.8]]))
        >>> bids, q = jnp.asarray([1.0, 3.0]), jnp.asarray([0.5, 0.5])
        >>> print(auctions.regret(auctions.LinearRule(), bids, p, q).regret.round(4))
        0.3291
    """
    check_kind("rule", rule, Rule)
    if not isinstance(rule, LinearRule | LogLinearRule | BaseModelRule):
        raise TypeError(
            "rule must be a LinearRule, LogLinearRule or BaseModelRule, which maximise a welfare "
            f"that is known; got {type(rule).__name__}"
        )
    bids, log_probs, platform = auction(bids, log_probs, platform)
    engine.check_array("mixture", mixture, (log_probs.shape[1],))
    return _regret(rule, bids, log_probs, jnp.asarray(mixture, bids.dtype), platform)


@eqx.filter_jit
def _regret(rule, bids, log_probs, mixture, platform):
    aggregation = rule.aggregate(bids, log_probs, platform)
    best = aggregation.log_mixture()
    has_mass = mixture > 0
    given = jnp.where(has_mass, jnp.log(jnp.where(has_mass, mixture, 1)), -jnp.inf)
    pair = (best, given) if isinstance(rule, LinearRule) else (given, best)
    weight = jnp.where(aggregation.is_void(), 0, _weight(rule, bids, platform))
    status = influence(rule, bids, log_probs, platform).status
    is_off = ~(jnp.abs(jnp.sum(mixture) - 1) < LARGEST_GAP) | jnp.any(mixture < 0)
    is_news = (status == Status.OK) | (status == Status.DISJOINT)
    status = jnp.where(is_off & is_news, Status.NOT_A_DISTRIBUTION, status)
    return Regret(_weighted(weight[None], divergence(*pair)[None]), status.astype(jnp.int32))


def _weight(rule, bids, platform):
    """What a divergence is multiplied by in the welfare of a rule."""
    if isinstance(rule, BaseModelRule):
        return rule.temperature.astype(bids.dtype)
    total = jnp.sum(bids)
    return total if platform is None else total + rule.reserve.astype(bids.dtype)


def divergence(
    log_first: Float[Array, " vocab"], log_second: Float[Array, " vocab"]
) -> Float[Array, ""]:
    """`KL(first || second)` by terms that are at least 0, `p (exp(d) - 1 - d)`, d the log-ratio.

    Args:
        log_first: natural logarithms of probabilities.
        log_second: of others.

    Returns:
        In nats; infinite where the first has mass and the second has none.
    """
    has_first, has_second = log_first > -jnp.inf, log_second > -jnp.inf
    is_common = has_first & has_second
    first = jnp.where(is_common, log_first, 0)
    second = jnp.where(is_common, log_second, 0)
    ratio, mass = second - first, jnp.exp(first)
    is_far = ratio > 1
    near = mass * gap_of_exponential(jnp.where(is_far, 0, ratio))
    far = jnp.exp(second) - mass * (1 + ratio)
    common = jnp.where(is_common, jnp.where(is_far, far, near), 0)
    spilled = jnp.where(has_second & ~has_first, jnp.exp(jnp.where(has_first, 0, log_second)), 0)
    return jnp.where(jnp.any(has_first & ~has_second), jnp.inf, jnp.sum(common + spilled))


class PowerMean(eqx.Module):
    """Power mean of distributions, `q_t ∝ (sum w_i p_i(t)^r)^(1/r)` with `w = b / sum b`.

    A function for `CalledRule`: linear at r = 1, log-linear at 0, harmonic at -1. It minimises
    `sum b_i D_r(p_i, q)` with `D_r = (1 - sum_t p^r q^(1-r)) / (r (1 - r))`, and is monotone for
    robust preferences at r = 1 only. With r at most 0 a token that somebody with a positive bid
    excludes is excluded; where no token is left q is 0, which `clear` reports as
    NOT_A_DISTRIBUTION. The platform is sampled where nobody bids, without one the plain mean.

    Source: derived by us.

    Attributes:
        exponent: r, any finite number.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.8, 0.2], [1.0, 0.0], [0.0, 1.0]]))
        >>> rule = auctions.CalledRule(auctions.PowerMean(1.0))
        >>> print(jnp.exp(rule.log_mixture(jnp.asarray([1.0, 2.0, 2.0]), p)).round(4))
        [0.56 0.44]
    """

    exponent: Float[Array, ""] = eqx.field(converter=as_number)

    def __call__(
        self,
        bids: Float[Array, " agent"],
        log_probs: Float[Array, "agent vocab"],
        platform: Float[Array, " vocab"] | None,
    ) -> Float[Array, " vocab"]:
        """Logarithm of q.

        Args:
            bids: at least 0.
            log_probs: of the agents.
            platform: sampled where nobody bids.

        Returns:
            Log-probabilities.
        """
        total = jnp.sum(bids)
        is_idle = total == 0
        weights = jnp.where(is_idle, 1 / bids.shape[0], bids / jnp.where(is_idle, 1, total))
        power = jnp.where(is_idle, 1, self.exponent.astype(bids.dtype))
        means = _log_power_mean(weights, log_probs, power)
        is_empty = jnp.all(means == -jnp.inf)
        logs = jax.nn.log_softmax(jnp.where(is_empty, 0, means))
        logs = jnp.where(is_empty, -jnp.inf, logs)
        return logs if platform is None else jnp.where(is_idle, platform, logs)


def _log_power_mean(weights, logs, power):
    """`log(sum w p^r) / r`; where `r log p` is small by `expm1`, and its limit at 0."""
    weights = weights[:, None]
    logs = jnp.where(weights > 0, logs, 0)
    geometric = jnp.sum(jnp.where(weights > 0, weights * logs, 0), axis=0)
    is_near = jnp.abs(power) < NEAR
    has_power = power != 0
    divisor = jnp.where(has_power, power, 1)
    near = jnp.log1p(jnp.sum(weights * jnp.expm1(jnp.where(is_near, divisor * logs, 0)), axis=0))
    far = jax.nn.logsumexp(jnp.where(is_near, 1, divisor) * logs, axis=0, b=weights)
    return jnp.where(has_power, jnp.where(is_near, near, far) / divisor, geometric)


def _weighted(weights, divergences):
    """Sum of weighted divergences; a weight of 0 counts for nothing, also times infinity."""
    has_weight = weights > 0
    return jnp.sum(jnp.where(has_weight, weights * jnp.where(has_weight, divergences, 0), 0))


def _distance(log_first: Any, log_second: Any) -> Any:
    return 0.5 * jnp.sum(jnp.abs(jnp.exp(log_first) - jnp.exp(log_second)))


def _entropy(log_mixture):
    has_mass = log_mixture > -jnp.inf
    logs = jnp.where(has_mass, log_mixture, 0)
    return -jnp.sum(jnp.where(has_mass, jnp.exp(logs) * logs, 0))
