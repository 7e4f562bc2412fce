"""Tables of texts that were sold: one row per token and agent, and one per agent."""

from typing import TYPE_CHECKING

import numpy as np

from .. import engine
from ..engine import Status

if TYPE_CHECKING:
    import pandas

    from .auction_results import TokenAuctionResult


def token_table(result: "TokenAuctionResult") -> "pandas.DataFrame":
    """One row per text, position and agent; see `TokenAuctionResult.tokens`.

    Args:
        result: what was sold.

    Returns:
        The table, by text, then position, then agent.
    """
    pandas = engine.require_extra("pandas", "formula")
    found, words = result.generation, np.asarray(result.tokenizer.words, object)
    shape = found.bids.shape
    text, position, agent = (grid.ravel() for grid in np.indices(shape))
    token = np.broadcast_to(found.tokens[..., None], shape).ravel()
    counterfactual = found.counterfactuals.ravel()
    columns = {
        "text": text,
        "position": position,
        "token": token,
        "word": words[token],
        "agent": np.asarray(result.agents, object)[agent],
        "bid": found.bids.ravel(),
        "p": found.probabilities.ravel(),
        "q": np.broadcast_to(found.probability[..., None], shape).ravel(),
        "influence": found.influence.ravel(),
        "payment": found.payments.ravel(),
        "switch_bid": found.switch_bids.ravel(),
        "is_moved": result.is_moved.ravel(),
        "counterfactual": counterfactual,
        "counterfactual_word": words[counterfactual],
        "status": _status_names(result),
    }
    return pandas.DataFrame(columns)


def attribution_table(result: "TokenAuctionResult") -> "pandas.DataFrame":
    """What each agent moved and paid; see `TokenAuctionResult.attribution`.

    Args:
        result: what was sold.

    Returns:
        One row per agent.
    """
    pandas = engine.require_extra("pandas", "formula")
    found = result.generation

    def per_text(values):
        return np.asarray(values, np.float64).sum(axis=1).mean(axis=0)

    moved = per_text(result.is_moved)
    welfare = per_text(found.bids.astype(np.float64) * found.influence)
    paid = per_text(found.payments)
    columns = {
        "bid": found.bids[0, 0].astype(np.float64),
        "tokens_moved": moved,
        "share_moved": moved / result.num_tokens,
        "influence": per_text(found.influence) / result.num_tokens,
        "welfare": welfare,
        "paid": paid,
        "surplus": welfare - paid,
    }
    return pandas.DataFrame(columns, index=pandas.Index(list(result.agents), name="agent"))


def _status_names(result):
    """By text, position and agent: the failure or notice of the token, else that of the agent."""
    found = result.generation
    names = {int(code): code.name for code in Status}
    token = np.broadcast_to(found.status[..., None], found.bids.shape)
    codes = np.where(token != Status.OK, token, found.switch_status).ravel()
    return [names[int(code)] for code in codes]
