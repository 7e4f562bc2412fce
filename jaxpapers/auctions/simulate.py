"""Texts sold token by token: every agent speaks, one token is drawn, everybody reads it."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .. import engine
from ..engine import Algorithm, Status
from .bidders import Bidder, SharedBidder, init_all, num_agents, step_all
from .bidders.bidder import check_prompt
from .checks import check_bids, check_kind
from .model import Rule
from .payments import Payment, SecondPrice
from .results import Generation
from .samplers import InverseCDF, Sampler
from .solve import clear

Bidders = Sequence[Bidder | SharedBidder]
Prompt = Any


class Conversation(eqx.Module):
    """Who speaks, what each has read, and what each bids.

    Attributes:
        bidders: the agents' models.
        prompts: one for all, or one per agent, the platform's last.
        bids: for each token and agent.
        platform: the platform's model, or None.
    """

    bidders: Bidders
    prompts: Prompt
    bids: Float[Array, "time agent"]
    platform: Bidder | None


class ConversationState(eqx.Module):
    """Where a text stands.

    Attributes:
        states: of the models, the platform's last.
        tokens: what each reads next, int32.
        count: tokens so far, int32.
    """

    states: PyTree
    tokens: Int[Array, " reader"]
    count: Int[Array, ""]


class TokenAuction(Algorithm):
    """The auction of a text as an algorithm of the engine; a step sells one token.

    Drive it by `engine.run` to watch, save and resume a long text.

    Attributes:
        payment: what is charged.
        sampler: how tokens are drawn.
    """

    payment: Payment
    sampler: Sampler

    def init(self, key: PRNGKeyArray, model: Rule, data: Conversation) -> ConversationState:
        """Everybody has read the prompt but for its last token.

        Args:
            key: not used.
            model: the rule; not used.
            data: who speaks.

        Returns:
            The state.

        Raises:
            ValueError: a prompt that is empty, or not one per reader.
        """
        del key, model
        readers = _readers(data)
        prompts = _prompts(data, num_agents(readers))
        last = jnp.stack([jnp.asarray(prompt[-1], jnp.int32) for prompt in prompts])
        return ConversationState(init_all(readers, prompts), last, jnp.zeros((), jnp.int32))

    def step(self, key, model, data, state):
        """Sells the next token."""
        log_probs, states = step_all(_readers(data), state.states, state.tokens)
        agents, platform = log_probs, None
        if data.platform is not None:
            agents, platform = log_probs[:-1], log_probs[-1]
        bids = data.bids[state.count]
        sold = clear(key, model, bids, agents, platform, payment=self.payment, sampler=self.sampler)
        tokens = jnp.full_like(state.tokens, sold.token)
        state = ConversationState(states, tokens, state.count + 1)
        return state, Generation.of(bids.astype(agents.dtype), sold)

    def status(self, state, info):
        """Goes on until as many tokens are sold as were asked for."""
        del state, info
        return jnp.asarray(Status.RUNNING, jnp.int32)


def generate(
    key: PRNGKeyArray,
    rule: Rule,
    bidders: Bidders,
    bids: Float[ArrayLike, "*time agent"],
    prompt: Prompt,
    *,
    num_tokens: int,
    platform: Bidder | None = None,
    payment: Payment | None = None,
    sampler: Sampler | None = None,
) -> Generation:
    """Sells a text, token by token.

    Bids are fixed for the text or given per token; a payment is per token, and that of the text is
    their sum. Token t draws from `fold_in(key, t)`, so that a longer text begins with the shorter.
    Source: the token auction of Duetting et al. (2024).

    Args:
        key: a typed key.
        rule: how distributions are aggregated.
        bidders: the agents' models, over one vocabulary; those that share weights as one
            `SharedBidder`.
        bids: at least 0, `(agent,)` or `(time, agent)`.
        prompt: tokens of one prompt for all, or a sequence with one per agent and, with a
            platform, one more for it.
        num_tokens: how many tokens are sold.
        platform: the platform's model; needed by `BaseModelRule` and rules with a reserve.
        payment: `SecondPrice()` by default.
        sampler: `InverseCDF()` by default.

    Returns:
        What was sold, token by token.

    Raises:
        TypeError: a key, rule, bidder, payment or sampler that is none.
        ValueError: bids that are negative or not finite or of another shape, different
            vocabularies, a bad prompt, no tokens to sell.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxpapers import auctions
        >>> keys = jax.random.split(jax.random.key(0))
        >>> bidders = [
        ...     auctions.dirichlet_markov(key, vocab_size=8, concentration=0.3) for key in keys
        ... ]
        >>> text = auctions.generate(
        ...     jax.random.key(1),
        ...     auctions.LinearRule(),
        ...     bidders,
        ...     jnp.asarray([1.0, 2.0]),
        ...     jnp.asarray([0]),
        ...     num_tokens=5,
        ... )
        >>> print(text.tokens, text.charged.round(2))
        [4 0 7 7 7] [0.   3.74]
    """
    engine.check_key(key)
    engine.check_count("num_tokens", num_tokens)
    algorithm = _algorithm(payment, sampler)
    data = _conversation(rule, bidders, bids, prompt, num_tokens, platform)
    return _generate(key, algorithm, rule, data, num_tokens)


@eqx.filter_jit
def _generate(key, algorithm, rule, data, num_tokens):
    return engine.unroll(key, algorithm, rule, data, num_steps=num_tokens).info


class _Text(eqx.Module):
    """One text, as a function of a replicate's key."""

    algorithm: TokenAuction
    num_tokens: int = eqx.field(static=True)

    def __call__(self, key, model, data):
        """What was sold."""
        return _generate(key, self.algorithm, model, data, self.num_tokens)


