"""Guesses at a share of their own mean: who wins, and what players and readers get to see."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Real

from .demand import common_dtype
from .model import Record
from .rewards import Reward


class GuessState(eqx.Module):
    """State of a beauty contest.

    Attributes:
        round: int32, number of rounds played.
        choices: of the last round; 0 where there was none or it was not valid.
        is_valid: (agent,) whose last choice counted.
        is_winner: (agent,) who won the last round.
        mean: of the last choices that counted.
        announcements: (agent,) what was said in this round; 0 where nothing.
        has_spoken: (agent,) who spoke in this round.
    """

    round: Int[Array, ""]
    choices: Float[Array, " agent"]
    is_valid: Bool[Array, " agent"]
    is_winner: Bool[Array, " agent"]
    mean: Float[Array, ""]
    announcements: Float[Array, " agent"]
    has_spoken: Bool[Array, " agent"]


class GuessRecord(Record):
    """What is kept of a round of a beauty contest.

    Choices that are not valid are left out of mean, variance, target and count of winners.

    Attributes:
        choices: (agent,); 0 where not valid.
        mean: of the choices.
        variance: of the choices, divided by their number; the measure of cooperation, small where
            players agree.
        target: share of the mean that was to be guessed.
        num_winners: int32, how many were closest to it.
        status: int32, INVALID_ACTION where a choice was not valid (a whole number outside
            `0..highest`, NaN, infinite) or so large that a mean or variance overflows; else OK.
    """

    choices: Float[Array, " agent"]
    mean: Float[Array, ""]
    variance: Float[Array, ""]
    target: Float[Array, ""]
    num_winners: Int[Array, ""]
    status: Int[Array, ""]

    def curves(self) -> dict[str, Array]:
        """Mean, variance, target and number of winners."""
        names = ("mean", "variance", "target", "num_winners")
        return {name: getattr(self, name) for name in names}


class GuessObservation(eqx.Module):
    """What one player of a beauty contest knows.

    Attributes:
        round: int32, number of rounds played.
        agent: int32, who it is.
        own_choice: its last choice; 0 before the first.
        heard: (agent,) what it heard in this round, its own word included; 0 where nothing.
        is_heard: (agent,) whose word it heard in this round, its own included.
        heard_median: median of what it heard in this round; 0 where nothing.
        numerator: of the share of the mean that is to be guessed.
        denominator: of that share.
        highest: highest whole number that may be chosen.
        reward: what winners are paid.
        is_shown: whether the mean of the last round is shown.
        has_outcome: whether all choices of the last round are shown, so that `payoffs_of` is
            known.
        shown_mean: mean of the last round; 0 where it is not shown.
        shown_choices: (agent,) choices of the last round; 0 where they are not shown.
        shown_valid: (agent,) whose choice counted; False where it is not shown.
        shown_winners: (agent,) who won; False where it is not shown.
    """

    round: Int[Array, ""]
    agent: Int[Array, ""]
    own_choice: Float[Array, ""]
    heard: Float[Array, " agent"]
    is_heard: Bool[Array, " agent"]
    heard_median: Float[Array, ""]
    numerator: Int[Array, ""]
    denominator: Int[Array, ""]
    highest: Int[Array, ""]
    reward: Reward
    is_shown: Bool[Array, ""]
    has_outcome: Bool[Array, ""]
    shown_mean: Float[Array, ""]
    shown_choices: Float[Array, " agent"]
    shown_valid: Bool[Array, " agent"]
    shown_winners: Bool[Array, " agent"]

    @property
    def factor(self) -> Float[Array, ""]:
        """Share of the mean that is to be guessed."""
        dtype = self.own_choice.dtype
        return self.numerator.astype(dtype) / self.denominator.astype(dtype)

    def outcomes_of(self, choices: Real[Array, " choice"]) -> Float[Array, "choice agent"]:
        """What everybody would have got in the last round had this player chosen otherwise.

        Args:
            choices: alternative choices of this player.

        Returns:
            Payoffs of all, the choices of the others given; 0 where `has_outcome` is False.
        """
        is_own = jnp.arange(self.heard.shape[0], dtype=jnp.int32) == self.agent

        def outcome(choice):
            profile = jnp.where(is_own, choice, self.shown_choices)
            is_valid = self.shown_valid | is_own
            return self.reward.payoffs(winners(profile, is_valid, self.numerator, self.denominator))

        payoffs = jax.vmap(outcome)(jnp.asarray(choices, self.shown_choices.dtype))
        return jnp.where(self.has_outcome, payoffs, 0)

    def payoffs_of(self, choices: Real[Array, " choice"]) -> Float[Array, " choice"]:
        """What this player would have got in the last round had it chosen otherwise.

        Args:
            choices: alternative choices of this player.

        Returns:
            Forgone payoffs; 0 where `has_outcome` is False.
        """
        is_own = jnp.arange(self.heard.shape[0], dtype=jnp.int32) == self.agent
        return jnp.sum(jnp.where(is_own[None], self.outcomes_of(choices), 0), axis=1)


def winners(
    choices: Real[Array, " agent"],
    is_valid: Bool[Array, " agent"],
    numerator: Int[Array, ""],
    denominator: Int[Array, ""],
) -> Bool[Array, " agent"]:
    """Whose choice is closest to a share `a / b` of the mean; all who tie.

    The test is `argmin |b n x_i - a sum x|`, without division. It is exact for integers while
    `a n x` and `b n x` fit into their dtype, and for whole numbers held as floats while they are
    below 2^24 (single precision) or 2^53: for up to 1,000 agents, choices up to 100, and a, b up
    to 100 (167 in single precision). For other floats ties are decided up to rounding.

    Args:
        choices: signed integers or floats.
        is_valid: which of them count.
        numerator: `a`.
        denominator: `b`.

    Returns:
        Who wins; nobody where no choice counts, or where the sum is not finite.
    """
    counted = jnp.where(is_valid, choices, 0)
    dtype = counted.dtype
    count = jnp.sum(is_valid, dtype=jnp.int32).astype(dtype)
    total = jnp.sum(counted, dtype=dtype)
    gaps = jnp.abs(denominator.astype(dtype) * count * counted - numerator.astype(dtype) * total)
    is_whole = jnp.issubdtype(dtype, jnp.integer)
    largest = jnp.asarray(jnp.iinfo(dtype).max if is_whole else jnp.inf, dtype)
    nearest = jnp.min(jnp.where(is_valid, gaps, largest))
    return is_valid & (gaps == nearest) & (nearest < largest)


def spread(
    choices: Float[Array, " agent"], is_valid: Bool[Array, " agent"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean and variance of the choices that count.

    Args:
        choices: floats.
        is_valid: which of them count.

    Returns:
        The mean, and the mean squared deviation from it; 0 and 0 where none counts.
    """
    dtype = common_dtype(choices)
    count = jnp.maximum(jnp.sum(is_valid, dtype=jnp.int32), 1).astype(dtype)
    mean = jnp.sum(jnp.where(is_valid, choices, 0)) / count
    deviations = jnp.where(is_valid, choices - mean, 0)
    return mean, jnp.sum(deviations**2) / count
