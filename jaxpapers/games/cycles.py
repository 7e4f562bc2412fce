"""Greedy play after learning: limit cycles and what follows a price cut."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .. import engine
from .q_market import PriceGrid, actions_of, state_of


class LimitCycle(eqx.Module):
    """Where greedy play ends.

    Attributes:
        length: states of the cycle, int32, at least 1.
        num_before: periods before the cycle is entered, int32.
        state: the first state of the cycle that is reached.
        prices: mean over the cycle.
        profits: mean over the cycle.
    """

    length: Int[Array, ""]
    num_before: Int[Array, ""]
    state: Int[Array, ""]
    prices: Float[Array, " agent"]
    profits: Float[Array, " agent"]


class ImpulseResponse(eqx.Module):
    """Prices after one firm is made to play another price for one period.

    Row 0 is the period of the forced price, later ones are greedy play of all.

    Attributes:
        prices: played.
        undisturbed: prices of the same periods without the forced price.
        profits: made.
        undisturbed_profits: profits of the same periods without the forced price.
        before: prices of the period before.
    """

    prices: Float[Array, "period agent"]
    undisturbed: Float[Array, "period agent"]
    profits: Float[Array, "period agent"]
    undisturbed_profits: Float[Array, "period agent"]
    before: Float[Array, " agent"]


class _Search(NamedTuple):
    slow: Int[Array, ""]
    fast: Int[Array, ""]
    steps: Int[Array, ""]
    power: Int[Array, ""]


def follow(
    strategies: Int[Array, "agent state"], state: Int[Array, ""], num_prices: int
) -> Int[Array, ""]:
    """State after one period of greedy play.

    Args:
        strategies: index of each firm's price in each state.
        state: before the period.
        num_prices: number of prices of each firm.

    Returns:
        The state, int32.
    """
    return state_of(list(strategies[:, state]), num_prices)


def limit_cycle(
    strategies: Int[Array, "agent state"], state: Int[ArrayLike, ""], grid: PriceGrid
) -> LimitCycle:
    """Cycle that greedy play enters from a state, and its means. Exact.

    Takes at most about `5 m^n` steps, mostly a few; source of the search: Brent (1980).

    Args:
        strategies: index of each firm's price in each state.
        state: where play begins.
        grid: prices and payoffs.

    Returns:
        The cycle. Means are right to rounding.

    Raises:
        TypeError: strategies or a state that are no integers.
        ValueError: strategies of another shape than (agent, state).
    """
    _check(strategies, state, grid)
    begin = jnp.asarray(state, jnp.int32)
    length = _length(strategies, begin, grid.num_prices)
    first, num_before = _entry(strategies, begin, length, grid.num_prices)
    prices, profits = _means(strategies, first, length, grid)
    return LimitCycle(length, num_before, first, prices, profits)


def impulse_response(
    strategies: Int[Array, "agent state"],
    state: Int[ArrayLike, ""],
    grid: PriceGrid,
    *,
    firm: int = 0,
    price: Float[ArrayLike, ""] | None = None,
    num_periods: int = 20,
) -> ImpulseResponse:
    """Path of prices after a firm is made to play another price for one period.

    Source: Calvano et al. (2020), figure 4, where the firm plays its static best response to the
    last price of its rivals. Starts at `state` (see `LimitCycle.state` for one on the cycle).

    Args:
        strategies: index of each firm's price in each state.
        state: prices played in the period before.
        grid: prices and payoffs.
        firm: which one, from 0.
        price: what it is made to play, rounded to its nearest price (the lower of two); None means
            the best response on its grid to what the others have just played.
        num_periods: periods that are followed, the forced one included.

    Returns:
        Prices and profits with and without the forced price.

    Raises:
        TypeError: an argument of another kind.
        ValueError: shapes that do not fit, no period, or no such firm.
    """
    _check(strategies, state, grid)
    engine.check_count("firm", firm, 0)
    engine.check_count("num_periods", num_periods)
    if firm >= grid.num_agents:
        raise ValueError(f"firm must be below {grid.num_agents}, the number of firms, got {firm}.")
    if price is not None:
        engine.check_array("price", price, ())
    begin = jnp.asarray(state, jnp.int32)
    action = _best_response(begin, grid, firm) if price is None else _nearest(price, grid, firm)
    greedy = list(strategies[:, begin].astype(jnp.int32))
    forced = [action if i == firm else greedy[i] for i in range(grid.num_agents)]
    paths = []
    for actions in (forced, greedy):
        states = _path(strategies, state_of(actions, grid.num_prices), num_periods, grid.num_prices)
        paths.append(states)
    cut, plain = paths
    return ImpulseResponse(
        prices=prices_of(cut, grid),
        undisturbed=prices_of(plain, grid),
        profits=grid.payoffs[:, cut].T,
        undisturbed_profits=grid.payoffs[:, plain].T,
        before=prices_of(begin[None], grid)[0],
    )


def prices_of(states: Int[Array, " period"], grid: PriceGrid) -> Float[Array, "period agent"]:
    """Prices that firms play in states.

    Args:
        states: their numbers.
        grid: prices.

    Returns:
        One row per state.
    """
    actions = actions_of(states, grid.num_agents, grid.num_prices)
    return jnp.stack([grid.prices[i, actions[i]] for i in range(grid.num_agents)], axis=-1)


def _length(strategies, begin, num_prices):
    """Length of the cycle: a slow walker waits at powers of 2 until a fast one comes back."""

    def is_apart(c: _Search) -> Bool[Array, ""]:
        return c.slow != c.fast

    def step(c: _Search) -> _Search:
        is_full = c.steps == c.power
        return _Search(
            jnp.where(is_full, c.fast, c.slow),
            follow(strategies, c.fast, num_prices),
            jnp.where(is_full, 1, c.steps + 1),
            jnp.where(is_full, 2 * c.power, c.power),
        )

    one = jnp.ones((), jnp.int32)
    found = lax.while_loop(
        is_apart, step, _Search(begin, follow(strategies, begin, num_prices), one, one)
    )
    return found.steps


def _entry(strategies, begin, length, num_prices):
    """First state on the cycle and the periods before it: two walkers, one cycle apart."""
    ahead = lax.fori_loop(0, length, lambda _, s: follow(strategies, s, num_prices), begin)

    def step(c):
        behind, ahead, steps = c
        moved = (follow(strategies, behind, num_prices), follow(strategies, ahead, num_prices))
        return *moved, steps + 1

    zero = jnp.zeros((), jnp.int32)
    first, _, num_before = lax.while_loop(lambda c: c[0] != c[1], step, (begin, ahead, zero))
    return first, num_before


def _means(strategies, first, length, grid):
    """Means of prices and profits over the cycle."""

    def add(_, c):
        state, prices, profits = c
        prices = prices + prices_of(state[None], grid)[0]
        profits = profits + grid.payoffs[:, state]
        return follow(strategies, state, grid.num_prices), prices, profits

    nothing = jnp.zeros(grid.num_agents, grid.payoffs.dtype)
    _, prices, profits = lax.fori_loop(0, length, add, (first, nothing, nothing))
    count = length.astype(grid.payoffs.dtype)
    return prices / count, profits / count


def _path(strategies, first, num_periods, num_prices):
    """States of periods of greedy play, `first` included."""

    def step(state, _):
        return follow(strategies, state, num_prices), state

    return lax.scan(step, first, length=num_periods)[1]


def _best_response(state, grid, firm):
    """Price that pays most while the others repeat what they have just played."""
    weight = grid.num_prices ** (grid.num_agents - 1 - firm)
    own = (state // weight) % grid.num_prices
    states = state + weight * (jnp.arange(grid.num_prices, dtype=jnp.int32) - own)
    return jnp.argmax(grid.payoffs[firm, states]).astype(jnp.int32)


def _nearest(price, grid, firm):
    return jnp.argmin(jnp.abs(grid.prices[firm] - jnp.asarray(price))).astype(jnp.int32)


def _check(strategies, state, grid):
    engine.check_array("state", state, (), "integer")
    shape = (grid.num_agents, grid.num_states)
    engine.check_array("strategies", strategies, shape, "integer")
