"""Tables of Q-learning firms: prices, payoffs, first values, and what one period changes.

A firm's table is one flat array with a row per state: the values of the prices, and behind them a
number that no value but the greedy one exceeds. While the greedy value stays above that bound its
price stays greedy and the row need not be searched, so that a period costs a handful of reads.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt32

from .q_market import PriceGrid, state_of

EXPLORATION_BLOCK = 64
"""Periods between two evaluations of the exploration rate."""
_WORDS = 2.0**32
_LARGEST_WORD = 2.0**32 - 256.0


class LearningRules(eqx.Module):
    """Numbers of the learning rule, scalars.

    Attributes:
        payoffs: those of a `PriceGrid`, flat: firm after firm.
        learning_rate: weight alpha of what is new.
        discount: factor delta per period.
        decay: beta; firms explore with probability `exp(-beta t)`.
    """

    payoffs: Float[Array, " entry"]
    learning_rate: Float[Array, ""]
    discount: Float[Array, ""]
    decay: Float[Array, ""]


class Exploration(NamedTuple):
    """When a random word means exploration, and which price.

    Attributes:
        threshold: smaller words explore.
        scale: prices per word below the threshold.
    """

    threshold: UInt32[Array, ""]
    scale: Float[Array, ""]


class Learning(NamedTuple):
    """Where a session stands.

    Attributes:
        rows: table of each firm, flat: per state the values of the prices and the bound.
        greedy: index of the best price of each firm in each state, the lowest on ties.
        state: combination of prices played last.
        period: number of periods played.
        last_change: period in which a greedy price changed last.
    """

    rows: tuple[Float[Array, " entry"], ...]
    greedy: tuple[Int[Array, " state"], ...]
    state: Int[Array, ""]
    period: Int[Array, ""]
    last_change: Int[Array, ""]


def initial_values(
    payoffs: Float[Array, "agent state"], discount: Float[Array, ""], num_prices: int
) -> Float[Array, "agent price"]:
    """First value of each price: its mean profit while rivals play all prices alike, for ever.

    Source: Calvano et al. (2020), eq. (8); the same in every state, also at `discount` 0.

    Args:
        payoffs: those of a `PriceGrid`.
        discount: factor per period, in [0, 1).
        num_prices: number of prices of each firm.

    Returns:
        One row per firm.
    """
    num_agents = payoffs.shape[0]
    cube = payoffs.reshape(num_agents, *[num_prices] * num_agents)
    means = [
        cube[i].mean(axis=tuple(j for j in range(num_agents) if j != i)) for i in range(num_agents)
    ]
    return jnp.stack(means) / (1 - discount)


def start(grid: PriceGrid, discount: Float[Array, ""], state: Int[Array, ""]) -> Learning:
    """A session before its first period.

    Args:
        grid: prices and payoffs.
        discount: factor per period, in [0, 1).
        state: the first state.

    Returns:
        The session. Tables take `n m^n (m + 1)` floats and `n m^n` bytes: 30 kB for two firms of 15
        prices, 660 kB for three, 13 MB for four.
    """
    values = initial_values(grid.payoffs, discount, grid.num_prices)
    rows, greedy = [], []
    for i in range(grid.num_agents):
        best, bound = _best_of(values[i])
        row = jnp.append(values[i], bound)
        rows.append(jnp.broadcast_to(row[None], (grid.num_states, row.shape[0])).reshape(-1))
        greedy.append(jnp.full(grid.num_states, best).astype(greedy_dtype(grid.num_prices)))
    zero = jnp.zeros((), jnp.int32)
    return Learning(tuple(rows), tuple(greedy), state.astype(jnp.int32), zero, zero)


def values_of(learning: Learning, num_prices: int) -> Float[Array, "agent state price"]:
    """The values of the prices, without bounds.

    Args:
        learning: where a session stands.
        num_prices: number of prices of each firm.

    Returns:
        Q-tables of all firms.
    """
    return jnp.stack([rows.reshape(-1, num_prices + 1)[:, :-1] for rows in learning.rows])


def greedy_dtype(num_prices: int) -> type:
    """Smallest type that holds an index of a price.

    Args:
        num_prices: number of prices.

    Returns:
        A NumPy scalar type.
    """
    return np.uint8 if num_prices <= 256 else np.int32


def exploration(decay: Float[Array, ""], period: Int[Array, ""]) -> Exploration:
    """When firms explore: with probability `exp(-beta t)`, from a multiple of 64 periods on.

    Args:
        decay: beta.
        period: t.

    Returns:
        Threshold and scale for `explore`. The probability is at most `1 - 2^-24`; in float32,
        whatever the type of the tables.
    """
    rate = jnp.exp(-decay.astype(jnp.float32) * period.astype(jnp.float32))
    threshold = jnp.minimum(rate * _WORDS, _LARGEST_WORD)
    return Exploration(threshold.astype(jnp.uint32), 1 / jnp.maximum(threshold, 1))


def explore(
    word: UInt32[Array, ""], greedy: Int[Array, ""], rate: Exploration, num_prices: int
) -> Int[Array, ""]:
    """What a firm plays: the greedy price, or any of all prices.

    A word below the threshold is uniform below it, so that the same word says which price.

    Args:
        word: uniform random bits.
        greedy: index of the greedy price.
        rate: when firms explore.
        num_prices: number of prices.

    Returns:
        Index of the price played, int32. All prices are alike up to `2^-23`, relative.
    """
    share = word.astype(jnp.float32) * rate.scale
    drawn = jnp.minimum((share * num_prices).astype(jnp.int32), num_prices - 1)
    return jnp.where(word < rate.threshold, drawn, greedy.astype(jnp.int32))


def greedy_actions(learning: Learning) -> list[Int[Array, ""]]:
    """Greedy price of each firm in the state of a session.

    Args:
        learning: where a session stands.

    Returns:
        Indices of prices.
    """
    return [_at(greedy, learning.state).astype(jnp.int32) for greedy in learning.greedy]


def learn(
    learning: Learning,
    actions: list[Int[Array, ""]],
    rules: LearningRules,
    *,
    num_prices: int,
    is_active: Bool[Array, ""] | bool = True,
) -> Learning:
    """One period: firms play prices, see profits and learn, all at once.

    `Q(s, a) <- (1 - alpha) Q(s, a) + alpha (profit + delta max_a' Q(s', a'))` with s' the prices
    just played. Source: Calvano et al. (2020), eq. (4).

    Args:
        learning: where a session stands.
        actions: price index of each firm.
        rules: numbers of the rule.
        num_prices: number of prices of each firm.
        is_active: where False nothing changes.

    Returns:
        Where it stands then.
    """
    following = state_of(actions, num_prices)
    rate = jnp.where(is_active, rules.learning_rate, 0)
    updates = [
        _update(learning, i, action, following, rate, rules, num_prices)
        for i, action in enumerate(actions)
    ]
    # All reads are above: XLA then writes in place, without copies of the tables.
    first = learning.state * (num_prices + 1)
    rows, greedy, is_changed = [], [], False
    for table, best, action, new in zip(
        learning.rows, learning.greedy, actions, updates, strict=True
    ):
        table = _put(table, new.value, first + action)
        rows.append(_put(table, new.bound, first + num_prices))
        greedy.append(_put(best, new.best.astype(best.dtype), learning.state))
        is_changed |= new.best != new.best_before
    moved = learning.period + jnp.where(is_active, 1, 0).astype(jnp.int32)
    return Learning(
        tuple(rows),
        tuple(greedy),
        jnp.where(is_active, following, learning.state),
        moved,
        jnp.where(is_changed, moved, learning.last_change),
    )


class _Update(NamedTuple):
    value: Float[Array, ""]
    bound: Float[Array, ""]
    best: Int[Array, ""]
    best_before: Int[Array, ""]


def _update(learning, firm, action, following, rate, rules, num_prices):
    """New value of the price played, new bound and new greedy price of one firm in one state."""
    rows, greedy = learning.rows[firm], learning.greedy[firm]
    stride, num_states = num_prices + 1, greedy.shape[0]
    first = learning.state * stride
    best = _at(greedy, learning.state).astype(jnp.int32)
    best_value, bound = _at(rows, first + best), _at(rows, first + num_prices)
    old = _at(rows, first + action)
    future = _at(rows, following * stride + _at(greedy, following).astype(jnp.int32))
    target = _at(rules.payoffs, firm * num_states + following) + rules.discount * future
    new = (1 - rate) * old + rate * target

    is_greedy = action == best
    overtakes = (new > best_value) | ((new == best_value) & (action < best))
    kept = jnp.where(is_greedy | ~overtakes, best, action)
    other_bound = jnp.where(overtakes, best_value, jnp.maximum(bound, new))
    kept_bound = jnp.where(is_greedy, bound, other_bound)

    def search():
        values = lax.dynamic_slice(rows, (first,), (num_prices,))
        return _best_of(jnp.where(jnp.arange(num_prices, dtype=jnp.int32) == action, new, values))

    is_open = is_greedy & (new <= bound) & (new < old)
    best_after, bound_after = lax.cond(is_open, search, lambda: (kept, kept_bound))
    return _Update(new, bound_after, best_after, best)


def _best_of(values):
    """Index of the largest value, the lowest on ties, and the largest of the others.

    One reduction, so that XLA makes one loop of it and folds that into the loop over periods.
    """
    least = jnp.full((), -jnp.inf, values.dtype)
    index = jnp.arange(values.shape[0], dtype=jnp.int32)
    _, best, bound = lax.reduce(
        (values, index, jnp.full(values.shape, least)),
        (least, jnp.full((), values.shape[0], jnp.int32), least),
        _better_of,
        (0,),
    )
    return best, bound


def _better_of(one, other):
    """The better of two pairs of value and index, and the second best value of both."""
    is_first = (one[0] > other[0]) | ((one[0] == other[0]) & (one[1] < other[1]))
    second = jnp.maximum(jnp.maximum(one[2], other[2]), jnp.minimum(one[0], other[0]))
    best = [jnp.where(is_first, a, b) for a, b in zip(one[:2], other[:2], strict=True)]
    return *best, second


def _at(table, index):
    return lax.dynamic_index_in_dim(table, index, keepdims=False, allow_negative_indices=False)


def _put(table, value, index):
    return lax.dynamic_update_index_in_dim(table, value, index, 0, allow_negative_indices=False)
