"""Sessions of Q-learning firms, labelled."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import engine, games
from ..engine import Status
from .auction_settings import check_precision
from .copula_settings import Precision
from .game_datasets import to_dataset
from .game_results import LabelledFiles
from .game_summary import summarise_sessions
from .seeds import random_key
from .summary import Summary

if TYPE_CHECKING:
    import pandas
    import xarray

QUALITY = 2.0
MOST_FIRMS = 4
PUBLISHED = {2: 0.85, 3: 0.64, 4: 0.56}
"""Mean collusion index of the baseline by number of firms, Calvano et al. (2020)."""
BASELINE = {"learning_rate": 0.15, "decay": 4e-6, "discount": 0.95, "num_prices": 15}


@dataclass(frozen=True)
class CalvanoSettings:
    """How sessions were played.

    Attributes:
        num_sessions: how many.
        num_firms: in the market.
        learning_rate: alpha.
        decay: beta, per period.
        discount: factor per period.
        num_prices: of each firm.
        patience: periods without a change after which a session ended.
        precision: "double" or "single".
        seed: of all randomness; None where a key was given.
    """

    num_sessions: int
    num_firms: int
    learning_rate: float
    decay: float
    discount: float
    num_prices: int
    patience: int
    precision: Precision
    seed: int | None


@dataclass(frozen=True, eq=False, repr=False)
class CalvanoResult(LabelledFiles):
    """Sessions of Q-learning firms that played until their prices stood still.

    Attributes:
        sessions: in NumPy arrays; see `games.Sessions`.
        collusion_index: Delta of each session on its limit cycle, 0 at competitive and 1 at
            cartel profits.
        settings: how they were played.

    Example:
        >>> from jaxpapers import frames
        >>> found = frames.calvano(0, num_sessions=4, decay=1e-3, patience=1_000)
        >>> print(len(found.table()), found.status.name, found.published)
        4 CONVERGED None
    """

    sessions: games.Sessions
    collusion_index: Float[np.ndarray, " session"]
    settings: CalvanoSettings

    def __repr__(self) -> str:
        chosen = self.settings
        return (
            f"<CalvanoResult {chosen.num_sessions} sessions of {chosen.num_firms} firms: "
            f"collusion index {self.mean_collusion_index:.4f} ({self.standard_error:.4f})>"
        )

    @property
    def mean_collusion_index(self) -> float:
        """Mean of Delta over sessions."""
        return float(self.collusion_index.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; 0 for one session."""
        count = len(self.collusion_index)
        return float(self.collusion_index.std(ddof=min(1, count - 1)) / np.sqrt(count))

    @property
    def published(self) -> float | None:
        """The published mean of Delta, where the settings are those of the baseline."""
        is_baseline = all(getattr(self.settings, name) == value for name, value in BASELINE.items())
        return PUBLISHED.get(self.settings.num_firms) if is_baseline else None

    @property
    def share_converged(self) -> float:
        """Share of sessions whose prices stood still in time."""
        return float(np.mean(np.asarray(self.sessions.status) == Status.CONVERGED))

    @property
    def status(self) -> Status:
        """The most serious status of a session."""
        found = [Status(int(code)) for code in np.unique(self.sessions.status)]
        return max(found, key=lambda code: (code.is_failure, int(code)))

    @property
    def status_message(self) -> str:
        """Why, and what to do."""
        return engine.status_message(self.status)

    def table(self) -> "pandas.DataFrame":
        """One row per session.

        Returns:
            Columns session, num_periods, cycle_length, collusion_index, price and profit of each
            firm (means over the cycle), and status.
        """
        pandas = engine.require_extra("pandas", "formula")
        found = self.sessions
        columns = {
            "session": np.arange(len(self.collusion_index)),
            "num_periods": found.num_periods,
            "cycle_length": found.cycle_length,
            "collusion_index": self.collusion_index,
        }
        for name in ("price", "profit"):
            values = np.asarray(getattr(found, f"{name}s"))
            columns |= {f"{name} {firm + 1}": row for firm, row in enumerate(values.T)}
        columns["status"] = [Status(int(code)).name for code in np.asarray(found.status)]
        return pandas.DataFrame(columns)

    def summary(self) -> Summary:
        """Text, LaTeX or HTML table, beside the published value where there is one.

        Returns:
            What `print` shows as text.
        """
        return summarise_sessions(self)

    def to_dataset(self) -> "xarray.Dataset":
        """Everything as labelled arrays; see `to_dataset`.

        Returns:
            Axes session and agent; how the sessions were played as attributes.
        """
        chosen = {k: v for k, v in vars(self.settings).items() if v is not None}
        return to_dataset(self.sessions).assign_attrs(chosen)


