"""Four papers as one numerical engine on JAX: fast, tested, and the same on CPU and GPU.

`jaxpapers.copulas`: skew-t factor copulas by variational Bayes. `jaxpapers.ranks`: regressions
with ranks and the inference that is right for them. `jaxpapers.auctions`: token auctions between
language models. `jaxpapers.games`: competing agents that may come to cooperate. All stand on
`jaxpapers.numerics` (special kernels) and `jaxpapers.engine` (how programs run). On them stand
`jaxpapers.frames` (data frames and formulas), `jaxpapers.plots` (figures) and
`jaxpapers.experiments` (the papers' tables and figures as recipes).

Subpackages load on first use; importing this package touches no device.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import auctions, copulas, engine, experiments, frames, games, numerics, plots, ranks

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "auctions",
    "copulas",
    "engine",
    "experiments",
    "frames",
    "games",
    "numerics",
    "plots",
    "ranks",
]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
