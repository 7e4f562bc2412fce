"""Texts of two brands as the bids move from one to the other."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .. import auctions, engine
from .auction_agents import AuctionAgents, named_agents
from .auction_sale import sold_texts
from .auction_settings import RuleName, chosen_payment, chosen_rule
from .seeds import random_key

if TYPE_CHECKING:
    import pandas

PAYMENT_OF: dict[str, str] = {"linear": "second price", "log-linear": "one draw"}
WIDTH, DECIMALS = 80, 4


def sweep_bids(
    seed: int | jax.Array,
    brands: str | auctions.BrandPair | Mapping[str, Sequence[str]],
    *,
    rules: Sequence[RuleName] = ("linear", "log-linear"),
    num_shares: int = 11,
    num_texts: int = 100,
    num_tokens: int = 32,
    prompt: str | None = None,
) -> "pandas.DataFrame":
    """Sells texts of two brands at every share of the bids, with the same draws throughout.

    Bids sum to 1. Charged are second prices under the linear rule, and unbiased one-draw estimates
    of the expected ones under the log-linear rule, where tokens need not have a second price.

    Args:
        seed: a seed or a typed key.
        brands: two of them, as in `token_auction`.
        rules: "linear", "log-linear" or both.
        num_shares: shares of the first bid, evenly from 0 to 1.
        num_texts: texts at each.
        num_tokens: words and marks of each text.
        prompt: what both have read before; None for the query of the pair, or nothing.

    Returns:
        One row per rule and share: rule, lambda (the first bid over both), moved words and paid by
        brand, per text; revenue and welfare (bids times expected shares of words, summed over
        brands) per text, each with its standard error; and the first text.

    Raises:
        TypeError: arguments of the wrong type.
        ValueError: as `token_auction`; another number of brands than two, no rules, fewer than two
            shares or texts.

    Example:
        >>> from jaxpapers import frames
        >>> texts = {"A": ["We fly.", "We fly high."], "B": ["We sleep.", "We sleep well."]}
        >>> table = frames.sweep_bids(
        ...     0, texts, rules=["linear"], num_shares=3, num_texts=4, num_tokens=4
        ... )
        >>> print(table["lambda"].tolist(), table["revenue"].iloc[[0, 2]].tolist())
        [0.0, 0.5, 1.0] [0.0, 0.0]
    """
    engine.check_count("num_shares", num_shares, 2)
    engine.check_count("num_texts", num_texts, 2)
    engine.check_count("num_tokens", num_tokens)
    if isinstance(rules, str) or not len(rules):
        raise ValueError(f"rules must be a list of at least one rule, got {rules!r}")
    rule_of = {name: chosen_rule(name) for name in rules}
    chosen = {name: (rule, chosen_payment(PAYMENT_OF[name])) for name, rule in rule_of.items()}
    key = random_key(seed)
    pandas = engine.require_extra("pandas", "formula")
    with engine.double_precision():
        agents = named_agents(brands, prompt)
        if len(agents.names) != 2:
            raise ValueError(f"brands has {len(agents.names)} agents; a sweep is between two")
        rows = [
            _row(name, agents, share, sold_texts(key, *pair, agents, bids, num_tokens, num_texts))
            for name, pair in chosen.items()
            for share in np.linspace(0, 1, num_shares)
            for bids in [np.array([share, 1 - share])]
        ]
    return pandas.DataFrame(rows)


def sweep_text(table: "pandas.DataFrame") -> str:
    """A sweep in lines of at most 80 characters: numbers first, then the texts.

    Args:
        table: as `sweep_bids` gives it.

    Returns:
        Several lines.
    """
    columns = ["rule", "lambda", "revenue", "revenue s.e.", "welfare", "welfare s.e."]
    shown = table[columns].round(DECIMALS)
    shown.columns = [name.removeprefix("revenue ").removeprefix("welfare ") for name in columns]
    body = shown.to_string(index=False)
    lines = [body, "", "The first text at every lambda:"]
    for rule, share, text in zip(table["rule"], table["lambda"], table["text"], strict=True):
        mark = f"{rule:<10}  {share:.2f}  "
        written = text.replace("\n", " / ")
        indent = " " * len(mark)
        lines += textwrap.wrap(mark + written, WIDTH, subsequent_indent=indent)
    return "\n".join(lines)


def _row(
    rule: str, agents: AuctionAgents, share: float, found: auctions.Generation
) -> dict[str, Any]:
    """Means over texts at one share."""
    moved = (found.counterfactuals != found.tokens[..., None]).sum(axis=1)
    paid = found.payments.sum(axis=1)
    welfare = (found.bids * found.influence).sum(axis=(1, 2))
    row: dict[str, Any] = {"rule": rule, "lambda": float(share)}
    row |= {f"moved by {name}": float(moved[:, i].mean()) for i, name in enumerate(agents.names)}
    row |= {f"paid by {name}": float(paid[:, i].mean()) for i, name in enumerate(agents.names)}
    for name, values in (("revenue", paid.sum(axis=1)), ("welfare", welfare)):
        row[name] = float(values.mean())
        row[f"{name} s.e."] = float(values.std(ddof=1) / np.sqrt(len(values)))
    row["text"] = agents.tokenizer.decode(found.tokens[0])
    return row
