"""Correlation matrices of copulas: any, by Cholesky, or of a factor model, by least squares."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, PRNGKeyArray

from ..numerics import matmul


class Correlation(eqx.Module):
    """A correlation matrix Omega and what densities and draws need of it."""

    @property
    @abc.abstractmethod
    def num_assets(self) -> int:
        """Number of rows."""

    @property
    @abc.abstractmethod
    def dtype(self) -> jnp.dtype:
        """Floating dtype."""

    @abc.abstractmethod
    def matrix(self) -> Float[Array, "asset asset"]:
        """The matrix itself.

        Returns:
            Omega, right to a few roundings of 1.
        """

    @abc.abstractmethod
    def times(self, vector: Float[Array, " asset"]) -> Float[Array, " asset"]:
        """`Omega v`.

        Args:
            vector: v.

        Returns:
            The product.
        """

    @abc.abstractmethod
    def quadratic(self, x: Float[Array, " asset"]) -> Float[Array, ""]:
        """`x' Omega^{-1} x`, a sum of squares that cannot cancel.

        Args:
            x: one point.

        Returns:
            The quadratic form; never negative.
        """

    @abc.abstractmethod
    def bilinear(
        self, left: Float[Array, " asset"], right: Float[Array, " asset"]
    ) -> Float[Array, ""]:
        """`l' Omega^{-1} r`.

        Args:
            left: l.
            right: r.

        Returns:
            The bilinear form.
        """

    @abc.abstractmethod
    def log_det(self) -> Float[Array, ""]:
        """`log |Omega|`.

        Returns:
            The logarithm of the determinant, at most 0.
        """

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Normal draws with mean 0 and covariance Omega.

        Args:
            key: a typed key.
            num_draws: how many.

        Returns:
            The draws.
        """


class DenseCorrelation(Correlation):
    """Any positive definite correlation matrix.

    Attributes:
        cholesky: its lower Cholesky factor.
    """

    cholesky: Float[Array, "asset asset"]

    @property
    def num_assets(self) -> int:
        """Number of rows."""
        return self.cholesky.shape[0]

    @property
    def dtype(self) -> jnp.dtype:
        """Floating dtype."""
        return self.cholesky.dtype

    def matrix(self) -> Float[Array, "asset asset"]:
        """The matrix itself."""
        return matmul(self.cholesky, self.cholesky.T)

    def times(self, vector: Float[Array, " asset"]) -> Float[Array, " asset"]:
        """`Omega v`."""
        return matmul(self.cholesky, matmul(self.cholesky.T, vector[:, None]))[:, 0]

    def quadratic(self, x: Float[Array, " asset"]) -> Float[Array, ""]:
        """`x' Omega^{-1} x`."""
        return jnp.sum(self._whitened(x) ** 2)

    def bilinear(
        self, left: Float[Array, " asset"], right: Float[Array, " asset"]
    ) -> Float[Array, ""]:
        """`l' Omega^{-1} r`."""
        return jnp.sum(self._whitened(left) * self._whitened(right))

    def log_det(self) -> Float[Array, ""]:
        """`log |Omega|`."""
        return 2 * jnp.sum(jnp.log(jnp.diagonal(self.cholesky)))

    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Normal draws with mean 0 and covariance Omega."""
        shape = (num_draws, self.num_assets)
        return matmul(jax.random.normal(key, shape, self.cholesky.dtype), self.cholesky.T)

    def _whitened(self, x):
        return solve_triangular(self.cholesky, x, lower=True)


class FactorCorrelation(Correlation):
    """Correlation of a factor model, `Omega = L L' + diag(psi)` with unit diagonal.

    With `V = G G' + I`, `L = diag(V)^{-1/2} G` and `psi = 1 / diag(V)`. Source: Deng, Smith and
    Maneesoonthorn (2025). No matrix of assets by assets is ever solved.

    The quadratic form is that of least squares, `min_f |(x - L f) / sqrt(psi)|^2 + |f|^2`, solved
    by QR: `x' psi^{-1} x` less a square would cancel where the matrix is nearly singular, and
    `I + L' psi^{-1} L` would lose half the digits. Source: derived by us.

    Attributes:
        loadings: L.
        uniqueness: psi.
    """

    loadings: Float[Array, "asset factor"]
    uniqueness: Float[Array, " asset"]

    @property
    def num_assets(self) -> int:
        """Number of rows."""
        return self.loadings.shape[0]

    @property
    def dtype(self) -> jnp.dtype:
        """Floating dtype."""
        return self.loadings.dtype

    def matrix(self) -> Float[Array, "asset asset"]:
        """The matrix itself."""
        return matmul(self.loadings, self.loadings.T) + jnp.diag(self.uniqueness)

    def times(self, vector: Float[Array, " asset"]) -> Float[Array, " asset"]:
        """`Omega v`."""
        common = matmul(self.loadings, matmul(self.loadings.T, vector[:, None]))[:, 0]
        return common + self.uniqueness * vector

    def quadratic(self, x: Float[Array, " asset"]) -> Float[Array, ""]:
        """`x' Omega^{-1} x`."""
        return jnp.sum(self._residuals(x) ** 2)

    def bilinear(
        self, left: Float[Array, " asset"], right: Float[Array, " asset"]
    ) -> Float[Array, ""]:
        """`l' Omega^{-1} r`."""
        return jnp.sum(self._residuals(left) * self._residuals(right))

    def log_det(self) -> Float[Array, ""]:
        """`log |Omega|`."""
        _, triangle = jnp.linalg.qr(self._design())
        inner = 2 * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(triangle))))
        return inner + jnp.sum(jnp.log(self.uniqueness))

    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Normal draws with mean 0 and covariance Omega."""
        common_key, own_key = jax.random.split(key)
        num_assets, num_factors = self.loadings.shape
        dtype = self.loadings.dtype
        common = jax.random.normal(common_key, (num_draws, num_factors), dtype)
        own = jax.random.normal(own_key, (num_draws, num_assets), dtype)
        return matmul(common, self.loadings.T) + own * jnp.sqrt(self.uniqueness)[None]

    def _design(self):
        """Left side of the least squares problem: G above the identity."""
        unscaled = self.loadings / jnp.sqrt(self.uniqueness)[:, None]
        return jnp.concatenate([unscaled, jnp.eye(unscaled.shape[1], dtype=unscaled.dtype)])

    def _residuals(self, x):
        """Residuals of the least squares problem with right side `(x / sqrt(psi), 0)`."""
        design = self._design()
        basis, triangle = jnp.linalg.qr(design)
        target = (
            jnp.zeros_like(design[:, 0]).at[: self.num_assets].set(x / jnp.sqrt(self.uniqueness))
        )
        factors = solve_triangular(triangle, matmul(basis.T, target[:, None]))
        return target - matmul(design, factors)[:, 0]


def factor_correlation(loadings: Float[Array, "asset factor"]) -> FactorCorrelation:
    """Correlation of the factor model with unscaled loadings G, `V = G G' + I`.

    Args:
        loadings: G; their squares must not overflow.

    Returns:
        The correlation.
    """
    variance = 1 + jnp.sum(loadings**2, axis=1)
    return FactorCorrelation(loadings / jnp.sqrt(variance)[:, None], 1 / variance)
