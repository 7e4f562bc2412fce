"""Searches for violations of the theory at one auction, with the bids that show them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .. import engine
from .checks import check_distributions, check_kind
from .log_linear import TiltAggregation
from .model import LogLinearRule, Rule, auction
from .payments import Payment, SecondPrice
from .preferences import rounding, shortfalls
from .solve import clear, expected_charges, expected_payments
from .tilt import Tilt

NO_TOKEN = -1
WIDEST = 6.0
"""Own bids are tried from 1e-6 to 1e6 of the others' bids."""


class Certificate(eqx.Module):
    """Verdict of a checker, with the case that shows the largest violation.

    Attributes:
        holds: whether no violation above rounding was found.
        violation: the largest, in the unit that the checker names; 0 where there is none.
        agent: whose bid shows it, int32.
        token: where, int32; -1 where the violation is not one of a token.
        lower: the lower own bid.
        higher: the higher own bid.
        others: bids of all agents; that of `agent` does not count.
    """

    holds: Bool[Array, ""]
    violation: Float[Array, ""]
    agent: Int[Array, ""]
    token: Int[Array, ""]
    lower: Float[Array, ""]
    higher: Float[Array, ""]
    others: Float[Array, " agent"]


def certify(
    violation: Float[Array, ""],
    *,
    least: Float[ArrayLike, ""],
    agent: Int[Array, ""],
    token: Int[Array, ""] | None = None,
    lower: Float[Array, ""],
    higher: Float[Array, ""],
    others: Float[Array, " agent"],
) -> Certificate:
    """The certificate of the largest violation.

    Args:
        violation: the largest; negative where nothing comes near to one.
        least: violations up to it are none.
        agent: whose bid shows it.
        token: where; None where the violation is not one of a token.
        lower: the lower own bid.
        higher: the higher own bid.
        others: bids of all agents.

    Returns:
        The certificate.
    """
    token = jnp.asarray(NO_TOKEN, jnp.int32) if token is None else token
    return Certificate(
        holds=violation <= least,
        violation=jnp.maximum(violation, 0),
        agent=agent.astype(jnp.int32),
        token=token.astype(jnp.int32),
        lower=lower,
        higher=higher,
        others=others,
    )


def check_monotonicity(
    rule: Rule,
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    num_bids: int = 41,
) -> Certificate:
    """Whether a higher bid always brings a weakly better distribution, by robust preference.

    Tries own bids from 0 to 1e6 times the others', each against the next, for every agent. Near
    both ends of that range a rule that weighs logarithms shows every token that its exact criterion
    flags (`crossed_tokens`), in f64 up to `1e-9` of the criterion's edges.

    Source: Duetting et al. (2024), monotone aggregation; the checker is ours.

    Args:
        rule: how distributions are aggregated.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        num_bids: own bids that are tried.

    Returns:
        The verdict; the violation is a difference of probabilities.

    Raises:
        TypeError: arrays of the wrong kind, a rule that is none.
        ValueError: shapes that do not fit, bids that are negative or not finite, probabilities that
            do not sum to one.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.9, 0.09, 0.01], [0.01, 0.09, 0.9]]))
        >>> for rule in (auctions.LinearRule(), auctions.LogLinearRule()):
        ...     found = auctions.check_monotonicity(rule, jnp.ones(2), p)
        ...     print(found.holds, found.token)
        True 0
        False 1
    """
    engine.check_count("num_bids", num_bids, 3)
    arrays = checked_auction(rule, bids, log_probs, platform)
    return _monotonicity(rule, *arrays, num_bids)


@eqx.filter_jit
def _monotonicity(rule, bids, log_probs, platform, num_bids):
    own_bids = grid_of_own_bids(rule, bids, num_bids)
    violations = token_violations(rule, bids, log_probs, platform, own_bids)
    where = jnp.argmax(violations)
    agent, step, token = jnp.unravel_index(where, violations.shape)
    worst = violations[agent, step, token]
    return certify(
        worst,
        least=rounding(bids.dtype),
        agent=agent,
        token=token,
        lower=own_bids[agent, step],
        higher=own_bids[agent, step + 1],
        others=bids,
    )


