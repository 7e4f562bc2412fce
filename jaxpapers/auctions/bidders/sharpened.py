"""Language models made sharper, flatter or shorter in their tails, as decoders do it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from .bidder import Bidder, check_bidder
from .parameters import as_number


class Tempered(Bidder):
    """The model `p ∝ p_0^(1 / temperature)`.

    Attributes:
        bidder: p_0.
        temperature: > 0; below one the model is sharper, at one unchanged, above one flatter.
            Impossible tokens stay so.

    Raises:
        TypeError: no `Bidder`, a temperature that is not a real number.
        ValueError: a temperature that is not positive and finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions.bidders import MarkovBidder, Tempered
        >>> base = MarkovBidder(jnp.log(jnp.array([[0.75, 0.25], [0.5, 0.5]])))
        >>> bidder = Tempered(base, temperature=0.5)
        >>> log_probs, state = bidder.step(bidder.init(jnp.array([0])), jnp.array(0))
        >>> [round(float(p), 3) for p in jnp.exp(log_probs)]
        [0.9, 0.1]
    """

    bidder: Bidder
    temperature: Float[Array, ""] = eqx.field(converter=as_number("temperature"))

    def __check_init__(self):
        check_bidder("bidder", self.bidder)

    @property
    def vocab_size(self) -> int:
        """Number of tokens; static."""
        return self.bidder.vocab_size

    def init(self, prompt: Int[Array, " time"]) -> PyTree:
        """The state of the model itself.

        Args:
            prompt: at least one token.

        Returns:
            The state.
        """
        return self.bidder.init(prompt)

    def step(self, state: PyTree, token: Int[Array, ""]) -> tuple[Float[Array, " vocab"], PyTree]:
        """Raises what the model says to a power.

        Args:
            state: of the model.
            token: the token that came.

        Returns:
            Log probabilities of the next token, and the state of the model.
        """
        log_probs, state = self.bidder.step(state, token)
        # Measured from the most likely token's, so that a low temperature does not overflow.
        is_possible = log_probs > -jnp.inf
        best = jax.lax.stop_gradient(log_probs.max())
        lag = jnp.where(is_possible, log_probs - best, 0)
        logits = lag / jnp.asarray(self.temperature, lag.dtype)
        return jax.nn.log_softmax(jnp.where(is_possible, logits, -jnp.inf)), state


class TopP(Bidder):
    """The model cut to its nucleus: the fewest most likely tokens whose mass reaches `mass`.

    Tokens outside have log probability `-inf`, those inside are normalised. Among equally likely
    tokens at the edge the lower numbers are kept. The most likely token is always kept, at a mass
    of one every possible token. Whether the mass is reached is decided up to the rounding of a
    cumulative sum, 1e-6 in float32 and 1e-15 in float64. The set is a step function of the
    probabilities: derivatives are those at a fixed set.

    Source: Holtzman, Buys, Du, Forbes and Choi, "The Curious Case of Neural Text Degeneration"
    (2020), section 3.1.

    Attributes:
        bidder: the model.
        mass: in (0, 1].

    Raises:
        TypeError: no `Bidder`, a mass that is not a real number.
        ValueError: a mass outside (0, 1].

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions.bidders import MarkovBidder, TopP
        >>> base = MarkovBidder(jnp.log(jnp.array([[0.6, 0.3, 0.1]] * 3)))
        >>> bidder = TopP(base, mass=0.8)
        >>> log_probs, state = bidder.step(bidder.init(jnp.array([0])), jnp.array(0))
        >>> [round(float(p), 3) for p in jnp.exp(log_probs)]
        [0.667, 0.333, 0.0]
    """

    bidder: Bidder
    mass: Float[Array, ""] = eqx.field(converter=as_number("mass", largest=1.0))

    def __check_init__(self):
        check_bidder("bidder", self.bidder)

    @property
    def vocab_size(self) -> int:
        """Number of tokens; static."""
        return self.bidder.vocab_size

    def init(self, prompt: Int[Array, " time"]) -> PyTree:
        """The state of the model itself.

        Args:
            prompt: at least one token.

        Returns:
            The state.
        """
        return self.bidder.init(prompt)

    def step(self, state: PyTree, token: Int[Array, ""]) -> tuple[Float[Array, " vocab"], PyTree]:
        """Cuts off the tail of what the model says.

        Args:
            state: of the model.
            token: the token that came.

        Returns:
            Log probabilities of the next token, and the state of the model.
        """
        log_probs, state = self.bidder.step(state, token)
        is_kept = _nucleus(log_probs, jnp.asarray(self.mass, log_probs.dtype))
        return jax.nn.log_softmax(jnp.where(is_kept, log_probs, -jnp.inf)), state


def _nucleus(log_probs, mass):
    """True for the tokens of the nucleus."""
    order = jnp.argsort(-log_probs, stable=True)
    reached = jnp.cumsum(jnp.exp(log_probs[order]))
    before = jnp.concatenate([jnp.zeros((1,), reached.dtype), reached[:-1]])
    return jnp.zeros(log_probs.shape, bool).at[order].set((before < mass) | (mass >= 1))
