"""From a formula and a table to the arrays that a rank regression is fitted on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from ..numerics import RankOrder
from ..ranks import RankRegression
from .design import Design, build_design, required_columns
from .formulas import RankFormula
from .groups import GroupLevels, check_group_sizes, group_levels
from .order import rank_order
from .tables import Columns, as_table, check_column, read_columns, subset_rows

Scope = Literal["subset", "all"]


@dataclass(frozen=True)
class Sample:
    """Rows of a table, complete and evaluated.

    Attributes:
        design: outcome, regressor, covariates.
        levels: the groups, None without.
        codes: group of each row in `0 .. number of groups`; the last one, beyond the levels, is
            that of rows which are only ranked. None if there is one group.
        order: orders of the ranked outcome and regressor, None where not ranked.
        in_moments: rows that enter the regression; the others are only ranked.
        rows: place of each row in the table.
        num_missing: rows left out because a value is missing.
    """

    design: Design
    levels: GroupLevels | None
    codes: Int[np.ndarray, " obs"] | None
    order: tuple[RankOrder | None, RankOrder | None]
    in_moments: Bool[np.ndarray, " obs"]
    rows: Int[np.ndarray, " obs"]
    num_missing: int

    @property
    def num_groups(self) -> int:
        """Number of groups with coefficients of their own, 1 without."""
        return 1 if self.levels is None else len(self.levels.values)

    @property
    def ranks_more(self) -> bool:
        """Whether some rows are only ranked."""
        return not self.in_moments.all()

    def ranked_outcome(self, model: RankRegression) -> Float[np.ndarray, " obs"]:
        """The left-hand side of the regression.

        Args:
            model: the regression.

        Returns:
            Ranks of a ranked outcome, else its values.
        """
        order = self.order[0]
        if order is None:
            return self.design.outcome.astype(np.float64)
        num_obs, weight = order.order.shape[0], float(model.tie_weight)
        below, level = order.starts, order.ends
        if not model.increasing[0]:
            below, level = num_obs - order.ends, num_obs - order.starts
        ranks = np.empty(num_obs)
        ranks[order.order] = (weight * level + (1 - weight) * (below + 1)) / num_obs
        return ranks

    def arrays(self, dtype: type) -> dict[str, Any]:
        """Arguments of `ranks.fit` and `ranks.bootstrap`.

        A ranked variable enters by its order, which was taken from the data as given; its values
        are not needed, so zeros stand for them.

        Args:
            dtype: of the computation.

        Returns:
            Arguments by name.
        """
        zeros = np.zeros(self.rows.shape[0], dtype)
        design = self.design
        return {
            "outcome": design.outcome.astype(dtype) if self.order[0] is None else zeros,
            "regressor": None if design.regressor is None else zeros,
            "covariates": None if design.covariates is None else design.covariates.astype(dtype),
            "groups": self.codes,
            "num_groups": None if self.codes is None else self.num_groups + int(self.ranks_more),
            "order": self.order,
        }


def read_sample(
    formula: RankFormula,
    table: Any,
    *,
    missing: Literal["drop", "raise"],
    subset: Any,
    ranks_over: Scope | None,
) -> Sample:
    """Takes the rows that are needed out of a table and evaluates the formula on them.

    Args:
        formula: the formula.
        table: of any kind that `tables.as_table` knows.
        missing: whether rows with missing values are left out or refused.
        subset: as `tables.subset_rows` takes it; None for all rows.
        ranks_over: whether ranks are taken over the subset or over all rows.

    Returns:
        The sample, its ranked variables sorted.

    Raises:
        TypeError: a table of an unknown kind.
        ValueError: columns that do not exist, no rows, missing or infinite values, variables
            without variation, too few rows for the coefficients.
    """
    wrapped = as_table(table)
    names = required_columns(formula)
    for name in names:
        check_column(wrapped, name)
    chosen = np.ones(len(wrapped), bool) if subset is None else subset_rows(wrapped, subset)
    columns = read_columns(wrapped, names, chosen if ranks_over == "subset" else None)
    _check_rows(columns, len(wrapped), int(chosen.sum()))
    design = build_design(formula, columns.frame)
    complete = design.complete()
    if not complete.all():
        columns = columns.where(complete)
        _check_rows(columns, len(wrapped), int(chosen.sum()))
        design = build_design(formula, columns.frame)
    if missing == "raise" and columns.num_missing:
        raise ValueError(
            f"{columns.num_missing} rows have missing values in {', '.join(names)}; fill them, or "
            "leave them out by missing='drop'"
        )
    design.check_finite()
    in_moments = chosen[columns.rows]
    levels, codes = _groups(formula, columns, in_moments)
    _check_variation(formula, design, in_moments)
    _check_size(design, levels, codes, in_moments)
    order = _orders(formula, design)
    return Sample(design, levels, codes, order, in_moments, columns.rows, columns.num_missing)


def _check_rows(columns: Columns, num_rows: int, num_chosen: int) -> None:
    if len(columns.rows) == 0:
        chosen = "" if num_chosen == num_rows else f", of which subset takes {num_chosen}"
        raise ValueError(
            f"no rows are left: table has {num_rows}{chosen}, and {columns.num_missing} are left "
            "out because a value is missing"
        )


def _groups(
    formula: RankFormula, columns: Columns, in_moments: Bool[np.ndarray, " obs"]
) -> tuple[GroupLevels | None, Int[np.ndarray, " obs"] | None]:
    """Levels, and codes with the rows that are only ranked as a last group of their own."""
    if formula.group is None:
        outside = (~in_moments).astype(np.int32)
        return None, None if in_moments.all() else outside
    column: Any = columns.frame[formula.group].loc[in_moments]
    if hasattr(column, "cat"):
        column = column.cat.remove_unused_categories()
    levels = group_levels(column, formula.group, formula.group_term)
    codes = np.full(in_moments.shape, len(levels.values), np.int32)
    codes[in_moments] = levels.codes(column)
    return levels, codes


def _check_variation(
    formula: RankFormula, design: Design, in_moments: Bool[np.ndarray, " obs"]
) -> None:
    if not in_moments.any():
        raise ValueError("no rows are left in subset; ranks_over='all' needs some to regress on")
    outcome = design.outcome[in_moments]
    if outcome.min() == outcome.max():
        raise ValueError(
            f"the outcome {formula.outcome.factor} is {outcome[0]} in all {outcome.shape[0]} rows, "
            "so there is nothing to explain"
        )
    if formula.regressor is None or design.regressor is None:
        return
    values = design.regressor[in_moments]
    if values.min() == values.max():
        raise ValueError(
            f"the regressor {formula.regressor.factor} is {values[0]} in all {values.shape[0]} "
            f"rows, so {formula.regressor.label} has no coefficient; leave it out"
        )


def _check_size(
    design: Design,
    levels: GroupLevels | None,
    codes: Int[np.ndarray, " obs"] | None,
    in_moments: Bool[np.ndarray, " obs"],
) -> None:
    num_columns = len(design.encoding.columns)
    if num_columns == 0:
        raise ValueError("formula has no regressors and no intercept; needed is one of them")
    if levels is not None and codes is not None:
        check_group_sizes(levels, codes[in_moments], num_columns)
    num_obs = int(in_moments.sum())
    if num_obs < num_columns:
        raise ValueError(
            f"there are {num_obs} complete rows for {num_columns} coefficients; needed are at "
            "least as many rows: add data or leave out covariates"
        )


def _orders(formula: RankFormula, design: Design) -> tuple[RankOrder | None, RankOrder | None]:
    """Sorts what is ranked, outcome and regressor side by side."""
    pairs = ((formula.outcome, design.outcome), (formula.regressor, design.regressor))
    ranked = [v if variable is not None and variable.ranked else None for variable, v in pairs]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda v: None if v is None else rank_order(v), ranked)
    return first, second
