"""Sessions of Q-learning firms that set prices until their strategies stand still."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, UInt32

from .. import engine
from ..engine import Checkpoint, Progress, Status
from ..engine.streams import GOLDEN
from .cycles import ImpulseResponse, impulse_response, limit_cycle
from .market import collusion_index
from .q_market import LARGEST_INDEX, PriceGrid, QLearningMarket, price_grid
from .q_tables import (
    EXPLORATION_BLOCK,
    Learning,
    LearningRules,
    exploration,
    explore,
    greedy_actions,
    learn,
    start,
)


class Sessions(eqx.Module):
    """What sessions of Q-learning ended in, one row per session.

    Attributes:
        num_periods: played until the end, int32; the last `patience` without a change counted.
        cycle_length: periods of the cycle that greedy play ends in, int32.
        prices: mean over the cycle.
        profits: mean over the cycle.
        state: a state on the cycle: number of the combination of prices, see `PriceGrid`.
        strategies: index of each firm's price in each state; None where not kept.
        grid: prices, and profits at the competitive and the collusive prices.
        status: CONVERGED where no greedy price changed during the last `patience` periods,
            MAX_STEPS where time was up before, else why the grid failed.
    """

    num_periods: Int[Array, " session"]
    cycle_length: Int[Array, " session"]
    prices: Float[Array, "session agent"]
    profits: Float[Array, "session agent"]
    state: Int[Array, " session"]
    strategies: Int[Array, "session agent state"] | None
    grid: PriceGrid
    status: Int[Array, " session"]

    @property
    def collusion_index(self) -> Float[Array, " session"]:
        """Delta on the cycle: 0 at competitive profits, 1 at collusive ones, means over firms."""
        grid = self.grid
        return collusion_index(self.profits, grid.competitive, grid.collusive)

    @property
    def mean_collusion_index(self) -> Float[Array, ""]:
        """Mean of Delta over sessions."""
        return jnp.mean(self.collusion_index)

    @property
    def standard_error(self) -> Float[Array, ""]:
        """Standard error of `mean_collusion_index`; 0 for one session."""
        count = self.num_periods.shape[0]
        return jnp.std(self.collusion_index, ddof=min(1, count - 1)) / count**0.5

    @property
    def share_converged(self) -> Float[Array, ""]:
        """Share of sessions whose strategies stood still in time."""
        return jnp.mean(self.status == Status.CONVERGED)


class _World(eqx.Module):
    """One session as a function of its key. Sizes are static."""

    keeps_strategies: bool = eqx.field(static=True)

    def __call__(self, key, model, data, each):
        grid, (patience, max_periods) = model, data
        rules = LearningRules(grid.payoffs.reshape(-1), *each)
        words = jax.random.bits(jax.random.fold_in(key, 0), (2,), jnp.uint32)
        state = jax.random.randint(
            jax.random.fold_in(key, 1), (), 0, grid.num_states, dtype=jnp.int32
        )
        learning = start(grid, rules.discount, state)
        learning = play_until_still(learning, rules, words, patience, max_periods, grid.num_prices)
        strategies = jnp.stack(learning.greedy)
        cycle = limit_cycle(strategies, learning.state, grid)
        is_still = learning.period - learning.last_change >= patience
        status = jnp.where(is_still, Status.CONVERGED, Status.MAX_STEPS).astype(jnp.int32)
        return (
            learning.period,
            cycle.length,
            cycle.prices,
            cycle.profits,
            cycle.state,
            strategies if self.keeps_strategies else None,
            jnp.where(grid.status == Status.OK, status, grid.status),
        )


def q_learning_sessions(
    key: Key[Array, ""],
    market: QLearningMarket,
    *,
    num_sessions: int,
    max_periods: int = 1_000_000_000,
    patience: int = 100_000,
    batch_size: int = 64,
    keeps_strategies: bool = True,
    mesh: Mesh | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Sessions:
    """Plays sessions until no greedy price of any firm in any state has changed for a while.

    A session starts from a random state and from values of play against random rivals
    (`initial_values`). On a CPU sessions run one after another and each stops exactly; on other
    platforms those of a batch run in lock-step until the last one is still. The baseline takes
    1.9 million periods a session.

    Random numbers are two passes of a 32-bit mix over the period and 64 bits from the session's
    key (`engine.stream`): one word per firm and period, no repeats within a session, and sessions
    may share single words but no stretches, unless halves of their 64 bits agree.

    Args:
        key: random key; session s draws from ``fold_in(key, s)``.
        market: firms, demand and numbers of the learning rule.
        num_sessions: how many.
        max_periods: largest number of periods of a session.
        patience: periods without a change after which a session ends.
        batch_size: sessions between two looks at progress and checkpoint; their memory is held at
            once where they run in lock-step (30 kB a session for two firms of 15 prices, 13 MB for
            four).
        keeps_strategies: whether the result holds the greedy tables, which impulse responses need.
        mesh: devices to spread sessions over. See `replicate_mesh`.
        progress: how to show how far it is (in batches).
        checkpoint: where to save.

    Returns:
        The sessions, each with a status.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a count below 1 or beyond int32, numbers per session that are not as many as
            sessions, or a checkpoint of another run.

    Example:
        >>> import jax
        >>> from jaxpapers import games
        >>> sessions = games.q_learning_sessions(
        ...     jax.random.key(0),
        ...     games.QLearningMarket(decay=1e-3),
        ...     num_sessions=4,
        ...     patience=1_000,
        ... )
        >>> print(sessions.share_converged)
        1.0
    """
    engine.check_key(key)
    if not isinstance(market, QLearningMarket):
        raise TypeError(f"market must be a QLearningMarket, got {type(market).__name__}.")
    engine.check_count("num_sessions", num_sessions)
    engine.check_count("batch_size", batch_size)
    for name, count in (("max_periods", max_periods), ("patience", patience)):
        engine.check_count(name, count)
        if count > LARGEST_INDEX:
            raise ValueError(f"{name} must be at most 2^31 - 1, got {count}.")
    grid = price_grid(market)
    numbers = _numbers_of(market, grid.payoffs.dtype, num_sessions)
    limits = jnp.asarray(patience, jnp.int32), jnp.asarray(max_periods, jnp.int32)
    periods, lengths, prices, profits, states, strategies, status = engine.simulate(
        key,
        _World(keeps_strategies),
        grid,
        limits,
        num_worlds=num_sessions,
        batch_size=min(batch_size, num_sessions),
        mesh=mesh,
        progress=progress,
        checkpoint=checkpoint,
        each=numbers,
        compiler_options=engine.loop_options(),
    )
    return Sessions(periods, lengths, prices, profits, states, strategies, grid, status)


class MeanResponse(eqx.Module):
    """Impulse responses averaged over sessions.

    Attributes:
        mean: over sessions.
        standard_error: of the means.
    """

    mean: ImpulseResponse
    standard_error: ImpulseResponse


def mean_impulse_response(
    sessions: Sessions,
    *,
    firm: int = 0,
    price: Float[ArrayLike, ""] | None = None,
    num_periods: int = 20,
) -> MeanResponse:
    """What follows a price cut on average over sessions, each on its limit cycle.

    A session whose cycle is longer than one period starts from one of its states.

    Args:
        sessions: with strategies.
        firm: as `impulse_response`.
        price: as `impulse_response`.
        num_periods: as `impulse_response`.

    Returns:
        Means and their standard errors.

    Raises:
        TypeError: as `impulse_response`.
        ValueError: as `impulse_response`, or sessions without strategies.
    """
    if sessions.strategies is None:
        raise ValueError("sessions must hold strategies; play them with keeps_strategies=True.")

    def one(strategies, state):
        settings = {"firm": firm, "price": price, "num_periods": num_periods}
        return impulse_response(strategies, state, sessions.grid, **settings)

    responses = jax.vmap(one)(sessions.strategies, sessions.state)
    count = sessions.state.shape[0]
    return MeanResponse(
        jax.tree.map(lambda x: jnp.mean(x, axis=0), responses),
        jax.tree.map(lambda x: jnp.std(x, axis=0, ddof=min(1, count - 1)) / count**0.5, responses),
    )


def play_until_still(
    learning: Learning,
    rules: LearningRules,
    words: UInt32[Array, "2"],
    patience: Int[Array, ""],
    max_periods: Int[Array, ""],
    num_prices: int,
) -> Learning:
    """Plays until no greedy price has changed for `patience` periods, or time is up.

    One scalar loop; under `vmap` one loop in lock-step, in which sessions that are done stand
    still, so that tables are written at single places in both forms.

    Args:
        learning: where the session stands.
        rules: numbers of the learning rule.
        words: seed of the random numbers.
        patience: periods without a change.
        max_periods: largest number of periods.
        num_prices: number of prices of each firm.

    Returns:
        Where it stands at the end.
    """

    @custom_vmap
    def run(play, fixed):
        begin = play, exploration(fixed[0].decay, play.period)
        return jax.lax.while_loop(
            lambda c: _is_open(c[0], fixed), lambda c: _period(c, fixed, True, num_prices), begin
        )[0]

    @run.def_vmap
    def run_in_lockstep(axis_size, in_batched, play, fixed):
        play, fixed = jax.tree.map(
            lambda x, is_batched: x if is_batched else jnp.broadcast_to(x, (axis_size, *x.shape)),
            (play, fixed),
            tuple(in_batched),
        )
        are_open = jax.vmap(_is_open)
        period = jax.vmap(lambda c, fixed, is_active: _period(c, fixed, is_active, num_prices))
        begin = play, jax.vmap(exploration)(fixed[0].decay, play.period)
        play, _ = jax.lax.while_loop(
            lambda c: jnp.any(are_open(c[0], fixed)),
            lambda c: period(c, fixed, are_open(c[0], fixed)),
            begin,
        )
        return play, jax.tree.map(lambda _: True, play)

    return run(learning, (rules, words, (patience, max_periods)))


def _is_open(play, fixed):
    patience, max_periods = fixed[2]
    return (play.period - play.last_change < patience) & (play.period < max_periods)


def _period(carry, fixed, is_active, num_prices):
    """One period: the rate of exploration, what firms play, what they learn."""
    play, rate = carry
    rules, words, _ = fixed
    rate = jax.lax.cond(
        play.period % EXPLORATION_BLOCK == 0,
        lambda: exploration(rules.decay, play.period),
        lambda: rate,
    )
    drawn = _words_at(words, play.period, len(play.rows))
    actions = [
        explore(word, best, rate, num_prices)
        for word, best in zip(drawn, greedy_actions(play), strict=True)
    ]
    return learn(play, actions, rules, num_prices=num_prices, is_active=is_active), rate


def _words_at(words, period, num_agents):
    """Random word of each firm in a period."""
    shared = engine.mix(period.astype(jnp.uint32) + words[0])
    steps = np.arange(num_agents, dtype=np.uint32) * GOLDEN
    return [engine.mix(shared ^ (words[1] + step)) for step in steps]


def _numbers_of(market, dtype, num_sessions):
    """Learning rate, discount and decay, one of each per session."""
    numbers = market.learning_rate, market.discount, market.decay
    for name, number in zip(("learning_rate", "discount", "decay"), numbers, strict=True):
        if jnp.ndim(number) and jnp.shape(number) != (num_sessions,):
            raise ValueError(
                f"{name} must be one number or one per session, shape ({num_sessions},); got shape "
                f"{jnp.shape(number)}."
            )
    return tuple(jnp.broadcast_to(jnp.asarray(x, dtype), (num_sessions,)) for x in numbers)
