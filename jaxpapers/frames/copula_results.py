"""Results of factor copulas on tables, with the names of statsmodels and of the assets."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from .. import copulas, engine
from ..copulas.checks import check_level
from ..engine import Status
from .copula_posterior import (
    CORNERS,
    CopulaPosterior,
    copula_posterior,
    pair_dependence,
    plug_in_asymmetry,
    predictive_u,
)
from .copula_records import to_datatree
from .copula_sample import CopulaSample
from .copula_settings import CopulaSettings
from .copula_summary import summarise_copula
from .names import unknown_name
from .seeds import random_key
from .summary import Summary
from .whole_files import write_netcdf

if TYPE_CHECKING:
    import pandas
    import xarray

NUM_DEPENDENCE_DRAWS = 400
SUMMARY_LEVEL = 0.05
GOOD_K, USABLE_K = 0.5, 0.7


@dataclass(frozen=True, eq=False, repr=False)
class FactorCopulaResult:
    """Posterior of a factor copula on a table.

    Parameters are nu, "delta[A]" and "alpha[A]" of each asset, those that the family has, and
    "correlation[A, B]" of each pair. Loadings are not among them: only the correlations they make
    are identified; `to_datatree` has their draws.

    Attributes:
        fit: the fit in NumPy arrays. Call functions of `copulas` on it inside
            `engine.double_precision()`.
        sample: returns and copula data.
        settings: how it was fitted.

    Example:
        >>> import numpy as np
        >>> from jaxpapers import frames
        >>> market, own = np.random.default_rng(0).normal(size=(2, 2, 60))
        >>> returns = {"A": market[0] + own[0], "B": market[0] + own[1]}
        >>> fit = frames.fit_copula(
        ...     0, returns, num_factors=1, values="returns", family="gaussian", num_steps=50
        ... )
        >>> print(list(fit.params.index), fit.simulate(1, num_draws=3).shape)
        ['correlation[A, B]'] (3, 2)
    """

    fit: copulas.CopulaFit
    sample: CopulaSample
    settings: CopulaSettings

    def __repr__(self) -> str:
        return (
            f"<FactorCopulaResult {self.settings.family}, {len(self.assets)} assets, "
            f"K = {self.settings.num_factors}, {self.nobs} observations>"
        )

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the assets."""
        return self.sample.assets

    @property
    def nobs(self) -> int:
        """Number of rows that were fitted."""
        return self.sample.num_obs

    @property
    def num_dropped(self) -> int:
        """Number of rows left out because a return is missing."""
        return self.sample.num_dropped

    @functools.cached_property
    def posterior(self) -> CopulaPosterior:
        """Draws of the paper's parameters."""
        return copula_posterior(self.fit)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        posterior = self.posterior
        found = [] if posterior.nu is None else ["nu"]
        for name in ("delta", "alpha"):
            if getattr(posterior, name) is not None:
                found += [f"{name}[{asset}]" for asset in self.assets]
        return (*found, *(f"correlation[{a}, {b}]" for a, b in self.pairs))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of different assets, row by row of the upper triangle."""
        return _pairs(self.assets)

    @functools.cached_property
    def draws(self) -> Float[np.ndarray, "draw param"]:
        """Posterior draws of the parameters, columns as `names`."""
        posterior, upper = self.posterior, np.triu_indices(len(self.assets), 1)
        parts = [] if posterior.nu is None else [posterior.nu[:, None]]
        parts += [part for part in (posterior.delta, posterior.alpha) if part is not None]
        return np.concatenate([*parts, posterior.correlation[:, *upper]], axis=1)

    @property
    def params(self) -> "pandas.Series":
        """Posterior means."""
        return self._series(self.draws.mean(axis=0, dtype=np.float64), "mean")

    @property
    def bse(self) -> "pandas.Series":
        """Posterior standard deviations."""
        return self._series(self.draws.std(axis=0, ddof=1, dtype=np.float64), "sd")

    def conf_int(self, alpha: float = 0.05) -> "pandas.DataFrame":
        """Posterior intervals with equal tails.

        Args:
            alpha: one less the probability inside, in (0, 1); not the slant.

        Returns:
            Columns 0 and 1, lower and upper end.

        Raises:
            ValueError: alpha outside (0, 1).
        """
        pandas = engine.require_extra("pandas", "formula")
        return pandas.DataFrame(_ends(self.draws, alpha), index=list(self.names))

    def tidy(self, alpha: float = 0.05) -> "pandas.DataFrame":
        """One row per parameter, with what it is of in columns of their own.

        Args:
            alpha: one less the probability inside the intervals, in (0, 1).

        Returns:
            Columns parameter, asset, asset_2 (empty where there is none), mean, sd, lower, upper.

        Raises:
            ValueError: alpha outside (0, 1).
        """
        pandas = engine.require_extra("pandas", "formula")
        num_pairs = len(self.pairs)
        named = [name.partition("[")[0] for name in self.names]
        own = [name[:-1].partition("[")[2] for name in self.names[: len(named) - num_pairs]]
        ends = _ends(self.draws, alpha)
        columns = {
            "parameter": named,
            "asset": own + [first for first, _ in self.pairs],
            "asset_2": [""] * len(own) + [second for _, second in self.pairs],
            "mean": self.params.to_numpy(),
            "sd": self.bse.to_numpy(),
            "lower": ends[:, 0],
            "upper": ends[:, 1],
        }
        return pandas.DataFrame(columns)

    @property
    def nu(self) -> float:
        """Posterior mean of the degrees of freedom; infinite in families with normal tails."""
        nu = self.posterior.nu
        return np.inf if nu is None else float(nu.mean(dtype=np.float64))

    @property
    def delta(self) -> "pandas.Series":
        """Posterior means of the skewness of each asset; zeros in symmetric families."""
        return self._of_assets(self.posterior.delta, "delta")

    @property
    def alpha(self) -> "pandas.Series":
        """Posterior means of the slant; zeros in symmetric families."""
        return self._of_assets(self.posterior.alpha, "alpha")

    @property
    def correlation(self) -> "pandas.DataFrame":
        """Posterior means of Omega."""
        pandas = engine.require_extra("pandas", "formula")
        mean = self.posterior.correlation.mean(axis=0, dtype=np.float64)
        return pandas.DataFrame(mean, index=list(self.assets), columns=list(self.assets))

    @property
    def status(self) -> Status:
        """How the fit went."""
        return Status(int(self.fit.status))

    @property
    def status_message(self) -> str:
        """Why, and what to do; names assets that are nearly copies."""
        message = engine.status_message(self.status)
        if self.status == Status.MAX_STEPS:
            more = "num_steps was too small: the fit still moved. Take twice as many"
            r_hat = f" (largest R-hat {float(self.fit.r_hat):.3f})"
            return f"{more}{r_hat if self.settings.algorithm == 'nuts' else ''}."
        if self.status == Status.NEARLY_SINGULAR:
            shown = "; ".join(" and ".join(pair) for pair in self.sample.near_copies)
            return f"{message} They are: {shown}."
        return message

    @property
    def pareto_message(self) -> str:
        """What k-hat says of the approximation; empty for chains."""
        k = float(self.fit.pareto_k)
        if np.isnan(k):
            return ""
        if k < GOOD_K:
            return "good: the approximation can be trusted"
        if k < USABLE_K:
            return "usable: means and intervals are close, extremes of the posterior less so"
        return "unreliable: the approximation misses part of the posterior; compare with 'nuts'"

    def summary(self) -> Summary:
        """Text, LaTeX or HTML table of data, fit, tails, skewness and the most asymmetric pair.

        Returns:
            What `print` shows as text.
        """
        return summarise_copula(self)

    def quantile_dependence(
        self,
        level: float = SUMMARY_LEVEL,
        *,
        assets: Sequence[str] | None = None,
        num_draws: int = NUM_DEPENDENCE_DRAWS,
        alpha: float = 0.05,
    ) -> "pandas.DataFrame":
        """Quantile dependence of pairs in the four corners, as posteriors and as observed.

        LL: both returns below their quantile at the level; UR: both above their quantile at one
        less the level; LR: the first high, the second low; UL: the first low, the second high; all
        divided by the level. Asymmetry: UR - LL, negative where assets fall together more than
        they rise together. All pairs of 20 assets take some seconds of CPU, of 93 about a minute.

        Args:
            level: u in (0, 1/2].
            assets: whose pairs; None for all.
            num_draws: evenly spaced draws of the posterior that are used.
            alpha: one less the probability inside the intervals, in (0, 1).

        Returns:
            Five rows per pair: asset, asset_2, quantity, then mean, sd, lower and upper of the
            posterior, and empirical, the share observed.

        Raises:
            TypeError: a level that is not a number.
            ValueError: a level or alpha out of range, assets that do not exist, fewer than two.
        """
        check_level(level)
        level = float(level)
        engine.check_count("num_draws", num_draws)
        places = self._places(assets)
        chosen = self.assets if places is None else tuple(self.assets[p] for p in places)
        found = pair_dependence(self.fit, level, places, num_draws)
        observed = self._observed_dependence(level, places)
        pandas = engine.require_extra("pandas", "formula")
        parts = [
            pandas.DataFrame(
                {
                    "asset": [first for first, _ in _pairs(chosen)],
                    "asset_2": [second for _, second in _pairs(chosen)],
                    "quantity": quantity,
                    "mean": draws.mean(axis=0, dtype=np.float64),
                    "sd": draws.std(axis=0, ddof=1, dtype=np.float64),
                    **dict(zip(("lower", "upper"), _ends(draws, alpha).T, strict=True)),
                    "empirical": observed[quantity],
                }
            )
            for quantity, draws in found.items()
        ]
        num_pairs = len(_pairs(chosen))
        order = np.arange(len(parts) * num_pairs).reshape(len(parts), num_pairs).T.ravel()
        table = pandas.concat(parts, ignore_index=True).iloc[order].reset_index(drop=True)
        table.attrs = {"level": level, "num_draws": len(found["LL"])}
        return table

    @functools.cached_property
    def most_asymmetric(self) -> "pandas.Series":
        """Row of `quantile_dependence(0.05)` of the pair whose UR and LL differ most at the means.

        Zeros, of the first pair, in symmetric families.
        """
        sizes = np.abs(plug_in_asymmetry(self.fit, SUMMARY_LEVEL))
        first, second = np.unravel_index(np.triu(sizes, 1).argmax(), sizes.shape)
        pair = [self.assets[first], self.assets[second]]
        if first == second:
            pair = list(self.assets[:2])
        return self.quantile_dependence(SUMMARY_LEVEL, assets=pair).iloc[-1]

    def simulate(self, seed: int | jax.Array, num_draws: int) -> "pandas.DataFrame":
        """Returns of the next observation: a draw of the parameters, then of copula and margins.

        With empirical margins no return is beyond the largest and the smallest observed.

        Args:
            seed: a seed or a typed key; more draws begin with the same ones.
            num_draws: how many.

        Returns:
            One row per draw, log returns where prices were fitted, else in the unit of the table.

        Raises:
            TypeError: a seed that is neither an integer nor a typed key, a count that is no int.
            ValueError: a negative seed, a count below 1.
        """
        pandas = engine.require_extra("pandas", "formula")
        engine.check_count("num_draws", num_draws)
        u = predictive_u(random_key(seed), self.fit, num_draws)
        index = pandas.RangeIndex(num_draws, name="draw")
        return pandas.DataFrame(self.sample.returns_of(u), index=index, columns=list(self.assets))

    def to_datatree(self) -> "xarray.DataTree":
        """Posterior, sample statistics and data as ArviZ has them.

        Returns:
            Groups "posterior" (chain, draw, then asset, asset_2, factor or param), "sample_stats"
            and "observed_data", and what the fit stood on as attributes.
        """
        return to_datatree(self)

    def to_netcdf(self, path: str | Path) -> None:
        """Writes `to_datatree()` to a file that `read_copula_fit` and ArviZ read.

        The file is whole or not there: an older one stays as it is until the new one is complete.

        Args:
            path: of the file; missing folders are made.
        """
        write_netcdf(self.to_datatree(), Path(path))

    def _places(self, assets):
        if assets is None:
            return None
        names = [assets] if isinstance(assets, str) else list(dict.fromkeys(assets))
        for name in names:
            if name not in self.assets:
                raise ValueError(unknown_name("asset", str(name), self.assets))
        if len(names) < 2:
            raise ValueError(f"assets must be two or more, got {', '.join(names) or 'none'}")
        return np.asarray([self.assets.index(name) for name in names])

    def _observed_dependence(self, level, places):
        u = self.sample.u if places is None else self.sample.u[:, places]
        with engine.double_precision():
            found = copulas.empirical_quantile_dependence(u, level)
            upper = np.triu_indices(u.shape[1], 1)
            corners = {name: np.asarray(getattr(found, name))[upper] for name in CORNERS}
        return {**corners, "asymmetry": corners["UR"] - corners["LL"]}

    def _of_assets(self, draws, name):
        pandas = engine.require_extra("pandas", "formula")
        zeros = np.zeros(len(self.assets))
        mean = zeros if draws is None else draws.mean(axis=0, dtype=np.float64)
        return pandas.Series(mean, index=list(self.assets), name=name)

    def _series(self, values, name):
        pandas = engine.require_extra("pandas", "formula")
        return pandas.Series(values, index=list(self.names), name=name)


def _pairs(assets):
    return [(a, b) for place, a in enumerate(assets) for b in assets[place + 1 :]]


def _ends(draws: Float[np.ndarray, "draw column"], alpha: Any) -> Float[np.ndarray, "column 2"]:
    engine.check_probability("alpha", alpha)
    return np.quantile(draws, [alpha / 2, 1 - alpha / 2], axis=0).astype(np.float64).T
