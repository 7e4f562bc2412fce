"""Language models mixed token by token."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ... import engine
from .bidder import Bidder, check_bidder, check_same_vocabulary
from .parameters import SUM_TOLERANCE, as_vector


class MixtureBidder(Bidder):
    """The model `p = sum_k weights_k p_k` at every token.

    Weights stay as they are, whatever was said before; members that have explained the text well
    do not gain. A member of weight zero has no say, and no derivative in its weight.

    Attributes:
        bidders: the members p_k, over one vocabulary.
        weights: (member,), at least 0, sum to 1.

    Raises:
        TypeError: members that are no `Bidder`, numbers of the wrong type.
        ValueError: no members, members of different vocabularies, another number of weights than
            of members, negative weights or weights that do not sum to one within 1e-5.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions.bidders import MarkovBidder, MixtureBidder
        >>> rows = jnp.array([[0.9, 0.1], [0.5, 0.5]])
        >>> members = (MarkovBidder(jnp.log(rows)), MarkovBidder(jnp.log(rows[::-1])))
        >>> bidder = MixtureBidder(members, weights=[0.25, 0.75])
        >>> log_probs, state = bidder.step(bidder.init(jnp.array([0])), jnp.array(0))
        >>> [round(float(p), 3) for p in jnp.exp(log_probs)]
        [0.6, 0.4]
    """

    bidders: tuple[Bidder, ...] = eqx.field(converter=tuple)
    weights: Float[Array, " member"] = eqx.field(converter=as_vector("weights", "member"))

    def __check_init__(self):
        if not self.bidders:
            raise ValueError("bidders must hold at least one member, got none.")
        for number, bidder in enumerate(self.bidders):
            check_bidder(f"bidders[{number}]", bidder)
        check_same_vocabulary({f"bidders[{k}]": b.vocab_size for k, b in enumerate(self.bidders)})
        engine.check_array("weights", self.weights, (len(self.bidders),))
        if engine.is_concrete(self.weights):
            weights = np.asarray(self.weights, np.float64)
            if (weights < 0).any() or abs(weights.sum() - 1) > SUM_TOLERANCE:
                raise ValueError(f"weights must be at least 0 and sum to 1, got {weights}.")

    @property
    def vocab_size(self) -> int:
        """Number of tokens; static."""
        return self.bidders[0].vocab_size

    def init(self, prompt: Int[Array, " time"]) -> PyTree:
        """The states of the members.

        Args:
            prompt: at least one token.

        Returns:
            A tuple of states.
        """
        return tuple(bidder.init(prompt) for bidder in self.bidders)

    def step(self, state: PyTree, token: Int[Array, ""]) -> tuple[Float[Array, " vocab"], PyTree]:
        """Mixes what the members say.

        Args:
            state: of the members.
            token: the token that came.

        Returns:
            Log probabilities of the next token, and the states of the members.
        """
        pairs = [b.step(s, token) for b, s in zip(self.bidders, state, strict=True)]
        log_probs = jnp.stack([log_prob for log_prob, _ in pairs])
        weights = jnp.asarray(self.weights, log_probs.dtype)[:, None]
        has_say = weights > 0
        log_weights = jnp.log(jnp.where(has_say, weights, 1))
        terms = jnp.where(has_say, log_weights + log_probs, -jnp.inf)
        is_possible = (terms > -jnp.inf).any(axis=0)
        safe = jnp.where(is_possible[None], terms, 0)
        mixed = jnp.where(is_possible, jax.nn.logsumexp(safe, axis=0), -jnp.inf)
        return mixed, tuple(member for _, member in pairs)
