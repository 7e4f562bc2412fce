"""Random keys from what a user gives."""

from typing import Any

import jax

from .. import engine


def random_key(seed: Any) -> jax.Array:
    """The key of a seed.

    Args:
        seed: an int, at least 0, or a typed key, which stays as it is.

    Returns:
        A typed key.

    Raises:
        TypeError: neither.
        ValueError: an int below 0, an array of keys.
    """
    if isinstance(seed, jax.Array):
        engine.check_key(seed)
        return seed
    engine.check_count("seed", seed, 0)
    return jax.random.key(seed)
