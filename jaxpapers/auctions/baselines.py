"""Auctions beside the token auction: of a whole text, of a segment, of candidate texts."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Status
from ..numerics import matmul
from .linear import payment_per_distance
from .model import as_number, check_weight
from .tilt import Tilt
from .tokens import draw_place

NOBODY = -1
"""Winner where nothing is sold."""


class SoldText(eqx.Module):
    """A whole text that was sold to one agent.

    Attributes:
        winner: who writes it, int32; -1 where nobody bids more than 0 and at least the reserve.
        allocation: 1 for the winner, 0 for all others.
        payments: what each agent is charged for the text, in the unit of bids.
        status: OK; INVALID_BIDS where a bid is negative or not finite, then nothing is sold.
    """

    winner: Int[Array, ""]
    allocation: Float[Array, " agent"]
    payments: Float[Array, " agent"]
    status: Int[Array, ""]


class SoldSegment(eqx.Module):
    """A segment of text that was sold to one agent by a draw.

    Attributes:
        winner: whose segment is shown, int32; -1 where nobody bids.
        shares: probabilities of being shown, `b_i r_i / sum b r`.
        expected_payments: `b x(b) - integral of x` with x the share: expectation for one segment,
            over the draw, in the unit of bids.
        prices: the same for one segment that is shown, `expected_payments / shares`, at most the
            bid; 0 where the share is.
        payments: what is charged after the draw: its price to the winner, 0 to all others.
        status: OK; INVALID_BIDS where a bid is negative or not finite, or a relevance not above 0
            and finite, then nothing is sold.
    """

    winner: Int[Array, ""]
    shares: Float[Array, " agent"]
    expected_payments: Float[Array, " agent"]
    prices: Float[Array, " agent"]
    payments: Float[Array, " agent"]
    status: Int[Array, ""]


class SoldCandidate(eqx.Module):
    """A text that was drawn among candidates and paid for.

    Attributes:
        candidate: the text, int32.
        mixture: probabilities q of all candidates.
        expected_rewards: `E_q[r_i]`.
        payments: `temperature KL(q || q_-i)`, expectations over the draw.
        status: OK; INVALID_BIDS where a reward is not finite; NOT_A_DISTRIBUTION where weights
            have no finite positive sum. Then payments are 0 and candidates alike.
    """

    candidate: Int[Array, ""]
    mixture: Float[Array, " candidate"]
    expected_rewards: Float[Array, " agent"]
    payments: Float[Array, " agent"]
    status: Int[Array, ""]


def sell_text(
    bids: Float[ArrayLike, " agent"], *, reserve: float | Float[Array, ""] = 0.0
) -> SoldText:
    """Winner takes all: the whole text to the highest bid at the second highest (Vickrey).

    Among equal bids the lowest index wins, at a price that leaves it nothing.

    Args:
        bids: value of writing the whole text, at least 0.
        reserve: least price, at least 0.

    Returns:
        Winner and payments, with a status.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: bids of another shape, a reserve below 0 or not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> sold = auctions.sell_text(jnp.asarray([1.0, 3.0, 2.0]))
        >>> print(sold.winner, sold.payments)
        1 [0. 2. 0.]
    """
    engine.check_array("bids", bids, ("agent",))
    check_weight("reserve", reserve, is_zero_allowed=True)
    return _sell_text(_floats(bids), as_number(reserve))


@eqx.filter_jit
def _sell_text(bids, reserve):
    is_valid = jnp.all(_is_bid(bids))
    agents = jnp.arange(bids.shape[0], dtype=jnp.int32)
    reserve = reserve.astype(bids.dtype)
    highest = jnp.argmax(bids).astype(jnp.int32)
    is_sold = is_valid & (bids[highest] > 0) & (bids[highest] >= reserve)
    is_winner = is_sold & (agents == highest)
    second = jnp.max(jnp.where(agents == highest, 0, bids))
    return SoldText(
        winner=jnp.where(is_sold, highest, NOBODY),
        allocation=is_winner.astype(bids.dtype),
        payments=jnp.where(is_winner, jnp.maximum(second, reserve), 0),
        status=jnp.where(is_valid, Status.OK, Status.INVALID_BIDS).astype(jnp.int32),
    )


def sell_segment(
    key: PRNGKeyArray,
    bids: Float[ArrayLike, " agent"],
    relevances: Float[ArrayLike, " agent"],
) -> SoldSegment:
    """Segment auction: one agent is shown, drawn by bid times relevance.

    The share `x_i = b_i r_i / sum b r = b_i / (b_i + C_i / r_i)`, `C_i` the others' sum, rises with
    the bid, so that the Myerson payment is that of the linear rule with `C_i / r_i` for the others'
    bids: `B ln(1 + b / B) - b B / (b + B)`. Bids are for being shown once, and so are prices. Where
    bids are for a click and a segment that is shown is clicked with some probability, the price of
    a click is the same `prices`, whatever the probability: shares and payments are both multiplied
    by it. An agent without rivals is always shown and pays nothing. Source: derived by us.

    Args:
        key: a typed key.
        bids: for one segment (or click), at least 0.
        relevances: how well an agent fits the text, above 0; only ratios matter.

    Returns:
        Winner, shares and payments, with a status; right to a few roundings at any ratio of bids.

    Raises:
        TypeError: a key that is none, arrays of the wrong kind.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> bids, relevances = jnp.asarray([1.0, 1.0]), jnp.asarray([1.0, 3.0])
        >>> sold = auctions.sell_segment(jax.random.key(0), bids, relevances)
        >>> print(sold.shares, sold.prices.round(4))
        [0.25 0.75] [0.4522 0.2828]
    """
    engine.check_key(key)
    engine.check_shapes(
        {"bids": (bids, ("agent",)), "relevances": (relevances, ("agent",))}, "real"
    )
    dtype = jnp.result_type(bids, relevances, float)
    return _sell_segment(key, jnp.asarray(bids, dtype), jnp.asarray(relevances, dtype))


@eqx.filter_jit
def _sell_segment(key, bids, relevances):
    is_valid = jnp.all(_is_bid(bids) & jnp.isfinite(relevances) & (relevances > 0))
    bids, relevances = jnp.where(is_valid, bids, 0), jnp.where(is_valid, relevances, 1)
    agents = jnp.arange(bids.shape[0], dtype=jnp.int32)
    scores = bids * relevances
    others = jnp.sum(jnp.where(agents[:, None] == agents[None], 0, scores[None]), axis=1)
    has_share = scores > 0
    shares = jnp.where(has_share, scores / jnp.where(has_share, scores + others, 1), 0)
    expected = payment_per_distance(bids, others / relevances)
    prices = jnp.where(has_share, expected / jnp.where(has_share, shares, 1), 0)
    place, _ = draw_place(jax.random.uniform(key, (), bids.dtype) * jnp.sum(shares), shares)
    is_sold = jnp.any(has_share)
    return SoldSegment(
        winner=jnp.where(is_sold, place, NOBODY).astype(jnp.int32),
        shares=shares,
        expected_payments=expected,
        prices=prices,
        payments=jnp.where(is_sold & (agents == place), prices, 0),
        status=jnp.where(is_valid, Status.OK, Status.INVALID_BIDS).astype(jnp.int32),
    )


def sell_candidate(
    key: PRNGKeyArray,
    rewards: Float[ArrayLike, "agent candidate"],
    log_weights: Float[ArrayLike, " candidate"],
    *,
    temperature: float | Float[Array, ""],
) -> SoldCandidate:
    """Candidate auction: one of M texts, drawn from `q ∝ w_m exp(sum_i r_im / temperature)`.

    q maximises `sum_i E_q[r_i] - temperature KL(q || w)`, so that the VCG payment is what the
    others lose in it, `temperature KL(q || q_-i)`, and an agent is left with
    `temperature (log Z - log Z_-i)`; telling the true rewards is dominant. The set of candidates
    must not depend on what agents say. Source: derived by us; the setting is that of MOSAIC.

    Args:
        key: a typed key.
        rewards: of each candidate to each agent, in the unit of payments, of any sign.
        log_weights: natural logarithms of the platform's weights of candidates, of any sum; zeros
            where candidates are drawn from the platform's own model.
        temperature: how strongly q is held to the weights, above 0; in the unit of rewards.

    Returns:
        Candidate, mixture and payments, with a status. Payments are right to a few roundings of a
        reward over the temperature, relative to their size.

    Raises:
        TypeError: a key that is none, arrays of the wrong kind.
        ValueError: shapes that do not fit, a temperature that is not above 0 and finite.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> rewards = jnp.asarray([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
        >>> sold = auctions.sell_candidate(
        ...     jax.random.key(0), rewards, jnp.zeros(3), temperature=0.5
        ... )
        >>> print(sold.mixture.round(4), sold.payments.round(4))
        [0.3333 0.3333 0.3333] [0.1545 0.1545]
    """
    engine.check_key(key)
    shapes = {
        "rewards": (rewards, ("agent", "candidate")),
        "log_weights": (log_weights, ("candidate",)),
    }
    engine.check_shapes(shapes, "real")
    check_weight("temperature", temperature, is_zero_allowed=False)
    dtype = jnp.result_type(rewards, log_weights, float)
    arrays = jnp.asarray(rewards, dtype), jnp.asarray(log_weights, dtype)
    return _sell_candidate(key, *arrays, as_number(temperature))


@eqx.filter_jit
def _sell_candidate(key, rewards, log_weights, temperature):
    is_valid = jnp.all(jnp.isfinite(rewards))
    has_weights = jnp.any(log_weights > -jnp.inf) & jnp.all(log_weights < jnp.inf)
    is_right = is_valid & has_weights
    temperature = temperature.astype(rewards.dtype)
    tilts = jnp.where(is_right, rewards, 0) / temperature
    base = jnp.where(is_right, log_weights, 0)
    log_mixture = jax.nn.log_softmax(base + jnp.sum(tilts, axis=0))
    others = 1 - jnp.eye(rewards.shape[0], dtype=rewards.dtype)
    without = jax.nn.log_softmax(base[None] + matmul(others, tilts), axis=1)
    divergences = jax.vmap(_divergence_of_tilt)(without, tilts)
    mixture = jnp.exp(log_mixture)
    status = jnp.where(has_weights, Status.OK, Status.NOT_A_DISTRIBUTION)
    return SoldCandidate(
        candidate=jax.random.categorical(key, log_mixture).astype(jnp.int32),
        mixture=mixture,
        expected_rewards=temperature * jnp.sum(tilts * mixture[None], axis=1),
        payments=temperature * divergences,
        status=jnp.where(is_valid, status, Status.INVALID_BIDS).astype(jnp.int32),
    )


def _divergence_of_tilt(without, tilt):
    """`KL(q || q_-i)`; the mean of the tilt does not matter, and without it less is rounded."""
    has_weight = without > -jnp.inf
    mean = jnp.sum(jnp.where(has_weight, jnp.exp(without) * tilt, 0))
    path, one = Tilt.of(without, tilt - mean), jnp.ones((), tilt.dtype)
    return jnp.sum(path.gaps(one, path.log_partition(one)))


def _is_bid(bids):
    return jnp.isfinite(bids) & (bids >= 0)


def _floats(values):
    return jnp.asarray(values, jnp.result_type(values, float))
