"""Hybrid variational inference with latent variables, as in the paper, drawn exactly."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.scipy.special import gammaln, ndtri
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .. import engine
from ..numerics import student_t
from .correlation import factor_correlation
from .densities import skewness_of_slant
from .gaussians import FactorGaussian, Gaussian
from .log_t import log_t_cdf
from .model import FactorModel, FactorParams
from .observed import Observed, quantiles_of
from .vi import MOST_ABOVE, VariationalInference, VIInfo

NUM_NEWTON = 8
NUM_AVERAGED = 500


class Latents(eqx.Module):
    """Latent variables of the generative form `X | L, W`, one of each per observation.

    Attributes:
        ratio: `L / sqrt(W)`, positive.
        precision: W.
    """

    ratio: Float[Array, " obs"]
    precision: Float[Array, " obs"]


class HybridVI(VariationalInference):
    """The paper's hybrid variational inference, `q(theta) p(L, W | theta, u)`.

    Gradients are those of the density augmented by (L, W), at latent variables drawn from their
    law given the parameters. The authors run a few MCMC sweeps per step; here the draws are exact
    and independent. ADADELTA(0.95, 1e-6) and the mean of the last 500 iterates are the paper's.
    Skew-t models only.

    Source: Deng, Smith and Maneesoonthorn (2025); the exact draws derived by us. What it costs:
    its gradient is noisier than that of the exact likelihood, which `FactorGaussianVI` uses.

    Attributes:
        rank: columns of B; static.
        num_latents: draws of the latent variables per step; static.
        num_draws: draws of the parameters per step; static.
    """

    rank: int = eqx.field(static=True, default=5)
    num_latents: int = eqx.field(static=True, default=1)
    num_draws: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        """Checks the settings."""
        engine.check_count("rank", self.rank)
        engine.check_count("num_latents", self.num_latents)
        engine.check_count("num_draws", self.num_draws)

    def first(self, key: PRNGKeyArray, num_params: int, dtype: Any) -> Gaussian:
        """Near the standard normal, factors small."""
        factors = 0.01 * jax.random.normal(key, (num_params, self.rank), dtype)
        zeros = jnp.zeros(num_params, dtype)
        return FactorGaussian(zeros, factors, zeros)

    def loss(self, key, family, model, data, noise):
        """Negative augmented ELBO at latent variables drawn given the parameters."""

        def one(key, noise):
            xi = family.draw(noise)
            params = data.whitening.params(xi)
            value = augmented(key, model, params, data.observed, num_latents=self.num_latents)
            still = jax.lax.stop_gradient(family)
            exact = model.log_prob(jax.lax.stop_gradient(params), data.observed)
            log_q = still.log_prob(xi) - data.whitening.log_det
            sound = jnp.isfinite(value) & (exact < data.whitening.highest + MOST_ABOVE)
            return value - log_q, jax.lax.stop_gradient(exact - log_q), sound

        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(self.num_draws))
        values, exact, sound = jax.vmap(one)(keys, noise)
        count = jnp.maximum(jnp.sum(sound), 1)
        elbo = jnp.sum(jnp.where(sound, exact, 0)) / count
        info = VIInfo(elbo, jnp.sum(~sound, dtype=jnp.int32))
        return -jnp.sum(jnp.where(sound, values, 0)) / count, info

    def optimiser(self, count, horizon):
        """ADADELTA(0.95, 1e-6)."""
        del count, horizon
        return optax.chain(optax.scale_by_adadelta(rho=0.95, eps=1e-6), optax.scale(-1.0))

    def num_averaged(self, horizon: Int[Array, ""]) -> Int[Array, ""]:
        """The last 500, or half of fewer than 1,000."""
        return jnp.minimum(NUM_AVERAGED, horizon // 2).astype(jnp.int32)


def augmented(
    key: PRNGKeyArray,
    model: FactorModel,
    params: Float[Array, " param"],
    observed: Observed,
    *,
    num_latents: int = 1,
) -> Float[Array, ""]:
    """Augmented log posterior at latent variables drawn from their law given the parameters.

    Its gradient with the latent variables held has the gradient of the exact log posterior as its
    mean (Fisher's identity).

    Args:
        key: a typed key.
        model: a skew-t model.
        params: unconstrained.
        observed: the data.
        num_latents: draws of the latent variables, averaged.

    Returns:
        `log p(u, L, W, theta)` less constants, a mean over draws.
    """
    given = model.unpack(params)
    parts = _augmented_parts(given, observed)
    held = jax.lax.stop_gradient(parts)

    def one(index):
        latents = draw_latents(jax.random.fold_in(key, index), held)
        return _log_augmented(parts, jax.lax.stop_gradient(latents))

    values = jax.vmap(one)(jnp.arange(num_latents, dtype=jnp.int32))
    return jnp.mean(values) - parts.margins + model.log_prior_of(given)


class AugmentedParts(eqx.Module):
    """What the law of the latent variables depends on.

    Attributes:
        nu: degrees of freedom.
        squares: `Q = x' Omega^{-1} x` of each observation.
        location: `m = delta' Omega^{-1} x`.
        rest: `1 - delta' Omega^{-1} delta`.
        log_det: `log |Omega|`.
        margins: sum of all log-densities of margins.
        num_assets: d; static.
    """

    nu: Float[Array, ""]
    squares: Float[Array, " obs"]
    location: Float[Array, " obs"]
    rest: Float[Array, ""]
    log_det: Float[Array, ""]
    margins: Float[Array, ""]
    num_assets: int = eqx.field(static=True)


def _augmented_parts(given: FactorParams, observed: Observed) -> AugmentedParts:
    correlation = factor_correlation(given.loadings)
    alpha, nu = given.alpha, given.nu
    assert alpha is not None
    assert nu is not None
    x, margins = quantiles_of(observed, skewness_of_slant(correlation, alpha), nu)
    rest = 1 / (1 + jnp.sum(alpha * correlation.times(alpha)))
    return AugmentedParts(
        nu=nu,
        squares=jax.vmap(correlation.quadratic)(x),
        location=jnp.sum(x * alpha[None], axis=1) * jnp.sqrt(rest),
        rest=rest,
        log_det=correlation.log_det(),
        margins=margins,
        num_assets=x.shape[1],
    )


def draw_latents(key: PRNGKeyArray, parts: AugmentedParts) -> Latents:
    """Exact draws of the latent variables given parameters and data.

    `z = L / sqrt(W) | x ~ t_{nu+d}(m, s^2)` above 0, `s^2 = c (nu + Q) / (nu + d)` with
    `c = 1 - delta' Omega^{-1} delta`; then `W | x, z ~ Gamma((nu + d + 1) / 2, rate
    (nu + Q + (z - m)^2 / c) / 2)`. Source: derived by us.

    Args:
        key: a typed key.
        parts: of the parameters and data.

    Returns:
        Independent draws, one per observation.
    """
    ratio_key, precision_key = jax.random.split(key)
    freedom = parts.nu + parts.num_assets
    scale = jnp.sqrt(parts.rest * (parts.nu + parts.squares) / freedom)
    least = parts.location / scale
    tiny = jnp.finfo(least.dtype).tiny
    uniform = jax.random.uniform(ratio_key, least.shape, least.dtype, minval=tiny)
    below = _truncated(least, jnp.log(uniform), freedom)
    ratio = jnp.maximum(parts.location - scale * below, tiny)
    shape = (freedom + 1) / 2
    rate = (parts.nu + parts.squares + (ratio - parts.location) ** 2 / parts.rest) / 2
    return Latents(ratio, jax.random.gamma(precision_key, shape, least.shape, least.dtype) / rate)


def _truncated(most, log_u, freedom):
    """R below `most` with `log T(r) = log T(most) + log u`, by damped Newton steps."""
    freedom = jnp.broadcast_to(freedom, most.shape)
    target = log_t_cdf(most, freedom) + log_u
    normal = ndtri(jnp.clip(jnp.exp(target), jnp.finfo(most.dtype).tiny, 1 - 1e-16))
    start = jnp.minimum(jnp.where(jnp.isfinite(normal), normal, most), most)

    def improve(_, r):
        log_cdf = log_t_cdf(r, freedom)
        step = (log_cdf - target) * jnp.exp(log_cdf - student_t.logpdf(r, freedom))
        return jnp.minimum(r - jnp.clip(step, -(1 + jnp.abs(r)), 1 + jnp.abs(r)), most)

    return jax.lax.fori_loop(0, NUM_NEWTON, improve, start)


def _log_augmented(parts: AugmentedParts, latents: Latents) -> Float[Array, ""]:
    """Sum of `log p(x, z, W | theta)` over observations, less constants."""
    nu, weight = parts.nu, latents.precision
    num_obs = parts.squares.shape[0]
    distance = parts.squares + (latents.ratio - parts.location) ** 2 / parts.rest
    each = 0.5 * nu * jnp.log(nu / 2) - gammaln(nu / 2)
    each -= 0.5 * (parts.log_det + jnp.log(parts.rest))
    power = 0.5 * (parts.num_assets + nu - 1)
    return num_obs * each + jnp.sum(power * jnp.log(weight) - 0.5 * weight * (distance + nu))
