"""How counts of an n-gram become probabilities."""

import abc

import equinox as eqx
import numpy as np

from ... import engine


class Smoothing(eqx.Module):
    """A rule that turns the counts after contexts of one length into probabilities; on the host."""

    @abc.abstractmethod
    def rows(self, counts: np.ndarray, lower: np.ndarray, *, length: int, order: int) -> np.ndarray:
        """Probabilities of the next token.

        Args:
            counts: (node, vocab), how often each token came after each context; at least one did.
            lower: (node, vocab), the rows of the contexts without their earliest token; uniform
                for the empty context.
            length: number of tokens of the contexts, from 0 to `order - 1`.
            order: n of the n-gram.

        Returns:
            (node, vocab), rows that sum to one.

        Raises:
            ValueError: numbers of the rule that do not fit the order.
        """


class AddK(Smoothing):
    """Add-k smoothing: `(count + k) / (sum of counts + k vocab)`.

    Only the longest contexts count; after one that was never seen all tokens are equally likely.

    Attributes:
        k: >= 0; at 0 tokens that never came are impossible.

    Raises:
        TypeError: k is not a real number.
        ValueError: it is negative or not finite.
    """

    k: float = 1.0

    def __check_init__(self):
        engine.check_array("k", self.k, ())
        if not 0 <= self.k < np.inf:
            raise ValueError(f"k must be finite and at least 0, got {self.k}.")

    def rows(self, counts: np.ndarray, lower: np.ndarray, *, length: int, order: int) -> np.ndarray:
        """Probabilities of the next token; those of `lower` for shorter contexts.

        Args:
            counts: (node, vocab).
            lower: (node, vocab).
            length: number of tokens of the contexts.
            order: n of the n-gram.

        Returns:
            (node, vocab).
        """
        if length < order - 1:
            return lower
        raised = counts + self.k
        return raised / raised.sum(axis=1, keepdims=True)


class BackOff(Smoothing):
    """Interpolated back-off: shares of every order, down to the uniform distribution.

    `p(t | c) = share count(c, t) / count(c) + (1 - share) p(t | c without its earliest token)`; a
    context that was never seen has no share, so that the next shorter one speaks alone. Below the
    empty context stands the uniform distribution: with all shares below one every token is
    possible.

    Source: Jelinek and Mercer (1980), with fixed weights.

    Attributes:
        shares: in [0, 1], of the contexts of 0, 1, ..., order - 1 tokens; one number serves all.

    Raises:
        TypeError: shares that are not real numbers.
        ValueError: a share outside [0, 1].
    """

    shares: float | tuple[float, ...] = 0.9

    def __check_init__(self):
        engine.check_array("shares", np.atleast_1d(self.shares), (None,))
        if not all(0 <= share <= 1 for share in np.atleast_1d(self.shares)):
            raise ValueError(f"shares must lie in [0, 1], got {self.shares}.")

    def rows(self, counts: np.ndarray, lower: np.ndarray, *, length: int, order: int) -> np.ndarray:
        """Probabilities of the next token.

        Args:
            counts: (node, vocab).
            lower: (node, vocab).
            length: number of tokens of the contexts.
            order: n of the n-gram.

        Returns:
            (node, vocab).

        Raises:
            ValueError: several shares, but not `order` of them.
        """
        shares = np.atleast_1d(self.shares)
        if shares.size not in (1, order):
            raise ValueError(f"shares must be one number or {order}, got {shares.size}.")
        share = shares[min(length, shares.size - 1)]
        return share * counts / counts.sum(axis=1, keepdims=True) + (1 - share) * lower
