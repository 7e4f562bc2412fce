"""What the experiments on agent games share: how worlds are spread, shown and saved."""

from typing import Any

import jax

from .. import engine
from .context import Context

PAPER = "Wu et al. (2024)"
LARGEST_Z = 4.5
"""Standard errors of a difference that chance passes once in 150,000 times."""


def drive(context: Context, name: str) -> dict[str, Any]:
    """Settings of a run over many worlds.

    Args:
        context: of the experiment.
        name: of the run, for its progress bar and its checkpoint.

    Returns:
        `mesh` over all devices where there are several, `progress`, and `checkpoint`; none at
        quick scale, where it takes longer to compare a run with what is saved than to run it again.
    """
    is_quick = context.scale == "quick"
    return {
        "mesh": engine.replicate_mesh() if jax.device_count() > 1 else None,
        "progress": context.progress(name, unit="batches"),
        "checkpoint": None if is_quick else context.checkpoint(name),
    }
