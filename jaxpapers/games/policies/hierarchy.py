"""The cognitive hierarchy in guessing games: thinkers who expect a mix of lower levels."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ... import engine
from ..demand import as_number, common_dtype
from ..guesses import GuessObservation
from ..model import Policy
from ..parameters import check_within
from .level_k import LARGEST_MEAN, draw_level


class Thinker(eqx.Module):
    """Memory of one player.

    Attributes:
        level: int32, its level.
        choice: what it chooses in every round.
    """

    level: Int[Array, ""]
    choice: Float[Array, ""]


class CognitiveHierarchy(Policy):
    """Aims at the expected target, believing that all others are of lower levels.

    A player's level is drawn once from a Poisson distribution. Level 0 draws a number uniformly
    from 0 to the highest; level k expects the others to be of levels 0 to k - 1 in their Poisson
    proportions and chooses as `hierarchy_choices` says. It thinks once, before the first round,
    and says what it chooses. Source: Camerer, Ho and Chong (2004); that players take account of
    their own weight in the mean is derived here.

    Attributes:
        depth: mean level, tau of the Poisson distribution, in [0, 10].
        num_levels: number of levels told apart; the last one stands for all above. Static.

    Raises:
        TypeError: numbers of another kind.
        ValueError: a depth out of range, or no levels.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> choices = games.hierarchy_choices(
        ...     2 / 3, jnp.asarray(1.5), 50.0, num_levels=4, num_agents=24
        ... )
        >>> print(" ".join(f"{choice:.2f}" for choice in choices))
        50.00 32.86 26.10 23.32
    """

    depth: Float[Array, ""] = eqx.field(converter=as_number, default=1.5)
    num_levels: int = eqx.field(static=True, default=12)

    def __check_init__(self):
        """Checks the numbers."""
        check_within("depth", self.depth, 0, LARGEST_MEAN)
        engine.check_count("num_levels", self.num_levels)

    def init(self, key: PRNGKeyArray, observation: GuessObservation) -> Thinker:
        """Draws the level, and the number of a player of level 0."""
        dtype = common_dtype(self.depth, observation.own_choice)
        highest = observation.highest.astype(dtype)
        drawn = draw_level(jax.random.fold_in(key, 0), self.depth)
        level = jnp.minimum(drawn, self.num_levels - 1)
        choices = hierarchy_choices(
            observation.factor.astype(dtype),
            self.depth,
            0.5 * highest,
            num_levels=self.num_levels,
            num_agents=observation.heard.shape[-1],
        )
        number = highest * jax.random.uniform(jax.random.fold_in(key, 1), (), dtype)
        return Thinker(level, jnp.where(level == 0, number, choices[level]))

    def speak(self, key, observation, memory):
        """What it chooses."""
        return memory.choice.astype(observation.heard.dtype)

    def decide(self, key, observation, memory):
        """The same in every round."""
        return memory.choice, memory


def hierarchy_choices(
    factor: Float[Array, ""] | float,
    depth: Float[Array, ""] | float,
    start: Float[Array, ""] | float,
    *,
    num_levels: int,
    num_agents: int,
) -> Float[Array, " level"]:
    """What each level of the cognitive hierarchy chooses in a guessing game.

    Level k expects the mean `M_k = sum_{h<k} f(h) c_h / sum_{h<k} f(h)` of each other player, f
    the Poisson masses, and chooses the c that equals the expected target with itself in the mean,
    `c = p ((n - 1) M_k + c) / n`. For many players this is `p M_k`. Exact to a few roundings.

    Source: Camerer, Ho and Chong (2004) for the beliefs; the weight of the own choice is derived
    here.

    Args:
        factor: share p of the mean that is to be guessed, below `num_agents`.
        depth: mean level, at least 0.
        start: mean choice of level 0.
        num_levels: number of levels.
        num_agents: number of players, itself included.

    Returns:
        Choices; the first is `start`.

    Raises:
        TypeError: counts that are no ints.
        ValueError: counts below 1.
    """
    engine.check_count("num_levels", num_levels)
    engine.check_count("num_agents", num_agents)
    dtype = common_dtype(factor, depth, start)
    factor, depth, start = (jnp.asarray(x, dtype) for x in (factor, depth, start))
    reply = factor * (num_agents - 1) / (num_agents - factor)
    choices, mass = [start], jnp.ones((), dtype)
    total, weighted = mass, start
    for level in range(1, num_levels):
        choices.append(reply * weighted / total)
        mass = mass * depth / level
        total, weighted = total + mass, weighted + mass * choices[-1]
    return jnp.stack(choices)
