"""An n-gram model that is looked up inside compiled programs."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ... import engine
from .bidder import Bidder, check_prompt
from .parameters import check_log_rows


class NGramBidder(Bidder):
    """A language model whose next token depends on the last `order - 1`; made by `fit_ngram`.

    The contexts seen in the texts form a tree: the root is the empty context, and a child has one
    more, earlier token than its parent. Every node has its row of probabilities, smoothing
    included. A step goes from the root as deep as the last tokens were seen, by one binary search
    per token, and takes the row of the node where it stops. Before the prompt stand tokens
    `vocab_size`, the start of a text; they are never predicted.

    Nodes are numbered so that `codes` is sorted: node `i + 1` is the child of node
    `codes[i] // (vocab_size + 1)` by the token `codes[i] % (vocab_size + 1)`.

    The state is the last `order - 1` tokens before the one that comes next.

    Attributes:
        codes: (node - 1,), int32, ascending.
        log_rows: (node, vocab), natural-log probabilities of the next token.
        order: n, at least 1; static.

    Raises:
        TypeError: codes that are not integers, rows that are not real numbers, an order that is
            not an int.
        ValueError: an order below 1, numbers of codes and rows that do not fit, codes that are
            not ascending, or a row that does not sum to one.

    Example:
        >>> import numpy as np
        >>> from jaxpapers.auctions.bidders import BackOff, fit_ngram
        >>> text = np.array([0, 1, 2, 0, 1, 2])
        >>> bidder = fit_ngram(text, vocab_size=3, order=2, smoothing=BackOff(0.9))
        >>> print(type(bidder).__name__, bidder.order, bidder.codes, bidder.log_rows.shape)
        NGramBidder 2 [0 1 2 3] (5, 3)
    """

    codes: Int[Array, " edge"]
    log_rows: Float[Array, "node vocab"]
    order: int = eqx.field(static=True)

    def __check_init__(self):
        engine.check_count("order", self.order)
        engine.check_array("codes", self.codes, ("edge",), "integer")
        engine.check_array("log_rows", self.log_rows, (self.codes.shape[0] + 1, "vocab"))
        if engine.is_concrete(self.codes) and (np.diff(np.asarray(self.codes)) <= 0).any():
            raise ValueError("codes must be ascending; fit_ngram makes them so.")
        check_log_rows("log_rows", self.log_rows)

    @property
    def vocab_size(self) -> int:
        """Number of tokens; static."""
        return self.log_rows.shape[-1]

    def init(self, prompt: Int[Array, " time"]) -> PyTree:
        """The last tokens of the prompt before its last one.

        Args:
            prompt: at least one token; starts of text are put before a short one.

        Returns:
            `order - 1` tokens, the earliest first.
        """
        check_prompt("prompt", prompt, self.vocab_size)
        size = self.order - 1
        start = jnp.full((size,), self.vocab_size, jnp.int32)
        read = jnp.concatenate([start, jnp.asarray(prompt[:-1], jnp.int32)])
        return read[read.shape[0] - size :]

    def step(self, state: PyTree, token: Int[Array, ""]) -> tuple[Float[Array, " vocab"], PyTree]:
        """Looks up the row of the longest context that was seen.

        Args:
            state: the last `order - 1` tokens.
            token: the token that came.

        Returns:
            Log probabilities of the next token, and the tokens moved on by one.
        """
        state = jnp.append(state, jnp.asarray(token, jnp.int32))[1:]
        return self.log_rows[self._deepest(state)], state

    def _deepest(self, context):
        """Number of the node of the longest suffix of the context that is in the tree."""
        node = jnp.zeros((), jnp.int32)
        is_seen = jnp.ones((), bool)
        for token in reversed(range(self.order - 1)):
            code = node * (self.vocab_size + 1) + context[token]
            place = jnp.searchsorted(self.codes, code).astype(jnp.int32)
            place = jnp.minimum(place, self.codes.shape[0] - 1)
            is_seen &= self.codes[place] == code
            node = jnp.where(is_seen, place + 1, node)
        return node
