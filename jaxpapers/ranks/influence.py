"""Influence functions of rank regressions: the part of the variance that OLS formulas miss."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics import TieBlocks, indicator_means, indicator_shares, products, sample_ranks, stacked
from .model import RankRegression
from .sample import Sample


class Design(eqx.Module):
    """What is regressed on what, in working order.

    Attributes:
        rows: intercept, regressor, covariates, those that the model has.
        outcome: values or ranks of the outcome.
        slope_index: which of `rows` is the ranked regressor, None if it is not ranked; static.
    """

    rows: tuple[Float[Array, " obs"], ...]
    outcome: Float[Array, " obs"]
    slope_index: int | None = eqx.field(static=True)

    @property
    def columns(self) -> Float[Array, "column obs"]:
        """The rows as one array."""
        return stacked(self.rows)


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
    rows = [jnp.ones(sample.num_obs, dtype)] if model.intercept else []
    slope_index = None
    if sample.regressor_blocks is not None:
        slope_index = len(rows)
        rows.append(sample_ranks(sample.regressor_blocks, tie_weight, counts))
    elif sample.regressor is not None:
        rows.append(sample.regressor)
    if sample.covariates is not None:
        rows.extend(sample.covariates)
    outcome = sample.outcome
    if sample.outcome_blocks is not None:
        outcome = sample_ranks(sample.outcome_blocks, tie_weight, counts)
    assert outcome is not None
    return Design(tuple(rows), outcome, slope_index)


def rank_projection(
    blocks: TieBlocks,
    tie_weight: Float[Array, ""],
    rows: tuple[Float[Array, " obs"], ...],
    ranks: Float[Array, " obs"],
    counts: Float[Array, " obs"] | None = None,
) -> tuple[Float[Array, " obs"], ...]:
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
        The projections, first of the moment 1; its mean is zero for w = 1 only and must not be
        demeaned.
    """
    drawn = ranks if counts is None else ranks * counts
    shares = indicator_shares(blocks, tie_weight, counts) - jnp.mean(drawn)
    if not rows:
        return (shares,)
    centres = products((drawn,), rows)[0] / ranks.shape[0]
    means = indicator_means(blocks, tie_weight, stacked(rows), counts)
    return (shares, *(mean - centres[i] for i, mean in enumerate(means)))


def scores(
    model: RankRegression,
    sample: Sample,
    design: Design,
    slope: Float[Array, ""],
    residuals: Float[Array, " obs"],
    counts: Float[Array, " obs"] | None = None,
) -> tuple[Float[Array, " obs"], ...]:
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
        The scores of each column, neither demeaned nor corrected for degrees of freedom.
    """
    tie_weight, rows = model.tie_weight, design.rows
    first = int(model.intercept)  # the constant's sums need no prefix sums and always come first
    total = [row * residuals for row in rows]
    if sample.outcome_blocks is not None:
        moved = rank_projection(
            sample.outcome_blocks, tie_weight, rows[first:], design.outcome, counts
        )
        total = [own + more for own, more in zip(total, moved[1 - first :], strict=True)]
    index, blocks = design.slope_index, sample.regressor_blocks
    if index is not None and blocks is not None:
        moments = [-slope * row for row in rows]
        moments[index] += residuals
        moved = rank_projection(blocks, tie_weight, tuple(moments[first:]), rows[index], counts)
        moved = (-slope * moved[0], *moved[1:])
        total = [own + more for own, more in zip(total, moved[1 - first :], strict=True)]
    return tuple(total)
