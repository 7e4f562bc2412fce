"""What an agent that is a language model offers."""

import abc
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ... import engine


class Bidder(eqx.Module):
    """One agent: a language model over one vocabulary, read one token at a time.

    A final bidder holds the model's numbers as array leaves and its structure as static fields.
    Its methods are pure and take one case, so that they fit `jax.jit`, `jax.vmap` and
    `jax.lax.scan`. The state is any pytree of arrays that keeps its structure, its shapes and its
    dtypes from step to step: nothing for a Markov model, the last tokens for an n-gram, a cache
    of keys and values for a transformer.
    """

    @property
    @abc.abstractmethod
    def vocab_size(self) -> int:
        """Number of tokens; static."""

    @abc.abstractmethod
    def init(self, prompt: Int[Array, " time"]) -> PyTree:
        """State after all tokens of the prompt but the last.

        The last one is the first to be given to `step`.

        Args:
            prompt: at least one token, each in [0, vocab_size).

        Returns:
            The state.

        Raises:
            TypeError: the prompt is not an array of integers.
            ValueError: it is not one-dimensional, is empty, or, where its values are known, holds
                a token outside [0, vocab_size).
        """

    @abc.abstractmethod
    def step(self, state: PyTree, token: Int[Array, ""]) -> tuple[Float[Array, " vocab"], PyTree]:
        """Reads one token.

        Args:
            state: as `init` or the previous step gave it.
            token: the token that came, in [0, vocab_size); not checked.

        Returns:
            Natural-log probabilities of the next token, `-inf` where it is impossible, and the
            state after the token.
        """


def check_bidder(name: str, value: Any) -> None:
    """Checks that a value is a `Bidder`.

    Args:
        name: what the caller calls it.
        value: the argument.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, Bidder):
        raise TypeError(f"{name} must be a Bidder, got {type(value).__name__}.")


def check_tokens(name: str, tokens: Any, shape: tuple[int | str, ...], vocab_size: int) -> None:
    """Checks tokens: integers of a shape and, where they are concrete, inside the vocabulary.

    Args:
        name: what the caller calls them.
        tokens: the argument.
        shape: as `engine.check_array` takes it.
        vocab_size: number of tokens.

    Raises:
        TypeError: not an array of integers.
        ValueError: of another shape, or a token outside [0, vocab_size).
    """
    engine.check_array(name, tokens, shape, "integer")
    if not engine.is_concrete(tokens):
        return
    values = np.asarray(tokens)
    outside = values[(values < 0) | (values >= vocab_size)]
    if outside.size:
        raise ValueError(f"{name} must hold tokens in [0, {vocab_size}), got {outside.flat[0]}.")


def check_prompt(name: str, prompt: Any, vocab_size: int) -> None:
    """Checks one prompt.

    Args:
        name: what the caller calls it.
        prompt: the argument.
        vocab_size: number of tokens.

    Raises:
        TypeError: not an array of integers.
        ValueError: not one-dimensional, empty, or a token outside [0, vocab_size).
    """
    check_tokens(name, prompt, ("time",), vocab_size)
    if not prompt.shape[0]:
        raise ValueError(f"{name} must hold at least one token, got none.")


def check_same_vocabulary(sizes: Mapping[str, int]) -> None:
    """Checks that models share one vocabulary.

    Args:
        sizes: for each name of a model its number of tokens.

    Raises:
        ValueError: two of them differ.
    """
    (first, size), *others = sizes.items()
    for name, other in others:
        if other != size:
            raise ValueError(
                f"all bidders must share one vocabulary: {first} has vocab_size {size}, "
                f"{name} has vocab_size {other}."
            )
