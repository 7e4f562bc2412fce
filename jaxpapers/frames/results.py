"""Results of rank regressions on tables, with the names of statsmodels and pyfixest."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from .. import engine, ranks
from ..engine import Status
from .formulas import RankFormula
from .inference import (
    BootstrapMethod,
    VcovType,
    WaldResult,
    bootstrap,
    estimate_table,
    mobility,
    normal_ends,
    wald_test,
)
from .predictions import IntervalKind, predict
from .records import to_record
from .samples import Sample
from .summary import Summary, summarise

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class RankRegressionResult:
    """A regression with ranks on a table.

    Coefficients are in the order of the formula, the intercept first; with groups each stands for
    all groups before the next. A coefficient that was dropped as collinear is NaN everywhere.

    Attributes:
        formula: as it was read.
        fit: the fit in NumPy arrays, coefficients in the order of `ranks.fit`. Call functions of
            `ranks` on it inside `engine.double_precision()`.
        sample: the arrays that were fitted.
        vcov_type: kind of the standard errors: "rank" is the consistent one; "iid" and "HC1" are
            inconsistent here.
        precision: "double" or "single".

    Example:
        >>> from jaxpapers import frames
        >>> table = {"child": [2.0, 1, 4, 3, 5, 6], "parent": [1.0, 2, 3, 4, 5, 6]}
        >>> fit = frames.rank_regression("r(child) ~ r(parent)", table)
        >>> print(fit.tidy()[["Estimate", "Std. Error"]].round(3))
                     Estimate  Std. Error
        Coefficient
        Intercept       0.067       0.077
        r(parent)       0.886       0.132
    """

    formula: RankFormula
    fit: ranks.RankRegressionFit
    sample: Sample
    vcov_type: VcovType
    precision: Literal["double", "single"]

    def __repr__(self) -> str:
        return f"<RankRegressionResult {self.formula.text!r}, {self.nobs} observations>"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the regression, in the order of the formula."""
        columns = self.sample.design.encoding.columns
        return tuple(columns[place] for place in self.sample.design.encoding.reported)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups; empty without."""
        return () if self.sample.levels is None else self.sample.levels.labels

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, such as "r(x)" or, with groups, "r(x)[g1]"."""
        if not self.groups:
            return self.columns
        return tuple(f"{column}[{group}]" for column in self.columns for group in self.groups)

    @property
    def positions(self) -> np.ndarray:
        """Place of each coefficient in the arrays of `fit`."""
        reported = np.asarray(self.sample.design.encoding.reported, int)
        num_groups = self.sample.num_groups
        return (reported[:, None] * num_groups + np.arange(num_groups)).reshape(-1)

    @property
    def params(self) -> "pandas.Series":
        """Coefficients."""
        return self._series(self.fit.params[self.positions], "coef")

    @property
    def bse(self) -> "pandas.Series":
        """Standard errors of the kind `vcov_type`."""
        return self._series(self.standard_errors(self.vcov_type), "std err")

    @property
    def zvalues(self) -> "pandas.Series":
        """Coefficients over their standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.params / self.bse).rename("z")

    @property
    def pvalues(self) -> "pandas.Series":
        """Two-sided normal p-values of each coefficient being zero."""
        sizes = np.abs(self.zvalues.to_numpy(np.float64)) / math.sqrt(2)
        return self._series([math.erfc(size) for size in sizes], "P>|z|")

    @property
    def nobs(self) -> int:
        """Number of rows in the regression."""
        return int(self.sample.in_moments.sum())

    @property
    def num_ranked(self) -> int:
        """Number of rows that ranks are taken over."""
        return self.fit.num_obs

    @property
    def num_dropped(self) -> int:
        """Number of rows left out because a value is missing."""
        return self.sample.num_missing

    @property
    def rsquared(self) -> float:
        """Share of variation explained; uncentred without a common intercept, as in R."""
        return float(self.fit.r_squared)

    @property
    def tie_weight(self) -> float:
        """Weight of ties in all ranks; with ties it is part of what is estimated."""
        return float(self.fit.model.tie_weight)

    @property
    def tie_shares(self) -> "pandas.Series":
        """Share of tied rows of the ranked outcome and the ranked regressor."""
        variables = (self.formula.outcome, self.formula.regressor)
        shares = {
            variable.label: float(share)
            for variable, share in zip(variables, self.fit.tie_shares, strict=True)
            if variable is not None and variable.ranked
        }
        pandas = engine.require_extra("pandas", "formula")
        return pandas.Series(shares, name="tied", dtype=float)

    @property
    def status(self) -> Status:
        """How the fit went."""
        return Status(int(self.fit.status))

    @property
    def status_message(self) -> str:
        """Why, and what to do; names dropped coefficients."""
        message = engine.status_message(self.status)
        dropped = [self.names[i] for i in np.flatnonzero(~self.fit.kept[self.positions])]
        if not dropped:
            return message
        shown = ", ".join(dropped[:5]) + (f" and {len(dropped) - 5} more" if dropped[5:] else "")
        return f"{message} Dropped: {shown}."

    @property
    def covariances(self) -> dict[str, Float[np.ndarray, "param param"]]:
        """Covariances by kind, in the order of `fit`."""
        fit = self.fit
        kinds = {"rank": fit.cov, "iid": fit.cov_homoskedastic, "HC1": fit.cov_robust}
        return {kind: np.asarray(cov) for kind, cov in kinds.items()}

    def covariance(self, kind: VcovType) -> Float[np.ndarray, "param param"]:
        """Covariance of the coefficients, of any kind.

        Args:
            kind: "rank", "iid" or "HC1".

        Returns:
            The matrix, in the order of `params`.
        """
        return self.covariances[kind][np.ix_(self.positions, self.positions)]

    def standard_errors(self, kind: VcovType) -> Float[np.ndarray, " param"]:
        """Standard errors of any kind.

        Args:
            kind: "rank", "iid" or "HC1".

        Returns:
            In the order of `params`.
        """
        return np.sqrt(np.diagonal(self.covariances[kind])[self.positions])

    def cov_params(self) -> "pandas.DataFrame":
        """Covariance of the coefficients, of the kind `vcov_type`; joint over groups."""
        pandas = engine.require_extra("pandas", "formula")
        cov = self.covariance(self.vcov_type)
        return pandas.DataFrame(cov, index=list(self.names), columns=list(self.names))

    def conf_int(self, alpha: float = 0.05) -> "pandas.DataFrame":
        """Normal confidence intervals.

        Args:
            alpha: one less the coverage, in (0, 1).

        Returns:
            Columns 0 and 1, lower and upper end.

        Raises:
            ValueError: alpha outside (0, 1).
        """
        pandas = engine.require_extra("pandas", "formula")
        ends = normal_ends(self.params.to_numpy(), self.bse.to_numpy(), alpha)
        return pandas.DataFrame(ends, index=list(self.names))

    def tidy(self, alpha: float = 0.05) -> "pandas.DataFrame":
        """Table of the coefficients with the column names of pyfixest.

        Args:
            alpha: one less the coverage of the intervals, in (0, 1).

        Returns:
            One row per coefficient; with groups the columns "Term" and "Group" come first.

        Raises:
            ValueError: alpha outside (0, 1).
        """
        value, bse = self.params.to_numpy(), self.bse.to_numpy()
        ends = normal_ends(value, bse, alpha)
        table = estimate_table(self.names, value, bse, ends, alpha)
        table.insert(2, "t value", self.zvalues.to_numpy())
        table.insert(3, "Pr(>|t|)", self.pvalues.to_numpy())
        return self.labelled(table)

    def summary(self) -> Summary:
        """Text, LaTeX or HTML table with the naive standard errors side by side.

        Returns:
            What `print` shows as text.
        """
        return summarise(self)

    def predict(
        self, newdata: Any = None, interval: IntervalKind | None = None, alpha: float = 0.05
    ) -> "pandas.Series | pandas.DataFrame":
        """Fitted values, new rows being ranked against the rows of the fit.

        Args:
            newdata: a table with the columns of the regressors and the group; None for the rows
                of the regression. Rows with a missing value are predicted as missing.
            interval: None for values only; "rank" for confidence intervals that take the rank of a
                new row as a fixed number; "level" for those that take its level as fixed and its
                rank as estimated. Both use the consistent covariance.
            alpha: one less the coverage, in (0, 1).

        Returns:
            Values by row number of the table; with intervals a table of estimate, standard error
            and both ends.

        Raises:
            TypeError: newdata that is not a table.
            ValueError: columns that do not exist, levels or groups that the sample does not have,
                infinite values, an unknown interval, a fit too large for intervals.
        """
        return predict(self, newdata, interval, alpha)

    def wald_test(self, restrictions: Any) -> WaldResult:
        """Tests linear restrictions jointly, with the covariance of the kind `vcov_type`.

        Args:
            restrictions: text such as "r(x)[a] = r(x)[b]" or "r(x) = 0, w = 0", a list of such
                texts, a matrix with one column per coefficient, or a pair of matrix and values.

        Returns:
            Statistic, degrees of freedom, p-value and status.

        Raises:
            ValueError: restrictions that cannot be read.
        """
        return wald_test(self, restrictions)

    def mobility(self, rank: float = 0.25, alpha: float = 0.05) -> "pandas.DataFrame":
        """Absolute and relative mobility of each group.

        Absolute mobility is the expected outcome at a rank of the regressor, covariates at their
        sample means (which count as fixed); relative mobility is the slope. Intervals take the
        covariance of the kind `vcov_type`.

        Args:
            rank: of the regressor, in (0, 1).
            alpha: one less the coverage, in (0, 1).

        Returns:
            One row per measure and group.

        Raises:
            ValueError: a fit without a ranked regressor or without an intercept; a rank or alpha
                outside (0, 1).
        """
        return mobility(self, rank, alpha)

    def bootstrap(
        self,
        seed: int | jax.Array,
        *,
        num_replicates: int = 1_000,
        method: BootstrapMethod = "percentile",
        alpha: float = 0.05,
    ) -> "pandas.DataFrame":
        """Bootstrap intervals, ranks taken anew in every draw.

        Args:
            seed: a seed or a typed key; a longer run has the same first draws.
            num_replicates: number of draws.
            method: quantiles of the draws, quantiles of their t ratios, or normal quantiles with
                the bootstrap standard error.
            alpha: one less the coverage, in (0, 1).

        Returns:
            Estimate, bootstrap standard error and interval of each coefficient; `attrs` has the
            number of draws and of those that did not identify the coefficients.

        Raises:
            ValueError: an unknown method, a negative seed, no draws, alpha outside (0, 1).
            TypeError: a seed that is neither an integer nor a typed key.
        """
        return bootstrap(self, seed, num_replicates=num_replicates, method=method, alpha=alpha)

    def to_dict(self) -> dict[str, Any]:
        """Everything that is reported, as numbers, texts, lists and dicts.

        Returns:
            A dict that JSON can hold; None stands for missing numbers.
        """
        return to_record(self)

    def save(self, path: str | Path) -> None:
        """Writes `to_dict()` as a JSON file.

        Args:
            path: of the file; its folder must exist.
        """
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def labelled(self, table: "pandas.DataFrame") -> "pandas.DataFrame":
        """Names the rows of a table of coefficients.

        Args:
            table: one row per coefficient.

        Returns:
            The table with a named index and, with groups, the columns "Term" and "Group".
        """
        table.index.name = "Coefficient"
        if self.groups:
            table.insert(0, "Term", [column for column in self.columns for _ in self.groups])
            table.insert(1, "Group", list(self.groups) * len(self.columns))
        return table

    def _series(self, values, name):
        pandas = engine.require_extra("pandas", "formula")
        return pandas.Series(values, index=list(self.names), name=name)
