"""Bidders of every kind over one small vocabulary, and their tolerances."""

import jax
import jax.numpy as jnp
import numpy as np
from tolerances import Tolerance

from jaxpapers.auctions import bidders

VOCAB_SIZE = 5
ROUNDING = Tolerance(1e-12, "asked for; tens of float64 operations on logarithms of order ten")
ROUNDING_SINGLE = Tolerance(2e-6, "float32 rounding of logarithms of order ten, summed five times")
SUM = Tolerance(1e-12, "asked for sums of probabilities in float64")
SUM_SINGLE = Tolerance(1e-6, "asked for sums of probabilities in float32")
SLOPE = Tolerance(1e-7, "central differences with step 1e-5 of smooth functions of order one")

# Rows with ties, an impossible token, a certain token, and none of these.
PROBABILITIES = np.array(
    [
        [0.25, 0.25, 0.25, 0.25, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0],
        [0.1, 0.4, 0.1, 0.3, 0.1],
        [0.35, 0.05, 0.3, 0.2, 0.1],
        [0.2, 0.2, 0.2, 0.2, 0.2],
    ]
)
OTHER = np.array([0.5, 0.0, 0.25, 0.0, 0.25])
REWARD = np.array([0.3, -1.2, 2.0, 0.0, -0.4])
TEXTS = [np.array(text, np.int32) for text in ([0, 1, 2, 1, 2, 3], [2, 1, 2, 3, 0], [4])]


def log(probabilities):
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


def markov(rows=PROBABILITIES):
    return bidders.MarkovBidder(jnp.asarray(log(rows)))


def other():
    return markov(np.tile(OTHER, (VOCAB_SIZE, 1)))


def ngram(order=3, smoothing=None):
    smoothing = smoothing or bidders.BackOff(0.8)
    return bidders.fit_ngram(TEXTS, vocab_size=VOCAB_SIZE, order=order, smoothing=smoothing)


KINDS = {
    "markov": markov,
    "unigram": lambda: ngram(1),
    "trigram": ngram,
    "zipf": lambda: bidders.zipf_markov(jax.random.key(2), vocab_size=VOCAB_SIZE, exponent=1.0),
    "tilted": lambda: bidders.TiltedBidder(markov(), REWARD, 0.7),
    "mixture": lambda: bidders.MixtureBidder((markov(), ngram()), [0.3, 0.7]),
    "tempered": lambda: bidders.Tempered(ngram(), 0.6),
    "top-p": lambda: bidders.TopP(ngram(), 0.75),
    "nested": lambda: bidders.TopP(
        bidders.MixtureBidder((bidders.Tempered(ngram(), 2.0), other()), [0.5, 0.5]), 0.9
    ),
}


def rounding(x64):
    return ROUNDING if x64 else ROUNDING_SINGLE


@jax.jit
def answers(bidder, prompts):
    """Log probabilities after each prompt (prompt, time)."""

    def answer(prompt):
        return bidder.step(bidder.init(prompt), prompt[-1])[0]

    return jax.vmap(answer)(prompts)


def every_prompt(length):
    """All texts of a length, (VOCAB_SIZE ** length, length)."""
    grid = np.indices((VOCAB_SIZE,) * length, dtype=np.int32)
    return grid.reshape(length, -1).T


def rows_of(bidder):
    """Probabilities of the next token after each token, (vocab, vocab)."""
    return np.exp(np.asarray(answers(bidder, every_prompt(1)), np.float64))
