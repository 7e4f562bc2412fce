"""Bidding round after round: learners that climb, that regret nothing, that keep to a budget."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .. import engine
from ..engine import Algorithm, Status
from .bidding import Market, as_market, check_bidding, check_grid, evaluate, own_utilities
from .checks import check_kind
from .model import Rule, as_number, check_weight
from .payments import Payment


class Round(eqx.Module):
    """What happened in one round; with a leading axis of rounds in a result.

    Attributes:
        bids: by agent.
        utilities: `v_i x_i` less the expected payment.
        influence: share of text that each agent moved.
        payments: expected.
        status: as in `Utilities`.
    """

    bids: Float[Array, "*time agent"]
    utilities: Float[Array, "*time agent"]
    influence: Float[Array, "*time agent"]
    payments: Float[Array, "*time agent"]
    status: Int[Array, "*time"]


class RepeatedBidding(eqx.Module):
    """Rounds that were played.

    Attributes:
        rounds: one row per round.
        state: the learner's after the last round; pass it on to play more.
        num_rounds: rounds played, int32.
        status: OK; the most serious status of a round; NON_FINITE where bids became NaN or
            infinite, then rows from that round on are 0.
    """

    rounds: Round
    state: PyTree
    num_rounds: Int[Array, ""]
    status: Int[Array, ""]


class Learner(Algorithm):
    """How agents change their bids from round to round. Interface.

    Model is the rule, data a `Market`. States have a `count` of rounds played; round t looks at the
    distributions of row t where the market has a row per round.

    Attributes:
        payment: what is charged.
    """

    payment: eqx.AbstractVar[Payment]


class GradientState(eqx.Module):
    """Where gradient play stands.

    Attributes:
        bids: of the next round.
        count: rounds played, int32.
    """

    bids: Float[Array, " agent"]
    count: Int[Array, ""]


class GradientPlay(Learner):
    """Each agent climbs its own utility, all at once, from half its value.

    `b_i <- max(b_i + step_size du_i/db_i, floor v_i)`. The floor keeps bids above 0, where a bid
    has no slope. Fixed points are bids at which no agent gains by a small change.

    Attributes:
        payment: what is charged; one whose expectation has a derivative.
        step_size: bids per unit of slope, above 0.
        floor: smallest bid as a share of the value, above 0.

    Raises:
        ValueError: a step size or floor that is not above 0 and finite.
    """

    payment: Payment
    step_size: Float[Array, ""] = eqx.field(converter=as_number)
    floor: Float[Array, ""] = eqx.field(converter=as_number, default=1e-3)

    def __check_init__(self):
        """Checks the numbers."""
        check_weight("step_size", self.step_size, is_zero_allowed=False)
        check_weight("floor", self.floor, is_zero_allowed=False)

    def init(self, key: PRNGKeyArray, model: Rule, data: Market) -> GradientState:
        """Half the value."""
        del key, model
        return GradientState(0.5 * jnp.maximum(data.values, 0), jnp.zeros((), jnp.int32))

    def step(self, key, model, data, state):
        """One round, and one step uphill."""
        del key
        market = market_at(data, state.count)

        def total(own_bids):
            return jnp.sum(own_utilities(model, self.payment, market, state.bids, own_bids))

        slopes = jax.grad(total)(state.bids)
        least = self.floor.astype(slopes.dtype) * jnp.maximum(market.values, 0)
        bids = jnp.maximum(state.bids + self.step_size.astype(slopes.dtype) * slopes, least)
        played = _round(model, self.payment, market, state.bids)
        return GradientState(bids, state.count + 1), played

    def status(self, state, info):
        """Goes on as long as bids are finite."""
        del info
        return engine.finite_status(state)


class HedgeState(eqx.Module):
    """Where Hedge stands.

    Attributes:
        totals: sum over rounds of what each bid of the grid would have brought against what the
            others bid.
        realised: sum of utilities of the bids that were drawn.
        expected: sum of utilities expected over the own draw.
        count: rounds played, int32.
    """

    totals: Float[Array, "agent bid"]
    realised: Float[Array, " agent"]
    expected: Float[Array, " agent"]
    count: Int[Array, ""]

    @property
    def external_regret(self) -> Float[Array, " agent"]:
        """What the best fixed bid of the grid would have brought more than the bids drawn."""
        return jnp.max(self.totals, axis=1) - self.realised

    @property
    def expected_regret(self) -> Float[Array, " agent"]:
        """The same against the expectation over the own draws.

        At most `log(K) / rate + rate T width^2 / 8` in every run, width the range of utilities.
        """
        return jnp.max(self.totals, axis=1) - self.expected


class HedgePlay(Learner):
    """Multiplicative weights: draws a bid with weight `exp(rate u)`, u what it had brought so far.

    Every bid of the grid is compared against what the others bid in each round, so that external
    regret is exact. With `hedge_rate` it is at most `width sqrt(T log(K) / 2)` in expectation over
    the own draws, whatever the others do.

    Attributes:
        payment: what is charged.
        grid: bids to choose from, at least two, ascending from at least 0.
        learning_rate: per unit of utility, at least 0; 0 draws all bids alike.

    Raises:
        ValueError: a grid that does not ascend, a rate below 0 or not finite.
    """

    payment: Payment
    grid: Float[Array, " bid"]
    learning_rate: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        """Checks grid and rate."""
        check_grid(self.grid)
        check_weight("learning_rate", self.learning_rate, is_zero_allowed=True)

    def init(self, key: PRNGKeyArray, model: Rule, data: Market) -> HedgeState:
        """All bids alike."""
        del key, model
        num_agents, dtype = data.values.shape[0], data.values.dtype
        nothing = jnp.zeros(num_agents, dtype)
        totals = jnp.zeros((num_agents, self.grid.shape[0]), dtype)
        return HedgeState(totals, nothing, nothing, jnp.zeros((), jnp.int32))

    def step(self, key, model, data, state):
        """One round with drawn bids, and what all others would have brought."""
        market = market_at(data, state.count)
        grid = jnp.asarray(self.grid, state.totals.dtype)
        weights = self.learning_rate.astype(grid.dtype) * state.totals
        drawn = jax.random.categorical(key, weights, axis=1)
        bids = grid[drawn]

        def brought(bid):
            own = jnp.full(bids.shape, bid)
            return own_utilities(model, self.payment, market, bids, own)

        table = jax.lax.map(brought, grid).T
        agents = jnp.arange(bids.shape[0])
        mean = jnp.sum(jax.nn.softmax(weights, axis=1) * table, axis=1)
        state = HedgeState(
            state.totals + table,
            state.realised + table[agents, drawn],
            state.expected + mean,
            state.count + 1,
        )
        return state, _round(model, self.payment, market, bids)

    def status(self, state, info):
        """Goes on as long as utilities are finite."""
        del info
        return engine.finite_status(state)


class PacingState(eqx.Module):
    """Where budget pacing stands.

    Attributes:
        multipliers: shadow price of each agent's budget, at least 0.
        spent: by agent so far.
        count: rounds played, int32.
    """

    multipliers: Float[Array, " agent"]
    spent: Float[Array, " agent"]
    count: Int[Array, ""]


class BudgetPacing(Learner):
    """Adaptive pacing: bids `v_i / (1 + m_i)`, the multiplier m rising where too much is spent.

    `m_i <- clip(m_i - step_size (budget_i / horizon - paid_i), 0, largest)`, and no bid is above
    what is left of the budget. So budgets are kept to within rounding under payments that never
    exceed the bid: second price and Myerson, first price, all-pay, and VCG under the linear rule.
    VCG payments under other rules may exceed the bid, and the budget by at most the payment of one
    round. Source: Balseiro and Gur (2019), adaptive pacing; here with expected payments.

    Attributes:
        payment: what is charged.
        budgets: of each agent for the horizon, at least 0.
        horizon: number of rounds that a budget is for, above 0.
        step_size: per unit of payment, above 0.
        largest: bound on the multipliers, above 0.

    Raises:
        ValueError: budgets below 0 or not finite, other numbers that are not above 0 and finite.
    """

    payment: Payment
    budgets: Float[Array, " agent"]
    horizon: Float[Array, ""] = eqx.field(converter=as_number)
    step_size: Float[Array, ""] = eqx.field(converter=as_number)
    largest: Float[Array, ""] = eqx.field(converter=as_number, default=100.0)

    def __check_init__(self):
        """Checks budgets and numbers."""
        engine.check_array("budgets", self.budgets, ("agent",))
        if engine.is_concrete(self.budgets):
            budgets = np.asarray(self.budgets)
            if not (np.isfinite(budgets) & (budgets >= 0)).all():
                raise ValueError(f"budgets must be finite and at least 0, got {budgets}")
        for name in ("horizon", "step_size", "largest"):
            check_weight(name, getattr(self, name), is_zero_allowed=False)

    def init(self, key: PRNGKeyArray, model: Rule, data: Market) -> PacingState:
        """Nothing spent, no shadow price."""
        del key, model
        nothing = jnp.zeros_like(data.values)
        return PacingState(nothing, nothing, jnp.zeros((), jnp.int32))

    def step(self, key, model, data, state):
        """One round at paced bids, and the new shadow prices."""
        del key
        market = market_at(data, state.count)
        budgets = jnp.asarray(self.budgets, state.spent.dtype)
        wanted = jnp.maximum(market.values, 0) / (1 + state.multipliers)
        bids = jnp.minimum(wanted, jnp.maximum(budgets - state.spent, 0))
        played = _round(model, self.payment, market, bids)
        target, step_size, largest = (
            number.astype(bids.dtype)
            for number in (budgets / self.horizon, self.step_size, self.largest)
        )
        moved = state.multipliers - step_size * (target - played.payments)
        spent = state.spent + played.payments
        return PacingState(jnp.clip(moved, 0, largest), spent, state.count + 1), played

    def status(self, state, info):
        """Goes on as long as payments are finite."""
        del info
        return engine.finite_status(state)


def hedge_rate(*, num_bids: int, num_rounds: int, width: float | Float[Array, ""]) -> Any:
    """Learning rate of Hedge with the least bound on regret, `sqrt(8 log(K) / T) / width`.

    Args:
        num_bids: K, bids of the grid.
        num_rounds: T, rounds that will be played.
        width: largest utility less smallest, above 0.

    Returns:
        The rate; expected regret is then at most `width sqrt(T log(K) / 2)`.

    Raises:
        TypeError: counts that are not Python integers.
        ValueError: fewer than two bids, no rounds, a width that is not above 0 and finite.

    Example:
        >>> from jaxpapers import auctions
        >>> print(round(float(auctions.hedge_rate(num_bids=32, num_rounds=1_000, width=2.0)), 4))
        0.0833
    """
    engine.check_count("num_bids", num_bids, 2)
    engine.check_count("num_rounds", num_rounds)
    check_weight("width", width, is_zero_allowed=False)
    return (8 * np.log(num_bids) / num_rounds) ** 0.5 / as_number(width)


def bid_repeatedly(
    key: PRNGKeyArray,
    rule: Rule,
    learner: Learner,
    values: Float[ArrayLike, " agent"],
    log_probs: Float[ArrayLike, "*time agent vocab"],
    platform: Float[ArrayLike, "*time vocab"] | None = None,
    *,
    num_rounds: int,
    state: PyTree | None = None,
) -> RepeatedBidding:
    """Agents bid round after round, and learn from what it brings them.

    A round is one token in expectation over its draw. Round t draws from `fold_in(key, t)`. A
    learner is an algorithm of the engine: drive it by `engine.run` with a `Market` to watch and
    save long runs.

    Args:
        key: a typed key.
        rule: how distributions are aggregated.
        learner: how bids change.
        values: of a unit of influence, in the unit of bids.
        log_probs: natural logarithms of probabilities, one row per agent; with a leading axis one
            such table per round.
        platform: those of the platform, with the same leading axis, or None.
        num_rounds: how many rounds are played.
        state: that of a result, to play more rounds; None for a new start.

    Returns:
        Rounds and the learner's state, with a status.

    Raises:
        TypeError: a key, rule or learner that is none, arrays of the wrong kind.
        ValueError: shapes that do not fit, no rounds, fewer distributions than rounds.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> p = jnp.log(jnp.asarray([[0.75, 0.25], [0.25, 0.75]]))
        >>> learner = auctions.GradientPlay(auctions.FirstPrice(), step_size=0.5)
        >>> played = auctions.bid_repeatedly(
        ...     jax.random.key(0),
        ...     auctions.LinearRule(),
        ...     learner,
        ...     jnp.asarray([3.0, 3.0]),
        ...     p,
        ...     num_rounds=200,
        ... )
        >>> print(played.state.bids.round(3))  # a third of the value
        [1. 1.]
    """
    engine.check_key(key)
    check_kind("learner", learner, Learner)
    check_bidding(rule, learner.payment)
    engine.check_count("num_rounds", num_rounds)
    market = as_market(values, log_probs, platform, has_rounds=np.ndim(log_probs) == 3)
    rows = market.log_probs.shape[0] if market.log_probs.ndim == 3 else None
    played = 0 if state is None else state.count
    if rows is not None and engine.is_concrete(played) and rows < int(played) + num_rounds:
        raise ValueError(
            f"log_probs has distributions for {rows} rounds, but {int(played) + num_rounds} are "
            "played: give some for each round, or one table without that axis for all"
        )
    return _bid_repeatedly(key, rule, learner, market, num_rounds, state)


@eqx.filter_jit
def _bid_repeatedly(key, rule, learner, market, num_rounds, state):
    first = 0 if state is None else state.count
    run = engine.unroll(
        key, learner, rule, market, num_steps=num_rounds, state=state, first_step=first
    )
    worst = jnp.max(run.info.status)
    status = jnp.where(worst == Status.OK, run.status, worst).astype(jnp.int32)
    return RepeatedBidding(run.info, run.state, run.num_steps, status)


def market_at(market: Market, count: Int[Array, ""]) -> Market:
    """The market of one round.

    Args:
        market: of all rounds, or the same in each.
        count: rounds before it.

    Returns:
        A market of one token.
    """
    if market.log_probs.ndim == 2:
        return market
    platform = None if market.platform is None else market.platform[count]
    return Market(market.values, market.log_probs[count], platform)


def _round(rule, payment, market, bids):
    got = evaluate(rule, payment, market, bids)
    return Round(bids, got.utilities, got.influence, got.payments, got.status)
