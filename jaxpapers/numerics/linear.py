"""Full-precision products and least squares by QR with R's rank rule, by group or for all."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float, Int

RANK_TOLERANCE = 1e-7
FEW_ROWS = 8
SUM_BLOCK = 4096


def matmul(left: Array, right: Array) -> Array:
    """Matrix product in the full precision of its dtype (never TF32 or bfloat16).

    Args:
        left: `(..., m, k)`.
        right: `(..., k, n)`.

    Returns:
        `(..., m, n)`.
    """
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)


def products(left: Float[Array, "row obs"], right: Float[Array, "column obs"]) -> Array:
    """Sums of products over observations, `left @ right.T`, in full precision.

    With few rows, as in regressions, XLA's matrix product on a CPU is several times slower than
    the reductions written out; with many it is faster.

    Args:
        left: one variable per row.
        right: one variable per row.

    Returns:
        `(row, column)`.
    """
    if not 0 < max(left.shape[0], right.shape[0]) <= FEW_ROWS or not left.shape[0]:
        return jnp.sum(_blocked_products(left, right), axis=0)
    return jnp.stack([jnp.sum(row[None] * right, axis=1) for row in left])


def _blocked_products(left, right):
    """Products over blocks of observations: short sums keep their digits in float32."""
    num_blocks = -(-left.shape[1] // SUM_BLOCK)
    padding = [(0, 0), (0, num_blocks * SUM_BLOCK - left.shape[1])]
    left, right = (
        jnp.pad(rows, padding).reshape(rows.shape[0], num_blocks, SUM_BLOCK)
        for rows in (left, right)
    )
    return jnp.einsum("rbk,cbk->brc", left, right, precision=jax.lax.Precision.HIGHEST)


def group_sums(
    rows: Float[Array, "*row obs"], groups: Int[Array, " obs"] | None, num_groups: int
) -> Float[Array, "group *row"]:
    """Sums over the observations of each group, by blocks: digits are kept in float32.

    Args:
        rows: summed along the last axis.
        groups: group of each observation in `0 .. num_groups - 1`; None for one group.
        num_groups: number of groups.

    Returns:
        Sums with the group as first axis.
    """
    if groups is None:
        return jnp.sum(rows, axis=-1)[None]
    num_obs = rows.shape[-1]
    num_blocks = -(-num_obs // SUM_BLOCK)
    cell = (jnp.arange(num_obs, dtype=jnp.int32) // SUM_BLOCK) * num_groups + groups
    sums = jax.ops.segment_sum(jnp.moveaxis(rows, -1, 0), cell, num_blocks * num_groups)
    return jnp.sum(sums.reshape(num_blocks, num_groups, *rows.shape[:-1]), axis=0)


class GroupedQR(eqx.Module):
    """QR factors of a design, one small triangle per group.

    Attributes:
        basis: orthonormal rows (within each group); zero for dropped columns.
        triangle: upper triangular R of each group with unit diagonal at dropped columns.
        kept: which columns were kept.
    """

    basis: Float[Array, "column obs"]
    triangle: Float[Array, "group column column"]
    kept: Bool[Array, "group column"]

    def inverse(self) -> Float[Array, "group column column"]:
        """Inverse of R on the kept columns, zero elsewhere."""
        identity = jnp.eye(self.triangle.shape[-1], dtype=self.triangle.dtype)
        inverse = solve_triangular(
            self.triangle, jnp.broadcast_to(identity[None], self.triangle.shape), lower=False
        )
        both = self.kept[:, :, None] & self.kept[:, None, :]
        return jnp.where(both, inverse, 0)

    def solve(
        self, target: Float[Array, " obs"], groups: Int[Array, " obs"] | None
    ) -> Float[Array, "group column"]:
        """Least-squares coefficients by group; zero for dropped columns.

        Args:
            target: left-hand side.
            groups: group of each observation or None.

        Returns:
            Coefficients, one row per group.
        """
        projections = group_sums(self.basis * target[None], groups, self.kept.shape[0])
        return jnp.einsum(
            "gij,gj->gi", self.inverse(), projections, precision=jax.lax.Precision.HIGHEST
        )


def qr_by_group(
    columns: Float[Array, "column obs"],
    groups: Int[Array, " obs"] | None = None,
    num_groups: int = 1,
) -> GroupedQR:
    """QR by Gram-Schmidt, done twice for orthogonality, with R's rank rule.

    A column whose norm falls below 1e-7 of its own norm once the earlier columns are projected
    out is dropped: later columns go first, as in R's `lm`. In float32 the tolerance is 100 times
    the machine epsilon, below which a remainder is rounding.

    Args:
        columns: the design, one column of it per row.
        groups: group of each observation in `0 .. num_groups - 1`; None for one group.
        num_groups: number of groups; each has its own factors.

    Returns:
        The factors. Orthogonal to rounding however ill-conditioned the design is.
    """
    num_columns, num_obs = columns.shape
    dtype = columns.dtype
    tolerance = max(RANK_TOLERANCE, 100 * float(jnp.finfo(dtype).eps))
    basis = jnp.zeros((0, num_obs), dtype)
    entries, kept = [], []
    for index in range(num_columns):
        column = columns[index]
        original = jnp.sqrt(group_sums(column * column, groups, num_groups))
        first, column = _project_out(basis, column, groups, num_groups)
        second, column = _project_out(basis, column, groups, num_groups)
        norm = jnp.sqrt(group_sums(column * column, groups, num_groups))
        keep = norm > tolerance * original
        diagonal = jnp.where(keep, norm, 1)
        scale = jnp.where(keep, 1 / diagonal, 0)
        basis = jnp.concatenate([basis, (column * _spread(scale, groups))[None]])
        below = jnp.zeros((num_groups, num_columns - index - 1), dtype)
        entries.append(jnp.concatenate([first + second, diagonal[:, None], below], axis=1))
        kept.append(keep)
    return GroupedQR(basis, jnp.stack(entries, axis=2), jnp.stack(kept, axis=1))


def _project_out(basis, column, groups, num_groups):
    """Takes the part along the basis out of one column, group by group."""
    coefficients = group_sums(basis * column[None], groups, num_groups)
    if groups is None:
        explained = matmul(coefficients, basis)[0]
    else:
        explained = jnp.sum(basis * coefficients[groups].T, axis=0)
    return coefficients, column - explained


def _spread(by_group, groups):
    """Gives each observation the number of its group."""
    return by_group[0] if groups is None else by_group[groups]
