"""Fitting n-gram models on texts, on the host."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ... import engine
from .bidder import check_prompt
from .ngram import NGramBidder
from .parameters import float_dtype
from .smoothing import Smoothing

LARGEST_CODE = 2**31 - 1


def fit_ngram(
    texts: Sequence[Any] | Any, *, vocab_size: int, order: int, smoothing: Smoothing
) -> NGramBidder:
    """An n-gram model with the counts of texts.

    Before each text stand `order - 1` starts of text, so that its first tokens are counted too. A
    token that ends a text is the caller's: put one at the end of each text. Texts that should
    count more are given more than once. Memory grows as the number of contexts seen times
    `vocab_size`.

    Args:
        texts: one array of tokens, or several; integers in [0, vocab_size).
        vocab_size: number of tokens.
        order: n; the next token depends on the last n - 1.
        smoothing: how counts become probabilities, `BackOff` or `AddK`.

    Returns:
        The model. Rows are computed in float64 and stored in JAX's default floating dtype; they
        sum to one within 1e-12 in float64 and 1e-6 in float32.

    Raises:
        TypeError: an argument of the wrong type, traced tokens included.
        ValueError: no text, an empty text, a token outside [0, vocab_size), a count below 1,
            numbers of the smoothing that do not fit, or too many contexts for 32-bit codes.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from jaxpapers.auctions.bidders import AddK, fit_ngram
        >>> text = np.array([0, 1, 0, 1, 0, 0])
        >>> bidder = fit_ngram(text, vocab_size=2, order=2, smoothing=AddK(1.0))
        >>> log_probs, state = bidder.step(bidder.init(text), jnp.array(0))
        >>> [round(float(p), 3) for p in jnp.exp(log_probs)]
        [0.4, 0.6]
    """
    engine.check_count("vocab_size", vocab_size)
    engine.check_count("order", order)
    if not isinstance(smoothing, Smoothing):
        raise TypeError(f"smoothing must be AddK or BackOff, got {type(smoothing).__name__}.")
    contexts, following = _windows(_as_texts(texts, vocab_size), vocab_size, order)
    codes, nodes = _tree(contexts, vocab_size)
    rows = _rows(codes, nodes, following, vocab_size, smoothing)
    with np.errstate(divide="ignore"):
        log_rows = jnp.asarray(np.log(rows), float_dtype())
    return NGramBidder(jnp.asarray(codes, jnp.int32), log_rows, order)


def _as_texts(texts, vocab_size):
    """A list of checked arrays of tokens."""
    if not engine.is_concrete(texts):
        raise TypeError("texts must be known numbers; call fit_ngram outside jit.")
    texts = [texts] if hasattr(texts, "shape") else list(texts)
    if not texts:
        raise ValueError("texts must hold at least one text, got none.")
    for number, text in enumerate(texts):
        check_prompt(f"texts[{number}]", text, vocab_size)
    return [np.asarray(text, np.int64) for text in texts]


def _windows(texts, vocab_size, order):
    """Contexts (position, order - 1), the latest token first, and the tokens that follow them."""
    start = np.full(order - 1, vocab_size)
    windows = np.concatenate(
        [
            np.lib.stride_tricks.sliding_window_view(np.concatenate([start, text]), order)
            for text in texts
        ]
    )
    return windows[:, -2::-1], windows[:, -1]


def _tree(contexts, vocab_size):
    """Ascending codes of all nodes but the root, and the node of each position by length."""
    node = np.zeros(contexts.shape[0], np.int64)
    nodes, codes = [node], [np.zeros(0, np.int64)]
    num_nodes = 1
    for token in contexts.T:
        level, place = np.unique(node * (vocab_size + 1) + token, return_inverse=True)
        node = num_nodes + place.reshape(-1)
        num_nodes += level.size
        codes.append(level)
        nodes.append(node)
    if num_nodes * (vocab_size + 1) > LARGEST_CODE:
        raise ValueError(
            f"texts hold {num_nodes} contexts, too many for 32-bit codes at vocab_size "
            f"{vocab_size}; use a lower order or fewer texts."
        )
    return np.concatenate(codes), nodes


def _rows(codes, nodes, following, vocab_size, smoothing):
    """Probabilities (node, vocab), the shortest contexts first."""
    rows = np.zeros((codes.size + 1, vocab_size))
    parents = codes // (vocab_size + 1)
    for length, node in enumerate(nodes):
        first, last = node.min(), node.max() + 1
        counts = np.zeros((last - first, vocab_size))
        np.add.at(counts, (node - first, following), 1.0)
        uniform = np.full((1, vocab_size), 1 / vocab_size)
        lower = rows[parents[first - 1 : last - 1]] if length else uniform
        rows[first:last] = smoothing.rows(counts, lower, length=length, order=len(nodes))
    return rows
