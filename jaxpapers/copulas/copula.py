"""What a copula is: a density, draws, and the law of each of its pairs."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from .correlation import Correlation


class Copula(eqx.Module):
    """Copula of a skew or symmetric distribution with correlation matrix Omega.

    A pair of assets has the law of the same family with their correlation `Omega_ij` and their own
    skewness: what is asked about pairs needs `correlation` and `skewness` only. Turning a pair over
    is turning signs: `(-X, -Y)` has skewness `(-first, -second)`, `(-X, Y)` has correlation `-rho`
    and skewness `(-first, second)`.

    Attributes:
        correlation: Omega.
        skewness: of each margin, in the family's own terms; zeros where there is none.
    """

    correlation: eqx.AbstractVar[Correlation]

    @property
    @abc.abstractmethod
    def skewness(self) -> Float[Array, " asset"]:
        """Skewness of each margin, in the family's own terms; zeros where there is none."""

    @property
    def num_assets(self) -> int:
        """Number of assets."""
        return self.correlation.num_assets

    @abc.abstractmethod
    def log_prob(self, u: Float[Array, " asset"]) -> Float[Array, ""]:
        """Log-density of the copula at one point; for many take `jax.vmap`.

        Args:
            u: one point in (0, 1); NaN comes of values outside.

        Returns:
            `log c(u)`.

        Raises:
            TypeError: a point that is not of real numbers.
            ValueError: a point of another shape.
        """

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw asset"]:
        """Independent draws.

        Args:
            key: a typed key.
            num_draws: how many.

        Returns:
            Points in (0, 1).

        Raises:
            TypeError: no typed key, a number that is not an int.
            ValueError: an array of keys, no draws.
        """

    @abc.abstractmethod
    def quantile(
        self, u: Float[Array, "*batch"], skewness: Float[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """Quantiles of margins of this family.

        Args:
            u: in (0, 1).
            skewness: of the margin.

        Returns:
            The quantiles, x below.
        """

    @abc.abstractmethod
    def quadrant(
        self,
        x: Float[ArrayLike, "*batch"],
        y: Float[ArrayLike, "*batch"],
        rho: Float[ArrayLike, "*batch"],
        first: Float[ArrayLike, "*batch"],
        second: Float[ArrayLike, "*batch"],
    ) -> Float[Array, "*batch"]:
        """`P(X <= x, Y <= y)` of pairs of this family.

        Args:
            x: quantile of the first.
            y: quantile of the second.
            rho: correlation of the pair.
            first: skewness of the first.
            second: skewness of the second.

        Returns:
            The probabilities.
        """

    @abc.abstractmethod
    def lower_tail(
        self,
        rho: Float[ArrayLike, "*batch"],
        first: Float[ArrayLike, "*batch"],
        second: Float[ArrayLike, "*batch"],
    ) -> Float[Array, "*batch"]:
        """`lim P(U_1 <= u, U_2 <= u) / u` of pairs of this family, u to 0.

        Args:
            rho: correlation of the pair.
            first: skewness of the first.
            second: skewness of the second.

        Returns:
            The tail dependence, in [0, 1].
        """

    @abc.abstractmethod
    def concordance(
        self,
        rho: Float[ArrayLike, "*batch"],
        first: Float[ArrayLike, "*batch"],
        second: Float[ArrayLike, "*batch"],
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        """Rank correlations of pairs of this family.

        Args:
            rho: correlation of the pair.
            first: skewness of the first.
            second: skewness of the second.

        Returns:
            Kendall's tau and Spearman's rho.
        """

    def lower(
        self,
        level: Float[ArrayLike, "*batch"],
        rho: Float[ArrayLike, "*batch"],
        first: Float[ArrayLike, "*batch"],
        second: Float[ArrayLike, "*batch"],
    ) -> Float[Array, "*batch"]:
        """`P(U_1 <= level, U_2 <= level)` of pairs of this family.

        Args:
            level: in (0, 1).
            rho: correlation of the pair.
            first: skewness of the first.
            second: skewness of the second.

        Returns:
            The probabilities.
        """
        level, rho, first, second = jnp.broadcast_arrays(level, rho, first, second)
        x, y = self.quantile(jnp.stack([level, level]), jnp.stack([first, second]))
        return self.quadrant(x, y, rho, first, second)