def token_violations(
    rule: Rule,
    bids: Float[Array, " agent"],
    log_probs: Float[Array, "agent vocab"],
    platform: Float[Array, " vocab"] | None,
    own_bids: Float[Array, "agent bid"],
) -> Float[Array, "agent step vocab"]:
    """By how much each higher own bid misses being weakly better, token by token.

    Args:
        rule: how distributions are aggregated.
        bids: of all agents.
        log_probs: of the agents.
        platform: that of the platform, or None.
        own_bids: increasing, by agent.

    Returns:
        Shortfalls of each own bid against the one below it.
    """

    def of_agent(agent, trials):
        def mixture(own_bid):
            return jnp.exp(rule.log_mixture(bids.at[agent].set(own_bid), log_probs, platform))

        along = jax.lax.map(mixture, trials)
        return shortfalls(jnp.exp(log_probs[agent])[None], along[1:], along[:-1])

    return jax.vmap(of_agent)(jnp.arange(bids.shape[0]), own_bids)


def grid_of_own_bids(
    rule: Rule, bids: Float[Array, " agent"], num_bids: int
) -> Float[Array, "agent bid"]:
    """Own bids to try: 0, then evenly in their logarithm around what the others bid.

    Args:
        rule: its reserve or temperature counts among the others.
        bids: of all agents.
        num_bids: how many.

    Returns:
        Increasing bids by agent.
    """
    own = jnp.eye(bids.shape[0], dtype=bids.dtype)
    scale = getattr(rule, "temperature", None)
    total = jnp.sum((1 - own) * bids[None], axis=1) + getattr(rule, "reserve", 0)
    unit = jnp.where(total > 0, total, 1) if scale is None else jnp.full_like(total, scale)
    widest = WIDEST if scale is None else 1.0
    powers = jnp.linspace(-WIDEST, widest, num_bids - 1, dtype=bids.dtype)
    steps = jnp.concatenate([jnp.zeros(1, bids.dtype), 10**powers])
    return unit[:, None] * steps[None]


def crossed_tokens(
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    reserve: float = 0.0,
) -> Bool[Array, "agent vocab"]:
    """Tokens that break robust monotonicity under the log-linear rule, by the exact criterion.

    Along agent i's bid `log q_t = const + lambda s_t - A(lambda)` with `s_t = log(p_i(t) /
    p_-i(t))`; token t breaks it iff `-KL(p_-i || p_i) < s_t < KL(p_i || p_-i)`, in nats and
    strictly. Source: derived by us.

    Args:
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        reserve: weight of the platform.

    Returns:
        For each agent which tokens do; none where the agent says what the others say.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: as `check_monotonicity`.
    """
    rule = LogLinearRule(reserve)
    return _crossed(rule, *checked_auction(rule, bids, log_probs, platform))


@eqx.filter_jit
def _crossed(rule, bids, log_probs, platform):
    found: TiltAggregation = rule.aggregate(bids, log_probs, platform)
    return jax.vmap(Tilt.crossed)(found.tilts())


def check_payments(
    rule: Rule,
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    payment: Payment | None = None,
    num_bids: int = 41,
) -> Certificate:
    """Whether an agent pays more if, and only if, it gets something better.

    Tries own bids as `check_monotonicity` does; what an agent gets is its influence.
    Source: Duetting et al. (2024), payment monotonicity; the checker is ours.

    Args:
        rule: how distributions are aggregated.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: whose expectation is checked; `SecondPrice()` by default.
        num_bids: own bids that are tried.

    Returns:
        The verdict; the violation is what is paid more for nothing, or got for nothing more, in
        the unit of bids. Differences below 64 roundings of a payment are none.

    Raises:
        TypeError: arrays of the wrong kind, a rule or payment that is none.
        ValueError: as `check_monotonicity`.
    """
    engine.check_count("num_bids", num_bids, 3)
    payment = SecondPrice() if payment is None else payment
    check_kind("payment", payment, Payment)
    arrays = checked_auction(rule, bids, log_probs, platform)
    return _payment_order(rule, *arrays, payment, num_bids)


