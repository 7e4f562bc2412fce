"""Observations arranged for rank regression: sorted once, then only prefix sums."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..numerics import RankOrder, TieBlocks, rank_order, tie_blocks
from .model import RankRegression


class Sample(eqx.Module):
    """A sample in working order: sorted by the regressor if ranked, else by the outcome if ranked.

    In the working order one of the two ranked variables needs no gather at all.

    Attributes:
        outcome: values of a level outcome; None if ranked.
        regressor: values of a level regressor; None if ranked or absent.
        covariates: one covariate per row, or None.
        groups: group of each observation, or None.
        outcome_blocks: ties of a ranked outcome; None for a level.
        regressor_blocks: ties of a ranked regressor; None for a level.
        working: the order that was used; None where nothing is ranked.
        num_groups: static; 1 without groups.
        dtype: floating dtype of the computation; static.
    """

    outcome: Float[Array, " obs"] | None
    regressor: Float[Array, " obs"] | None
    covariates: Float[Array, "covariate obs"] | None
    groups: Int[Array, " obs"] | None
    outcome_blocks: TieBlocks | None
    regressor_blocks: TieBlocks | None
    working: RankOrder | None
    num_groups: int = eqx.field(static=True)
    dtype: jnp.dtype = eqx.field(static=True)

    @property
    def num_obs(self) -> int:
        """Sample size."""
        held = self.outcome if self.outcome_blocks is None else self.outcome_blocks.starts
        return 0 if held is None else held.shape[0]


def arrange(
    model: RankRegression,
    outcome: Array,
    regressor: Array | None,
    covariates: Array | None,
    groups: Array | None,
    *,
    num_groups: int,
    order: tuple[RankOrder | None, RankOrder | None] | None,
    dtype: jnp.dtype,
) -> Sample:
    """Sorts what is ranked, unless its order is given, and permutes the rest to working order.

    Args:
        model: the regression.
        outcome: `(obs,)`.
        regressor: `(obs,)` or None.
        covariates: `(obs, covariate)` or None.
        groups: `(obs,)` int32 or None.
        num_groups: number of groups, 1 without.
        order: orders of the outcome and the regressor; None where to be sorted here.
        dtype: floating dtype of the computation.

    Returns:
        The sample.
    """
    outcome_order, regressor_order = order or (None, None)
    if model.outcome == "rank" and outcome_order is None:
        outcome_order = rank_order(outcome)
    ranked_regressor = model.regressor == "rank" and regressor is not None
    if regressor is not None and ranked_regressor and regressor_order is None:
        regressor_order = rank_order(regressor)
    working = regressor_order if ranked_regressor else None
    if working is None and model.outcome == "rank":
        working = outcome_order

    def held(values):
        if values is None or working is None:
            return values
        return jnp.take(values, working.order, axis=0, unique_indices=True, mode="clip")

    def level(values, is_level):
        return held(values.astype(dtype)) if is_level else None

    return Sample(
        outcome=level(outcome, model.outcome == "level"),
        regressor=level(regressor, regressor is not None and not ranked_regressor),
        covariates=None if covariates is None else held(covariates.astype(dtype)).T,
        groups=held(groups),
        outcome_blocks=_blocks(
            outcome_order, working, model.outcome == "rank", model.increasing[0]
        ),
        regressor_blocks=_blocks(regressor_order, working, ranked_regressor, model.increasing[1]),
        working=working,
        num_groups=num_groups,
        dtype=jnp.dtype(dtype),
    )


def _blocks(order, working, is_ranked, increasing):
    if not is_ranked:
        return None
    return tie_blocks(order, working, increasing=increasing)
