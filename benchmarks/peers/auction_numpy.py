"""Token auctions in NumPy: mixture, inverse cdf and second-price payments, in its best idiom."""

import numpy as np


def linear_step(bids, log_probs, uniforms, heights):
    """Sell one token in each of many auctions under the linear rule.

    Args:
        bids: `(auction, agent)`.
        log_probs: `(auction, agent, vocab)`.
        uniforms: one per auction.
        heights: one per auction.

    Returns:
        Tokens and payments `(auction, agent)`.
    """
    probs = np.exp(log_probs)
    mixture = np.matmul(bids[:, None], probs)[:, 0]
    tokens = _drawn(mixture, uniforms)
    rows = np.arange(len(bids))
    said = probs[rows, :, tokens]
    return tokens, _payments(bids, said, heights * mixture[rows, tokens] / bids.sum(axis=1))


def log_linear_step(bids, log_probs, uniforms):
    """Draw one token in each of many auctions under the log-linear rule.

    Args:
        bids: `(auction, agent)`.
        log_probs: `(auction, agent, vocab)`.
        uniforms: one per auction.

    Returns:
        Tokens.
    """
    weights = bids / bids.sum(axis=1, keepdims=True)
    logs = np.matmul(weights[:, None], log_probs)[:, 0]
    return _drawn(np.exp(logs - logs.max(axis=1, keepdims=True)), uniforms)


def markov_texts(generator, bids, tables, start, num_texts, num_tokens):
    """Sell many texts of Markov bidders under the linear rule, all texts at once.

    Args:
        generator: of random numbers.
        bids: `(agent,)`.
        tables: transition probabilities `(agent, vocab, vocab)`.
        start: the first token that is read.
        num_texts: how many texts.
        num_tokens: tokens of each.

    Returns:
        Tokens `(text, time)` and payments `(text, agent)`, summed over each text.
    """
    tokens = np.empty((num_texts, num_tokens), np.int32)
    paid = np.zeros((num_texts, len(bids)), np.float32)
    cumulative = np.cumsum(np.einsum("a,aij->ij", bids / bids.sum(), tables), axis=1)
    before = np.full(num_texts, start)
    for time in range(num_tokens):
        rows = cumulative[before]
        levels = generator.random(num_texts, np.float32) * rows[:, -1]
        drawn = np.minimum((rows <= levels[:, None]).sum(axis=1), rows.shape[1] - 1)
        said = tables[:, before, drawn].T
        heights = generator.random(num_texts, np.float32) * (said @ (bids / bids.sum()))
        paid += _payments(np.broadcast_to(bids, said.shape), said, heights)
        tokens[:, time] = before = drawn
    return tokens, paid


def _drawn(masses, uniforms):
    """Tokens by inverse cdf, row by row."""
    upto = np.cumsum(masses, axis=1)
    levels = uniforms * upto[:, -1]
    return np.array(
        [np.searchsorted(row, at, "right") for row, at in zip(upto, levels, strict=True)]
    )


def _payments(bids, said, heights):
    """Switch bids `B (h - p_-i) / (p_i - h)` of agents that gained the token."""
    own = np.eye(bids.shape[1], dtype=bool)
    others = np.where(own, 0, bids[:, None])
    total = others.sum(axis=2)
    rest = np.einsum("aij,aj->ai", others, said) / total
    height = heights[:, None]
    is_gained = (rest < height) & (height < said)
    gap = np.where(is_gained, said - height, 1)
    return np.where(is_gained, np.minimum(total * (height - rest) / gap, bids), 0)