@eqx.filter_jit
def _payment_order(rule, bids, log_probs, platform, payment, num_bids):
    own_bids = grid_of_own_bids(rule, bids, num_bids)

    def at(agent, own_bid):
        trial = bids.at[agent].set(own_bid)
        both = expected_charges(rule, trial, log_probs, platform, payment=payment)
        return jax.tree.map(lambda x: x[agent], both)

    agents = jnp.arange(bids.shape[0])
    got, paid = jax.vmap(lambda i, trials: jax.lax.map(lambda b: at(i, b), trials))(
        agents, own_bids
    )
    more, dearer = jnp.diff(got, axis=1), jnp.diff(paid, axis=1)
    least = 2 * rounding(bids.dtype)
    small = least * jnp.abs(paid[:, 1:])
    for_nothing = jnp.where((more <= least) & (dearer > small), dearer, 0)
    cheaper = jnp.where((more > least) & (dearer < -small), -dearer, 0)
    gift = jnp.where((more > least) & (jnp.abs(dearer) <= small), more * own_bids[:, 1:], 0)
    violations = for_nothing + cheaper + jnp.where(own_bids[:, :-1] > 0, gift, 0)
    agent, step = jnp.unravel_index(jnp.argmax(violations), violations.shape)
    worst = violations[agent, step]
    return certify(
        worst,
        least=0,
        agent=agent,
        lower=own_bids[agent, step],
        higher=own_bids[agent, step + 1],
        others=bids,
    )


def check_unbiased(
    key: PRNGKeyArray,
    rule: Rule,
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    payment: Payment | None = None,
    num_draws: int = 4_096,
    largest_z: float = 4.5,
) -> Certificate:
    """Whether charges of single tokens average to the expected Myerson payments.

    Args:
        key: a typed key.
        rule: how distributions are aggregated.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: whose charges are averaged; `SecondPrice()` by default.
        num_draws: tokens that are sold.
        largest_z: distance in standard errors up to which it holds; at 4.5 a false alarm has
            probability 7e-6 by agent.

    Returns:
        The verdict; the violation is the largest distance in standard errors.

    Raises:
        TypeError: as `check_payments`.
        ValueError: as `check_payments`.
    """
    engine.check_key(key)
    engine.check_count("num_draws", num_draws, 2)
    payment = SecondPrice() if payment is None else payment
    check_kind("payment", payment, Payment)
    arrays = checked_auction(rule, bids, log_probs, platform)
    return _unbiased(key, rule, *arrays, payment, num_draws, jnp.asarray(largest_z, float))


@eqx.filter_jit
def _unbiased(key, rule, bids, log_probs, platform, payment, num_draws, largest_z):
    def charge(draw):
        own_key = jax.random.fold_in(key, draw)
        return clear(own_key, rule, bids, log_probs, platform, payment=payment).payments

    draws = jax.lax.map(charge, jnp.arange(num_draws), batch_size=min(256, num_draws))
    error = jnp.std(draws, axis=0) / num_draws**0.5
    gaps = jnp.abs(
        jnp.mean(draws, axis=0) - expected_payments(rule, bids, log_probs, platform).payments
    )
    floor = rounding(bids.dtype) * jnp.maximum(bids, 1)
    distances = jnp.where(gaps <= floor, 0, gaps / jnp.maximum(error, floor))
    agent = jnp.argmax(distances).astype(jnp.int32)
    return certify(
        distances[agent],
        least=largest_z,
        agent=agent,
        lower=jnp.zeros_like(bids[0]),
        higher=bids[agent],
        others=bids,
    )


def checked_auction(rule, bids, log_probs, platform):
    """Checks one auction for a checker: shapes always, values where they are known.

    Args:
        rule: the rule.
        bids: `(agent,)`.
        log_probs: `(agent, vocab)`.
        platform: `(vocab,)` or None.

    Returns:
        The three arrays.

    Raises:
        TypeError: arrays of the wrong kind, a rule that is none.
        ValueError: shapes that do not fit, bad bids, probabilities that do not sum to one.
    """
    check_kind("rule", rule, Rule)
    bids, log_probs, platform = auction(bids, log_probs, platform)
    if engine.is_concrete(bids) and not bool(jnp.all(jnp.isfinite(bids) & (bids >= 0))):
        raise ValueError(f"bids must be finite and at least 0, got {bids}")
    check_distributions("log_probs", log_probs)
    if platform is not None:
        check_distributions("platform", platform)
    return bids, log_probs, platform
