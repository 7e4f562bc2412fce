"""Laplace whitening: coordinates in which the posterior is near a standard normal."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import engine
from ..engine.batching import fitting_batch_size
from ..numerics import matmul
from .model import FactorModel
from .observed import Observed

SMOOTHING = 0.01
"""Rounding of the prior's cusp in the Hessian."""
LARGEST_SD = 2.0
"""Standard deviation given to directions in which the posterior is flat or bends upwards."""
STEP = 1e-3


class Whitening(eqx.Module):
    """Coordinates `theta = center + root xi`.

    Attributes:
        center: the mode.
        root: lower triangular.
        highest: log posterior at the mode.
    """

    center: Float[Array, " param"]
    root: Float[Array, "param param"]
    highest: Float[Array, ""]

    @property
    def log_det(self) -> Float[Array, ""]:
        """`log |root|`."""
        return jnp.sum(jnp.log(jnp.diagonal(self.root)))

    def params(self, xi: Float[Array, " param"]) -> Float[Array, " param"]:
        """Parameters at whitened coordinates.

        Args:
            xi: whitened coordinates.

        Returns:
            theta.
        """
        return self.center + matmul(self.root, xi[:, None])[:, 0]


class _Differenced(eqx.Module):
    """A column of the Hessian by a central difference of gradients, and the value above.

    A place that is none moves nothing: there the value is that of the center.
    """

    model: FactorModel
    observed: Observed
    center: Float[Array, " param"]

    def __call__(self, place):
        size = self.center.shape[0]
        move = jnp.where(jnp.arange(size) == place, STEP, 0).astype(self.center.dtype)
        both = jnp.stack([self.center + move, self.center - move])

        def gradient(params):
            return jax.value_and_grad(_smoothed)(params, self.model, self.observed)

        values, (above, below) = jax.lax.map(gradient, both)  # compiled once
        return (above - below) / (2 * STEP), values[0]


def _smoothed(params, model, observed):
    """Log posterior with a rounded prior."""
    given = model.unpack(params)
    return model.log_likelihood(given, observed) + model.log_prior_of(given, SMOOTHING)


def whiten(model: FactorModel, observed: Observed, center: Float[Array, " param"]) -> Whitening:
    """Whitens the posterior by its curvature at the mode.

    Eigenvalues of the negative Hessian below 1/4 are taken as 1/4. Source: derived by us.

    Args:
        model: the model.
        observed: the data.
        center: the mode.

    Returns:
        The coordinates.
    """
    size = center.shape[0]
    places = jnp.arange(size + 1, dtype=jnp.int32)
    batch_size = fitting_batch_size(observed.u.size)
    columns, values = engine.batched_map(
        _Differenced(model, observed, center), places, batch_size=batch_size
    )
    return _whitened(model, center, columns[:size], values[size])


@eqx.filter_jit
def _whitened(model, center, hessian, value):
    values, vectors = jnp.linalg.eigh(-0.5 * (hessian + hessian.T))
    is_curved = values > 1 / LARGEST_SD**2
    variance = jnp.where(is_curved, 1 / jnp.where(is_curved, values, 1), LARGEST_SD**2)
    root = jnp.linalg.cholesky(matmul(vectors * variance[None], vectors.T))
    given = model.unpack(center)
    highest = value - model.log_prior_of(given, SMOOTHING) + model.log_prior_of(given)
    return Whitening(center, root, highest)
