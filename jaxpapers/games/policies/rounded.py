"""Whole numbers for a policy that thinks in real ones."""

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from ..guesses import GuessObservation
from ..model import Policy, check_kind


class Rounded(Policy):
    """A policy whose choices and words are rounded to whole numbers from 0 to the highest.

    Choices become int32, so that winners are found exactly. A NaN becomes -1, which no game takes
    for a choice.

    Attributes:
        policy: the policy, of a guessing game.

    Raises:
        TypeError: a policy that is none.
    """

    policy: Policy

    def __check_init__(self):
        """Checks the policy."""
        check_kind("policy", self.policy, Policy)

    def init(self, key: PRNGKeyArray, observation: GuessObservation) -> PyTree:
        """Memory of the policy."""
        return self.policy.init(key, observation)

    def speak(self, key, observation, memory):
        """What the policy says, rounded."""
        said = self.policy.speak(key, observation, memory)
        return _rounded(said, observation).astype(observation.heard.dtype)

    def decide(self, key, observation, memory):
        """What the policy chooses, rounded."""
        choice, memory = self.policy.decide(key, observation, memory)
        return _rounded(choice, observation), memory


def _rounded(number, observation):
    whole = jnp.clip(jnp.round(number), 0, observation.highest.astype(jnp.result_type(number)))
    return jnp.where(jnp.isnan(whole), -1, whole).astype(jnp.int32)
