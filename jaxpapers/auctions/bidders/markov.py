"""First-order Markov models: given, or drawn at random."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ... import engine
from .bidder import Bidder, check_prompt
from .parameters import as_float, check_log_rows, float_dtype


def _as_table(value: Any) -> Array:
    engine.check_array("log_transitions", value, ("vocab", "vocab"))
    return as_float(value)


class MarkovBidder(Bidder):
    """A language model whose next token depends on the last one only; it has no state.

    Attributes:
        log_transitions: (vocab, vocab), natural-log probabilities of the next token in the row of
            the last one; `-inf` where it is impossible.

    Raises:
        TypeError: the table does not hold real numbers.
        ValueError: it is not square, or a row does not sum to one.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions.bidders import MarkovBidder
        >>> bidder = MarkovBidder(jnp.log(jnp.array([[0.9, 0.1], [0.5, 0.5]])))
        >>> log_probs, state = bidder.step(bidder.init(jnp.array([0])), jnp.array(0))
        >>> [round(float(p), 3) for p in jnp.exp(log_probs)]
        [0.9, 0.1]
    """

    log_transitions: Float[Array, "vocab vocab"] = eqx.field(converter=_as_table)

    def __check_init__(self):
        check_log_rows("log_transitions", self.log_transitions)

    @property
    def vocab_size(self) -> int:
        """Number of tokens; static."""
        return self.log_transitions.shape[-1]

    def init(self, prompt: Int[Array, " time"]) -> PyTree:
        """Nothing: what the next token depends on comes with `step`.

        Args:
            prompt: at least one token.

        Returns:
            An empty tuple.
        """
        check_prompt("prompt", prompt, self.vocab_size)
        return ()

    def step(self, state: PyTree, token: Int[Array, ""]) -> tuple[Float[Array, " vocab"], PyTree]:
        """Looks up the row of the token.

        Args:
            state: an empty tuple.
            token: the token that came.

        Returns:
            Log probabilities of the next token, and the empty tuple.
        """
        return self.log_transitions[token], state


def dirichlet_markov(
    key: PRNGKeyArray, *, vocab_size: int, concentration: Float[Array, ""] | float
) -> MarkovBidder:
    """A random Markov model: rows are independent draws of a symmetric Dirichlet distribution.

    Drawn in log space, so that probabilities far below the smallest float keep a finite logarithm:
    of order `-1 / concentration` for small concentrations.

    Args:
        key: a typed key.
        vocab_size: number of tokens.
        concentration: > 0; below one most of a row's mass lies on few tokens, at one rows are
            uniform on the simplex, far above one they are nearly equal.

    Returns:
        The model, in JAX's default floating dtype; rows sum to one up to rounding.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: `vocab_size` < 1, or a concentration that is not positive and finite.

    Example:
        >>> import jax
        >>> from jaxpapers.auctions import bidders
        >>> bidders.dirichlet_markov(jax.random.key(0), vocab_size=8, concentration=0.1).vocab_size
        8
    """
    engine.check_key(key)
    engine.check_count("vocab_size", vocab_size)
    _check_range("concentration", concentration, low=0.0)
    dtype = float_dtype()
    shape = (vocab_size, vocab_size)
    weights = jax.random.loggamma(key, jnp.asarray(concentration, dtype), shape, dtype)
    return MarkovBidder(jax.nn.log_softmax(weights, axis=-1))


def zipf_markov(
    key: PRNGKeyArray,
    *,
    vocab_size: int,
    exponent: Float[Array, ""] | float,
    common: Float[Array, ""] | float = 0.5,
) -> MarkovBidder:
    """A random Markov model with Zipf's law in every row.

    A row is a mixture of two Zipf distributions `p(rank) ∝ rank^-exponent`: one over a ranking of
    the tokens that all rows share, so that some tokens are frequent everywhere, and one over a
    ranking of the row's own. Both rankings are random.

    Args:
        key: a typed key.
        vocab_size: number of tokens.
        exponent: >= 0; zero makes every row uniform, natural languages have about one.
        common: weight of the shared ranking, in [0, 1]; at one the tokens are independent.

    Returns:
        The model, in JAX's default floating dtype; rows sum to one up to rounding.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: `vocab_size` < 1, an exponent that is negative or not finite, or `common`
            outside [0, 1].

    Example:
        >>> import jax
        >>> from jaxpapers.auctions import bidders
        >>> bidders.zipf_markov(jax.random.key(0), vocab_size=8, exponent=1.0).vocab_size
        8
    """
    engine.check_key(key)
    engine.check_count("vocab_size", vocab_size)
    _check_range("exponent", exponent, low=0.0, is_low_allowed=True)
    _check_range("common", common, low=0.0, high=1.0, is_low_allowed=True)
    dtype = float_dtype()
    exponent, common = jnp.asarray(exponent, dtype), jnp.asarray(common, dtype)
    ranks = jnp.arange(1, vocab_size + 1, dtype=dtype)
    law = jax.nn.log_softmax(-exponent * jnp.log(ranks))
    shared = jax.random.permutation(jax.random.fold_in(key, 0), law)
    rows = jnp.broadcast_to(law, (vocab_size, vocab_size))
    own = jax.random.permutation(jax.random.fold_in(key, 1), rows, axis=1, independent=True)
    shared = jnp.broadcast_to(shared, rows.shape)
    return MarkovBidder(jnp.logaddexp(jnp.log(common) + shared, jnp.log1p(-common) + own))


def _check_range(name, value, *, low, high=np.inf, is_low_allowed=False):
    """A finite scalar between two numbers, the lower one allowed or not, the upper one allowed."""
    engine.check_array(name, value, ())
    if not engine.is_concrete(value):
        return
    number = float(value)
    is_inside = low < number <= high or (is_low_allowed and number == low)
    if not (is_inside and number < np.inf):
        opening, closing = "[" if is_low_allowed else "(", "]" if high < np.inf else ")"
        raise ValueError(f"{name} must lie in {opening}{low:g}, {high:g}{closing}, got {number:g}.")
