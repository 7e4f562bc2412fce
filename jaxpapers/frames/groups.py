"""Groups of a table: their levels, in order, and the code of each row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from .. import engine
from .names import listed


@dataclass(frozen=True)
class GroupLevels:
    """The groups of a sample.

    Attributes:
        name: column.
        values: level of each group: categories in their own order, else sorted.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Text of each level."""
        return tuple(_label(value) for value in self.values)

    def codes(self, column: Any) -> Int[np.ndarray, " row"]:
        """Numbers the groups of some rows.

        Args:
            column: pandas column with the group of each row.

        Returns:
            Place of each row's group among the levels.

        Raises:
            ValueError: levels that the sample does not have.
        """
        pandas = engine.require_extra("pandas", "formula")
        codes = pandas.Index(self.values).get_indexer(column.to_numpy())
        unknown = column[codes < 0].unique()
        if len(unknown):
            raise ValueError(
                f"{self.name} has levels that the sample does not have: {listed(unknown)}; there "
                f"are {listed(self.labels)}"
            )
        return codes.astype(np.int32)


def group_levels(column: Any, name: str, term: str | None) -> GroupLevels:
    """Finds the groups of a sample.

    Args:
        column: pandas column with the group of each row, complete.
        name: of the column.
        term: the term of the formula that made it the group; None if it was named beside it.

    Returns:
        The levels.

    Raises:
        ValueError: a number that a formula multiplies with a rank; values that cannot be sorted.
    """
    is_number = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"
    if term is not None and is_number and "C(" not in term:
        raise ValueError(
            f"the term {term} multiplies a rank with the number {name!r}, which is not covered by "
            f"the theory; if {name!r} is a group write C({name}) or by={name!r}"
        )
    if hasattr(column, "cat"):
        return GroupLevels(name, tuple(column.cat.categories))
    try:
        return GroupLevels(name, tuple(np.unique(column.to_numpy()).tolist()))
    except TypeError as error:
        raise ValueError(f"column {name!r} mixes types, so its groups have no order") from error


def check_group_sizes(
    levels: GroupLevels, codes: Int[np.ndarray, " row"], num_columns: int
) -> None:
    """Checks that every group can have its own coefficients.

    Args:
        levels: the groups.
        codes: group of each row.
        num_columns: number of coefficients of each group.

    Raises:
        ValueError: groups with fewer rows than coefficients; the message has their sizes.
    """
    sizes = np.bincount(codes, minlength=len(levels.values))
    small = [f"{levels.labels[g]} ({sizes[g]})" for g in np.flatnonzero(sizes < num_columns)]
    if small:
        raise ValueError(
            f"groups of {levels.name!r} are too small: {listed(small)}; needed are at least "
            f"{num_columns} rows, one per coefficient: merge groups, leave them out by subset, or "
            "use fewer covariates"
        )


def _label(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
