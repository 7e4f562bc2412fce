"""Joint covariance over groups: every observation moves every group through the pooled ranks."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..numerics import TieBlocks, group_sums, indicator_means, matmul
from .influence import Design
from .model import RankRegression
from .sample import Sample


class GroupProjection(eqx.Module):
    """`mean_k[m_k d_i(k)]` through the ranks of one variable, m being of the group of k.

    Attributes:
        blocks: the ranked variable.
        tie_weight: w in [0, 1].
        moments: m of each observation, in its own group.
        ranks: pooled ranks R.
        counts: how often each observation was drawn; None for once each.
    """

    blocks: TieBlocks
    tie_weight: Float[Array, ""]
    moments: Float[Array, "column obs"]
    ranks: Float[Array, " obs"]
    counts: Float[Array, " obs"] | None

    def of(self, members: Bool[Array, " obs"]) -> Float[Array, "column obs"]:
        """The projection for one group, `mean_k[1{G_k = g} m_k (I_w(X_i, X_k) - R_k)]`.

        Args:
            members: which observations the group has.

        Returns:
            One value per column and observation i.
        """
        rows = jnp.where(members[None], self.moments, 0)
        drawn = self.ranks if self.counts is None else self.ranks * self.counts
        centre = jnp.mean(rows * drawn[None], axis=1, keepdims=True)
        return indicator_means(self.blocks, self.tie_weight, rows, self.counts) - centre

    def transposed(self, rows: Float[Array, "row obs"]) -> Float[Array, "row obs"]:
        """The same sum over the other index: `mean_i[(I_w(X_i, X_k) - R_k) z_i]` for all k.

        `I_w(X_i, X_k)` summed over i is the indicator sum of the opposite direction.

        Args:
            rows: z.

        Returns:
            One value per row and observation k.
        """
        opposite = dataclasses.replace(self.blocks, increasing=not self.blocks.increasing)
        means = indicator_means(opposite, self.tie_weight, rows)
        return means - self.ranks[None] * jnp.mean(rows, axis=1, keepdims=True)


class GroupedInfluence(eqx.Module):
    """Influence functions of all groups' coefficients, computed for one group at a time.

    Attributes:
        bread: `Q^{-1}` of each group, Q being a mean over all observations.
        own: `A_i e_i`, in the observation's own group.
        groups: group of each observation.
        projections: through the ranks of the outcome and of the regressor, those ranked.
    """

    bread: Float[Array, "group column column"]
    own: Float[Array, "column obs"]
    groups: Int[Array, " obs"]
    projections: tuple[GroupProjection, ...]

    def of(self, group: Int[Array, ""]) -> Float[Array, "column obs"]:
        """Influence functions of one group's coefficients.

        Args:
            group: its number.

        Returns:
            One row per column, `psi_i = Q^{-1} s_i` for all observations i.
        """
        members = self.groups == group
        scores = jnp.where(members[None], self.own, 0)
        for projection in self.projections:
            scores += projection.of(members)
        return matmul(self.bread[group], scores)

    def all(self) -> Float[Array, "param obs"]:
        """Influence functions of all coefficients, in working order."""
        rows = jax.lax.map(self.of, self._numbers())
        return jnp.swapaxes(rows, 0, 1).reshape(-1, rows.shape[-1])

    def covariance(self) -> Float[Array, "param param"]:
        """`sum_i psi_i psi_i' / obs^2` in time O(obs x param) and memory O(obs).

        The left factor is a sum over observations k of moments of one group only; summed by
        parts, each k meets the sum over i of what it moves, `transposed(psi)`.

        Source: derived by us; equal to the product of the influence functions to rounding. The
        diagonal is that product itself.

        Returns:
            The joint covariance, exactly symmetric.
        """
        num_groups, num_columns, _ = self.bread.shape

        def columns_of(group):
            psi = self.of(group)
            met = self.own[:, None] * psi[None]
            for projection in self.projections:
                met += projection.moments[:, None] * projection.transposed(psi)[None]
            left = matmul(self.bread, group_sums(met, self.groups, num_groups))
            return left, jnp.sum(psi**2, axis=1)

        # axes: group and column of the right factor, then of the left one
        blocks, diagonal = jax.lax.map(columns_of, self._numbers())
        size = num_groups * num_columns
        cov = blocks.transpose(3, 0, 2, 1).reshape(size, size)
        cov = jnp.fill_diagonal((cov + cov.T) / 2, diagonal.T.reshape(-1), inplace=False)
        return cov / float(self.groups.shape[0]) ** 2

    def variance(self, counts: Float[Array, " obs"]) -> Float[Array, " param"]:
        """`sum_i c_i psi_i^2 / obs^2`: variances of the parameters of a draw.

        Args:
            counts: how often each observation was drawn.

        Returns:
            One variance per parameter.
        """
        squares = jax.lax.map(
            lambda group: jnp.sum(counts[None] * self.of(group) ** 2, axis=1), self._numbers()
        )
        return squares.T.reshape(-1) / float(self.groups.shape[0]) ** 2

    def _numbers(self):
        return jnp.arange(self.bread.shape[0], dtype=jnp.int32)


def grouped_influence(
    model: RankRegression,
    sample: Sample,
    design: Design,
    slopes: Float[Array, " group"],
    residuals: Float[Array, " obs"],
    bread: Float[Array, "group column column"],
    counts: Float[Array, " obs"] | None = None,
) -> GroupedInfluence:
    """Influence functions of a grouped regression with pooled ranks.

    Source: Chetverikov and Wilhelm (2023), pooled ranks; this form derived by us, equal to
    csranks to 1e-12 (there only for groups in alphabetical order).

    Args:
        model: the regression.
        sample: the arranged observations.
        design: its columns and outcome.
        slopes: rho of each group; without effect where the regressor is not ranked.
        residuals: e.
        bread: `Q^{-1}` of each group, Q being a mean over all observations.
        counts: how often each observation was drawn; None for once each.

    Returns:
        The influence functions.
    """
    groups = sample.groups
    assert groups is not None

    def project(blocks, moments, ranks):
        return GroupProjection(blocks, model.tie_weight, moments, ranks, counts)

    projections = []
    if sample.outcome_blocks is not None:
        projections.append(project(sample.outcome_blocks, design.columns, design.outcome))
    index, blocks = design.slope_index, sample.regressor_blocks
    if index is not None and blocks is not None:
        moments = (-slopes[groups][None] * design.columns).at[index].add(residuals)
        projections.append(project(blocks, moments, design.columns[index]))
    own = design.columns * residuals[None]
    return GroupedInfluence(bread, own, groups, tuple(projections))
