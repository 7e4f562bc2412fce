"""Conditional cooperation: pledges, the record of who kept them, and prices that follow trust."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..demand import as_number
from ..market_views import MarketObservation
from ..model import Policy, check_kind
from ..parameters import check_within


class Persona(eqx.Module):
    """Character of a firm.

    Attributes:
        honesty: probability that a pledge is the price planned, else it is the cooperative price;
            in [0, 1].
        trust: prior successes `s` of a peer, in [0, 2]: before the first round it is trusted with
            `s / 2`.
        weight: how far a fully trusted peer moves the firm from its best reply to the cooperative
            price; in [0, 1].
        temperature: scale of the logistic tremble of its prices, in price units, at least 0.

    Raises:
        TypeError: parameters that are no real scalars.
        ValueError: one is out of range.

    Example:
        >>> from jaxpapers.games.policies import Persona
        >>> print(Persona(honesty=0.5).honesty)
        0.5
    """

    honesty: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    trust: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    weight: Float[Array, ""] = eqx.field(converter=as_number, default=0.96)
    temperature: Float[Array, ""] = eqx.field(converter=as_number, default=0.1)

    def __check_init__(self):
        check_within("honesty", self.honesty, 0, 1)
        check_within("trust", self.trust, 0, 2)
        check_within("weight", self.weight, 0, 1)
        check_within("temperature", self.temperature, 0)


class PeerRecord(eqx.Module):
    """What a firm remembers of its peers and of itself.

    Attributes:
        plan: the price of its last round before the tremble.
        kept: rounds in which each peer kept its word, or did not undercut where it gave none.
        num_judged: rounds that were judged.
        pledges: heard before the last round, from each firm.
        has_pledged: whether there was one.
    """

    plan: Float[Array, ""]
    kept: Int[Array, " agent"]
    num_judged: Int[Array, ""]
    pledges: Float[Array, " agent"]
    has_pledged: Bool[Array, " agent"]


class ConditionalCooperator(Policy):
    """Raises its price towards the cooperative one as far as it trusts its rivals.

    A rival keeps its word where its price is at least what it pledged, less a tolerance; one that
    pledged nothing is held to the firm's own price of that round, without tolerance. Trust in it is
    `(s + kept) / (n + 2)` after n rounds. The firm expects of each rival its pledge with this
    weight and its last price with the rest, works out its best reply `b`, wants
    `b + weight * trust * (cooperative - b)` with the mean trust in its rivals, and moves its plan a
    share `speed` of the way there. Its price is the plan plus a logistic tremble.

    Two such firms that tremble alike do not undercut each other in half of all rounds: without
    pledges trust stays near a half and prices between competition and cartel. Pledges that allow
    for trembles are mostly kept, trust and prices rise, and stay for long when talk ends, because
    the record stays. The trust rule is the beta-binomial one; the policy is derived here, and its
    defaults are set to come near the paths of Wu et al. (2024), case study 2.

    Attributes:
        start: plan of the first round.
        cooperative: the price it would set with trusted rivals, such as that of `cartel`.
        persona: its character.
        speed: share of the way to the wanted price that the plan goes in a round, in [0, 1].
        tolerance: how far below its pledge a price may lie, in price units, at least 0.

    Raises:
        TypeError: parameters of the wrong kind.
        ValueError: numbers out of range.

    Example:
        >>> from jaxpapers.games.policies import ConditionalCooperator, Persona
        >>> policy = ConditionalCooperator(6.0, 8.0, Persona(trust=0.0))
        >>> print(policy.speed)
        0.03
    """

    start: Float[Array, ""] = eqx.field(converter=as_number)
    cooperative: Float[Array, ""] = eqx.field(converter=as_number)
    persona: Persona = eqx.field(default_factory=Persona)
    speed: Float[Array, ""] = eqx.field(converter=as_number, default=0.03)
    tolerance: Float[Array, ""] = eqx.field(converter=as_number, default=0.23)

    def __check_init__(self):
        check_within("start", self.start, 0)
        check_within("cooperative", self.cooperative, 0)
        check_kind("persona", self.persona, Persona)
        check_within("speed", self.speed, 0, 1)
        check_within("tolerance", self.tolerance, 0)

    def init(self, key: PRNGKeyArray, observation: MarketObservation) -> PeerRecord:
        """Nothing known of the peers."""
        del key
        zeros = jnp.zeros(observation.has_pledged.shape, jnp.int32)
        return PeerRecord(
            plan=jnp.asarray(self.start, observation.prices.dtype),
            kept=zeros,
            num_judged=jnp.zeros((), jnp.int32),
            pledges=jnp.zeros_like(observation.pledges),
            has_pledged=jnp.zeros_like(observation.has_pledged),
        )

    def speak(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: PeerRecord
    ) -> Float[Array, ""]:
        """Pledges its plan, or the cooperative price."""
        plan = self.planned(observation, self.judged(observation, memory))
        is_honest = jax.random.uniform(key) < self.persona.honesty
        return jnp.where(is_honest, plan, jnp.asarray(self.cooperative, plan.dtype))

    def decide(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: PeerRecord
    ) -> tuple[Float[Array, ""], PeerRecord]:
        """The plan with a tremble, cut at 0; remembers plan and pledges."""
        memory = self.judged(observation, memory)
        plan = self.planned(observation, memory)
        tremble = jax.random.logistic(key, (), plan.dtype)
        temperature = jnp.asarray(self.persona.temperature, plan.dtype)
        memory = PeerRecord(
            plan, memory.kept, memory.num_judged, observation.pledges, observation.has_pledged
        )
        return jnp.maximum(plan + temperature * tremble, 0), memory

    def judged(self, observation: MarketObservation, memory: PeerRecord) -> PeerRecord:
        """The record with the last round in it.

        Args:
            observation: of the firm.
            memory: with the rounds before.

        Returns:
            The record; without a last round the same.
        """
        dtype = observation.prices.dtype
        pledged = memory.pledges - jnp.asarray(self.tolerance, dtype)
        promised = jnp.where(memory.has_pledged, pledged, observation.last_price)
        is_kept = observation.has_outcome & (observation.last_prices >= promised)
        return PeerRecord(
            memory.plan,
            memory.kept + is_kept.astype(jnp.int32),
            memory.num_judged + observation.has_outcome.astype(jnp.int32),
            memory.pledges,
            memory.has_pledged,
        )

    def trust(self, memory: PeerRecord) -> Float[Array, " agent"]:
        """Trust in each firm; the entry of the firm itself means nothing.

        Args:
            memory: of the firm.

        Returns:
            `(s + kept) / (n + 2)`, in [0, 1].
        """
        dtype = memory.plan.dtype
        prior = jnp.asarray(self.persona.trust, dtype)
        return (prior + memory.kept.astype(dtype)) / (memory.num_judged.astype(dtype) + 2)

    def planned(self, observation: MarketObservation, memory: PeerRecord) -> Float[Array, ""]:
        """The price that the firm means to set.

        Args:
            observation: of the firm.
            memory: with the last round judged.

        Returns:
            The plan; before the first round `start`.
        """
        dtype, trust = memory.plan.dtype, self.trust(memory)
        believed = jnp.where(observation.has_pledged, trust, 0)
        gap = observation.pledges - observation.last_prices
        best = observation.best_price(observation.last_prices + believed * gap)
        num_rivals = max(observation.is_rival.shape[-1] - 1, 1)
        mean_trust = jnp.sum(jnp.where(observation.is_rival, trust, 0)) / num_rivals
        lift = jnp.maximum(jnp.asarray(self.cooperative, dtype) - best, 0)
        wanted = best + jnp.asarray(self.persona.weight, dtype) * mean_trust * lift
        moved = memory.plan + jnp.asarray(self.speed, dtype) * (wanted - memory.plan)
        return jnp.where(observation.has_outcome, moved, memory.plan)
