"""Bidding for one token: utilities, best responses, equilibria."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from ..engine import Status
from .checks import check_kind
from .model import BaseModelRule, LinearRule, LogLinearRule, Rule, auction
from .payments import AllPay, FirstPrice, Myerson, OneDraw, Payment, SecondPrice
from .solve import expected_charges, influence
from .tokens import sum_over_tokens

NUM_GRID_BIDS = 65
SMALLEST_SHARE = 1e-3
"""Smallest bid of the grid as a share of the largest value."""
GOLDEN = 0.6180339887498949
NUM_SECTIONS = 40


class Market(eqx.Module):
    """Who bids for what: one token, or one token after another.

    Attributes:
        values: of a unit of influence to each agent, in the unit of bids.
        log_probs: natural logarithms of probabilities, with a leading axis where every round has
            distributions of its own.
        platform: those of the platform, or None.
    """

    values: Float[Array, " agent"]
    log_probs: Float[Array, "*time agent vocab"]
    platform: Float[Array, "*time vocab"] | None


class Utilities(eqx.Module):
    """What bids bring to each agent, in expectation over the token.

    Attributes:
        utilities: `v_i x_i` less the expected payment, in the unit of bids.
        influence: `x_i`, share of text that the agent's bid moves, in [0, 1].
        payments: expected.
        status: as in `Influence`; NON_FINITE where a value is not finite.
    """

    utilities: Float[Array, " agent"]
    influence: Float[Array, " agent"]
    payments: Float[Array, " agent"]
    status: Int[Array, ""]


class BestResponse(eqx.Module):
    """What each agent would bid best, the others' bids given.

    Attributes:
        bids: by agent; 0 where no bid brings more than nothing.
        is_attained: False where no bid is best and the smallest of the grid is given instead, or
            where a search ended at an end of the grid.
        status: as in `Utilities`.
    """

    bids: Float[Array, " agent"]
    is_attained: Bool[Array, " agent"]
    status: Int[Array, ""]


def utility(
    rule: Rule,
    values: Float[ArrayLike, " agent"],
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    payment: Payment,
) -> Utilities:
    """Expected utility of each agent from one token, `v_i x_i` less the expected payment.

    Source: derived by us; the influence x is a share of text, the payment is that of the rule in
    expectation over the token and over what else it draws.

    Args:
        rule: how distributions are aggregated.
        values: of a unit of influence, in the unit of bids.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: what is charged; it counts with its expectation.

    Returns:
        Utilities with their parts, and a status.

    Raises:
        TypeError: arrays of the wrong kind, a rule or payment that is none.
        ValueError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.75, 0.25], [0.25, 0.75]]))
        >>> values, bids = jnp.asarray([1.0, 2.0]), jnp.asarray([1.0, 1.0])
        >>> got = auctions.utility(
        ...     auctions.LinearRule(), values, bids, p, payment=auctions.FirstPrice()
        ... )
        >>> print(got.utilities, got.payments)
        [0.   0.25] [0.25 0.25]
    """
    check_bidding(rule, payment)
    bids, log_probs, platform = auction(bids, log_probs, platform)
    market = Market(as_values(values, log_probs), log_probs, platform)
    return evaluate(rule, payment, market, bids)


@eqx.filter_jit
def evaluate(
    rule: Rule, payment: Payment, market: Market, bids: Float[Array, " agent"]
) -> Utilities:
    """`utility` of arguments that are checked.

    Args:
        rule: how distributions are aggregated.
        payment: what is charged.
        market: of one token.
        bids: of the agents.

    Returns:
        Utilities.
    """
    auctioned = rule, bids, market.log_probs, market.platform
    moved, paid = expected_charges(*auctioned, payment=payment)
    utilities = market.values * moved - paid
    return Utilities(utilities, moved, paid, market_status(rule, market, bids))


def market_status(rule: Rule, market: Market, bids: Float[Array, " agent"]) -> Int[Array, ""]:
    """What is wrong with a market.

    Args:
        rule: how distributions are aggregated.
        market: of one token.
        bids: of the agents.

    Returns:
        As in `Utilities`.
    """
    status = influence(rule, bids, market.log_probs, market.platform).status
    is_known = jnp.all(jnp.isfinite(market.values))
    return jnp.where(is_known, status, Status.NON_FINITE).astype(jnp.int32)


def own_utilities(
    rule: Rule,
    payment: Payment,
    market: Market,
    bids: Float[Array, " agent"],
    own_bids: Float[Array, " agent"],
) -> Float[Array, " agent"]:
    """Utility of each agent if it alone bid something else; one auction per agent.

    Args:
        rule: how distributions are aggregated.
        payment: what is charged.
        market: of one token.
        bids: of the agents.
        own_bids: what replaces each agent's own bid in its own utility.

    Returns:
        Utilities.
    """
    own = jnp.eye(bids.shape[0], dtype=bool)

    def of(changed):
        auctioned = rule, changed, market.log_probs, market.platform
        moved, paid = expected_charges(*auctioned, payment=payment)
        return market.values * moved - paid

    return jnp.diagonal(jax.vmap(of)(jnp.where(own, own_bids[None], bids[None])))


def best_response(
    rule: Rule,
    values: Float[ArrayLike, " agent"],
    bids: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "agent vocab"],
    platform: Float[ArrayLike, " vocab"] | None = None,
    *,
    payment: Payment,
    grid: Float[ArrayLike, " bid"] | None = None,
) -> BestResponse:
    """Bids that would be best for each agent, the others' bids given.

    With second-price payments (in expectation) the value itself, under linear, log-linear and
    base-model rules. Under the linear rule, with B the others' bids and the reserve: first price
    `sqrt(B^2 + v B) - B`; all-pay `max(0, sqrt(V B) - B)`, `V = v TV(p_i, p_-i)`; where B is 0
    every smaller bid is better and the smallest of the grid is given. All else is searched: the
    best bid of the grid, then golden section between its neighbours. Closed forms are right to a
    few roundings. What is searched is right to 2e-8 of the largest value in f64 and 5e-4 in f32, as
    utility is flat at its top, where it has one peak between two neighbours of the grid. Source:
    derived by us.

    Args:
        rule: how distributions are aggregated.
        values: of a unit of influence, in the unit of bids.
        bids: at least 0.
        log_probs: natural logarithms of probabilities, one row per agent.
        platform: those of the platform, or None.
        payment: as `utility`.
        grid: at least two bids, ascending; by default 65 from a thousandth of the largest value to
            the largest value, in equal ratios. With `NoPayment` and `VCG` more than the value may
            be best.

    Returns:
        Bids, with a status.

    Raises:
        TypeError: as `utility`.
        ValueError: shapes that do not fit, a grid that is not ascending from at least 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.75, 0.25], [0.25, 0.75]]))
        >>> values, bids = jnp.asarray([3.0, 3.0]), jnp.asarray([1.0, 1.0])
        >>> best = auctions.best_response(
        ...     auctions.LinearRule(), values, bids, p, payment=auctions.FirstPrice()
        ... )
        >>> print(best.bids)  # a third of the value against a third of the value
        [1. 1.]
    """
    check_bidding(rule, payment)
    bids, log_probs, platform = auction(bids, log_probs, platform)
    market = Market(as_values(values, log_probs), log_probs, platform)
    return respond(rule, payment, market, bids, as_grid(grid, market.values))


@eqx.filter_jit
def respond(
    rule: Rule,
    payment: Payment,
    market: Market,
    bids: Float[Array, " agent"],
    grid: Float[Array, " bid"],
) -> BestResponse:
    """`best_response` of arguments that are checked.

    Args:
        rule: how distributions are aggregated.
        payment: what is charged.
        market: of one token.
        bids: of the agents.
        grid: bids among which is searched.

    Returns:
        Bids, with a status.
    """
    status = market_status(rule, market, bids)
    if _is_truthful(rule, payment):
        best, is_attained = jnp.maximum(market.values, 0), jnp.ones(bids.shape, bool)
    elif isinstance(rule, LinearRule) and isinstance(payment, FirstPrice | AllPay):
        best, is_attained = _closed(rule, payment, market, bids, grid)
    else:
        best, is_attained = _searched(rule, payment, market, bids, grid)
    return BestResponse(best, is_attained, status)


def _is_truthful(rule, payment):
    """Influence rises with the bid under these rules, so that Myerson payments are truthful."""
    return isinstance(rule, LinearRule | LogLinearRule | BaseModelRule) and isinstance(
        payment, SecondPrice | Myerson | OneDraw
    )


def _closed(rule, payment, market, bids, grid):
    """First price and all-pay under the linear rule, without cancellation."""
    aggregation = rule.aggregate(bids, market.log_probs, market.platform)
    total = aggregation.rivals.total
    worth = market.values
    if isinstance(payment, AllPay):
        worth = worth * _distances(aggregation)
    has_gain = (worth > 0) & (total > 0)
    product = jnp.where(has_gain, worth * total, 1)
    if isinstance(payment, FirstPrice):
        best = product / (jnp.sqrt(total**2 + product) + total)
    else:
        best = total * jnp.maximum(worth - total, 0) / (jnp.sqrt(product) + total)
    alone = jnp.where(worth > grid[0], grid[0], 0)
    is_alone = (total == 0) & (worth > 0)
    return jnp.where(is_alone, alone, jnp.where(has_gain, best, 0)), ~is_alone


def _searched(rule, payment, market, bids, grid):
    """The best bid of a grid, then golden section between its neighbours."""

    def gains_of(own_bids):
        return jax.lax.map(lambda own: own_utilities(rule, payment, market, bids, own), own_bids)

    gains = gains_of(jnp.broadcast_to(grid[:, None], (grid.shape[0], bids.shape[0])))
    place = jnp.argmax(gains, axis=0)
    last = grid.shape[0] - 1
    bounds = grid[jnp.maximum(place - 1, 0)], grid[jnp.minimum(place + 1, last)]
    best, value = _golden_section(gains_of, *bounds)
    at_grid = jnp.max(gains, axis=0)
    best = jnp.where(value > at_grid, best, grid[place])
    is_gain = jnp.maximum(value, at_grid) > 0
    is_inside = (best > grid[0]) & (best < grid[last])
    return jnp.where(is_gain, best, 0), is_inside | ~is_gain


def _golden_section(function, lower, upper):
    """Where functions of one number each are largest, if they have one peak in between."""

    def narrow(_, bounds):
        lower, upper, _, _ = bounds
        width = GOLDEN * (upper - lower)
        left, right = upper - width, lower + width
        values = function(jnp.stack([left, right]))
        is_left = values[0] > values[1]
        best, value = jnp.where(is_left, left, right), jnp.max(values, axis=0)
        return jnp.where(is_left, lower, left), jnp.where(is_left, right, upper), best, value

    start = lower, upper, lower, jnp.full_like(lower, -jnp.inf)
    return jax.lax.fori_loop(0, NUM_SECTIONS, narrow, start)[2:]


def as_grid(
    grid: Float[ArrayLike, " bid"] | None, values: Float[Array, " agent"]
) -> Float[Array, " bid"]:
    """A grid of bids.

    Args:
        grid: at least two bids that ascend from at least 0; None for 65 up to the largest value.
        values: of the agents.

    Returns:
        The grid.

    Raises:
        TypeError: not an array of numbers.
        ValueError: fewer than two bids, or not ascending from at least 0.
    """
    if grid is None:
        steps = jnp.linspace(0, 1, NUM_GRID_BIDS, dtype=values.dtype)
        return jnp.maximum(jnp.max(values), 0) * SMALLEST_SHARE ** (1 - steps)
    check_grid(grid)
    return jnp.asarray(grid, values.dtype)


def check_grid(grid: Any) -> None:
    """Checks a grid of bids, its values where they are known.

    Args:
        grid: at least two bids that ascend from at least 0.

    Raises:
        TypeError: not an array of numbers.
        ValueError: fewer than two bids, or not ascending from at least 0.
    """
    size = engine.check_array("grid", grid, ("bid",))["bid"]
    if size < 2:
        raise ValueError(f"grid must hold at least two bids, got {size}")
    if engine.is_concrete(grid):
        bids = np.asarray(grid)
        if not (np.isfinite(bids).all() and bids[0] >= 0 and (np.diff(bids) > 0).all()):
            raise ValueError("grid must hold finite bids that ascend from at least 0")


def as_values(
    values: Float[ArrayLike, " agent"], log_probs: Float[Array, "*time agent vocab"]
) -> Float[Array, " agent"]:
    """Values in the dtype of distributions.

    Args:
        values: one per agent.
        log_probs: of the agents.

    Returns:
        The values.

    Raises:
        TypeError: not an array of numbers.
        ValueError: another number of agents.
    """
    engine.check_array("values", values, (log_probs.shape[-2],))
    return jnp.asarray(values, log_probs.dtype)


def as_market(
    values: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "*time agent vocab"],
    platform: Float[ArrayLike, "*time vocab"] | None,
    *,
    has_rounds: bool,
) -> Market:
    """Checks the shapes of a market and gives all of it one floating dtype.

    Args:
        values: of the agents.
        log_probs: natural logarithms of probabilities.
        platform: those of the platform, or None.
        has_rounds: whether distributions have a leading axis of rounds.

    Returns:
        The market.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit, or an axis without entries.
    """
    time = ("time",) if has_rounds else ()
    shapes: dict[str, Any] = {"log_probs": (log_probs, (*time, "agent", "vocab"))}
    if platform is not None:
        shapes["platform"] = (platform, (*time, "vocab"))
    sizes = engine.check_shapes(shapes, "real")
    if min(sizes.values()) < 1:
        raise ValueError(f"log_probs has shape {jnp.shape(log_probs)}: give an agent and a token")
    dtype = jnp.result_type(*(array for array, _ in shapes.values()), float)
    arrays = [jnp.asarray(array, dtype) for array, _ in shapes.values()]
    log_probs, platform = arrays[0], None if platform is None else arrays[1]
    return Market(as_values(values, log_probs), log_probs, platform)


def check_bidding(rule: Any, payment: Any) -> None:
    """Checks the modules of a market.

    Args:
        rule: how distributions are aggregated.
        payment: what is charged.

    Raises:
        TypeError: one of them is something else.
    """
    check_kind("rule", rule, Rule)
    check_kind("payment", payment, Payment)


def _distances(aggregation):
    """Total variation between each agent's target and the others."""
    return sum_over_tokens(aggregation, lambda d: jnp.maximum(d.others - d.targets, 0))