def replicate(
    key: PRNGKeyArray,
    rule: Rule,
    bidders: Bidders,
    bids: Float[ArrayLike, "*time agent"],
    prompt: Prompt,
    *,
    num_tokens: int,
    num_replicates: int,
    batch_size: int = 256,
    platform: Bidder | None = None,
    payment: Payment | None = None,
    sampler: Sampler | None = None,
    mesh: Mesh | None = None,
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> Generation:
    """Sells the same text many times over, each time with draws of its own.

    Args:
        key: a typed key; replicate r draws from `fold_in(key, r)`.
        rule: as `generate`.
        bidders: as `generate`.
        bids: as `generate`.
        prompt: as `generate`.
        num_tokens: how many tokens are sold in each text.
        num_replicates: how many texts.
        batch_size: texts at once on one device; memory grows with it.
        platform: as `generate`.
        payment: as `generate`.
        sampler: as `generate`.
        mesh: devices to spread the texts over; None for one device.
        progress: shown while it runs; None for silence.
        checkpoint: directory in which it saves itself; None for nowhere.

    Returns:
        What was sold, with a leading axis of replicates.

    Raises:
        TypeError: as `generate`.
        ValueError: as `generate`, or counts below 1.
    """
    engine.check_key(key)
    engine.check_count("num_tokens", num_tokens)
    text = _Text(_algorithm(payment, sampler), num_tokens)
    data = _conversation(rule, bidders, bids, prompt, num_tokens, platform)
    return engine.replicate(
        key,
        text,
        rule,
        data,
        num_replicates=num_replicates,
        batch_size=min(batch_size, num_replicates),
        mesh=mesh,
        progress=progress,
        checkpoint=checkpoint,
    )


def read(
    bidders: Bidders, prompt: Prompt, tokens: Int[ArrayLike, " time"]
) -> Float[Array, "time agent vocab"]:
    """What every agent would have said at each place of a given text.

    Args:
        bidders: the agents' models.
        prompt: as `generate`, without a platform.
        tokens: the text after the prompt.

    Returns:
        Log-probabilities of each token given the prompt and those before it.

    Raises:
        TypeError: a bidder that is none, tokens that are not integers.
        ValueError: different vocabularies, a bad prompt.
    """
    engine.check_array("tokens", tokens, ("time",), "integer")
    return _read(tuple(bidders), prompt, jnp.asarray(tokens, jnp.int32))


@eqx.filter_jit
def _read(bidders, prompt, tokens):
    size = num_agents(bidders)
    prompts = _each(prompt, size)
    last = jnp.stack([jnp.asarray(one[-1], jnp.int32) for one in prompts])
    given = jnp.concatenate(
        [last[None], jnp.broadcast_to(tokens[:-1, None], (len(tokens) - 1, size))]
    )

    def step(states, now):
        log_probs, states = step_all(bidders, states, now)
        return states, log_probs

    return jax.lax.scan(step, init_all(bidders, prompts), given)[1]


def _algorithm(payment, sampler):
    payment = SecondPrice() if payment is None else payment
    sampler = InverseCDF() if sampler is None else sampler
    check_kind("payment", payment, Payment)
    check_kind("sampler", sampler, Sampler)
    return TokenAuction(payment, sampler)


def _conversation(rule, bidders, bids, prompt, num_tokens, platform):
    """Checks everything before anything runs."""
    check_kind("rule", rule, Rule)
    if platform is not None:
        check_kind("platform", platform, Bidder)
    size = num_agents(bidders)
    bids = check_bids(bids, num_tokens, size)
    data = Conversation(tuple(bidders), prompt, bids, platform)
    num_agents(_readers(data))
    for one in _prompts(data, size + (platform is not None)):
        check_prompt("prompt", one, bidders[0].vocab_size)
    eqx.filter_eval_shape(lambda d: rule.aggregate(*_said(d, size)), data)
    return data


def _said(data, size):
    """Arrays of the shapes that a rule will be given."""
    uniform = jnp.zeros((size, data.bidders[0].vocab_size), data.bids.dtype)
    return data.bids[0], uniform, None if data.platform is None else uniform[0]


def _readers(data):
    return data.bidders if data.platform is None else (*data.bidders, data.platform)


def _prompts(data, size):
    return _each(data.prompts, size)


def _each(prompt, size):
    """One prompt per reader."""
    is_one = hasattr(prompt, "ndim") and prompt.ndim == 1
    prompts = [prompt] * size if is_one else list(prompt)
    if len(prompts) != size:
        raise ValueError(
            f"prompt holds {len(prompts)} prompts for {size} readers: give one array of tokens for "
            "all, or one per agent and one for the platform where there is one"
        )
    return prompts
