"""Q-learning of prices with a memory of one round, as a policy of any market."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ... import engine
from ..demand import as_number
from ..market_views import MarketObservation
from ..parameters import check_within
from ..q_market import LARGEST_INDEX, actions_of, state_of
from ..q_tables import initial_values
from .silent import Silent


def _as_grid(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return jnp.asarray(value, jnp.result_type(float))
    return value


class QMemory(eqx.Module):
    """What a Q-learning firm remembers.

    Attributes:
        values: of each price in each state.
        state: number of the prices before the last ones; before the first round a random one.
    """

    values: Float[Array, "state price"]
    state: Int[Array, ""]


class QLearning(Silent):
    """Sets prices of a grid by Q-learning; the state is what all firms set last. Says nothing.

    In round t it sets, with probability `exp(-decay t)`, one of all its prices at random, else the
    price of highest value, the lowest on ties; and then
    `Q(s, a) <- (1 - alpha) Q(s, a) + alpha (profit + delta max_a' Q(s', a'))`. It learns from a
    round when the next one begins. Prices that are off the grid count as the nearest on it.

    Source: Calvano, Calzolari, Denicolo, Pastorello (2020), first values and random first state
    included; rivals may be of any kind. `q_learning_sessions` runs markets of such firms at speed.

    Attributes:
        prices: grid of each firm, ascending; `price_grid(market).prices` is theirs.
        learning_rate: alpha, in [0, 1].
        discount: factor delta per round, in [0, 1); 1 itself is refused.
        decay: beta, at least 0, per round.

    Raises:
        TypeError: parameters of the wrong kind.
        ValueError: no grid of at least two prices per firm, prices that are not finite, other
            numbers out of range, or more states than int32 can number.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.games.policies import QLearning
        >>> policy = QLearning(jnp.tile(jnp.linspace(5.8, 8.2, 13)[None], (2, 1)), decay=1e-4)
        >>> print(policy.prices.shape)
        (2, 13)
    """

    prices: Float[Array, "agent price"] = eqx.field(converter=_as_grid)
    learning_rate: Float[Array, ""] = eqx.field(converter=as_number, default=0.15)
    discount: Float[Array, ""] = eqx.field(converter=as_number, default=0.95)
    decay: Float[Array, ""] = eqx.field(converter=as_number, default=4e-6)

    def __check_init__(self):
        engine.check_array("prices", self.prices, ("agent", "price"))
        engine.check_finite({"prices": self.prices})
        num_agents, num_prices = self.prices.shape
        if num_prices < 2 or not num_agents:
            raise ValueError(
                f"prices must hold at least 2 prices for each firm, got shape {self.prices.shape}."
            )
        if num_prices ** (num_agents + 1) > LARGEST_INDEX:
            raise ValueError(
                f"prices of {num_agents} firms, {num_prices} each, make more states than int32 can "
                "number; use fewer prices or firms."
            )
        check_within("learning_rate", self.learning_rate, 0, 1)
        check_within("discount", self.discount, 0, 1)
        check_within("decay", self.decay, 0)
        if engine.is_concrete(self.discount) and float(self.discount) == 1:
            raise ValueError("discount must be below 1, got 1.")

    def init(self, key: PRNGKeyArray, observation: MarketObservation) -> QMemory:
        """First values, those of rivals who set all prices alike, and a random state.

        Args:
            key: a typed key.
            observation: of the firm.

        Returns:
            The memory, `m^(n+1)` floats.

        Raises:
            ValueError: the grid is for another number of firms than there are.
        """
        num_agents, num_prices = self.prices.shape
        if observation.prices.shape[-1] != num_agents:
            raise ValueError(
                f"prices is a grid for {num_agents} firms, but there are "
                f"{observation.prices.shape[-1]}."
            )
        num_states = num_prices**num_agents
        grid = jnp.asarray(self.prices, observation.prices.dtype)
        actions = actions_of(jnp.arange(num_states, dtype=jnp.int32), num_agents, num_prices)
        played = jnp.take_along_axis(grid, actions, axis=1)
        quantities = jax.vmap(observation.demand.quantities, in_axes=1, out_axes=1)(played)
        # Only the own row is used, so that the rivals' costs do not matter.
        payoffs = (played - observation.cost) * quantities
        discount = jnp.asarray(self.discount, grid.dtype)
        values = initial_values(payoffs, discount, num_prices)[observation.agent]
        return QMemory(
            jnp.broadcast_to(values[None], (num_states, num_prices)).astype(grid.dtype),
            jax.random.randint(key, (), 0, num_states, jnp.int32),
        )

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: QMemory
    ) -> tuple[Float[Array, ""], QMemory]:
        """Learns from the last round, and sets the greedy price or a random one."""
        num_prices = self.prices.shape[1]
        grid = jnp.asarray(self.prices, observation.prices.dtype)
        nearest = jnp.argmin(jnp.abs(grid - observation.last_prices[:, None]), axis=1)
        reached = state_of(list(nearest), num_prices)
        state = jnp.where(observation.has_outcome, reached, memory.state)
        values = self._learned(observation, memory, nearest[observation.agent], state)

        rate = jnp.exp(-self.decay * observation.round)
        is_exploring = jax.random.uniform(jax.random.fold_in(key, 0)) < rate
        drawn = jax.random.randint(jax.random.fold_in(key, 1), (), 0, num_prices, jnp.int32)
        greedy = jnp.argmax(values[state]).astype(jnp.int32)
        action = jnp.where(is_exploring, drawn, greedy)
        return grid[observation.agent, action], QMemory(values, state)

    def _learned(self, observation, memory, action, following):
        """Values after the last round."""
        values, rate = memory.values, jnp.asarray(self.learning_rate, memory.values.dtype)
        old = values[memory.state, action]
        future = jnp.asarray(self.discount, old.dtype) * jnp.max(values[following])
        new = (1 - rate) * old + rate * (observation.last_profit + future)
        new = jnp.where(observation.has_outcome, new, old)
        return values.at[memory.state, action].set(new)
