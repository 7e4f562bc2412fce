"""Experience-weighted attraction: reinforcement and belief learning as two ends of one rule."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, Real

from ... import engine
from ..demand import as_number, common_dtype
from ..model import Policy
from ..parameters import check_within


class Experience(eqx.Module):
    """Memory of a learner.

    Attributes:
        attractions: (choice,).
        experience: N, number of observations that the attractions are worth.
        chosen: int32, index of the last choice; 0 before there is one.
    """

    attractions: Float[Array, " choice"]
    experience: Float[Array, ""]
    chosen: Int[Array, ""]


class EWA(Policy):
    """Learns by experience-weighted attraction in any game with known forgone payoffs.

    Choices are drawn with probabilities `softmax(precision * attractions)`. After a round whose
    forgone payoffs are known (`observation.has_outcome`), attractions change by `ewa_update`. What
    it says is drawn from the same probabilities and does not bind it.

    Source: Camerer and Ho (1999), eqs. (2.1)-(2.3).

    Attributes:
        choices: (choice,), what may be chosen; integers in a guessing game of whole numbers.
        phi: how much of past attractions is kept, in [0, 1].
        delta: weight of payoffs of what was not chosen, in [0, 1].
        rho: how much of past experience is kept, in [0, 1].
        precision: lambda, at least 0, per unit of attraction.
        attractions: A(0), one number or one per choice.
        experience: N(0), at least 0.

    Raises:
        TypeError: numbers of another kind.
        ValueError: numbers out of range, or fewer than two choices.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> learner = games.EWA(jnp.arange(101), phi=0.9, delta=0.5, rho=0.8, precision=0.1)
    """

    choices: Real[Array, " choice"]
    phi: Float[Array, ""] = eqx.field(converter=as_number, default=0.9)
    delta: Float[Array, ""] = eqx.field(converter=as_number, default=0.5)
    rho: Float[Array, ""] = eqx.field(converter=as_number, default=0.9)
    precision: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    attractions: Float[Array, "..."] = eqx.field(converter=as_number, default=0.0)
    experience: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)

    def __check_init__(self):
        """Checks shapes and numbers."""
        num_choices = check_choices(self.choices)
        for name in ("phi", "delta", "rho"):
            check_within(name, getattr(self, name), 0, 1)
        check_within("precision", self.precision, 0)
        check_within("experience", self.experience, 0)
        shape = (num_choices,) if jnp.ndim(self.attractions) else ()
        engine.check_array("attractions", self.attractions, shape)
        engine.check_finite({"attractions": self.attractions})

    def init(self, key: PRNGKeyArray, observation: PyTree) -> Experience:
        """The start values."""
        numbers = (self.attractions, self.experience, self.phi, self.delta, self.rho)
        dtype = common_dtype(*numbers)
        start = jnp.broadcast_to(jnp.asarray(self.attractions, dtype), jnp.shape(self.choices))
        return Experience(start, jnp.asarray(self.experience, dtype), jnp.asarray(0, jnp.int32))

    def speak(self, key, observation, memory):
        """A choice drawn like the one to come."""
        choices = jnp.asarray(self.choices)
        said = self._drawn(key, self._learned(observation, memory)[0])
        return choices[said].astype(observation.payoffs_of(choices).dtype)

    def decide(self, key, observation, memory):
        """Learns from the last round, then draws."""
        attractions, experience = self._learned(observation, memory)
        chosen = self._drawn(key, attractions)
        return jnp.asarray(self.choices)[chosen], Experience(attractions, experience, chosen)

    def _learned(self, observation: Any, memory):
        dtype = memory.attractions.dtype
        before = memory.attractions, memory.experience
        after = ewa_update(
            *before,
            observation.payoffs_of(jnp.asarray(self.choices)).astype(dtype),
            memory.chosen,
            phi=jnp.asarray(self.phi, dtype),
            delta=jnp.asarray(self.delta, dtype),
            rho=jnp.asarray(self.rho, dtype),
        )
        return jax.tree.map(lambda a, b: jnp.where(observation.has_outcome, a, b), after, before)

    def _drawn(self, key, attractions):
        utilities = jnp.asarray(self.precision, attractions.dtype) * attractions
        return jax.random.categorical(key, utilities).astype(jnp.int32)


def ewa_update(
    attractions: Float[Array, " choice"],
    experience: Float[Array, ""],
    payoffs: Float[Array, " choice"],
    chosen: Int[Array, ""],
    *,
    phi: Float[Array, ""] | float,
    delta: Float[Array, ""] | float,
    rho: Float[Array, ""] | float,
) -> tuple[Float[Array, " choice"], Float[Array, ""]]:
    """One step of experience-weighted attraction learning, exact to a few roundings.

    `N' = rho N + 1` and `A'_j = (phi N A_j + (delta + (1 - delta) 1{j chosen}) pi_j) / N'`. With
    delta = 0, rho = 0 and N = 1 this is cumulative reinforcement, `phi A_j + 1{j chosen} pi_j`;
    with delta = 1 and rho = phi attractions are means of forgone payoffs with weights phi^age,
    in which start attractions count as N(0) earlier observations: weighted fictitious play.

    Source: Camerer and Ho (1999), eqs. (2.1) and (2.2).

    Args:
        attractions: A.
        experience: N.
        payoffs: of all choices in the last round, the others' choices given.
        chosen: index of the choice made.
        phi: how much of past attractions is kept.
        delta: weight of payoffs of what was not chosen.
        rho: how much of past experience is kept.

    Returns:
        A' and N'.
    """
    is_chosen = jnp.arange(attractions.shape[0], dtype=jnp.int32) == chosen
    weights = jnp.where(is_chosen, 1, delta)
    after = rho * experience + 1
    return (phi * experience * attractions + weights * payoffs) / after, after


def check_choices(value: Any) -> int:
    """Checks the choices that a policy has.

    Args:
        value: the choices.

    Returns:
        Their number.

    Raises:
        TypeError: not an array of real numbers.
        ValueError: not one row of at least two finite numbers.
    """
    num_choices = engine.check_array("choices", value, ("choice",))["choice"]
    if num_choices < 2:
        raise ValueError(f"choices must hold at least two numbers, got {num_choices}.")
    engine.check_finite({"choices": value})
    return num_choices
