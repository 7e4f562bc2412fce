"""Checks of incentives at one auction: truthful bids, voluntary payments, orders that agree."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Float

from .. import engine
from .checkers import Certificate, certify, checked_auction, grid_of_own_bids
from .checks import check_kind
from .model import Rule
from .payments import Payment, SecondPrice
from .preferences import rounding, shortfalls
from .solve import expected_charges

LOWEST, HIGHEST = 1e-3, 1e2
"""Bids that are tried, in values."""
NUM_ASCENTS = 40


def check_incentives(
    rule: Rule,
    values: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    payment: Payment | None = None,
    others: Float[ArrayLike, " agent"] | None = None,
    num_bids: int = 65,
) -> Certificate:
    """What an agent could gain by bidding something else than its value.

    Utility is `v x(b)` less the expected payment, for one token with distributions fixed. Bids from
    0 and 1e-3 to 1e2 times the value are tried; from the best of them a gradient ascent in the
    logarithm of the bid goes on. Source: derived by us.

    Args:
        rule: how distributions are aggregated.
        values: `v`, at least 0; what an agent's whole influence is worth to it.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: what is charged; `SecondPrice()` by default.
        others: bids of the others, their values by default.
        num_bids: bids that are tried.

    Returns:
        The verdict; the violation is the largest regret of a truthful bid, in the unit of bids.
        `lower` and `higher` are the truthful and the better bid, in increasing order. Regrets below
        1e-4 of the value in f32 and 1e-9 in f64 are rounding and quadrature.

    Raises:
        TypeError: arrays of the wrong kind, a rule or payment that is none.
        ValueError: shapes that do not fit, values that are negative or not finite, probabilities
            that do not sum to one.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.7, 0.3], [0.2, 0.8]]))
        >>> values = jnp.asarray([1.0, 2.0])
        >>> for payment in (auctions.SecondPrice(), auctions.FirstPrice()):
        ...     found = auctions.check_incentives(auctions.LinearRule(), values, p, payment=payment)
        ...     print(found.holds)
        True
        False
    """
    engine.check_count("num_bids", num_bids, 3)
    payment = SecondPrice() if payment is None else payment
    check_kind("payment", payment, Payment)
    values, log_probs, platform = checked_auction(rule, values, log_probs, platform)
    others = values if others is None else checked_auction(rule, others, log_probs, platform)[0]
    return _incentives(rule, values, log_probs, platform, payment, others, num_bids)


@eqx.filter_jit
def _incentives(rule, values, log_probs, platform, payment, others, num_bids):
    powers = jnp.geomspace(LOWEST, HIGHEST, num_bids - 1, dtype=values.dtype)
    steps = jnp.concatenate([jnp.zeros(1, values.dtype), powers])

    def of_agent(agent, value):
        def utility(own_bid):
            bids = others.at[agent].set(own_bid)
            moved, paid = expected_charges(rule, bids, log_probs, platform, payment=payment)
            return value * moved[agent] - paid[agent]

        unit = jnp.where(value > 0, value, 1)
        tried = jax.lax.map(utility, unit * steps)
        start = unit * steps[jnp.argmax(tried)]
        bid, gained = _ascended(utility, start, jnp.max(tried))
        return gained - utility(value), bid

    regrets, found = jax.vmap(of_agent)(jnp.arange(values.shape[0]), values)
    least = _least_regret(values)
    agent = jnp.argmax(regrets / least).astype(jnp.int32)
    ends = jnp.sort(jnp.stack([values[agent], found[agent]]))
    return certify(
        regrets[agent],
        least=least[agent],
        agent=agent,
        lower=ends[0],
        higher=ends[1],
        others=others,
    )


def _least_regret(values):
    share = 1e-9 if values.dtype == jnp.float64 else 1e-4
    return share * jnp.where(values > 0, values, 1)


def _ascended(utility, start, value):
    """Gradient ascent in the logarithm of a bid; the rate halves where a step gains nothing."""
    slope = jax.grad(lambda log_bid: utility(jnp.exp(log_bid)))

    def step(_, state):
        bid, best, rate = state
        log_bid = jnp.log(jnp.maximum(bid, jnp.finfo(bid.dtype).tiny))
        move = jnp.nan_to_num(slope(log_bid))
        size = jnp.maximum(jnp.abs(move), jnp.finfo(bid.dtype).tiny)
        trial = jnp.exp(log_bid + rate * move / size)
        gained = utility(trial)
        is_better = gained > best
        return (
            jnp.where(is_better, trial, bid),
            jnp.where(is_better, gained, best),
            jnp.where(is_better, rate, 0.5 * rate),
        )

    rate = 0.1 + 0 * value  # varies over devices as the value does
    bid, best, _ = jax.lax.fori_loop(0, NUM_ASCENTS, step, (start, value, rate))
    return bid, best


def check_rationality(
    rule: Rule,
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    payment: Payment | None = None,
    num_bids: int = 41,
) -> Certificate:
    """Whether no agent is charged more than its bid times what it gets, or less than 0.

    Tries own bids as `check_monotonicity` does. Source: derived by us.

    Args:
        rule: how distributions are aggregated.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: whose expectation is checked; `SecondPrice()` by default.
        num_bids: own bids that are tried.

    Returns:
        The verdict; the violation is the largest excess of a payment, as a share of the bid.

    Raises:
        TypeError: arrays of the wrong kind, a rule or payment that is none.
        ValueError: as `check_incentives`.
    """
    engine.check_count("num_bids", num_bids, 3)
    payment = SecondPrice() if payment is None else payment
    check_kind("payment", payment, Payment)
    arrays = checked_auction(rule, bids, log_probs, platform)
    return _rationality(rule, *arrays, payment, num_bids)


@eqx.filter_jit
def _rationality(rule, bids, log_probs, platform, payment, num_bids):
    own_bids = grid_of_own_bids(rule, bids, num_bids)

    def excess(agent, own_bid):
        trial = bids.at[agent].set(own_bid)
        moved, paid = expected_charges(rule, trial, log_probs, platform, payment=payment)
        share = paid[agent] / jnp.where(own_bid > 0, own_bid, 1)
        return jnp.maximum(share - jnp.where(own_bid > 0, moved[agent], 0), -share)

    def of_agent(agent, trials):
        return jax.lax.map(lambda own_bid: excess(agent, own_bid), trials)

    found = jax.vmap(of_agent)(jnp.arange(bids.shape[0]), own_bids)
    agent, place = jnp.unravel_index(jnp.argmax(found), found.shape)
    worst = found[agent, place]
    return certify(
        worst,
        least=rounding(bids.dtype),
        agent=agent,
        lower=own_bids[agent, place],
        higher=own_bids[agent, place],
        others=bids,
    )


def check_consistency(
    rule: Rule,
    profiles: Float[ArrayLike, "profile agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    num_bids: int = 21,
) -> Certificate:
    """Whether an agent's order over its own bids is the same whatever the others bid.

    Two own bids, one strictly better under some profile of the others' bids, must not turn round or
    become incomparable under another. Own bids are tried as `check_monotonicity` does, for the
    first profile. Source: Duetting et al. (2024), consistent aggregation; the checker is ours.

    Args:
        rule: how distributions are aggregated.
        profiles: bids of all agents, at least two rows; the own one does not count.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        num_bids: own bids that are tried.

    Returns:
        The verdict; the violation is the shortfall, in probability, of the bid that is better
        elsewhere, and `others` the profile where it is.

    Raises:
        TypeError: arrays of the wrong kind, a rule that is none.
        ValueError: as `check_incentives`, or fewer than two profiles.
    """
    engine.check_count("num_bids", num_bids, 3)
    engine.check_array("profiles", profiles, ("profile", "agent"))
    if jnp.shape(profiles)[0] < 2:
        raise ValueError(f"profiles must have at least 2 rows, got {jnp.shape(profiles)[0]}")
    rows = [checked_auction(rule, row, log_probs, platform) for row in jnp.asarray(profiles)]
    bids = jnp.stack([row[0] for row in rows])
    return _consistency(rule, bids, *rows[0][1:], num_bids)


@eqx.filter_jit
def _consistency(rule, profiles, log_probs, platform, num_bids):
    own_bids = grid_of_own_bids(rule, profiles[0], num_bids)
    least = rounding(profiles.dtype)

    def gaps(bids, agent, trials):
        along = jax.lax.map(
            lambda own: jnp.exp(rule.log_mixture(bids.at[agent].set(own), log_probs, platform)),
            trials,
        )
        target = jnp.exp(log_probs[agent])[None]
        up = shortfalls(target, along[1:], along[:-1])
        down = shortfalls(target, along[:-1], along[1:])
        return jnp.max(up, axis=-1), jnp.max(down, axis=-1), jnp.argmax(up, axis=-1)

    agents = jnp.arange(profiles.shape[1])
    up, down, tokens = jax.vmap(
        lambda bids: jax.vmap(lambda i, trials: gaps(bids, i, trials))(agents, own_bids)
    )(profiles)
    is_better = (up <= least) & (down > least)
    violations = jnp.where(jnp.any(is_better, axis=0, keepdims=True), up, 0)
    profile, agent, step = jnp.unravel_index(jnp.argmax(violations), violations.shape)
    worst = violations[profile, agent, step]
    return certify(
        worst,
        least=least,
        agent=agent,
        token=tokens[profile, agent, step],
        lower=own_bids[agent, step],
        higher=own_bids[agent, step + 1],
        others=profiles[profile],
    )
