"""Search for counter-examples by gradient: distributions and bids that break monotonicity."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Algorithm, Status
from .checks import check_kind
from .model import Rule, as_number
from .preferences import rounding, shortfalls

LADDER = (0.02, 50.0, 9)
"""Lowest, highest and number of the first agent's bids, in units of its own: on so many steps most
random auctions show something to climb from."""


class Auctions(eqx.Module):
    """Where a search stands, in coordinates without bounds.

    Attributes:
        logits: of the agents' distributions.
        log_bids: logarithms of bids; the first agent's bid is tried on a ladder around its own.
        platform: logits of the platform.
    """

    logits: Float[Array, "agent vocab"]
    log_bids: Float[Array, " agent"]
    platform: Float[Array, " vocab"]


class SearchState(eqx.Module):
    """State of a search.

    Attributes:
        place: where it stands.
        moments: what Adam remembers.
        best: the place of the largest violation so far.
        violation: there.
    """

    place: Auctions
    moments: Any
    best: Auctions
    violation: Float[Array, ""]


class Counterexamples(eqx.Module):
    """What a search found, by restart.

    Attributes:
        violation: largest shortfall of the first agent when its bid rises, in probability.
        bids: with the first agent's lower bid.
        raised: the first agent's higher bid.
        log_probs: distributions.
        platform: that of the platform.
        token: where, int32.
        holds: whether every restart stayed within rounding.
    """

    violation: Float[Array, " restart"]
    bids: Float[Array, "restart agent"]
    raised: Float[Array, " restart"]
    log_probs: Float[Array, "restart agent vocab"]
    platform: Float[Array, "restart vocab"]
    token: Int[Array, " restart"]
    holds: Bool[Array, ""]


class ViolationSearch(Algorithm):
    """Adam on the largest shortfall over tokens between neighbouring bids of the first agent.

    Attributes:
        num_agents: static.
        vocab_size: static.
        has_platform: whether rules are given a platform; static.
        learning_rate: of Adam, an array leaf.
    """

    num_agents: int = eqx.field(static=True)
    vocab_size: int = eqx.field(static=True)
    has_platform: bool = eqx.field(static=True)
    learning_rate: Float[Array, ""] = eqx.field(converter=as_number, default=0.1)

    def init(self, key, model, data):
        """A random auction."""
        del model, data
        keys = jax.random.split(key, 3)
        place: Any = Auctions(
            2 * jax.random.normal(keys[0], (self.num_agents, self.vocab_size)),
            jax.random.normal(keys[1], (self.num_agents,)),
            jax.random.normal(keys[2], (self.vocab_size,)),
        )
        zero = jnp.zeros((), place.log_bids.dtype)
        return SearchState(place, optax.scale_by_adam().init(place), place, zero)

    def step(self, key, model, data, state):
        """One ascent."""
        del key, data
        violation, slopes = jax.value_and_grad(self.violation)(state.place, model)
        slopes = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), slopes)
        moves, moments = optax.scale_by_adam().update(slopes, state.moments)
        place: Any = jax.tree.map(lambda x, m: x + self.learning_rate * m, state.place, moves)
        is_better = violation > state.violation
        best = jax.tree.map(
            lambda new, old: jnp.where(is_better, new, old), state.place, state.best
        )
        largest = jnp.maximum(violation, state.violation)
        return SearchState(place, moments, best, largest), violation

    def status(self, state, info):
        """Goes on."""
        del state, info
        return jnp.asarray(Status.RUNNING, jnp.int32)

    def violation(self, place: Auctions, rule: Rule) -> Float[Array, ""]:
        """Largest shortfall of the higher bid.

        Args:
            place: the auction.
            rule: how distributions are aggregated.

        Returns:
            A difference of probabilities; at most 0 where there is none.
        """
        return jnp.max(self.shortfalls(place, rule))

    def shortfalls(self, place: Auctions, rule: Rule) -> Float[Array, "step vocab"]:
        """Shortfalls of each bid of the ladder against the one below it, by token.

        Args:
            place: the auction.
            rule: how distributions are aggregated.

        Returns:
            Differences of probabilities.
        """
        log_probs, platform, bids, trials = self.auction(place)

        def mixture(own_bid):
            return jnp.exp(rule.log_mixture(bids.at[0].set(own_bid), log_probs, platform))

        along = jax.vmap(mixture)(trials)
        return shortfalls(jnp.exp(log_probs[0])[None], along[1:], along[:-1])

    def auction(self, place: Auctions):
        """Distributions, platform, bids, and the first agent's bids to try.

        Args:
            place: coordinates.

        Returns:
            The four.
        """
        platform = jax.nn.log_softmax(place.platform) if self.has_platform else None
        bids = jnp.exp(jnp.clip(place.log_bids, -6, 3))
        trials = bids[0] * jnp.geomspace(*LADDER, dtype=bids.dtype)
        return jax.nn.log_softmax(place.logits, axis=-1), platform, bids, trials


def find_violations(
    key: PRNGKeyArray,
    rule: Rule,
    *,
    num_agents: int = 2,
    vocab_size: int = 3,
    num_restarts: int = 64,
    num_steps: int = 200,
    has_platform: bool = False,
    learning_rate: Float[ArrayLike, ""] = 0.1,
) -> Counterexamples:
    """Looks for auctions in which a higher bid is not weakly better, by gradient ascent.

    Args:
        key: a typed key; restart r begins from `fold_in(key, r)`.
        rule: how distributions are aggregated.
        num_agents: of the auctions.
        vocab_size: of the auctions.
        num_restarts: searches side by side.
        num_steps: steps of each.
        has_platform: whether the rule is given a platform, whose distribution is searched too.
        learning_rate: of Adam, in logits.

    Returns:
        What each restart found. For the linear rule nothing beyond rounding.

    Raises:
        TypeError: a key or rule that is none, counts that are no ints.
        ValueError: counts below 1.

    Example:
        >>> import jax
        >>> from jaxpapers import auctions
        >>> found = auctions.find_violations(
        ...     jax.random.key(0), auctions.LogLinearRule(), num_restarts=8, num_steps=100
        ... )
        >>> print(bool(found.holds), bool(found.violation.max() > 0.1))
        False True
    """
    engine.check_key(key)
    check_kind("rule", rule, Rule)
    for name, count, least in (
        ("num_agents", num_agents, 1),
        ("vocab_size", vocab_size, 1),
        ("num_restarts", num_restarts, 1),
        ("num_steps", num_steps, 1),
    ):
        engine.check_count(name, count, least)
    rate = jnp.asarray(learning_rate, float)
    search = ViolationSearch(num_agents, vocab_size, has_platform, rate)
    return _find(key, rule, search, num_restarts, num_steps)


@eqx.filter_jit
def _find(key, rule, search, num_restarts, num_steps):
    rule, search = jax.lax.stop_gradient((rule, search))  # Adam's root has no slope at 0

    def one(restart):
        own_key = jax.random.fold_in(key, restart)
        state = engine.unroll(own_key, search, rule, None, num_steps=num_steps).state
        log_probs, platform, bids, trials = search.auction(state.best)
        platform = jnp.zeros_like(log_probs[0]) if platform is None else platform
        found = search.shortfalls(state.best, rule)
        step, token = jnp.unravel_index(jnp.argmax(found), found.shape)
        bids = bids.at[0].set(trials[step])
        return state.violation, bids, trials[step + 1], log_probs, platform, token.astype(jnp.int32)

    found = jax.vmap(one)(jnp.arange(num_restarts))
    return Counterexamples(*found, holds=jnp.max(found[0]) <= rounding(found[0].dtype))
