"""Fictional brands that advertise in one text, and their n-gram models."""

import dataclasses
import importlib.resources

from .fitting import fit_ngram
from .ngram import NGramBidder
from .smoothing import BackOff
from .tokenizer import END, WordTokenizer

OWN_COPIES = 20
SHARES = 0.999


@dataclasses.dataclass(frozen=True)
class BrandPair:
    """Two fictional brands and the query that both want to answer.

    Attributes:
        names: of the brands.
        query: what a user has asked.
    """

    names: tuple[str, str]
    query: str

    @property
    def prompt(self) -> str:
        """The query and the end of its text: an advertisement comes next."""
        return f"{self.query} {END}"


PARTNERS = BrandPair(("Alpha Airlines", "Beta Resort"), "vacations in Hawaii")
RIVALS = BrandPair(("Gamma Airlines", "Theta Airlines"), "flights to Hawaii")


def brand_texts(pair: BrandPair) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Advertisements of two brands, of two or three sentences each.

    The brands share openings and connecting words, so that their models blend.

    Args:
        pair: `PARTNERS`, an airline and a resort that gain from each other's customers, or
            `RIVALS`, two airlines that compete.

    Returns:
        The texts of the first and of the second brand.

    Raises:
        ValueError: another pair.

    Example:
        >>> from jaxpapers.auctions.bidders import PARTNERS, brand_texts
        >>> airline, resort = brand_texts(PARTNERS)
        >>> print(resort[1])
        Ready for paradise? Book your room at Beta Resort and leave the winter behind.
    """
    if pair not in (PARTNERS, RIVALS):
        raise ValueError(f"pair must be PARTNERS or RIVALS, got {pair!r}.")
    return _texts(pair.names[0]), _texts(pair.names[1])


def brand_bidders(
    pair: BrandPair, *, order: int = 3
) -> tuple[WordTokenizer, tuple[NGramBidder, NGramBidder]]:
    """N-gram models of two brands that answer `pair.prompt`.

    Each model is fitted on the texts of its own brand twenty times and on those of the other brand
    once: like a language model that has been told which brand it speaks for, it knows how to go on
    where the other has begun, but would rarely begin so itself.

    Args:
        pair: `PARTNERS` or `RIVALS`.
        order: n of the n-grams; at three and more texts read well.

    Returns:
        The tokenizer of all four brands, which is the same for both pairs, and the two models.

    Raises:
        TypeError: an order that is not an int.
        ValueError: another pair, or an order below 1.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers.auctions.bidders import PARTNERS, brand_bidders
        >>> tokenizer, (airline, resort) = brand_bidders(PARTNERS)
        >>> prompt = jnp.asarray(tokenizer.encode(PARTNERS.prompt))
        >>> log_probs, state = airline.step(airline.init(prompt), prompt[-1])
        >>> tokenizer.words[int(log_probs.argmax())]
        'ready'
    """
    own = brand_texts(pair)
    everything = [*brand_texts(PARTNERS), *brand_texts(RIVALS), (PARTNERS.query, RIVALS.query)]
    tokenizer = WordTokenizer.of([text for texts in everything for text in texts])
    first, second = ([tokenizer.encode(f"{END} {t} {END}") for t in texts] for texts in own)

    def fitted(texts, others):
        return fit_ngram(
            [*OWN_COPIES * texts, *others],
            vocab_size=tokenizer.vocab_size,
            order=order,
            smoothing=BackOff(SHARES),
        )

    return tokenizer, (fitted(first, second), fitted(second, first))


def _texts(name: str) -> tuple[str, ...]:
    """Advertisements of one brand, one per line of its file."""
    folder = importlib.resources.files(__spec__.parent) / "texts"
    file = folder / f"{name.lower().replace(' ', '_')}.txt"
    return tuple(file.read_text("utf-8").splitlines())
