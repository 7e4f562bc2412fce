"""A language model tilted towards a reward."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ... import engine
from .bidder import Bidder, check_bidder
from .parameters import as_number, as_vector


class TiltedBidder(Bidder):
    """The model `p ∝ p_0 exp(reward / temperature)` over a base model `p_0`.

    It maximises the expected reward minus `temperature` times the Kullback-Leibler divergence to
    the base model. Tokens that are impossible under the base model stay so.

    Attributes:
        base: p_0.
        reward: (vocab,), finite, in nats times the temperature.
        temperature: > 0; small ones follow the reward, large ones the base model.

    Raises:
        TypeError: a base that is no `Bidder`, numbers of the wrong type.
        ValueError: a reward that is not one finite number per token, or a temperature that is not
            positive and finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions.bidders import MarkovBidder, TiltedBidder
        >>> base = MarkovBidder(jnp.log(jnp.full((2, 2), 0.5)))
        >>> bidder = TiltedBidder(base, reward=jnp.log(jnp.array([3.0, 1.0])), temperature=1.0)
        >>> log_probs, state = bidder.step(bidder.init(jnp.array([0])), jnp.array(0))
        >>> [round(float(p), 3) for p in jnp.exp(log_probs)]
        [0.75, 0.25]
    """

    base: Bidder
    reward: Float[Array, " vocab"] = eqx.field(converter=as_vector("reward", "vocab"))
    temperature: Float[Array, ""] = eqx.field(converter=as_number("temperature"))

    def __check_init__(self):
        check_bidder("base", self.base)
        engine.check_array("reward", self.reward, (self.base.vocab_size,))

    @property
    def vocab_size(self) -> int:
        """Number of tokens; static."""
        return self.base.vocab_size

    def init(self, prompt: Int[Array, " time"]) -> PyTree:
        """The state of the base model.

        Args:
            prompt: at least one token.

        Returns:
            The state.
        """
        return self.base.init(prompt)

    def step(self, state: PyTree, token: Int[Array, ""]) -> tuple[Float[Array, " vocab"], PyTree]:
        """Tilts what the base model says.

        Args:
            state: of the base model.
            token: the token that came.

        Returns:
            Log probabilities of the next token, and the state of the base model.
        """
        log_probs, state = self.base.step(state, token)
        is_possible = log_probs > -jnp.inf
        reward = jnp.asarray(self.reward, log_probs.dtype)
        temperature = jnp.asarray(self.temperature, log_probs.dtype)
        # Rewards are measured from the best possible token's, so that none overflows.
        best = jax.lax.stop_gradient(jnp.max(jnp.where(is_possible, reward, -jnp.inf)))
        tilt = jnp.where(is_possible, reward - best, 0) / temperature
        return jax.nn.log_softmax(log_probs + tilt), state
