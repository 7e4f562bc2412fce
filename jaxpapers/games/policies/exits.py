"""Policies of an evacuation: which exit to walk to, and which to name."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..demand import as_number
from ..model import Policy
from ..parameters import check_within

SMALLEST_TEMPERATURE = 1e-6


class NearestExit(Policy):
    """Walks to the exit with the least mean distance, ties to the first; names that exit too.

    Example:
        >>> from jaxpapers import games
        >>> policy = games.NearestExit()
    """

    def init(self, key, observation):
        """Nothing is remembered."""
        del key, observation
        return ()

    def speak(self, key, observation, memory):
        """Names the nearest exit."""
        del key, memory
        return _first_least(observation.distance)

    def decide(self, key, observation, memory):
        """Chooses the nearest exit."""
        del key
        return _first_least(observation.distance), memory


class LogitExit(Policy):
    """Weighs distance, crowd and what was heard, and chooses with logit probabilities.

    ``u_e = -(distance_e + crowd_weight crowd_e + heard_weight heard_e) / temperature``; exit e is
    chosen with probability ``softmax(u)_e``. A speaker names an exit drawn in the same way from
    what it has heard so far; a selfish one the exit it likes least. With `heard_weight` below 0
    agents go where others say they go, above 0 they stay away.
    Derived here; quantal choice as in McKelvey and Palfrey (1995).

    Attributes:
        temperature: in cells, at least 1e-6; the smaller, the sharper.
        crowd_weight: cells of distance that one more person ahead is worth.
        heard_weight: cells of distance that one more speaker for an exit is worth.
        trust: share in [0, 1] of `heard_weight` that counts: how far what is heard is believed.
        honesty: probability in [0, 1] of naming what one would choose, else what one likes least.

    Raises:
        ValueError: a temperature below 1e-6, a probability out of range, a weight that is
            not finite.
    """

    temperature: Float[Array, ""] = eqx.field(converter=as_number, default=3.0)
    crowd_weight: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    heard_weight: Float[Array, ""] = eqx.field(converter=as_number, default=0.0)
    trust: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    honesty: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)

    def __check_init__(self):
        """Checks the numbers where they are known."""
        for name in ("trust", "honesty"):
            check_within(name, getattr(self, name), 0, 1)
        for name in ("crowd_weight", "heard_weight"):
            check_within(name, getattr(self, name), -np.inf)
        check_within("temperature", self.temperature, SMALLEST_TEMPERATURE)

    def init(self, key, observation):
        """Nothing is remembered: what was heard counts for the round alone."""
        del key, observation
        return ()

    def utilities(self, observation):
        """Utility of each exit, in units of the temperature.

        Args:
            observation: of one agent.

        Returns:
            (exit,).
        """
        dtype = self.temperature.dtype
        crowd, heard = observation.crowd.astype(dtype), observation.heard.astype(dtype)
        cost = observation.distance.astype(dtype) + self.crowd_weight * crowd
        return -(cost + self.trust * self.heard_weight * heard) / self.temperature

    def speak(self, key, observation, memory):
        """Names the exit it would choose now, or the one it likes least."""
        del memory
        utilities = self.utilities(observation)
        choice = _draw(jax.random.fold_in(key, 0), utilities)
        is_honest = jax.random.uniform(jax.random.fold_in(key, 1)) < self.honesty
        return jnp.where(is_honest, choice, _first_least(utilities))

    def decide(self, key, observation, memory):
        """Draws an exit."""
        return _draw(key, self.utilities(observation)), memory


def _first_least(values):
    return jnp.argmin(values).astype(jnp.int32)


def _draw(key, utilities):
    """An index drawn from the softmax of utilities."""
    weights = jnp.exp(utilities - jnp.max(utilities))
    total = jnp.cumsum(weights)
    place = jax.random.uniform(key, dtype=utilities.dtype) * total[-1]
    index = jnp.sum(total <= place, dtype=jnp.int32)
    return jnp.minimum(index, utilities.shape[0] - 1)
