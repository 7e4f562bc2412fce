"""From a table of prices or returns to copula data, and from copula data back to returns."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import copulas, engine
from ..copulas.solve import NEARLY_SINGULAR
from .copula_settings import Values
from .prices import returns_of_prices
from .wide_tables import WideTable, check_columns, complete_rows, require_complete, wide_table

if TYPE_CHECKING:
    import pandas

Margins = Literal["empirical", "kernel"]
Missing = Literal["drop", "raise"]
QUANTILES_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class CopulaSample:
    """Returns without missing rows, and the copula data made of them.

    Attributes:
        returns: in the unit of the data.
        u: copula data in (0, 1).
        assets: names of the columns.
        index: labels of the rows, dates in order where the table has them.
        margins: "empirical" or "kernel".
        num_dropped: rows left out because a return is missing.
    """

    returns: Float[np.ndarray, "obs asset"]
    u: Float[np.ndarray, "obs asset"]
    assets: tuple[str, ...]
    index: "pandas.Index"
    margins: Margins
    num_dropped: int

    @property
    def num_obs(self) -> int:
        """Number of observations."""
        return self.u.shape[0]

    @property
    def has_dates(self) -> bool:
        """Whether rows are labelled by dates."""
        return self.index.dtype.kind == "M"

    @property
    def tie_shares(self) -> dict[str, float]:
        """Share of returns of each asset that other rows have as well."""
        shares = {}
        for asset, column in zip(self.assets, self.returns.T, strict=True):
            _, counts = np.unique(column, return_counts=True)
            shares[asset] = float(counts[counts > 1].sum() / column.size)
        return shares

    @property
    def near_copies(self) -> list[tuple[str, str]]:
        """Pairs of assets whose normal scores are all but the same, or the same turned over."""
        with engine.double_precision():
            scores = np.asarray(jax.scipy.special.ndtri(self.u))
        sizes = np.triu(np.abs(np.corrcoef(scores.T)), 1)
        pairs = np.argwhere(sizes > NEARLY_SINGULAR)
        return [(self.assets[first], self.assets[second]) for first, second in pairs]

    def returns_of(self, u: Float[np.ndarray, "draw asset"]) -> Float[np.ndarray, "draw asset"]:
        """Returns at given probabilities, by the quantiles of the margins.

        Args:
            u: in (0, 1).

        Returns:
            By empirical margins linear between ordered returns, nowhere beyond the largest and
            the smallest that were observed; by kernel margins with normal tails beyond them.
        """
        if self.margins == "empirical":
            pairs = zip(self.returns.T, u.T, strict=True)
            columns = [np.quantile(returns, p, method="weibull") for returns, p in pairs]
            return np.stack(columns, axis=1)
        with engine.double_precision():
            margins = copulas.kernel_margins(self.returns)
            batch_size = min(QUANTILES_AT_ONCE, u.shape[0])
            rows = jnp.asarray(u, jnp.float64)
            return np.asarray(engine.batched_map(margins.ppf, rows, batch_size=batch_size))


def read_copula_sample(
    table: Any, values: Values, *, date: str | None, margins: Margins, missing: Missing
) -> CopulaSample:
    """Takes copula data out of a table.

    Args:
        table: assets as columns.
        values: whether it holds prices or returns.
        date: column of dates; None for the index of pandas.
        margins: how returns become copula data: by ranks, tied returns sharing their mid-rank, or
            by kernel estimates.
        missing: whether rows with a missing return are left out or refused.

    Returns:
        The sample, in float64.

    Raises:
        TypeError: a table of an unknown kind.
        ValueError: as `wide_table` and `check_prices`; returns that never move; fewer complete rows
            than assets; two assets with the same copula data.
    """
    given = wide_table(table, date)
    returns = returns_of_prices(given) if values == "prices" else given
    if missing == "raise":
        require_complete(returns, "return")
    complete, num_dropped = complete_rows(returns, "return")
    check_columns(complete, "return")
    u = _copula_data(complete.values, margins)
    _check_no_copies(complete, u)
    return CopulaSample(complete.values, u, complete.assets, complete.index, margins, num_dropped)


def _copula_data(returns, margins):
    with engine.double_precision():
        if margins == "empirical":
            return np.asarray(copulas.pseudo_observations(returns))
        kernel = copulas.kernel_margins(returns)
        batch_size = min(QUANTILES_AT_ONCE, returns.shape[0])
        return np.asarray(
            engine.batched_map(kernel.cdf, jnp.asarray(returns), batch_size=batch_size)
        )


def _check_no_copies(table: WideTable, u):
    first_with: dict[bytes, str] = {}
    for asset, column in zip(table.assets, u.T, strict=True):
        other = first_with.setdefault(column.tobytes(), asset)
        if other != asset:
            raise ValueError(
                f"{other} and {asset} have the same copula data in every row; drop one of them: "
                "the copula of copies has no density"
            )
