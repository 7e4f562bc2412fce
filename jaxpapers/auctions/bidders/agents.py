"""Several agents, some of which share their weights, read and speak together."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ... import engine
from .bidder import Bidder, check_bidder, check_prompt, check_same_vocabulary, check_tokens

Prompts = Sequence[Int[Array, " time"]] | Int[Array, "agent time"]


class SharedBidder(eqx.Module):
    """Several agents on the weights of one model, which differ in their prompts only.

    They are stepped as one batch in which the weights are not repeated.

    Attributes:
        bidder: the model.
        num_agents: how many agents share it; static.

    Raises:
        TypeError: no `Bidder`, a number of agents that is not an int.
        ValueError: no agents.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions.bidders import MarkovBidder, SharedBidder
        >>> model = MarkovBidder(jnp.log(jnp.array([[0.9, 0.1], [0.5, 0.5]])))
        >>> shared = SharedBidder(model, num_agents=2)
        >>> states = shared.init(jnp.array([[0, 1], [1, 0]]))
        >>> log_probs, states = shared.step(states, jnp.array([1, 0]))
        >>> [[round(float(p), 3) for p in jnp.exp(row)] for row in log_probs]
        [[0.5, 0.5], [0.9, 0.1]]
    """

    bidder: Bidder
    num_agents: int = eqx.field(static=True)

    def __check_init__(self):
        check_bidder("bidder", self.bidder)
        engine.check_count("num_agents", self.num_agents)

    @property
    def vocab_size(self) -> int:
        """Number of tokens; static."""
        return self.bidder.vocab_size

    def init(self, prompts: Prompts) -> PyTree:
        """States after all tokens of the prompts but the last of each.

        Args:
            prompts: one per agent, (agent, time), or a sequence of arrays where lengths differ.

        Returns:
            The states, stacked along a leading axis of agents.

        Raises:
            ValueError: another number of prompts than of agents, or a prompt that is refused as
                by `Bidder.init`.
        """
        if len(prompts) != self.num_agents:
            raise ValueError(f"prompts must be {self.num_agents}, got {len(prompts)}.")
        if len({prompt.shape for prompt in prompts}) == 1:
            return jax.vmap(self.bidder.init)(jnp.stack([jnp.asarray(p) for p in prompts]))
        states = [self.bidder.init(prompt) for prompt in prompts]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

    def step(
        self, states: PyTree, tokens: Int[Array, " agent"]
    ) -> tuple[Float[Array, "agent vocab"], PyTree]:
        """Reads one token per agent.

        Args:
            states: as `init` or the previous step gave them.
            tokens: (agent,), the token that each agent reads.

        Returns:
            Log probabilities of the next token, (agent, vocab), and the states after the tokens.
        """
        return jax.vmap(self.bidder.step)(states, tokens)


Bidders = Sequence[Bidder | SharedBidder]


def num_agents(bidders: Bidders) -> int:
    """Number of agents of several bidders.

    Args:
        bidders: single ones and shared ones, in any order.

    Returns:
        One for each single bidder, `num_agents` for each shared one.

    Raises:
        TypeError: not a sequence of bidders.
        ValueError: no bidders, or bidders of different vocabularies.
    """
    return sum(_counts(bidders))


def init_all(bidders: Bidders, prompts: Prompts | Int[Array, " time"]) -> tuple[PyTree, ...]:
    """States of all agents after all tokens of their prompts but the last.

    Args:
        bidders: single ones and shared ones; agents are numbered in their order.
        prompts: one array (time,) per agent, of any lengths, or a single one for all.

    Returns:
        One state per bidder.

    Raises:
        TypeError: not a sequence of bidders, or a prompt that is not an array of integers.
        ValueError: no bidders, bidders of different vocabularies, another number of prompts than
            of agents, an empty prompt, or a token outside the vocabulary where it is known.
    """
    counts = _counts(bidders)
    prompts = _prompts(prompts, sum(counts), bidders[0].vocab_size)
    states, start = [], 0
    for bidder, count in zip(bidders, counts, strict=True):
        own = prompts[start : start + count]
        states.append(bidder.init(own) if isinstance(bidder, SharedBidder) else bidder.init(own[0]))
        start += count
    return tuple(states)


def step_all(
    bidders: Bidders, states: Sequence[PyTree], tokens: Int[Array, " agent"]
) -> tuple[Float[Array, "agent vocab"], tuple[PyTree, ...]]:
    """Reads one token per agent.

    Args:
        bidders: single ones and shared ones; agents are numbered in their order.
        states: one per bidder, as `init_all` or the previous step gave them.
        tokens: (agent,), the token that each agent reads; in an auction all are the same after
            the prompt.

    Returns:
        Log probabilities of the next token, (agent, vocab), and the states after the tokens. Exact
        up to what the bidders compute.

    Raises:
        TypeError: not a sequence of bidders, or tokens that are not integers.
        ValueError: no bidders, bidders of different vocabularies, another number of states than of
            bidders or of tokens than of agents, or, where it is known, a token outside the
            vocabulary.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions import bidders
        >>> key, size = jax.random.key(0), 4
        >>> one = bidders.dirichlet_markov(key, vocab_size=size, concentration=1.0)
        >>> two = bidders.zipf_markov(key, vocab_size=size, exponent=1.0)
        >>> agents = (one, bidders.SharedBidder(two, num_agents=2))
        >>> states = bidders.init_all(agents, jnp.array([0, 3]))
        >>> log_probs, states = bidders.step_all(agents, states, jnp.array([3, 3, 3]))
        >>> log_probs.shape
        (3, 4)
    """
    counts = _counts(bidders)
    check_tokens("tokens", tokens, (sum(counts),), bidders[0].vocab_size)
    if len(states) != len(bidders):
        raise ValueError(f"states must be one per bidder, {len(bidders)}, got {len(states)}.")
    log_probs, after, start = [], [], 0
    for bidder, count, state in zip(bidders, counts, states, strict=True):
        if isinstance(bidder, SharedBidder):
            rows, state = bidder.step(state, tokens[start : start + count])
        else:
            row, state = bidder.step(state, tokens[start])
            rows = row[None]
        log_probs.append(rows)
        after.append(state)
        start += count
    return jnp.concatenate(log_probs), tuple(after)


def _counts(bidders: Any) -> list[int]:
    """Numbers of agents of checked bidders."""
    if not isinstance(bidders, tuple | list):
        raise TypeError(f"bidders must be a tuple of bidders, got {type(bidders).__name__}.")
    if not bidders:
        raise ValueError("bidders must hold at least one bidder, got none.")
    for number, bidder in enumerate(bidders):
        if not isinstance(bidder, Bidder | SharedBidder):
            raise TypeError(
                f"bidders[{number}] must be a Bidder or a SharedBidder, got "
                f"{type(bidder).__name__}."
            )
    check_same_vocabulary({f"bidders[{k}]": b.vocab_size for k, b in enumerate(bidders)})
    return [b.num_agents if isinstance(b, SharedBidder) else 1 for b in bidders]


def _prompts(prompts: Any, count: int, vocab_size: int) -> list[Any]:
    """One checked prompt per agent."""
    if isinstance(prompts, jax.Array | np.ndarray) and prompts.ndim < 2:
        check_prompt("prompts", prompts, vocab_size)
        return [prompts] * count
    if not isinstance(prompts, tuple | list | jax.Array | np.ndarray):
        raise TypeError(
            f"prompts must be an array, or one array per agent, got {type(prompts).__name__}."
        )
    if len(prompts) != count:
        raise ValueError(f"prompts must be one per agent, {count}, got {len(prompts)}.")
    for number, prompt in enumerate(prompts):
        check_prompt(f"prompts[{number}]", prompt, vocab_size)
    return list(prompts)
