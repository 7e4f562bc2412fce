"""Quantal response: choices by logit over expected payoffs, and equilibria of such players."""

import itertools
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, Real

from ... import engine
from ...engine import Status
from ..beauty_contest import BeautyContest
from ..demand import as_number, common_dtype
from ..model import Policy, check_kind
from ..parameters import check_within
from .ewa import check_choices

MOST_PROFILES = 100_000
"""Largest number of ways in which the others may be spread over choices."""

_ROUNDINGS = 256


class QuantalResponse(Policy):
    """Chooses with probabilities `softmax(precision * payoffs)`.

    The payoffs are those that each choice would have brought in the last round, where they are
    known: a noisy best response to the last choices of the others. Until then they are `expected`;
    with the payoffs of `logit_equilibrium` it plays that equilibrium. What it says is drawn from
    the same probabilities and does not bind it. Source: McKelvey and Palfrey (1995).

    Attributes:
        choices: (choice,), what may be chosen; integers in a guessing game of whole numbers.
        precision: lambda, at least 0, per unit of payoff; 0 is uniform play.
        expected: payoffs expected while none are known, one number or one per choice.

    Raises:
        TypeError: numbers of another kind.
        ValueError: numbers out of range, or fewer than two choices.
    """

    choices: Real[Array, " choice"]
    precision: Float[Array, ""] = eqx.field(converter=as_number)
    expected: Float[Array, "..."] = eqx.field(converter=as_number, default=0.0)

    def __check_init__(self):
        """Checks shapes and numbers."""
        num_choices = check_choices(self.choices)
        check_within("precision", self.precision, 0)
        shape = (num_choices,) if jnp.ndim(self.expected) else ()
        engine.check_array("expected", self.expected, shape)
        engine.check_finite({"expected": self.expected})

    def init(self, key: PRNGKeyArray, observation: PyTree) -> tuple[()]:
        """No memory."""
        return ()

    def speak(self, key, observation, memory):
        """A choice drawn like the one to come."""
        dtype = observation.payoffs_of(jnp.asarray(self.choices)).dtype
        return self._drawn(key, observation).astype(dtype)

    def decide(self, key, observation, memory):
        """A choice drawn by logit."""
        return self._drawn(key, observation), memory

    def _drawn(self, key, observation):
        choices = jnp.asarray(self.choices)
        dtype = common_dtype(self.precision, self.expected)
        known = observation.payoffs_of(choices).astype(dtype)
        expected = jnp.broadcast_to(jnp.asarray(self.expected, dtype), known.shape)
        payoffs = jnp.where(observation.has_outcome, known, expected)
        utilities = jnp.asarray(self.precision, dtype) * payoffs
        return choices[jax.random.categorical(key, utilities)]


class LogitEquilibrium(eqx.Module):
    """A symmetric logit equilibrium.

    Attributes:
        probabilities: (choice,), of each choice.
        payoffs: (choice,), expected payoffs where all others choose so.
        residual: largest distance between probabilities and the response to them.
        num_steps: int32, steps taken.
        status: int32; CONVERGED, MAX_STEPS, or NON_FINITE where payoffs were not finite.
    """

    probabilities: Float[Array, " choice"]
    payoffs: Float[Array, " choice"]
    residual: Float[Array, ""]
    num_steps: Int[Array, ""]
    status: Int[Array, ""]


def logit_equilibrium(
    expected: Callable[[Float[Array, " choice"]], Float[Array, " choice"]],
    start: Float[ArrayLike, " choice"],
    *,
    precision: Float[Array, ""] | float,
    damping: Float[Array, ""] | float = 0.5,
    max_steps: int = 1_000,
) -> LogitEquilibrium:
    """Probabilities that are the logit response to themselves: `s = softmax(precision u(s))`.

    Steps `s <- damping s + (1 - damping) softmax(precision u(s))` until the two agree within 256
    roundings (3e-5 in single, 6e-14 in double precision). There may be several equilibria at a
    high precision, and steps may cycle: more damping and a start at the equilibrium of a lower
    precision help.

    Source: McKelvey and Palfrey (1995) for the equilibrium; the iteration is the plain one.

    Args:
        expected: payoffs of each choice where every other player draws with the probabilities
            given; such as `expected_payoffs` of a game.
        start: probabilities to start from.
        precision: lambda, at least 0.
        damping: share of the old probabilities, in [0, 1]; at 1 nothing moves.
        max_steps: largest number of steps.

    Returns:
        The equilibrium; its status says whether it was found.

    Raises:
        TypeError: arguments of another kind.
        ValueError: numbers out of range.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> game, choices = games.BeautyContest(num_agents=3), jnp.arange(4)
        >>> found = games.logit_equilibrium(
        ...     lambda s: games.expected_payoffs(game, choices, s), jnp.full(4, 0.25), precision=0.1
        ... )
        >>> print(found.probabilities.argmax(), found.status)
        0 2
    """
    engine.check_array("start", start, ("choice",))
    check_within("precision", precision, 0)
    check_within("damping", damping, 0, 1)
    engine.check_count("max_steps", max_steps)
    dtype = common_dtype(start, precision, damping)
    start, precision, damping = (jnp.asarray(x, dtype) for x in (start, precision, damping))
    tolerance = jnp.asarray(_ROUNDINGS * jnp.finfo(dtype).eps, dtype)

    def measure(probabilities, num_steps):
        payoffs = jnp.asarray(expected(probabilities), dtype)
        gaps = jax.nn.softmax(precision * payoffs) - probabilities
        return probabilities, payoffs, gaps, num_steps

    def is_open(state):
        residual = jnp.max(jnp.abs(state[2]))
        return (residual > tolerance) & (state[3] < max_steps)

    def step(state):
        probabilities, _, gaps, num_steps = state
        return measure(probabilities + (1 - damping) * gaps, num_steps + 1)

    state = jax.lax.while_loop(is_open, step, measure(start, jnp.asarray(0, jnp.int32)))
    probabilities, payoffs, gaps, num_steps = state
    residual = jnp.max(jnp.abs(gaps))
    ended = jnp.where(residual > tolerance, int(Status.MAX_STEPS), int(Status.CONVERGED))
    status = jnp.where(jnp.isfinite(residual), ended, int(Status.NON_FINITE))
    return LogitEquilibrium(probabilities, payoffs, residual, num_steps, status.astype(jnp.int32))


