"""Utilities of players who mind what others get."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, Real

from ... import engine
from ..demand import as_number, common_dtype
from ..guesses import GuessObservation
from ..model import Policy, check_kind
from ..parameters import check_within


def fehr_schmidt(
    payoffs: Float[ArrayLike, " agent"],
    envy: Float[ArrayLike, "..."],
    guilt: Float[ArrayLike, "..."],
) -> Float[Array, " agent"]:
    """Utilities of players averse to inequality, exact to a few roundings.

    `u_i = x_i - envy/(n-1) sum_j max(x_j - x_i, 0) - guilt/(n-1) sum_j max(x_i - x_j, 0)`; one
    player alone has what it gets. Source: Fehr and Schmidt (1999), eq. (1).

    Args:
        payoffs: of all players.
        envy: weight of being behind, one number or one per player; alpha there.
        guilt: weight of being ahead, likewise; beta there.

    Returns:
        Utilities, in units of payoffs.

    Raises:
        TypeError: arrays of the wrong kind.
        ValueError: shapes that do not fit.

    Example:
        >>> from jaxpapers import games
        >>> import jax.numpy as jnp
        >>> print(games.fehr_schmidt(jnp.asarray([4.0, 1.0, 1.0]), 0.5, 0.25))
        [3.25 0.25 0.25]
    """
    num_agents = engine.check_array("payoffs", payoffs, ("agent",))["agent"]
    for name, value in (("envy", envy), ("guilt", guilt)):
        engine.check_array(name, value, (num_agents,) if jnp.ndim(value) else ())
    dtype = common_dtype(payoffs, envy, guilt)
    payoffs, envy, guilt = (jnp.asarray(x, dtype) for x in (payoffs, envy, guilt))
    lead = payoffs[:, None] - payoffs[None]
    behind = jnp.sum(jnp.maximum(-lead, 0), axis=1)
    ahead = jnp.sum(jnp.maximum(lead, 0), axis=1)
    return payoffs - (envy * behind + guilt * ahead) / max(num_agents - 1, 1)


class SocialObservation(eqx.Module):
    """An observation whose forgone payoffs are utilities; it offers nothing that `EWA` lacks.

    Attributes:
        observation: what the player knows.
        envy: weight of being behind.
        guilt: weight of being ahead.
    """

    observation: GuessObservation
    envy: Float[Array, ""]
    guilt: Float[Array, ""]

    @property
    def round(self) -> Int[Array, ""]:
        """Number of rounds played."""
        return self.observation.round

    @property
    def has_outcome(self) -> Bool[Array, ""]:
        """Whether `payoffs_of` is known."""
        return self.observation.has_outcome

    def payoffs_of(self, choices: Real[Array, " choice"]) -> Float[Array, " choice"]:
        """Utilities that other choices in the last round would have brought.

        Args:
            choices: alternative choices of this player.

        Returns:
            Forgone utilities; 0 where `has_outcome` is False.
        """
        outcomes = self.observation.outcomes_of(choices)
        utilities = jax.vmap(fehr_schmidt, in_axes=(0, None, None))(outcomes, self.envy, self.guilt)
        agents = jnp.arange(outcomes.shape[1], dtype=jnp.int32)
        is_own = agents == self.observation.agent
        own = jnp.sum(jnp.where(is_own[None], utilities, 0), axis=1)
        return own.astype(outcomes.dtype)


class InequityAverse(Policy):
    """A policy that learns from utilities of Fehr and Schmidt instead of payoffs.

    Attributes:
        policy: a policy that looks at nothing but round, `has_outcome` and `payoffs_of`: `EWA` or
            `QuantalResponse`.
        envy: weight of being behind, at least 0.
        guilt: weight of being ahead, at least 0.

    Raises:
        TypeError: a policy that is none, or numbers of another kind.
        ValueError: numbers out of range.
    """

    policy: Policy
    envy: Float[Array, ""] = eqx.field(converter=as_number)
    guilt: Float[Array, ""] = eqx.field(converter=as_number)

    def __check_init__(self):
        """Checks policy and numbers."""
        check_kind("policy", self.policy, Policy)
        check_within("envy", self.envy, 0)
        check_within("guilt", self.guilt, 0)

    def init(self, key: PRNGKeyArray, observation: GuessObservation) -> PyTree:
        """Memory of the policy."""
        return self.policy.init(key, self._felt(observation))

    def speak(self, key, observation, memory):
        """What the policy says."""
        return self.policy.speak(key, self._felt(observation), memory)

    def decide(self, key, observation, memory):
        """What the policy chooses."""
        return self.policy.decide(key, self._felt(observation), memory)

    def _felt(self, observation: Any) -> SocialObservation:
        return SocialObservation(observation, self.envy, self.guilt)
