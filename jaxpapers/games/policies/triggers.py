"""Strategies that answer a rival's price: matching, tit for tat, grim; fixed and forced prices."""

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from ... import engine
from ..demand import as_number
from ..market_views import MarketObservation, first_or
from ..model import Policy, check_kind
from ..parameters import as_integer, check_within
from .silent import Memoryless, Silent


class FixedPrice(Memoryless):
    """Sets one price for ever; says nothing.

    Attributes:
        price: the price.

    Raises:
        TypeError: a price that is no real scalar.
        ValueError: it is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import FixedPrice
        >>> print(FixedPrice(7.0).price)
        7.0
    """

    price: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        check_within("price", self.price, 0)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: tuple[()]
    ) -> tuple[Float[Array, ""], tuple[()]]:
        """The price."""
        del key
        return jnp.asarray(self.price, observation.prices.dtype), memory


class PriceMatching(Memoryless):
    """Meets the lowest price that a rival set last, but not below its own cost; says nothing.

    Source: the low-price guarantees of Salop (1986), one round late.

    Attributes:
        start: price of the first round.

    Raises:
        TypeError: a `start` that is no real scalar.
        ValueError: it is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import PriceMatching
        >>> print(PriceMatching(8.0).start)
        8.0
    """

    start: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        check_within("start", self.start, 0)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: tuple[()]
    ) -> tuple[Float[Array, ""], tuple[()]]:
        """The rival's price."""
        del key
        matched = jnp.maximum(observation.lowest_rival(), observation.cost)
        return first_or(observation, self.start, matched), memory


class TitForTat(Memoryless):
    """Cooperates, and answers each round in which a rival did not with one competitive price.

    Source: Axelrod (1984), with two prices for two actions: a rival cooperates where its price is
    at least the cooperative one. Says nothing.

    Attributes:
        cooperative: price while rivals cooperate, and of the first round.
        competitive: price after a round in which one did not.

    Raises:
        TypeError: prices that are no real scalars.
        ValueError: one is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import TitForTat
        >>> print(TitForTat(cooperative=8.0, competitive=6.0).competitive)
        6.0
    """

    cooperative: Float[Array, ""] = eqx.field(converter=as_number)
    competitive: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        check_within("cooperative", self.cooperative, 0)
        check_within("competitive", self.competitive, 0)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: tuple[()]
    ) -> tuple[Float[Array, ""], tuple[()]]:
        """One of the two prices."""
        del key
        cooperative = jnp.asarray(self.cooperative, observation.prices.dtype)
        is_kind = observation.lowest_rival() >= cooperative
        answer = jnp.where(is_kind, cooperative, self.competitive)
        return first_or(observation, cooperative, answer), memory


class GrimTrigger(Silent):
    """Cooperates until any firm, itself included, has set a lower price; then punishes for ever.

    Source: Friedman (1971). In the default market prices of 8 with punishment 6 hold against the
    best deviation, 6.5, iff the discount factor is at least `(4050 - 3600) / (4050 - 3200) = 9/17`.
    Says nothing.

    Attributes:
        cooperative: price while nobody has set a lower one; prices are compared exactly.
        punishment: price afterwards.

    Raises:
        TypeError: prices that are no real scalars.
        ValueError: one is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import GrimTrigger
        >>> print(GrimTrigger(cooperative=8.0, punishment=6.0).punishment)
        6.0
    """

    cooperative: Float[Array, ""] = eqx.field(converter=as_number)
    punishment: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        check_within("cooperative", self.cooperative, 0)
        check_within("punishment", self.punishment, 0)

    def init(self, key: PRNGKeyArray, observation: MarketObservation) -> Bool[Array, ""]:
        """Whether a lower price has been seen: no."""
        del key, observation
        return jnp.zeros((), bool)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: Bool[Array, ""]
    ) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        """One of the two prices, and whether a lower price has been seen."""
        del key
        dtype = observation.prices.dtype
        cooperative = jnp.asarray(self.cooperative, dtype)
        is_lower = jnp.any(observation.last_prices < cooperative)
        is_over = memory | (observation.has_outcome & is_lower)
        return jnp.where(is_over, jnp.asarray(self.punishment, dtype), cooperative), is_over


class Forced(Policy):
    """Another policy, made to set a given price in one round: for impulse responses.

    The policy decides in that round too and learns of the price as of any that it sees.

    Attributes:
        policy: decides in all other rounds.
        round: the round, int32.
        price: set in it.

    Raises:
        TypeError: arguments of the wrong kind.
        ValueError: a price that is negative or not finite.

    Example:
        >>> from jaxpapers.games.policies import Forced, GrimTrigger
        >>> print(Forced(GrimTrigger(8.0, 6.0), round=10, price=6.5).round)
        10
    """

    policy: Policy
    round: Int[Array, ""] = eqx.field(converter=as_integer)
    price: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        check_kind("policy", self.policy, Policy)
        engine.check_array("round", self.round, (), "integer")
        check_within("price", self.price, 0)

    def init(self, key: PRNGKeyArray, observation: MarketObservation) -> PyTree:
        """Memory of the policy."""
        return self.policy.init(key, observation)

    def speak(self, key: PRNGKeyArray, observation: MarketObservation, memory: PyTree) -> ArrayLike:
        """What the policy says."""
        return self.policy.speak(key, observation, memory)

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: PyTree
    ) -> tuple[Float[Array, ""], PyTree]:
        """The price of the policy, or the forced one."""
        price, memory = self.policy.decide(key, observation, memory)
        is_now = observation.round == self.round
        return jnp.where(is_now, jnp.asarray(self.price, price.dtype), price), memory
