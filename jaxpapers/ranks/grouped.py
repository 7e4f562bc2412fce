"""Joint covariance over groups: every observation moves every group through the pooled ranks."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..numerics import TieBlocks, group_sums, matmul
from .influence import Design
from .model import RankRegression
from .sample import Sample

CHUNK_SIZE = 256
MAX_CHECKPOINTS = 2048
MIN_BLOCK = 32


class GroupPrefix(eqx.Module):
    """Prefix sums of moments by group along one variable's order, in little memory.

    Sums are stored at every `block`-th sorted position only; the rest of a row is added from the
    at most `block` observations since then. Memory is (obs / block) x columns x groups.

    Attributes:
        checkpoints: sums over the sorted positions before each block.
        rows: moments by sorted position.
        groups: group by sorted position.
        block: sorted positions per checkpoint; static.
    """

    checkpoints: Float[Array, "block+1 column group"]
    rows: Float[Array, "column obs"]
    groups: Int[Array, " obs"]
    block: int = eqx.field(static=True)

    def at(
        self, positions: Int[Array, "chunk bound"], weights: Float[Array, " bound"]
    ) -> Float[Array, "chunk column group"]:
        """Weighted sum over bounds of the prefix sums at some positions.

        Args:
            positions: numbers of leading observations to sum over.
            weights: one weight per bound.

        Returns:
            `sum_b weights[b] C[positions[:, b]]` by column and group.
        """
        num_obs = self.groups.shape[0]
        start = positions // self.block
        base = jnp.einsum("cbkg,b->ckg", self.checkpoints[start], weights)
        offsets = jnp.arange(self.block, dtype=jnp.int32)[None, None]
        index = start[..., None] * self.block + offsets
        inside = index < positions[..., None]
        index = jnp.minimum(index, num_obs - 1)
        weight = jnp.where(inside, weights[None, :, None], 0)
        extra = jnp.moveaxis(self.rows[:, index] * weight[None], 0, -1)
        chunk = jnp.arange(positions.shape[0], dtype=jnp.int32)[:, None, None]
        spread = jnp.broadcast_to(chunk, index.shape)
        return base.at[spread, :, self.groups[index]].add(extra)


def group_prefix(
    rows: Float[Array, "column obs"], groups: Int[Array, " obs"], num_groups: int
) -> GroupPrefix:
    """Builds the prefix sums by group.

    Args:
        rows: moments by sorted position.
        groups: group by sorted position.
        num_groups: number of groups.

    Returns:
        The structure.
    """
    num_columns, num_obs = rows.shape
    block = max(MIN_BLOCK, -(-num_obs // MAX_CHECKPOINTS))
    num_blocks = -(-num_obs // block)
    cell = (jnp.arange(num_obs, dtype=jnp.int32) // block) * num_groups + groups
    sums = jax.ops.segment_sum(rows.T, cell, num_blocks * num_groups)
    sums = jnp.swapaxes(sums.reshape(num_blocks, num_groups, num_columns), 1, 2)
    first = jnp.zeros((1, num_columns, num_groups), rows.dtype)
    return GroupPrefix(jnp.concatenate([first, jnp.cumsum(sums, axis=0)]), rows, groups, block)


class GroupProjection(eqx.Module):
    """`mean_k[1{G_k = g} m_k d_i(k)]` for all groups g, for any chunk of observations i."""

    prefix: GroupPrefix
    total: Float[Array, "column group"]
    centre: Float[Array, "column group"]
    bounds: Int[Array, "obs bound"]
    weights: Float[Array, " bound"]
    increasing: bool = eqx.field(static=True)

    def at(self, members: Int[Array, " chunk"]) -> Float[Array, "chunk column group"]:
        """Rows of the projection.

        Args:
            members: working indices.

        Returns:
            One matrix (column, group) per member.
        """
        passed = self.prefix.at(self.bounds[members], self.weights)
        ahead = self.total[None] - passed if self.increasing else passed
        return (ahead - self.centre[None]) / self.bounds.shape[0]


def group_projection(
    blocks: TieBlocks,
    tie_weight: Float[Array, ""],
    rows: Float[Array, "column obs"],
    ranks: Float[Array, " obs"],
    groups: Int[Array, " obs"],
    num_groups: int,
) -> GroupProjection:
    """Prepares the projection of moments on one variable's ranks, by group.

    Args:
        blocks: the ranked variable.
        tie_weight: w in [0, 1].
        rows: moments of each observation, of its own group.
        ranks: pooled ranks.
        groups: group of each observation.
        num_groups: number of groups.

    Returns:
        The projection.
    """
    prefix = group_prefix(blocks.to_sorted(rows), blocks.to_sorted(groups), num_groups)
    bounds = blocks.to_working(jnp.stack([blocks.starts, blocks.ends])).T
    weights = jnp.stack([tie_weight, 1 - tie_weight])
    if not blocks.increasing:
        weights = weights[::-1]
    total = group_sums(rows, groups, num_groups).T
    centre = group_sums(rows * ranks[None], groups, num_groups).T
    return GroupProjection(prefix, total, centre, bounds, weights, blocks.increasing)


class GroupedInfluence(eqx.Module):
    """Influence functions of all groups' coefficients, computed in chunks of observations.

    Attributes:
        own: `Q^{-1} A_i e_i` in the observation's own group.
        groups: group of each observation.
        projections: through the ranks of the outcome and of the regressor, those ranked.
        num_groups: static.
    """

    own: Float[Array, "column obs"]
    groups: Int[Array, " obs"]
    projections: tuple[GroupProjection, ...]
    num_groups: int = eqx.field(static=True)

    def at(self, members: Int[Array, " chunk"]) -> Float[Array, "chunk param"]:
        """Influence functions of some observations.

        Args:
            members: working indices.

        Returns:
            Rows in the order of the parameters: intercepts of all groups, slopes, covariates.
        """
        num_columns = self.own.shape[0]
        rows = jnp.zeros((members.shape[0], num_columns, self.num_groups), self.own.dtype)
        for projection in self.projections:
            rows += projection.at(members)
        chunk = jnp.arange(members.shape[0], dtype=jnp.int32)
        rows = rows.at[chunk, :, self.groups[members]].add(self.own[:, members].T)
        return rows.reshape(members.shape[0], num_columns * self.num_groups)

    def all(self) -> Float[Array, "obs param"]:
        """Influence functions of all observations, in working order."""
        rows = jax.lax.map(self._rows, self._starts())
        return rows.reshape(-1, rows.shape[-1])[: self.groups.shape[0]]

    def covariance(self) -> Float[Array, "param param"]:
        """`sum_i psi_i psi_i' / obs^2` in memory O(chunk x param)."""
        num_obs, num_params = self.groups.shape[0], self.own.shape[0] * self.num_groups

        def add(total, start):
            rows = self._rows(start)
            return total + matmul(rows.T, rows), None

        zero = jnp.zeros((num_params, num_params), self.own.dtype)
        return jax.lax.scan(add, zero, self._starts())[0] / float(num_obs) ** 2

    def variance(self, counts: Float[Array, " obs"]) -> Float[Array, " param"]:
        """`sum_i c_i psi_i^2 / obs^2`: variances of the parameters of a draw.

        Args:
            counts: how often each observation was drawn.

        Returns:
            One variance per parameter.
        """
        num_obs, num_params = self.groups.shape[0], self.own.shape[0] * self.num_groups

        def add(total, start):
            members = jnp.minimum(start + jnp.arange(CHUNK_SIZE, dtype=jnp.int32), num_obs - 1)
            return total + matmul(counts[members][None], self._rows(start) ** 2)[0], None

        zero = jnp.zeros(num_params, self.own.dtype)
        return jax.lax.scan(add, zero, self._starts())[0] / float(num_obs) ** 2

    def _starts(self):
        return jnp.arange(0, self.groups.shape[0], CHUNK_SIZE, dtype=jnp.int32)

    def _rows(self, start):
        num_obs = self.groups.shape[0]
        members = start + jnp.arange(CHUNK_SIZE, dtype=jnp.int32)
        rows = self.at(jnp.minimum(members, num_obs - 1))
        return jnp.where((members < num_obs)[:, None], rows, 0)


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

    The inverse of `Q` is block diagonal, so it is applied to each observation's moments before
    they are summed: `psi_i = Q^{-1} s_i` with `s_i` of section "grouped" summed over all obs.

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
    groups, num_groups = sample.groups, sample.num_groups
    assert groups is not None
    tie_weight = model.tie_weight

    def project(blocks, moments, ranks):
        rows = _apply(bread, groups, moments if counts is None else moments * counts[None])
        return group_projection(blocks, tie_weight, rows, ranks, groups, num_groups)

    projections = []
    if sample.outcome_blocks is not None:
        projections.append(project(sample.outcome_blocks, design.columns, design.outcome))
    index, blocks = design.slope_index, sample.regressor_blocks
    if index is not None and blocks is not None:
        moments = (-slopes[groups][None] * design.columns).at[index].add(residuals)
        projections.append(project(blocks, moments, design.columns[index]))
    own = _apply(bread, groups, design.columns * residuals[None])
    return GroupedInfluence(own, groups, tuple(projections), num_groups)


def _apply(bread, groups, rows):
    """`bread[G_i] @ rows[:, i]` for every observation."""
    return jnp.einsum("nij,jn->in", bread[groups], rows, precision=jax.lax.Precision.HIGHEST)
