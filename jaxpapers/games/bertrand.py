"""Repeated price competition of firms that may talk before they set prices."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Status
from .collusion import price_spread
from .demand import Demand, as_number, common_dtype
from .linear_demand import LinearDemand
from .market import MarketOutcome, collusion_index
from .market_views import MarketObservation
from .model import Game, Record, Turns, check_kind
from .parameters import as_integer
from .solve import cartel, equilibrium

LAST_ROUND = 2**31 - 1


def _as_numbers(value: Any) -> Any:
    """Gives lists and NumPy arrays JAX's default float dtype, and leaves others as they are."""
    if isinstance(value, list | tuple | np.ndarray):
        return jnp.asarray(value, jnp.result_type(float))
    return value


class MarketState(eqx.Module):
    """Where a market stands between two rounds.

    The two benchmarks follow from the parameters alone. They are part of the state so that each
    world solves them once, in `reset`, also where worlds differ in demand or costs.

    Attributes:
        round: rounds played, int32.
        prices: of the last rounds, a ring: round t is row `t mod window`, 0 where none yet.
        quantities: sold in these rounds, likewise.
        profits: made in these rounds, likewise.
        sums: price, quantity and profit of each firm, summed over the block that is running.
        block_means: the same, means over the last full block; 0 before the first has ended.
        pledges: last price that each firm has pledged in this round.
        has_pledged: whether there is one.
        competitive: `equilibrium` of one round.
        collusive: `cartel`.
    """

    round: Int[Array, ""]
    prices: Float[Array, "window agent"]
    quantities: Float[Array, "window agent"]
    profits: Float[Array, "window agent"]
    sums: Float[Array, "3 agent"]
    block_means: Float[Array, "3 agent"]
    pledges: Float[Array, " agent"]
    has_pledged: Bool[Array, " agent"]
    competitive: MarketOutcome
    collusive: MarketOutcome


class MarketRecord(Record):
    """What happened in one round.

    Attributes:
        prices: of the firms; the cost of a firm whose price was none.
        quantities: sold.
        profits: made.
        collusion_index: of this round's profits, 0 in equilibrium and 1 for a cartel.
        price_spread: highest price less the lowest.
        is_talking: whether firms talked.
        status: int32. OK; INVALID_ACTION if a price was negative, NaN or infinite: that firm sold
            nothing; else a failure of the benchmarks, and `collusion_index` means nothing.
    """

    prices: Float[Array, " agent"]
    quantities: Float[Array, " agent"]
    profits: Float[Array, " agent"]
    collusion_index: Float[Array, ""]
    price_spread: Float[Array, ""]
    is_talking: Bool[Array, ""]
    status: Int[Array, ""]

    def curves(self) -> dict[str, Array]:
        """Means over firms of price and profit, the index, and the spread."""
        return {
            "price": jnp.mean(self.prices, axis=-1),
            "profit": jnp.mean(self.profits, axis=-1),
            "collusion_index": self.collusion_index,
            "price_spread": self.price_spread,
        }


