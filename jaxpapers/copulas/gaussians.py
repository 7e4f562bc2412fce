"""Gaussian variational families: low-rank factor and full-rank, by reparameterisation."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, PRNGKeyArray

from ..numerics import matmul


class Gaussian(eqx.Module):
    """A normal distribution over whitened coordinates, whose draws can be differentiated."""

    @abc.abstractmethod
    def noise(self, key: PRNGKeyArray) -> Float[Array, " noise"]:
        """Standard normal noise for one draw.

        Args:
            key: a typed key.

        Returns:
            The noise.
        """

    @abc.abstractmethod
    def draw(self, noise: Float[Array, " noise"]) -> Float[Array, " param"]:
        """A draw as a function of noise and of the parameters of the family.

        Args:
            noise: standard normal.

        Returns:
            Whitened coordinates.
        """

    @abc.abstractmethod
    def log_prob(self, xi: Float[Array, " param"]) -> Float[Array, ""]:
        """Log-density.

        Args:
            xi: whitened coordinates.

        Returns:
            `log q(xi)`.
        """


class FactorGaussian(Gaussian):
    """`N(mean, B B' + D^2)` with D diagonal.

    Attributes:
        mean: the mean.
        factors: B.
        log_scale: log of the diagonal of D.
    """

    mean: Float[Array, " param"]
    factors: Float[Array, "param rank"]
    log_scale: Float[Array, " param"]

    def noise(self, key: PRNGKeyArray) -> Float[Array, " noise"]:
        """Standard normal noise for one draw."""
        return jax.random.normal(key, (sum(self.factors.shape),), self.mean.dtype)

    def draw(self, noise: Float[Array, " noise"]) -> Float[Array, " param"]:
        """A draw as a function of noise and of the parameters."""
        size = self.mean.shape[0]
        common = matmul(self.factors, noise[size:, None])[:, 0]
        return self.mean + jnp.exp(self.log_scale) * noise[:size] + common

    def log_prob(self, xi: Float[Array, " param"]) -> Float[Array, ""]:
        """Log-density, by Woodbury."""
        residual = (xi - self.mean) * jnp.exp(-self.log_scale)
        scaled = self.factors * jnp.exp(-self.log_scale)[:, None]
        identity = jnp.eye(scaled.shape[1], dtype=xi.dtype)
        root = jnp.linalg.cholesky(identity + matmul(scaled.T, scaled))
        common = matmul(scaled.T, residual[:, None])[:, 0]
        square = jnp.sum(residual**2) - jnp.sum(solve_triangular(root, common, lower=True) ** 2)
        log_det = jnp.sum(self.log_scale) + jnp.sum(jnp.log(jnp.diagonal(root)))
        return -0.5 * square - log_det - _half_log_two_pi(xi)


class FullGaussian(Gaussian):
    """`N(mean, C C')` with C lower triangular.

    Attributes:
        mean: the mean.
        lower: entries of C below the diagonal, row by row.
        log_scale: log of the diagonal of C.
    """

    mean: Float[Array, " param"]
    lower: Float[Array, " entry"]
    log_scale: Float[Array, " param"]

    def noise(self, key: PRNGKeyArray) -> Float[Array, " noise"]:
        """Standard normal noise for one draw."""
        return jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def draw(self, noise: Float[Array, " noise"]) -> Float[Array, " param"]:
        """A draw as a function of noise and of the parameters."""
        return self.mean + matmul(self._root(), noise[:, None])[:, 0]

    def log_prob(self, xi: Float[Array, " param"]) -> Float[Array, ""]:
        """Log-density."""
        residual = solve_triangular(self._root(), xi - self.mean, lower=True)
        return -0.5 * jnp.sum(residual**2) - jnp.sum(self.log_scale) - _half_log_two_pi(xi)

    def _root(self):
        rows, columns = jnp.tril_indices(self.mean.shape[0], -1)
        below = jnp.zeros((self.mean.shape[0],) * 2, self.mean.dtype).at[rows, columns]
        return below.set(self.lower) + jnp.diag(jnp.exp(self.log_scale))


def _half_log_two_pi(xi):
    return 0.5 * xi.shape[0] * jnp.log(jnp.asarray(2 * jnp.pi, xi.dtype))
