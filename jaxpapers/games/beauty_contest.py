"""Keynes's beauty contest: guess a share of the mean of all guesses."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Real

from .. import engine
from ..engine import Status
from .demand import common_dtype
from .feedback import Feedback, NoFeedback
from .guesses import GuessObservation, GuessRecord, GuessState, spread, winners
from .model import Game, Turns, check_kind, no_turns
from .parameters import as_integer, check_integer
from .rewards import Independent, Reward
from .topologies import Complete, Topology, median_of

_LARGEST = 2**31 - 1


class BeautyContest(Game):
    """Players guess a share of the mean of all their guesses; the closest win, all who tie.

    In the first round players decide; in each later round they first speak, one after another in
    an order drawn anew, each hearing those before it, and then decide at once.

    Choices are whole numbers from 0 to `highest`, given as integers, or real numbers, given as
    floats, which may lie outside: models of talk are neither rounded nor clipped. A whole number
    outside, a NaN or an infinity is not valid: it is left out of the mean, never wins, and the
    record says so. What is said is any number; one that is not finite counts as silence.

    Numbers may be batched by `jax.vmap`. Source: Wu et al. (2024), whose settings the defaults
    are, but for the rule `Split` of Nagel (1995), feedback and topologies.

    Attributes:
        numerator: `a` of the share `a / b`, at least 1.
        denominator: `b`, at least 1.
        highest: highest whole number that may be chosen, at least 1.
        reward: what winners are paid.
        feedback: what is shown of the last round.
        topology: who hears whom.
        num_agents: number of players; static.
        is_talking: whether players speak from the second round on; static.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a number below 1, a topology of another number of players, or numbers so large
            that the exact test of who wins does not fit into int32.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import games
        >>> game = games.BeautyContest(num_agents=3)
        >>> state = game.reset(jax.random.key(0))
        >>> state, payoffs, record = game.step(jax.random.key(1), state, jnp.asarray([30, 60, 90]))
        >>> print(payoffs, record.target, record.variance)
        [100.   0.   0.] 40.0 600.0
    """

    numerator: Int[Array, ""] = eqx.field(converter=as_integer, default=2)
    denominator: Int[Array, ""] = eqx.field(converter=as_integer, default=3)
    highest: Int[Array, ""] = eqx.field(converter=as_integer, default=100)
    reward: Reward = eqx.field(default_factory=Independent)
    feedback: Feedback = eqx.field(default_factory=NoFeedback)
    topology: Topology = eqx.field(default_factory=Complete)
    num_agents: int = eqx.field(static=True, default=24)  # pyright: ignore
    is_talking: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        """Checks kinds and numbers."""
        engine.check_count("num_agents", self.num_agents)
        check_kind("reward", self.reward, Reward)
        check_kind("feedback", self.feedback, Feedback)
        check_kind("topology", self.topology, Topology)
        check_kind("is_talking", self.is_talking, bool)
        for name in ("numerator", "denominator", "highest"):
            check_integer(name, getattr(self, name), 1)
        jax.eval_shape(lambda: self.topology.heard_by(self.num_agents))
        if engine.is_concrete(self.numerator, self.denominator, self.highest):
            share = max(int(self.numerator), int(self.denominator))
            if share * self.num_agents * int(self.highest) > _LARGEST:
                raise ValueError(
                    f"numerator or denominator ({share}) times num_agents ({self.num_agents}) "
                    f"times highest ({int(self.highest)}) must be below 2^31; use smaller numbers."
                )

    def reset(self, key: PRNGKeyArray) -> GuessState:
        """Nothing chosen, nothing said. Draws nothing."""
        del key
        dtype = common_dtype(self.reward)
        zeros = jnp.zeros(self.num_agents, dtype)
        nobody = jnp.zeros(self.num_agents, bool)
        start = jnp.asarray(0, jnp.int32)
        return GuessState(start, zeros, nobody, nobody, jnp.asarray(0, dtype), zeros, nobody)

    def view(self, state: GuessState, agent: Int[Array, ""]) -> GuessObservation:
        """What one player knows when it speaks or decides."""
        is_heard = self.topology.heard_by(self.num_agents)[agent] & state.has_spoken
        return self._seen(state, agent, is_heard, median_of(state.announcements, is_heard))

    def observe(self, state: GuessState) -> GuessObservation:
        """What every player knows: `view` of all; medians by the topology."""
        agents = jnp.arange(self.num_agents, dtype=jnp.int32)
        is_heard = self.topology.heard_by(self.num_agents) & state.has_spoken[None]
        medians = self.topology.medians(state.announcements, state.has_spoken)
        return jax.vmap(self._seen, in_axes=(None, 0, 0, 0))(state, agents, is_heard, medians)

    def turns(self, key: PRNGKeyArray, state: GuessState) -> Turns:
        """All players, in an order drawn anew; silence in the first round.

        Player number r + 1 in the order is the rank of the r-th of as many random words: ranks by
        counting are a random permutation. Of equal words, one in 4e9 pairs, the first is smaller.
        """
        if not self.is_talking:
            return no_turns()
        words = jax.random.bits(key, (self.num_agents,), jnp.uint32)
        index = jnp.arange(self.num_agents, dtype=jnp.int32)
        is_before = words[None] < words[:, None]
        is_before |= (words[None] == words[:, None]) & (index[None] < index[:, None])
        order = jnp.sum(is_before, axis=1, dtype=jnp.int32)
        return Turns(order, jnp.broadcast_to(state.round > 0, (self.num_agents,)))

    def hear(self, state: GuessState, agent: Int[Array, ""], message: Array) -> GuessState:
        """A player has named a number; one that is not finite is as if it had said nothing."""
        number = jnp.asarray(message, state.announcements.dtype)
        is_speaker = jnp.arange(self.num_agents, dtype=jnp.int32) == agent
        is_speaker &= jnp.isfinite(number)
        return eqx.tree_at(
            lambda s: (s.announcements, s.has_spoken),
            state,
            (jnp.where(is_speaker, number, state.announcements), state.has_spoken | is_speaker),
        )

    def step(
        self, key: PRNGKeyArray, state: GuessState, actions: Real[Array, " agent"]
    ) -> tuple[GuessState, Float[Array, " agent"], GuessRecord]:
        """Plays a round. Draws nothing.

        Args:
            key: a typed key.
            state: of the game.
            actions: (agent,) integers or floats. Who wins is tested exactly for integers, and for
                whole numbers held as floats as `winners` says.

        Returns:
            The state, payoffs (agent,), and the record.

        Raises:
            TypeError: actions that are not real numbers.
            ValueError: not one action per player.
        """
        del key
        engine.check_array("actions", actions, (self.num_agents,))
        actions = jnp.asarray(actions)
        numbers, is_valid = self._checked(actions)
        is_winner = winners(numbers, is_valid, self.numerator, self.denominator)
        dtype = state.choices.dtype
        choices = numbers.astype(dtype)
        mean, variance = spread(choices, is_valid)
        target = self.numerator.astype(dtype) * mean / self.denominator.astype(dtype)
        is_sound = jnp.all(is_valid) & jnp.isfinite(mean) & jnp.isfinite(variance)
        record = GuessRecord(
            choices,
            mean,
            variance,
            target,
            jnp.sum(is_winner, dtype=jnp.int32),
            jnp.where(is_sound, int(Status.OK), int(Status.INVALID_ACTION)).astype(jnp.int32),
        )
        zeros, nobody = jnp.zeros_like(choices), jnp.zeros_like(is_valid)
        state = GuessState(state.round + 1, choices, is_valid, is_winner, mean, zeros, nobody)
        return state, self.reward.payoffs(is_winner), record

    def _checked(self, actions) -> tuple[Real[Array, " agent"], Bool[Array, " agent"]]:
        """Choices with 0 where they are not valid, and which are."""
        if jnp.issubdtype(actions.dtype, jnp.integer):
            is_valid = (actions >= 0) & (actions <= self.highest)
            return jnp.where(is_valid, actions, 0).astype(jnp.int32), is_valid
        is_valid = jnp.isfinite(actions)
        return jnp.where(is_valid, actions, 0), is_valid

    def _seen(self, state, agent, is_heard, heard_median):
        has_played = state.round > 0
        is_shown = has_played & self.feedback.shows_mean
        has_outcome = has_played & self.feedback.shows_choices
        is_own = jnp.arange(self.num_agents, dtype=jnp.int32) == agent
        return GuessObservation(
            round=state.round,
            agent=agent,
            own_choice=jnp.sum(jnp.where(is_own, state.choices, 0)),
            heard=jnp.where(is_heard, state.announcements, 0),
            is_heard=is_heard,
            heard_median=heard_median,
            numerator=self.numerator,
            denominator=self.denominator,
            highest=self.highest,
            reward=self.reward,
            is_shown=is_shown,
            has_outcome=has_outcome,
            shown_mean=jnp.where(is_shown, state.mean, 0),
            shown_choices=jnp.where(has_outcome, state.choices, 0),
            shown_valid=state.is_valid & has_outcome,
            shown_winners=state.is_winner & has_outcome,
        )
