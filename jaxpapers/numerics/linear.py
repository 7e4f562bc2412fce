"""Full-precision products and least squares by QR with R's rank rule, by group or for all."""

import functools
import operator

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float, Int

RANK_TOLERANCE = 1e-7
FEW_ROWS = 8
SUM_BLOCK = 4096

Rows = tuple[Array, ...] | Array
"""One variable per row: an array (row, obs) or a tuple of arrays (obs,)."""


def matmul(left: Array, right: Array) -> Array:
    """Matrix product in the full precision of its dtype (never TF32 or bfloat16).

    Args:
        left: `(..., m, k)`.
        right: `(..., k, n)`.

    Returns:
        `(..., m, n)`. Error relative to the largest term: about k roundings of its dtype, 1e-7
        each in float32 and 1e-16 in float64.
    """
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)


def products(left: Rows, right: Rows) -> Float[Array, "row column"]:
    """Sums of products over observations, `left @ right.T`, in full precision.

    With few rows, as in regressions, XLA's matrix product on a CPU is several times slower than
    the reductions written out; with many it is faster. A tuple of rows is never stored as one
    array unless it is long.

    Args:
        left: one variable per row, an array or a tuple.
        right: one variable per row.

    Returns:
        `(row, column)`. Error: a few roundings of the sum of absolute products.
    """
    if not 0 < max(len(left), len(right)) <= FEW_ROWS or not len(left):
        return jnp.sum(_blocked_products(stacked(left), stacked(right)), axis=0)
    return jnp.stack([jnp.stack([jnp.sum(row * other) for other in right]) for row in left])


def combined(weights: Float[Array, " row"], rows: Rows) -> Float[Array, " obs"]:
    """Linear combination of at least one row, `weights @ rows`, in full precision.

    Few rows are combined in one pass over the observations, without a matrix product.

    Args:
        weights: one per row.
        rows: one variable per row, an array or a tuple.

    Returns:
        `(obs,)`. Error: a few roundings of the largest term.
    """
    if len(rows) > FEW_ROWS:
        return matmul(weights[None], stacked(rows))[0]
    return functools.reduce(operator.add, [weights[i] * row for i, row in enumerate(rows)])


def stacked(rows: Rows) -> Float[Array, "row obs"]:
    """Rows as one array.

    Args:
        rows: an array, returned as it is, or a tuple of at least one row.

    Returns:
        The array. Exact.
    """
    return jnp.stack(rows) if isinstance(rows, tuple) else rows


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
        Sums with the group as first axis. Error relative to the sum of absolute values: about
        1e-7 in float32 and 1e-16 in float64 at 1e7 observations.
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

    Rows of the basis keep their length, so that a constant column stays a constant, which costs
    no memory.

    Attributes:
        basis: orthogonal rows (within each group).
        scale: 1 over the length of each of them; zero for dropped columns.
        triangle: upper triangular R of each group with unit diagonal at dropped columns.
        kept: which columns were kept.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import numerics
        >>> design = jnp.array([[1.0, 1, 1, 1], [0.0, 1, 2, 3], [2.0, 2, 2, 2]])  # one column a row
        >>> factors = numerics.qr_by_group(design)
        >>> print(factors.kept, factors.solve(jnp.array([1.0, 3, 5, 7]), None))
        [[ True  True False]] [[1.0000001 2.        0.       ]]
    """

    basis: tuple[Float[Array, " obs"], ...]
    scale: Float[Array, "group column"]
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

    def orthonormal(self, groups: Int[Array, " obs"] | None) -> Float[Array, "column obs"]:
        """Orthonormal rows (within each group); zero for dropped columns.

        Args:
            groups: group of each observation or None.

        Returns:
            The basis times its scale.
        """
        by_obs = self.scale.T if groups is None else self.scale[groups].T
        return stacked(self.basis) * by_obs

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
        projections = _projections(self.basis, self.scale, target, groups)
        return jnp.einsum(
            "gij,gj->gi", self.inverse(), projections, precision=jax.lax.Precision.HIGHEST
        )


def qr_by_group(
    columns: Rows, groups: Int[Array, " obs"] | None = None, num_groups: int = 1
) -> GroupedQR:
    """QR by Gram-Schmidt, done twice for orthogonality, with R's rank rule.

    A column whose norm falls below 1e-7 of its own norm once the earlier columns are projected
    out is dropped: later columns go first, as in R's `lm`. In float32 the tolerance is 100 times
    the machine epsilon, below which a remainder is rounding.

    Args:
        columns: the design, one column of it per row, an array or a tuple of at least one.
        groups: group of each observation in `0 .. num_groups - 1`; None for one group.
        num_groups: number of groups; each has its own factors.

    Returns:
        The factors. Accuracy: orthogonal to a few roundings (1e-6 in float32, 1e-14 in float64)
        however ill-conditioned the design is.
    """
    dtype = columns[0].dtype
    tolerance = max(RANK_TOLERANCE, 100 * float(jnp.finfo(dtype).eps))
    basis, entries, kept = (), [], []
    scale = jnp.zeros((num_groups, 0), dtype)
    for index, column in enumerate(columns):
        original = jnp.sqrt(group_sums(column * column, groups, num_groups))
        first, column = _project_out(basis, scale, column, groups)
        second, column = _project_out(basis, scale, column, groups)
        norm = jnp.sqrt(group_sums(column * column, groups, num_groups))
        keep = norm > tolerance * original
        diagonal = jnp.where(keep, norm, 1)
        basis += (column,)
        scale = jnp.concatenate([scale, jnp.where(keep, 1 / diagonal, 0)[:, None]], axis=1)
        below = jnp.zeros((num_groups, len(columns) - index - 1), dtype)
        entries.append(jnp.concatenate([first + second, diagonal[:, None], below], axis=1))
        kept.append(keep)
    return GroupedQR(basis, scale, jnp.stack(entries, axis=2), jnp.stack(kept, axis=1))


def _project_out(basis, scale, column, groups):
    """Takes the part along the basis out of one column, group by group."""
    coefficients = _projections(basis, scale, column, groups)
    if not basis:
        return coefficients, column
    weights = coefficients * scale
    if groups is None:
        return coefficients, column - combined(weights[0], basis)
    return coefficients, column - jnp.sum(stacked(basis) * weights[groups].T, axis=0)


def _projections(basis, scale, column, groups):
    """Inner products of a column with the orthonormal basis of each group."""
    if not basis:
        return jnp.zeros_like(scale)
    if groups is None:
        return products((column,), basis) * scale
    return group_sums(stacked(basis) * column[None], groups, scale.shape[0]) * scale
