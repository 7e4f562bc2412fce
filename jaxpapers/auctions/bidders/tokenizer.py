"""Texts to tokens and back, by words."""

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from ... import engine

END = "<end>"
PIECE = re.compile(
    r"<end>"
    r"|\$?\d+(?:[.,:]\d+)*%?(?![\w-])"  # numbers, prices, times, percentages
    r"|[^\W_]+(?:['’-][^\W_]+)*"  # words, with apostrophes and hyphens inside
    r"|\.{3}"
    r"|\S"
)
SENTENCE_END = frozenset(".!?")
NO_SPACE_BEFORE = frozenset((*".,!?;:)]}%”’'…", "..."))
NO_SPACE_AFTER = frozenset("([{“‘$#")
NUM_SUGGESTIONS = 3


@dataclasses.dataclass(frozen=True)
class WordTokenizer:
    """Tokens are words, numbers, punctuation marks and the end of a text, `<end>`.

    A word keeps its capital letter, except where it begins a sentence and is not always written
    so: there it is the same token as inside a sentence, and `decode` gives the capital back.

    Attributes:
        words: the word of each token, `<end>` among them.

    Raises:
        ValueError: no `<end>`, or one word twice.

    Example:
        >>> from jaxpapers.auctions.bidders import WordTokenizer
        >>> tokenizer = WordTokenizer.of(
        ...     ["Fly to Hawaii. We fly daily.", "Hawaii, we love Hawaii!"]
        ... )
        >>> tokens = tokenizer.encode("We love Hawaii. We fly to Hawaii daily!")
        >>> print(len(tokens), tokenizer.decode(tokens))
        10 We love Hawaii. We fly to Hawaii daily!
    """

    words: tuple[str, ...]

    def __post_init__(self):
        if END not in self.words:
            raise ValueError(f"words must hold {END!r}, the end of a text.")
        if len(self._numbers) != len(self.words):
            raise ValueError("words must differ; one is given twice.")

    @classmethod
    def of(cls, texts: Iterable[str]) -> "WordTokenizer":
        """The tokenizer of all words in texts, `<end>` first and the others in alphabetic order.

        Args:
            texts: the texts.

        Returns:
            A tokenizer that encodes all of them.

        Raises:
            TypeError: one string instead of several, or something else than strings.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be several strings, got one; put it into a list.")
        pieces = [piece for text in texts for piece in _pieces(text)]
        inside = {word for word, is_first in pieces if not is_first}
        first = {word for word, is_first in pieces if is_first}
        found = inside | {word if word in inside else _lowered(word) for word in first}
        return cls((END, *sorted(found - {END})))

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return len(self.words)

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, text: str) -> np.ndarray:
        """Tokens of a text; `<end>` inside the text is one token.

        Args:
            text: any text in the words of the tokenizer; line breaks count as spaces.

        Returns:
            (time,), int32.

        Raises:
            TypeError: not a string.
            ValueError: a word that the tokenizer does not know; the message names the nearest.
        """
        return np.array([self._token(*piece) for piece in _pieces(text)], np.int32)

    def _token(self, word: str, is_first: bool) -> int:
        if is_first and word not in self._numbers:
            word = _lowered(word)
        if word not in self._numbers:
            near = difflib.get_close_matches(word, self.words, NUM_SUGGESTIONS)
            hint = f"nearest: {', '.join(map(repr, near))}" if near else "nothing is near it"
            raise ValueError(f"{word!r} is not in the vocabulary; {hint}.")
        return self._numbers[word]

    def decode(self, tokens: Any) -> str:
        """The text of tokens, spaced and capitalised as one writes.

        `decode(encode(text))` is the text with single spaces, if its sentences, those behind a
        quotation that ends like one included, begin with capital letters and its straight double
        quotes come in pairs.

        Args:
            tokens: (time,), integers in [0, vocab_size).

        Returns:
            The text; ends of text become line breaks, those at the end nothing.

        Raises:
            TypeError: not an array of integers.
            ValueError: not one-dimensional, or a token outside the vocabulary.
        """
        engine.check_array("tokens", tokens, ("time",), "integer")
        tokens = np.asarray(jax.device_get(tokens))
        outside = tokens[(tokens < 0) | (tokens >= self.vocab_size)]
        if outside.size:
            raise ValueError(f"tokens must lie in [0, {self.vocab_size}), got {outside[0]}.")
        return "".join(_written(self.words[token] for token in tokens)).strip()


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Words and marks of a text, and whether each begins a sentence."""
    if not isinstance(text, str):
        raise TypeError(f"a text must be a string, got {type(text).__name__}.")
    begins = True
    for piece in PIECE.findall(text):
        yield piece, begins
        begins = _begins_after(piece, begins)


def _begins_after(piece: str, begins: bool) -> bool:
    """Whether the next word begins a sentence: after its end, and behind quotes and brackets."""
    is_word = any(letter.isalnum() for letter in piece) and piece != END
    return piece == END or piece in SENTENCE_END or (begins and not is_word)


def _lowered(word: str) -> str:
    """The word without the capital of a sentence; `USA` and `iPhone` stay."""
    return word.lower() if word[1:] == word[1:].lower() else word


def _written(words: Iterable[str]) -> Iterator[str]:
    """Words with the spaces and capitals that belong before them."""
    begins, is_joined, is_quoted = True, True, False
    for word in words:
        if word == END:
            yield "\n"
            begins, is_joined, is_quoted = True, True, False
            continue
        closes = word in NO_SPACE_BEFORE or (word == '"' and is_quoted)
        yield "" if is_joined or closes else " "
        yield word[0].upper() + word[1:] if begins else word
        is_joined = word in NO_SPACE_AFTER or (word == '"' and not is_quoted)
        is_quoted ^= word == '"'
        begins = _begins_after(word, begins)