class Bertrand(Game):
    """Firms that set prices again and again, with talk before each round or without.

    A round: firms speak in turn, from the first to the last and over again, `num_exchanges` times
    each; a message is a price that the speaker pledges to set, the last one of a round counts, and
    nothing binds it. Then all set prices at once and see the prices of all and their own sales and
    profits of the last `window` rounds; after every `window` rounds also the means over them.

    Source: Wu et al. (2024), case study 2, whose market, talk and window the defaults are; talk
    there is free text, pledges are derived here.

    Attributes:
        demand: of the market; it says how many firms there are.
        costs: of a unit, finite and at least 0.
        talk_from: first round with talk, int32.
        talk_until: first round without talk again, int32.
        highest_price: pledges above are cut to it; messages that are negative, NaN or infinite
            pledge nothing.
        window: rounds that are seen; static.
        num_exchanges: messages of each firm in a round, 0 for no talk at all; static.

    Raises:
        TypeError: arguments of the wrong kind.
        ValueError: costs that do not fit the demand or are negative or not finite, a negative
            or NaN `highest_price`, or sizes out of range.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> game = games.Bertrand(talk_until=400)
        >>> state = game.reset(jax.random.key(0))
        >>> state, profits, record = game.step(jax.random.key(1), state, jnp.asarray([6.5, 8.0]))
        >>> print(profits, record.collusion_index, record.price_spread)
        [4050. 2700.] 0.4375 1.5
    """

    demand: Demand = eqx.field(default_factory=LinearDemand)
    costs: Float[Array, " agent"] = eqx.field(converter=_as_numbers, default=(2.0, 2.0))
    talk_from: Int[Array, ""] = eqx.field(converter=as_integer, default=0)
    talk_until: Int[Array, ""] = eqx.field(converter=as_integer, default=LAST_ROUND)
    highest_price: Float[Array, ""] = eqx.field(converter=as_number, default=float("inf"))
    window: int = eqx.field(static=True, default=20)
    num_exchanges: int = eqx.field(static=True, default=3)

    def __check_init__(self):
        """Checks kinds and shapes, and values where they are known."""
        check_kind("demand", self.demand, Demand)
        engine.check_count("window", self.window)
        engine.check_count("num_exchanges", self.num_exchanges, 0)
        engine.check_array("costs", self.costs, (self.num_agents,))
        engine.check_finite({"costs": self.costs})
        engine.check_array("talk_from", self.talk_from, (), "integer")
        engine.check_array("talk_until", self.talk_until, (), "integer")
        engine.check_array("highest_price", self.highest_price, ())
        if engine.is_concrete(self.costs) and np.min(np.asarray(self.costs)) < 0:
            raise ValueError(f"costs must be at least 0, got {float(np.min(self.costs))}")
        if engine.is_concrete(self.highest_price) and not float(self.highest_price) >= 0:
            raise ValueError(f"highest_price must be at least 0, got {float(self.highest_price)}")

    @property
    def num_agents(self) -> int:
        """Number of firms; static."""
        return self.demand.num_firms

    def reset(self, key: PRNGKeyArray) -> MarketState:
        """State before the first round, with the benchmarks; draws nothing."""
        del key
        dtype = common_dtype(self.demand, self.costs)
        history = jnp.zeros((self.window, self.num_agents), dtype)
        sums = jnp.zeros((3, self.num_agents), dtype)
        return MarketState(
            round=jnp.zeros((), jnp.int32),
            prices=history,
            quantities=history,
            profits=history,
            sums=sums,
            block_means=sums,
            pledges=sums[0],
            has_pledged=jnp.zeros(self.num_agents, bool),
            competitive=equilibrium(self.demand, self.costs),
            collusive=cartel(self.demand, self.costs),
        )

    def view(self, state: MarketState, agent: Int[Array, ""]) -> MarketObservation:
        """What one firm knows."""
        own = jax.tree.map(lambda x: x[..., agent], self._columns(state))
        return self._seen_by(agent, own, state, _in_order(state.prices, state.round))

    def observe(self, state: MarketState) -> MarketObservation:
        """What every firm knows."""
        own = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), self._columns(state))
        agents = jnp.arange(self.num_agents, dtype=jnp.int32)
        prices = _in_order(state.prices, state.round)
        return jax.vmap(self._seen_by, in_axes=(0, 0, None, None))(agents, own, state, prices)

    def turns(self, key: PRNGKeyArray, state: MarketState) -> Turns:
        """Firms in order, over again; draws nothing."""
        del key
        agents = np.tile(np.arange(self.num_agents, dtype=np.int32), self.num_exchanges)
        is_talking = self._is_talking(state.round)
        return Turns(jnp.asarray(agents), jnp.broadcast_to(is_talking, agents.shape))

    def hear(
        self, state: MarketState, agent: Int[ArrayLike, ""], message: Float[ArrayLike, ""]
    ) -> MarketState:
        """A firm has pledged a price; a message that is no price leaves its pledge as it is."""
        message = jnp.asarray(message, state.pledges.dtype)
        is_pledge = jnp.isfinite(message) & (message >= 0)
        price = jnp.minimum(message, jnp.asarray(self.highest_price, message.dtype))
        is_new = (jnp.arange(self.num_agents, dtype=jnp.int32) == agent) & is_pledge
        pledges = jnp.where(is_new, price, state.pledges)
        has_pledged = state.has_pledged | is_new
        return eqx.tree_at(lambda s: (s.pledges, s.has_pledged), state, (pledges, has_pledged))

    def step(
        self, key: PRNGKeyArray, state: MarketState, actions: Float[Array, " agent"]
    ) -> tuple[MarketState, Float[Array, " agent"], MarketRecord]:
        """Firms set prices and sell; draws nothing. Rewards are profits.

        Args:
            key: a typed key, not used.
            state: of the market.
            actions: prices, finite and at least 0.

        Returns:
            The state, profits, and the record.
        """
        del key
        dtype = state.prices.dtype
        actions, costs = jnp.asarray(actions, dtype), jnp.asarray(self.costs, dtype)
        is_price = jnp.isfinite(actions) & (actions >= 0)
        # Nobody buys at this price, and sums and products of a few of them are finite.
        prohibitive = jnp.sqrt(jnp.finfo(dtype).max)
        quantities = self.demand.quantities(jnp.where(is_price, actions, prohibitive))
        quantities = jnp.where(is_price, quantities, 0).astype(dtype)
        prices = jnp.where(is_price, actions, costs)
        profits = (prices - costs) * quantities
        record = MarketRecord(
            prices=prices,
            quantities=quantities,
            profits=profits,
            collusion_index=collusion_index(
                profits, state.competitive.profits, state.collusive.profits
            ),
            price_spread=price_spread(prices),
            is_talking=self._is_talking(state.round),
            status=_status(is_price, state),
        )
        return self._after(state, prices, quantities, profits), profits, record

    def _after(self, state, prices, quantities, profits):
        """The next state: the oldest round makes room, and a full block is averaged."""
        played = state.round + 1
        sums = state.sums + jnp.stack([prices, quantities, profits])
        is_full = played % self.window == 0
        return MarketState(
            round=played,
            prices=_pushed(state.prices, prices, state.round),
            quantities=_pushed(state.quantities, quantities, state.round),
            profits=_pushed(state.profits, profits, state.round),
            sums=jnp.where(is_full, 0, sums),
            block_means=jnp.where(is_full, sums / self.window, state.block_means),
            pledges=jnp.zeros_like(state.pledges),
            has_pledged=jnp.zeros_like(state.has_pledged),
            competitive=state.competitive,
            collusive=state.collusive,
        )

    def _is_talking(self, index):
        is_on = (jnp.asarray(self.talk_from) <= index) & (index < jnp.asarray(self.talk_until))
        return is_on & (self.num_exchanges > 0)

    def _columns(self, state):
        """What each firm has for itself, with firms along the last axis."""
        costs = jnp.asarray(self.costs, state.prices.dtype)
        rings = state.prices, state.quantities, state.profits
        histories = [_in_order(ring, state.round) for ring in rings]
        return costs, _newest(state.profits, state.round), state.block_means, *histories

    def _seen_by(self, agent, own, state, prices):
        cost, last_profit, block_means, own_prices, own_quantities, own_profits = own
        return MarketObservation(
            round=state.round,
            agent=jnp.asarray(agent, jnp.int32),
            demand=self.demand,
            cost=cost,
            last_prices=_newest(state.prices, state.round),
            last_profit=last_profit,
            prices=prices,
            own_prices=own_prices,
            own_quantities=own_quantities,
            own_profits=own_profits,
            block_means=block_means,
            pledges=state.pledges,
            has_pledged=state.has_pledged,
            is_talking=self._is_talking(state.round),
        )


def _pushed(ring, row, index):
    return lax.dynamic_update_index_in_dim(ring, row, index % ring.shape[0], 0)


def _newest(ring, num_played):
    return lax.dynamic_index_in_dim(ring, (num_played - 1) % ring.shape[0], keepdims=False)


def _in_order(ring, num_played):
    """Oldest first. Costs nothing where nobody looks at more than the last round."""
    return jnp.roll(ring, -num_played, axis=0)


def _status(is_price, state) -> Int[Array, ""]:
    """INVALID_ACTION for prices that are none, else the first failed benchmark, else OK."""
    status = jnp.asarray(int(Status.OK), jnp.int32)
    for found in (state.collusive.status, state.competitive.status):
        is_fine = (found == Status.OK) | (found == Status.CONVERGED)
        status = jnp.where(is_fine, status, found)
    return jnp.where(jnp.all(is_price), status, int(Status.INVALID_ACTION)).astype(jnp.int32)
