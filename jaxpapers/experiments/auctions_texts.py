"""Texts of two fictional brands at many shares of the bids: sold, measured, and whose words."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .. import auctions
from ..auctions.bidders.tokenizer import END, SENTENCE_END
from ..auctions.welfare import measure
from .context import Context

PAIRS = {"partners": auctions.PARTNERS, "rivals": auctions.RIVALS}
BATCH_SIZE = 32
NUM_CHECKED_BIDS = 11
ORDER = 3
BEFORE_SENTENCES = SENTENCE_END | {END}


@dataclasses.dataclass(frozen=True, eq=False)
class Brands:
    """Two brands that can speak.

    Attributes:
        pair: names and query.
        tokenizer: of both.
        bidders: their models.
        owners: for each token the brand that alone uses it, -1 where none does.
    """

    pair: auctions.BrandPair
    tokenizer: auctions.WordTokenizer
    bidders: tuple[auctions.NGramBidder, ...]
    owners: Int[np.ndarray, " vocab"]

    @property
    def prompt(self) -> Int[Array, " time"]:
        """Tokens that both have read."""
        return jnp.asarray(self.tokenizer.encode(self.pair.prompt))


def all_brands() -> dict[str, Brands]:
    """Both pairs; their models have one size, so that compiled programs serve both.

    Returns:
        The pairs by name.
    """
    fitted = {name: auctions.brand_bidders(pair, order=ORDER) for name, pair in PAIRS.items()}
    size = max(bidder.log_rows.shape[0] for _, pair in fitted.values() for bidder in pair)
    return {
        name: Brands(
            PAIRS[name],
            tokenizer,
            tuple(_padded(bidder, size) for bidder in bidders),
            _owners(PAIRS[name], tokenizer),
        )
        for name, (tokenizer, bidders) in fitted.items()
    }


def _padded(bidder: auctions.NGramBidder, size: int) -> auctions.NGramBidder:
    """The same model with nodes that no context leads to."""
    missing = size - bidder.log_rows.shape[0]
    first = bidder.log_rows.shape[0] * (bidder.vocab_size + 1)
    codes = first + jnp.arange(missing, dtype=jnp.int32)
    rows = jnp.broadcast_to(bidder.log_rows[:1], (missing, bidder.vocab_size))
    return auctions.NGramBidder(
        jnp.concatenate([bidder.codes, codes]),
        jnp.concatenate([bidder.log_rows, rows]),
        bidder.order,
    )


def _owners(pair, tokenizer):
    """Tokens by the brand that alone uses them."""
    used = np.zeros((2, tokenizer.vocab_size), bool)
    for brand, texts in enumerate(auctions.brand_texts(pair)):
        for text in texts:
            used[brand, tokenizer.encode(text)] = True
    return np.where(used[0] & ~used[1], 0, np.where(used[1] & ~used[0], 1, -1))


@dataclasses.dataclass(frozen=True, eq=False)
class Sold:
    """Texts at one share of the bids, in NumPy arrays.

    Attributes:
        tokens: of each text.
        is_moved: whether a token would have been another without an agent's bid.
        counterfactuals: that token.
        payments: by token and agent.
        pretraining: welfare `-sum b_i KL(p_i || q)`, the mean over the tokens of each text.
        rlhf: welfare `-sum b_i KL(q || p_i)`, the same.
    """

    tokens: Int[np.ndarray, "text time"]
    is_moved: Bool[np.ndarray, "text time agent"]
    counterfactuals: Int[np.ndarray, "text time agent"]
    payments: Float[np.ndarray, "text time agent"]
    pretraining: Float[np.ndarray, " text"]
    rlhf: Float[np.ndarray, " text"]

    @property
    def revenue(self) -> Float[np.ndarray, " text"]:
        """Payments of all agents per token, by text."""
        return self.payments.sum(axis=2).mean(axis=1)

    def first_share(self, owners: Int[np.ndarray, " vocab"]) -> Float[np.ndarray, " text"]:
        """Share of the first brand among the words that only one brand uses, by text.

        Args:
            owners: as `Brands.owners`.

        Returns:
            In [0, 1]; a half where a text has no such word.
        """
        whose = owners[self.tokens]
        first, second = ((whose == brand).sum(axis=1) for brand in (0, 1))
        return np.where(first + second > 0, first / np.maximum(first + second, 1), 0.5)


def sell(
    context: Context,
    brands: Brands,
    rule: auctions.Rule,
    payment: auctions.Payment,
    bid_share: float,
) -> Sold:
    """Sells texts with bids that sum to 1; draws are the same at every share and for every rule.

    Args:
        context: gives key and sizes.
        brands: who speaks.
        rule: how distributions are aggregated.
        payment: what is charged.
        bid_share: of the first brand, in [0, 1].

    Returns:
        The texts.
    """
    settings = context.settings
    found = _sell(
        context.key,
        rule,
        brands.bidders,
        jnp.asarray([bid_share, 1 - bid_share], jnp.result_type(float)),
        brands.prompt,
        payment,
        num_tokens=settings["num_tokens"],
        num_texts=settings["num_texts"],
    )
    return Sold(*map(np.asarray, found))


@functools.partial(jax.jit, static_argnames=("num_tokens", "num_texts"))
def _sell(key, rule, bidders, bids, prompt, payment, *, num_tokens, num_texts):
    texts = auctions.replicate(
        key,
        rule,
        bidders,
        bids,
        prompt,
        num_tokens=num_tokens,
        num_replicates=num_texts,
        batch_size=BATCH_SIZE,
        payment=payment,
    )

    def worth(tokens):
        log_probs = auctions.read(bidders, prompt, tokens)
        found = jax.vmap(lambda rows: measure(rule, bids, rows))(log_probs)
        return jnp.mean(found.pretraining), jnp.mean(found.rlhf)

    welfare = jax.lax.map(worth, texts.tokens, batch_size=min(BATCH_SIZE, num_texts))
    is_moved = texts.counterfactuals != texts.tokens[..., None]
    return texts.tokens, is_moved, texts.counterfactuals, texts.payments, *welfare


class Judged(NamedTuple):
    """One rule at the places of a text, at equal bids, in NumPy arrays.

    Attributes:
        violation: largest violation of robust monotonicity, a difference of probabilities.
        pretraining: welfare `-sum b_i KL(p_i || q)`.
        rlhf: welfare `-sum b_i KL(q || p_i)`.
    """

    violation: Float[np.ndarray, " time"]
    pretraining: Float[np.ndarray, " time"]
    rlhf: Float[np.ndarray, " time"]


def judge(brands: Brands, rule: auctions.Rule, tokens: Int[np.ndarray, " time"]) -> Judged:
    """Tries a rule at every place of a text.

    Args:
        brands: who speaks.
        rule: how distributions are aggregated.
        tokens: the text.

    Returns:
        By place, whoever's text it is: rules are tried on the same prefixes.
    """
    log_probs = auctions.read(brands.bidders, brands.prompt, jnp.asarray(tokens, jnp.int32))
    return Judged(*map(np.asarray, _judge(rule, log_probs)))


@jax.jit
def _judge(rule, log_probs):
    bids = jnp.full(log_probs.shape[1], 1 / log_probs.shape[1], log_probs.dtype)

    def at_place(rows):
        checked = auctions.check_monotonicity(rule, bids, rows, num_bids=NUM_CHECKED_BIDS)
        worth = measure(rule, bids, rows)
        return checked.violation, worth.pretraining, worth.rlhf

    return jax.lax.map(at_place, log_probs)


def written(brands: Brands, tokens: Any, instead: Any = None) -> list[str]:
    """Words of a text with capitals where sentences begin, ends of text as paragraph marks.

    Args:
        brands: whose words.
        tokens: the text.
        instead: for each token another one that is written in its place; None for itself.

    Returns:
        One string per token.
    """
    words, begins, found = brands.tokenizer.words, True, []
    for token, shown in zip(tokens, tokens if instead is None else instead, strict=True):
        word = words[shown].replace(END, "¶")
        found.append(word[0].upper() + word[1:] if begins else word)
        begins = words[token] in BEFORE_SENTENCES
    return found
