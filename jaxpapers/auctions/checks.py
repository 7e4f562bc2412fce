"""Checks of arguments that several verbs of auctions share."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import engine

LARGEST_GAP = 1e-4
"""How far the sum of a distribution may be from one."""


def check_kind(name: str, value: Any, kind: type) -> None:
    """Checks that an argument is a module of a kind.

    Args:
        name: what the caller calls it.
        value: the argument.
        kind: its class.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")


def check_bids(bids: Any, num_tokens: int, num_agents: int) -> Float[Array, "time agent"]:
    """Checks bids, fixed for a text or given per token; values only where they are known.

    Args:
        bids: `(agent,)` or `(time, agent)`.
        num_tokens: tokens of the text.
        num_agents: number of agents.

    Returns:
        One row per token.

    Raises:
        TypeError: not an array of numbers.
        ValueError: of another shape, negative or not finite.
    """
    shape = (num_tokens, num_agents) if np.ndim(bids) == 2 else (num_agents,)
    engine.check_array("bids", bids, shape)
    if engine.is_concrete(bids):
        values = np.asarray(bids)
        bad = np.argwhere(~(np.isfinite(values) & (values >= 0)))
        if len(bad):
            where = ", ".join(str(int(i)) for i in bad[0])
            raise ValueError(
                f"bids must be finite and at least 0, got {values[tuple(bad[0])]} at [{where}]"
            )
    dtype = jnp.result_type(bids, float)
    return jnp.broadcast_to(jnp.asarray(bids, dtype), (num_tokens, num_agents))


def check_distributions(name: str, log_probs: Any) -> None:
    """Checks that concrete log-probabilities sum to one along their last axis.

    Args:
        name: what the caller calls them.
        log_probs: any leading axes.

    Raises:
        ValueError: a row whose probabilities do not sum to one.
    """
    if not engine.is_concrete(log_probs):
        return
    totals = np.exp(np.asarray(log_probs, np.float64)).sum(axis=-1)
    bad = np.argwhere(~(np.abs(totals - 1) < LARGEST_GAP))
    if len(bad):
        where = f" in row [{', '.join(str(int(i)) for i in bad[0])}]" if totals.ndim else ""
        raise ValueError(
            f"{name} must be natural logarithms of probabilities that sum to one, got a sum of "
            f"{float(totals[tuple(bad[0])]):.6g}{where}; use jax.nn.log_softmax on logits"
        )