def expected_payoffs(
    game: BeautyContest,
    choices: Real[ArrayLike, " choice"],
    probabilities: Float[ArrayLike, " choice"],
) -> Float[Array, " choice"]:
    """Expected payoff of each choice in a beauty contest, the others choosing independently.

    A sum over all ways in which the other players may be spread over the choices, with multinomial
    weights: exact to a few roundings. There are `C(n + m - 2, m - 1)` of them for n players and m
    choices: 17,550 for 24 players and 5 choices.

    Args:
        game: the contest.
        choices: different numbers; integers or floats.
        probabilities: with which each other player takes them.

    Returns:
        Expected payoffs.

    Raises:
        TypeError: arguments of another kind.
        ValueError: shapes that do not fit, or more than 100,000 ways.
    """
    check_kind("game", game, BeautyContest)
    num_choices = check_choices(choices)
    engine.check_array("probabilities", probabilities, (num_choices,))
    counts = _spreads(game.num_agents - 1, num_choices)
    dtype = common_dtype(probabilities, game.reward)
    probabilities = jnp.asarray(probabilities, dtype)
    weights = jnp.prod(probabilities[None] ** counts, axis=1) * _multinomials(counts).astype(dtype)
    numbers = jnp.asarray(choices)

    def payoff(own, counts):
        all_counts = counts + (jnp.arange(num_choices, dtype=jnp.int32) == own)
        return _payoff(game, numbers, all_counts, own).astype(dtype)

    def expectation(own):
        payoffs = jax.vmap(payoff, in_axes=(None, 0))(own, counts)
        return jnp.sum(weights * payoffs)

    return jax.lax.map(expectation, jnp.arange(num_choices, dtype=jnp.int32))


def _payoff(game, choices, counts, own):
    """Payoff of a player who chooses `choices[own]` where `counts` players choose each number."""
    dtype = choices.dtype if jnp.issubdtype(choices.dtype, jnp.floating) else jnp.int32
    choices, held = choices.astype(dtype), counts.astype(dtype)
    total = jnp.sum(held * choices, dtype=dtype)
    scale = game.denominator.astype(dtype) * game.num_agents
    gaps = jnp.abs(scale * choices - game.numerator.astype(dtype) * total)
    largest = jnp.iinfo(dtype).max if dtype == jnp.int32 else jnp.inf
    is_winner = (counts > 0) & (gaps == jnp.min(jnp.where(counts > 0, gaps, largest)))
    num_winners = jnp.sum(jnp.where(is_winner, counts, 0), dtype=jnp.int32)
    is_own = jnp.arange(choices.shape[0], dtype=jnp.int32) == own
    return jnp.where(jnp.any(is_winner & is_own), game.reward.each(num_winners), 0)


def _spreads(num_players, num_choices) -> Int[np.ndarray, "spread choice"]:
    """All ways to spread players over choices, as counts."""
    num_spreads = math.comb(num_players + num_choices - 1, num_choices - 1)
    if num_spreads > MOST_PROFILES:
        raise ValueError(
            f"{num_players} other players can be spread over {num_choices} choices in "
            f"{num_spreads} ways, at most {MOST_PROFILES} are summed; give fewer of them."
        )
    bars = list(itertools.combinations(range(num_players + num_choices - 1), num_choices - 1))
    bars = np.asarray(bars, np.int32).reshape(num_spreads, num_choices - 1)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=-1)
    edges[:, -1] = num_players + num_choices - 1
    return np.diff(edges, axis=1) - 1


def _multinomials(counts) -> Float[np.ndarray, " spread"]:
    """Number of orders of players behind each spread."""
    log_factorials = np.asarray([math.lgamma(k + 1) for k in range(counts.max() + 1)])
    total = math.lgamma(counts[0].sum() + 1)
    return np.exp(total - log_factorials[counts].sum(axis=1))
