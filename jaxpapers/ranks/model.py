"""The regressions with ranks of Chetverikov and Wilhelm (2023)."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import engine

KINDS = ("rank", "level")


def _as_weight(value: Any) -> Any:
    engine.check_array("tie_weight", value, ())
    return value if isinstance(value, jax.Array) else np.asarray(value, np.float64)


class RankRegression(eqx.Module):
    """Linear regression in which the outcome, the regressor or both enter as their ranks.

    `y_i = b_0 + b_1 x_i + W_i' c + e_i` by least squares, where y is the outcome or its rank and
    x the regressor or its rank: rank on rank, level on rank, rank on level. With groups, ranks
    are taken over all observations and every group has its own coefficients.

    Source: Chetverikov and Wilhelm, "Inference for Rank-Rank Regressions" (2023).

    Attributes:
        outcome: "rank" or "level"; static.
        regressor: "rank" or "level"; static.
        tie_weight: w in [0, 1] for tied observations: 1 the empirical distribution function, 1/2
            the mid-rank, 0 the minimum rank. With ties it is part of the estimand.
        increasing: whether the smallest outcome and the smallest regressor have the lowest rank;
            static.
        intercept: whether the design has a constant (one per group); static.

    Raises:
        ValueError: an unknown kind, a tie weight outside [0, 1] or not a scalar, directions that
            are not two booleans.
        TypeError: a tie weight that is not a real number, an intercept that is not a bool.

    Example:
        >>> from jaxpapers import ranks
        >>> model = ranks.RankRegression(tie_weight=0.5, increasing=(True, False))
        >>> print(model.outcome, model.tie_weight, model.increasing)
        rank 0.5 (True, False)
    """

    outcome: Literal["rank", "level"] = eqx.field(static=True, default="rank")
    regressor: Literal["rank", "level"] = eqx.field(static=True, default="rank")
    tie_weight: Float[Array, ""] = eqx.field(converter=_as_weight, default=1.0)
    increasing: tuple[bool, bool] = eqx.field(static=True, default=(True, True))
    intercept: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        for name in ("outcome", "regressor"):
            kind = getattr(self, name)
            if kind not in KINDS:
                raise ValueError(f"{name} is {kind!r}; needed is 'rank' or 'level'")
        if engine.is_concrete(self.tie_weight) and not 0 <= float(self.tie_weight) <= 1:
            raise ValueError(
                f"tie_weight is {float(self.tie_weight)}; needed is a number in [0, 1]"
            )
        directions = self.increasing if isinstance(self.increasing, tuple) else ()
        if len(directions) != 2 or not all(isinstance(d, bool) for d in directions):
            raise ValueError(
                f"increasing is {self.increasing!r}; needed are two booleans: outcome, regressor"
            )
        if not isinstance(self.intercept, bool):
            raise TypeError(f"intercept is {self.intercept!r}; needed is True or False")

    def cast(self, dtype: jnp.dtype) -> "RankRegression":
        """The same regression with its numbers as JAX arrays of one dtype.

        Args:
            dtype: floating dtype of a computation.

        Returns:
            A model ready for a compiled kernel.
        """
        tie_weight = jnp.asarray(self.tie_weight, dtype)
        return eqx.tree_at(lambda model: model.tie_weight, self, tie_weight)

    def num_columns(self, *, has_regressor: bool, num_covariates: int) -> int:
        """Number of coefficients per group.

        Args:
            has_regressor: whether a regressor is given.
            num_covariates: number of covariates.

        Returns:
            Intercept, regressor and covariates together.
        """
        return int(self.intercept) + int(has_regressor) + num_covariates
