"""A model of talk in guessing games: say your number, perhaps adopt the median."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ... import engine
from ..demand import as_number, common_dtype
from ..guesses import GuessObservation
from ..model import Policy
from ..parameters import check_within
from .level_k import LARGEST_MEAN, draw_level


class MedianTalk(Policy):
    """Starts from a number of its own, says it, and adopts what is heard with some probability.

    The number is `start p^k + noise z`, k Poisson with mean `depth`, z standard normal, p the
    share to guess. In each later round every player says its number and then, with probability
    `weight`, replaces it by the median of all that it heard, its own word included. With
    probability `1 - honesty` a player says a number drawn anew from the law of first numbers.
    Numbers are neither rounded nor clipped; `Rounded` does that.

    Where all hear all, the expected variance of choices falls over four rounds as 154, 54, 19, 7
    (the defaults), 153, 0, 0, 0 (weight 1) and 191, 142, 107, 80 (depth 2, noise 6, weight .25),
    near those of the language models of Wu et al. (2024) under its three personas. The model and
    its numbers are derived here.

    Attributes:
        depth: mean number of steps of thinking, in [0, 10].
        noise: standard deviation around them, at least 0; of a choice.
        weight: probability of adopting the median, in [0, 1].
        honesty: probability of saying the own number, in [0, 1].
        start: point that thinking starts from, finite; a choice.

    Raises:
        TypeError: numbers of another kind.
        ValueError: numbers out of range.
    """

    depth: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    noise: Float[Array, ""] = eqx.field(converter=as_number, default=3.0)
    weight: Float[Array, ""] = eqx.field(converter=as_number, default=0.65)
    honesty: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    start: Float[Array, ""] = eqx.field(converter=as_number, default=50.0)

    def __check_init__(self):
        """Checks the numbers."""
        check_within("depth", self.depth, 0, LARGEST_MEAN)
        check_within("noise", self.noise, 0)
        check_within("weight", self.weight, 0, 1)
        check_within("honesty", self.honesty, 0, 1)
        engine.check_array("start", self.start, ())
        engine.check_finite({"start": self.start})

    def init(self, key: PRNGKeyArray, observation: GuessObservation) -> Float[Array, ""]:
        """Draws the first number, which is the memory."""
        return self._first(key, observation)

    def speak(self, key, observation, memory):
        """The own number, or another one."""
        is_honest = jax.random.uniform(jax.random.fold_in(key, 0), (), memory.dtype) < self.honesty
        other = jax.random.fold_in(key, 1)
        said = jax.lax.cond(is_honest, lambda: memory, lambda: self._first(other, observation))
        return said.astype(observation.heard.dtype)

    def decide(self, key, observation, memory):
        """The own number or the median of what was heard; it is the own number from now on."""
        is_swayed = jax.random.uniform(key, (), memory.dtype) < self.weight
        is_swayed &= jnp.any(observation.is_heard)
        number = jnp.where(is_swayed, observation.heard_median.astype(memory.dtype), memory)
        return number, number

    def _first(self, key, observation):
        dtype = common_dtype(self, observation.own_choice)
        steps = draw_level(jax.random.fold_in(key, 0), self.depth).astype(dtype)
        shock = jax.random.normal(jax.random.fold_in(key, 1), (), dtype)
        reasoned = jnp.asarray(self.start, dtype) * observation.factor.astype(dtype) ** steps
        return reasoned + jnp.asarray(self.noise, dtype) * shock


def baseline_talk() -> MedianTalk:
    """Talk of players told nothing about cooperation; numbers derived here.

    Returns:
        The policy.
    """
    return MedianTalk(depth=1.0, noise=3.0, weight=0.65)


def cooperative_talk() -> MedianTalk:
    """Talk of players told to cooperate; numbers derived here.

    Returns:
        The policy.
    """
    return MedianTalk(depth=1.0, noise=3.0, weight=1.0)


def uncooperative_talk() -> MedianTalk:
    """Talk of players told to think of themselves; numbers derived here.

    Returns:
        The policy.
    """
    return MedianTalk(depth=2.0, noise=6.0, weight=0.25)