def calvano(
    seed: int | jax.Array,
    *,
    num_sessions: int = 100,
    num_firms: int = 2,
    learning_rate: float = BASELINE["learning_rate"],
    decay: float = BASELINE["decay"],
    discount: float = BASELINE["discount"],
    num_prices: int = 15,
    patience: int = 100_000,
    precision: Precision = "single",
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> CalvanoResult:
    """Lets Q-learning firms set prices until their strategies stand still, session by session.

    With the defaults a session takes 1.9 million periods. Learns in single precision, which leaves
    the law of Delta as it is: double takes as long only where loops are folded
    (`engine.fold_loops`), else 25 times as long. Hands back NumPy and pandas.

    Source: Calvano, Calzolari, Denicolò and Pastorello (2020), whose baseline the defaults are.

    Args:
        seed: a seed or a typed key; more sessions begin with the same ones.
        num_sessions: how many; means of fewer than 300 say little.
        num_firms: 1 to 4 in the market, all alike.
        learning_rate: alpha, in (0, 1].
        decay: beta, above 0, per period; exploration falls as `exp(-decay t)`.
        discount: factor per period, in [0, 1).
        num_prices: that each firm chooses from.
        patience: periods without a change after which a session ends.
        precision: "double" or "single".
        progress: how to show how far it is; None for silence.
        checkpoint: where it saves itself; None for nowhere.

    Returns:
        The sessions, labelled.

    Raises:
        TypeError: arguments of the wrong type.
        ValueError: counts or numbers out of range, or more than four firms.

    Example:
        >>> from jaxpapers import frames
        >>> found = frames.calvano(1, num_sessions=8, decay=1e-3, patience=1_000)
        >>> print(0.2 < found.mean_collusion_index < 0.9, found.share_converged)
        True 1.0
    """
    check_precision(precision)
    key = random_key(seed)
    rates = {"learning_rate": learning_rate, "decay": decay, "discount": discount}
    with engine.double_precision() if precision == "double" else nullcontext():
        found = games.q_learning_sessions(
            key,
            _market(num_firms, num_prices=num_prices, **rates),
            num_sessions=num_sessions,
            patience=patience,
            progress=progress,
            checkpoint=checkpoint,
        )
        index = np.asarray(found.collusion_index)
        held = jax.tree.map(np.asarray, found)
    settings = CalvanoSettings(
        num_sessions=num_sessions,
        num_firms=num_firms,
        num_prices=num_prices,
        patience=patience,
        precision=precision,
        seed=seed if isinstance(seed, int) else None,
        **{name: float(rate) for name, rate in rates.items()},
    )
    return CalvanoResult(held, index, settings)


def _market(num_firms, **settings):
    """The baseline with any number of firms, all alike."""
    engine.check_count("num_firms", num_firms)
    if num_firms > MOST_FIRMS:
        raise ValueError(
            f"num_firms must be at most {MOST_FIRMS}, got {num_firms}: the tables of more do not "
            "fit into memory"
        )
    dtype = jnp.result_type(float)
    demand = games.LogitDemand(quality=jnp.full(num_firms, QUALITY, dtype))
    return games.QLearningMarket(demand, jnp.ones(num_firms, dtype), **settings)
