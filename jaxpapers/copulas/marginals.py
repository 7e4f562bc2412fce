"""Margins: from data to copula data in (0, 1), by ranks or by a kernel estimate."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..numerics import find_root, rank_order, sample_ranks, tie_blocks
from .checks import check_data


def pseudo_observations(data: Float[ArrayLike, "obs asset"]) -> Float[Array, "obs asset"]:
    """Copula data from ranks, `rank / (obs + 1)` in each column.

    Tied values share their mid-rank: columns with ties take fewer values in (0, 1), which a
    continuous copula does not have; the more ties, the less its fit can be trusted.

    Args:
        data: one row per observation, returns or residuals, any unit.

    Returns:
        Values in (0, 1), exact to one rounding.

    Raises:
        TypeError: data that are not real numbers.
        ValueError: not a matrix, fewer than 2 observations, values that are not finite, a column
            without variation.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import copulas
        >>> print(copulas.pseudo_observations(jnp.array([[0.1, 5.0], [0.3, 5.0], [-0.2, 7.0]])))
        [[0.5   0.375]
         [0.75  0.375]
         [0.25  0.75 ]]
    """
    return _pseudo_observations(check_data(data))


@jax.jit
def _pseudo_observations(data):
    num_obs = data.shape[0]

    def column(values):
        order = rank_order(values)
        blocks = tie_blocks(order, order, increasing=True)
        ranks = sample_ranks(blocks, jnp.asarray(0.5, values.dtype))
        return jnp.zeros_like(values).at[order.order].set(ranks, unique_indices=True)

    return jax.vmap(column, in_axes=1, out_axes=1)(data) * (num_obs / (num_obs + 1))


class KernelMargins(eqx.Module):
    """Gaussian-kernel estimates of the distribution function of each column.

    Attributes:
        data: the observations.
        bandwidth: of each column, in its unit.
    """

    data: Float[Array, "obs asset"]
    bandwidth: Float[Array, " asset"]

    def cdf(self, x: Float[Array, " asset"]) -> Float[Array, " asset"]:
        """Estimated distribution functions at one value per column.

        Args:
            x: one row.

        Returns:
            `mean_k Phi((x - data_k) / bandwidth)`, held off 0 and 1.
        """
        u = jnp.mean(ndtr((x[None] - self.data) / self.bandwidth[None]), axis=0)
        info = jnp.finfo(u.dtype)
        return jnp.clip(u, info.tiny, 1 - info.epsneg)

    def ppf(self, u: Float[Array, " asset"]) -> Float[Array, " asset"]:
        """Quantiles of the estimates, by bracketed Newton.

        Args:
            u: probabilities in (0, 1).

        Returns:
            The quantiles, to the rounding of the estimate itself.
        """
        reach = 9 * self.bandwidth  # beyond, the normal tail is below 1e-18

        def solve(column, width, lower, upper, target):
            def residual(x, args):
                return jnp.mean(ndtr((x - column) / width)) - target

            return find_root(residual, lower, upper).value

        lower, upper = jnp.min(self.data, axis=0) - reach, jnp.max(self.data, axis=0) + reach
        return jax.vmap(solve, in_axes=(1, 0, 0, 0, 0))(self.data, self.bandwidth, lower, upper, u)


def kernel_margins(data: Float[ArrayLike, "obs asset"]) -> KernelMargins:
    """Gaussian-kernel margins with Silverman's bandwidth, `.9 min(sd, IQR / 1.34) obs^{-1/5}`.

    Args:
        data: one row per observation.

    Returns:
        The margins; `jax.vmap(margins.cdf)(data)` is copula data.

    Raises:
        TypeError: data that are not real numbers.
        ValueError: as `pseudo_observations`.
    """
    data = check_data(data)
    spread = jnp.std(data, axis=0, ddof=1)
    quartiles = jnp.quantile(data, jnp.asarray([0.25, 0.75], data.dtype), axis=0)
    range_ = (quartiles[1] - quartiles[0]) / 1.34
    spread = jnp.where(range_ > 0, jnp.minimum(spread, range_), spread)
    return KernelMargins(data, 0.9 * spread * data.shape[0] ** -0.2)
