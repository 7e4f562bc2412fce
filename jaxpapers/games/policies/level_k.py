"""Level-k thinking in guessing games."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ... import engine
from ..demand import as_number, common_dtype
from ..guesses import GuessObservation
from ..model import Policy
from ..parameters import check_within

LARGEST_MEAN = 10.0
"""Largest mean number of steps of thinking that can be drawn with."""

_NUM_LEVELS = 48


class LevelK(Policy):
    """Takes a number of steps of reasoning: chooses `start p^level`, with p the share to guess.

    Each step is the best response to a crowd of the step before, so large that the own choice
    does not move the mean. Where the mean of the last round is shown, it is the point to start
    from; until then it is `start`. It says what it chooses. Source: Nagel (1995).

    Attributes:
        level: number of steps, at least 0.
        start: point to start from, finite; a choice.

    Raises:
        TypeError: numbers of another kind.
        ValueError: numbers out of range.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> game = games.BeautyContest()
        >>> seen = game.view(game.reset(jax.random.key(0)), jnp.asarray(0))
        >>> choice, _ = games.LevelK(level=2).decide(jax.random.key(0), seen, ())
        >>> print(f"{choice:.4f}")
        22.2222
    """

    level: Float[Array, ""] = eqx.field(converter=as_number)
    start: Float[Array, ""] = eqx.field(converter=as_number, default=50.0)

    def __check_init__(self):
        """Checks the numbers."""
        check_within("level", self.level, 0)
        engine.check_array("start", self.start, ())
        engine.check_finite({"start": self.start})

    def init(self, key: PRNGKeyArray, observation: GuessObservation) -> tuple[()]:
        """No memory."""
        return ()

    def speak(self, key, observation, memory):
        """What it chooses."""
        return self._choice(observation).astype(observation.heard.dtype)

    def decide(self, key, observation, memory):
        """`start p^level`."""
        return self._choice(observation), memory

    def _choice(self, observation):
        dtype = common_dtype(self, observation.own_choice)
        start = jnp.where(observation.is_shown, observation.shown_mean, self.start)
        factor = observation.factor.astype(dtype)
        return start.astype(dtype) * factor ** jnp.asarray(self.level, dtype)


def draw_level(key: PRNGKeyArray, mean: Float[Array, ""]) -> Int[Array, ""]:
    """Number of steps of thinking, drawn from a Poisson distribution.

    By inversion without a loop, so that any key of `jax.random` will do and the draw is one
    elementwise kernel. Levels whose probability is below the spacing of uniform draws (1e-7 in
    single precision) do not come; level 48, below 1e-16 at the largest mean, is the last.

    Args:
        key: a typed key.
        mean: in [0, 10].

    Returns:
        The level, int32.
    """
    dtype = common_dtype(mean)
    mean = jnp.asarray(mean, dtype)
    uniform = jax.random.uniform(key, (), dtype)
    mass = below = jnp.exp(-mean)
    level = jnp.zeros((), jnp.int32)
    for above in range(1, _NUM_LEVELS + 1):
        level = level + (uniform >= below)
        mass = mass * mean / above
        below = below + mass
    return level
