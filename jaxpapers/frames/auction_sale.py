"""Texts sold token by token between agents with names."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import auctions, engine
from .auction_agents import AuctionAgents, agent_bids, named_agents
from .auction_results import TokenAuctionResult
from .auction_settings import (
    AuctionSettings,
    PaymentName,
    RuleName,
    check_precision,
    chosen_payment,
    chosen_rule,
)
from .copula_settings import Precision
from .names import listed
from .seeds import random_key


def token_auction(
    seed: int | jax.Array,
    brands: str | auctions.BrandPair | Mapping[str, Sequence[str]],
    bids: Sequence[float] | Mapping[str, float] | np.ndarray,
    *,
    rule: RuleName = "linear",
    payment: PaymentName = "second price",
    num_tokens: int = 32,
    num_texts: int = 1,
    prompt: str | None = None,
    precision: Precision = "double",
) -> TokenAuctionResult:
    """Sells a text between brands, token by token, and says who moved which word and paid what.

    Agents are n-gram models: of two fictional brands, or of texts of your own. Each knows its own
    texts twenty times as well as those of the others, so that it can go on where another began.
    Computes in double precision whatever JAX is set to, and hands back NumPy and pandas.

    Source: the token auction of Duetting et al. (2024).

    Args:
        seed: a seed or a typed key; more texts begin with the same ones, and a longer text begins
            with the shorter.
        brands: "partners" or "rivals", two fictional brands; or a dict from names to lists of
            texts.
        bids: what each agent bids for the text it moves, in their order or by name, at least 0.
        rule: how what agents would say becomes one distribution: "linear" or "log-linear".
        payment: "second price", "myerson", "one draw", "vcg", "first price", "all-pay" or "none".
        num_tokens: words and marks of each text.
        num_texts: texts that are sold, each with draws of its own.
        prompt: what all have read before; None for the query of the pair, or nothing.
        precision: "double" or "single".

    Returns:
        The texts, labelled.

    Raises:
        TypeError: arguments of the wrong type.
        ValueError: choices that do not exist, bids that are negative or do not fit the agents,
            no texts or empty ones, counts below 1, a prompt in unknown words.

    Example:
        >>> from jaxpapers import frames
        >>> texts = {
        ...     "Sun Hotel": ["Stay in the sun.", "Sleep well in the sun."],
        ...     "Sky Line": ["Fly to the sun.", "Fly well."],
        ... }
        >>> sold = frames.token_auction(0, texts, {"Sun Hotel": 1.0, "Sky Line": 2.0}, num_tokens=5)
        >>> print(len(sold.tokens()), list(sold.attribution().index))
        10 ['Sun Hotel', 'Sky Line']
    """
    check_precision(precision)
    chosen = chosen_rule(rule), chosen_payment(payment)
    engine.check_count("num_tokens", num_tokens)
    engine.check_count("num_texts", num_texts)
    key = random_key(seed)
    with engine.double_precision() if precision == "double" else nullcontext():
        agents = named_agents(brands, prompt)
        numbers = agent_bids(bids, agents.names)
        generation = sold_texts(key, *chosen, agents, numbers, num_tokens, num_texts)
    settings = AuctionSettings(
        rule=rule,
        payment=payment,
        prompt=agents.prompt,
        precision=precision,
        seed=seed if isinstance(seed, int) else None,
    )
    return TokenAuctionResult(generation, agents.names, agents.tokenizer, settings)


def label_generation(
    generation: auctions.Generation,
    tokenizer: auctions.WordTokenizer,
    agents: Sequence[str],
    *,
    rule: str = "",
    payment: str = "",
    prompt: str = "",
) -> TokenAuctionResult:
    """Gives the tokens and agents of a generation their words and names.

    Args:
        generation: from `auctions.generate`, or from `auctions.replicate`.
        tokenizer: of its tokens.
        agents: names, in the order of the bids.
        rule: what the summary calls the aggregation rule.
        payment: what the summary calls the payment rule.
        prompt: what all agents had read.

    Returns:
        The texts, labelled.

    Raises:
        TypeError: not a generation or tokenizer, names that are no strings.
        ValueError: another number of names than of agents, a name twice, tokens outside the
            vocabulary.
    """
    for name, value, kind in (
        ("generation", generation, auctions.Generation),
        ("tokenizer", tokenizer, auctions.WordTokenizer),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
    held = _on_host(generation)
    _check_names(agents, held.bids.shape[-1])
    if held.tokens.size and not 0 <= held.tokens.min() <= held.tokens.max() < tokenizer.vocab_size:
        raise ValueError(
            f"generation has tokens outside the vocabulary of {tokenizer.vocab_size} words; give "
            "the tokenizer it was made with"
        )
    if held.tokens.ndim == 1:
        held = jax.tree.map(lambda x: x[None], held)
    precision: Precision = "double" if held.payments.dtype == np.float64 else "single"
    settings = AuctionSettings(rule, payment, prompt, precision, None)
    return TokenAuctionResult(held, tuple(agents), tokenizer, settings)


def _check_names(agents: Any, num_agents: int) -> None:
    if isinstance(agents, str) or not all(isinstance(name, str) for name in agents):
        raise TypeError(f"agents must be a list of names, got {agents!r}")
    if len(agents) != num_agents:
        raise ValueError(f"agents has {len(agents)} names for {num_agents} agents")
    if len(set(agents)) != len(agents):
        raise ValueError(f"agents has a name twice: {listed(agents)}")


def sold_texts(
    key: jax.Array,
    rule: auctions.Rule,
    payment: auctions.Payment,
    agents: AuctionAgents,
    bids: Float[np.ndarray, " agent"],
    num_tokens: int,
    num_texts: int,
) -> auctions.Generation:
    """Texts in NumPy arrays, text r from `fold_in(key, r)`; in the precision that JAX has here.

    Args:
        key: a typed key.
        rule: how distributions are aggregated.
        payment: what is charged.
        agents: who speaks.
        bids: of the agents.
        num_tokens: of each text.
        num_texts: how many.

    Returns:
        What was sold, with a leading axis of texts.
    """
    found = auctions.replicate(
        key,
        rule,
        agents.bidders,
        jnp.asarray(bids, jnp.result_type(float)),
        jnp.asarray(agents.prompt_tokens),
        num_tokens=num_tokens,
        num_replicates=num_texts,
        payment=payment,
    )
    return _on_host(found)


def _on_host(generation: auctions.Generation) -> auctions.Generation:
    return jax.tree.map(np.asarray, generation)
