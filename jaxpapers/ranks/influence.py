"""Influence functions of rank regressions: the part of the variance that OLS formulas miss."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics import TieBlocks, indicator_sums, products, sample_ranks
from .model import RankRegression
from .sample import Sample


class Design(eqx.Module):
    """What is regressed on what, in working order.

    Attributes:
        columns: intercept, regressor, covariates, those that the model has.
        outcome: values or ranks of the outcome.
        slope_index: row of the ranked regressor in `columns`, None if it is not ranked; static.
    """

    columns: Float[Array, "column obs"]
    outcome: Float[Array, " obs"]
    slope_index: int | None = eqx.field(static=True)


def design(
    model: RankRegression, sample: Sample, counts: Float[Array, " obs"] | None = None
) -> Design:
    """Ranks, if asked for among repeated draws, and the columns of the regression.

    Args:
        model: the regression.
        sample: the arranged observations.
        counts: how often each observation was drawn; None for once each.

    Returns:
        The design.
    """
    dtype = sample.dtype
    tie_weight = model.tie_weight
    columns = [jnp.ones((1, sample.num_obs), dtype)] if model.intercept else []
    slope_index = None
    if sample.regressor_blocks is not None:
        slope_index = len(columns)
        columns.append(sample_ranks(sample.regressor_blocks, tie_weight, counts)[None])
    elif sample.regressor is not None:
        columns.append(sample.regressor[None])
    if sample.covariates is not None:
        columns.append(sample.covariates)
    outcome = sample.outcome
    if sample.outcome_blocks is not None:
        outcome = sample_ranks(sample.outcome_blocks, tie_weight, counts)
    assert outcome is not None
    return Design(jnp.concatenate(columns), outcome, slope_index)


def rank_projection(
    blocks: TieBlocks,
    tie_weight: Float[Array, ""],
    rows: Float[Array, "row obs"],
    ranks: Float[Array, " obs"],
    counts: Float[Array, " obs"] | None = None,
) -> Float[Array, "row+1 obs"]:
    """How each observation moves mean moments through the ranks of all the others.

    `mean_k[m_k d_i(k)]` with `d_i(k) = I_w(X_i, X_k) - R_k`, for all i, in O(obs).

    Source: derived by us from Chetverikov and Wilhelm (2023); equal to csranks to 1e-12.

    Args:
        blocks: the ranked variable.
        tie_weight: w in [0, 1].
        rows: moments m.
        ranks: R of every observation.
        counts: how often each observation was drawn; None for once each.

    Returns:
        The projection, first of the moment 1; its mean is zero for w = 1 only and must not be
        demeaned.
    """
    sums = indicator_sums(blocks, tie_weight, rows, counts)
    drawn = ranks if counts is None else ranks * counts
    centre = jnp.concatenate([jnp.sum(drawn)[None], products(rows, drawn[None])[:, 0]])
    return (sums - centre[:, None]) / rows.shape[-1]


def scores(
    model: RankRegression,
    sample: Sample,
    design: Design,
    slope: Float[Array, ""],
    residuals: Float[Array, " obs"],
    counts: Float[Array, " obs"] | None = None,
) -> Float[Array, "column obs"]:
    """Scores `s_i` of the least-squares moments, estimation of the ranks included.

    `s_i = A_i e_i + mean_k[A_k d^Y_i(k)] - rho mean_k[A_k d^X_i(k)] + u_r mean_k[e_k d^X_i(k)]`;
    a level outcome drops the second term, a level regressor the last two.

    Source: Chetverikov and Wilhelm (2023); this form derived by us, equal to csranks to 1e-12.

    Args:
        model: the regression.
        sample: the arranged observations.
        design: its columns and outcome.
        slope: rho; without effect where the regressor is not ranked.
        residuals: e.
        counts: how often each observation was drawn; None for once each.

    Returns:
        The scores, neither demeaned nor corrected for degrees of freedom.
    """
    tie_weight, columns = model.tie_weight, design.columns
    first = int(model.intercept)  # the constant's sums need no prefix sums and always come first
    total = columns * residuals[None]
    if sample.outcome_blocks is not None:
        moved = rank_projection(
            sample.outcome_blocks, tie_weight, columns[first:], design.outcome, counts
        )
        total += moved[1 - first :]
    index, blocks = design.slope_index, sample.regressor_blocks
    if index is not None and blocks is not None:
        place = jnp.arange(columns.shape[0]) == index
        moments = place[first:, None] * residuals[None] - slope * columns[first:]
        moved = rank_projection(blocks, tie_weight, moments, columns[index], counts)
        total += jnp.concatenate([-slope * moved[:1], moved[1:]])[1 - first :]
    return total
