"""Who bids in an auction of a text: fictional brands, or brands of the user's own texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from .. import auctions
from ..auctions.bidders.brands import OWN_COPIES, SHARES
from ..auctions.bidders.tokenizer import END
from .auction_settings import chosen_pair
from .names import listed, unknown_name

ORDER = 3


@dataclass(frozen=True, eq=False)
class AuctionAgents:
    """Agents with names, over one vocabulary.

    Attributes:
        names: of the agents.
        tokenizer: of all their texts.
        bidders: their models.
        prompt: what all have read.
    """

    names: tuple[str, ...]
    tokenizer: auctions.WordTokenizer
    bidders: tuple[auctions.NGramBidder, ...]
    prompt: str

    @property
    def prompt_tokens(self) -> Int[np.ndarray, " time"]:
        """Tokens of the prompt and of the end of its text."""
        return self.tokenizer.encode(self.prompt_text)

    @property
    def prompt_text(self) -> str:
        """The prompt and the end of its text."""
        return f"{self.prompt} {END}".strip()


def named_agents(brands: Any, prompt: str | None) -> AuctionAgents:
    """The agents of a pair of fictional brands, or of texts.

    Args:
        brands: "partners", "rivals", a `BrandPair`, or names with the texts of each.
        prompt: what all have read; None for the query of the pair, or nothing.

    Returns:
        The agents, each with an n-gram model that knows its own texts well and those of the
        others a little. Computed in the precision that JAX has here.

    Raises:
        TypeError: something else, or texts that are no strings.
        ValueError: an unknown pair, no agents, names or texts that are empty, a prompt for a pair
            in words that it does not know.
    """
    if isinstance(brands, Mapping):
        return _of_texts(_checked_texts(brands), _checked_prompt(prompt))
    pair = chosen_pair(brands) if isinstance(brands, str) else brands
    if not isinstance(pair, auctions.BrandPair):
        raise TypeError(
            f"brands is a {type(brands).__name__}; needed is 'partners', 'rivals', or a dict from "
            "names of agents to lists of texts"
        )
    tokenizer, bidders = auctions.brand_bidders(pair, order=ORDER)
    words = pair.query if prompt is None else _checked_prompt(prompt)
    tokenizer.encode(words)
    return AuctionAgents(pair.names, tokenizer, bidders, words)


def agent_bids(bids: Any, names: tuple[str, ...]) -> Float[np.ndarray, " agent"]:
    """Bids in the order of the agents.

    Args:
        bids: one number per agent in their order, or a dict from names to numbers.
        names: of the agents.

    Returns:
        The bids, float64.

    Raises:
        TypeError: bids that are no numbers.
        ValueError: another number of bids than of agents, names that do not exist or are missing,
            bids that are negative or not finite.
    """
    numbers = _in_order(bids, names)
    for name, number in zip(names, numbers, strict=True):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError(f"the bid of {name!r} is {number!r}; needed is a number")
        if not (np.isfinite(number) and number >= 0):
            raise ValueError(f"the bid of {name!r} is {number}; bids are finite and at least 0")
    return np.asarray(numbers, np.float64)


def _in_order(bids, names):
    if isinstance(bids, Mapping):
        for name in bids:
            if name not in names:
                raise ValueError(unknown_name("agent", str(name), names))
        missing = [name for name in names if name not in bids]
        if missing:
            raise ValueError(f"bids has no number for {listed(missing)}")
        return [bids[name] for name in names]
    if isinstance(bids, str) or not isinstance(bids, Sequence | np.ndarray):
        raise TypeError(f"bids is {bids!r}; needed is one number per agent: {listed(names)}")
    if np.ndim(bids) != 1 or len(bids) != len(names):
        shown = f"{len(bids)} numbers" if np.ndim(bids) == 1 else f"shape {np.shape(bids)}"
        raise ValueError(
            f"bids has {shown} for {len(names)} agents; needed is one for each of {listed(names)}"
        )
    return [bid.item() if isinstance(bid, np.generic) else bid for bid in bids]


def _checked_prompt(prompt: Any) -> str:
    if prompt is not None and not isinstance(prompt, str):
        raise TypeError(f"prompt is a {type(prompt).__name__}; needed is a text")
    return "" if prompt is None else prompt.strip()


def _checked_texts(brands: Mapping[Any, Any]) -> dict[str, list[str]]:
    """Texts by name, all of them known to hold words."""
    if not brands:
        raise ValueError("brands has no agents; needed is at least one name with its texts")
    checked: dict[str, list[str]] = {}
    for name, texts in brands.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"an agent has the name {name!r}; needed is a text that is not empty")
        if isinstance(texts, str) or not isinstance(texts, Sequence):
            raise TypeError(f"texts of {name!r} must be a list of texts, got {texts!r:.60}")
        if not texts:
            raise ValueError(f"there are no texts of {name!r}; needed is at least one")
        for number, text in enumerate(texts, start=1):
            if not isinstance(text, str):
                raise TypeError(f"text {number} of {name!r} is {text!r:.60}; needed is a string")
            if not text.replace(END, "").strip():
                raise ValueError(f"text {number} of {name!r} is empty; leave it out")
        checked[name] = list(texts)
    return checked


def _of_texts(texts: dict[str, list[str]], prompt: str) -> AuctionAgents:
    """Models of every agent, fitted as those of `auctions.brand_bidders` are."""
    everything = [text for own in texts.values() for text in own]
    tokenizer = auctions.WordTokenizer.of([*everything, prompt])
    encoded = {
        name: [tokenizer.encode(f"{END} {text} {END}") for text in own]
        for name, own in texts.items()
    }

    def fitted(name):
        others = [text for other, own in encoded.items() if other != name for text in own]
        return auctions.fit_ngram(
            [*OWN_COPIES * encoded[name], *others],
            vocab_size=tokenizer.vocab_size,
            order=ORDER,
            smoothing=auctions.BackOff(SHARES),
        )

    return AuctionAgents(tuple(texts), tokenizer, tuple(map(fitted, texts)), prompt)
