"""Factor copula models: parameters, priors, exact log posterior (Deng, Smith, Maneesoonthorn)."""

import abc
import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve
from jax.scipy.special import gammaln, log_ndtr
from jax.scipy.stats import norm
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from .. import engine
from ..numerics import matmul, skew_normal, skew_t, student_t
from .correlation import FactorCorrelation, factor_correlation
from .families import (
    Copula,
    GaussianCopula,
    SkewNormalCopula,
    SkewTCopula,
    TCopula,
    skewness_of_slant,
)
from .log_t import log_t_cdf
from .observed import Observed, observe, quantiles_of


def as_number(value: Any) -> Any:
    """A hyper-parameter as an array leaf, so that another value compiles nothing.

    Args:
        value: a number; a JAX array stays as it is, and so does what is checked later.

    Returns:
        A scalar, hashable so that `jax.jit(model.log_prob)` is possible.
    """
    return np.float64(value) if isinstance(value, int | float | np.generic) else value


class FactorParams(eqx.Module):
    """Parameters of a factor copula as the paper has them.

    Attributes:
        loadings: G, zero above the diagonal, positive on it.
        alpha: slant; None in symmetric families.
        nu: degrees of freedom, above 2; None in families with normal tails.
    """

    loadings: Float[Array, "asset factor"]
    alpha: Float[Array, " asset"] | None
    nu: Float[Array, ""] | None


class FactorPrior(eqx.Module):
    """Priors of Deng, Smith and Maneesoonthorn (2025).

    Loadings: generalised double Pareto, `-(shape + 1) log(1 + |g| / scale)`. Slant: normal with a
    variance. Degrees of freedom: Gamma at nu itself, for nu > 2.

    Attributes:
        loading_shape: of the double Pareto; 3.
        loading_scale: of the double Pareto; 1.
        slant_variance: 25.
        nu_shape: of the Gamma; 3.
        nu_rate: of the Gamma; 0.2.

    Raises:
        TypeError: a value that is not a real number.
        ValueError: a value that is not above 0 and finite.
    """

    loading_shape: Float[Array, ""] = eqx.field(converter=as_number, default=3.0)
    loading_scale: Float[Array, ""] = eqx.field(converter=as_number, default=1.0)
    slant_variance: Float[Array, ""] = eqx.field(converter=as_number, default=25.0)
    nu_shape: Float[Array, ""] = eqx.field(converter=as_number, default=3.0)
    nu_rate: Float[Array, ""] = eqx.field(converter=as_number, default=0.2)

    def __check_init__(self):
        """Checks that all are positive."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            engine.check_array(field.name, value, ())
            if engine.is_concrete(value) and not 0 < float(value) < float("inf"):
                raise ValueError(f"{field.name} must be above 0 and finite, got {float(value)}")


class FactorModel(eqx.Module):
    """A factor copula with priors: a density over an unconstrained vector of parameters.

    The vector holds the free loadings column by column (logarithms of the diagonal), then the
    slant, then `log(nu - 2)`, those that the family has.

    Attributes:
        num_assets: d; static.
        num_factors: K, below d; static.
        prior: the priors.

    Raises:
        TypeError: a count that is not an int.
        ValueError: fewer than 2 assets, no factor, as many factors as assets.
    """

    num_assets: eqx.AbstractVar[int]
    num_factors: eqx.AbstractVar[int]
    prior: eqx.AbstractVar[FactorPrior]
    has_skewness: ClassVar[bool]
    has_tails: ClassVar[bool]

    def __check_init__(self):
        """Checks the sizes."""
        engine.check_count("num_assets", self.num_assets, 2)
        engine.check_count("num_factors", self.num_factors)
        if self.num_factors >= self.num_assets:
            raise ValueError(
                f"num_factors must be below num_assets, got {self.num_factors} factors and "
                f"{self.num_assets} assets"
            )

    @property
    def num_loadings(self) -> int:
        """Number of free loadings, `d K - K (K - 1) / 2`."""
        return self.num_assets * self.num_factors - self.num_factors * (self.num_factors - 1) // 2

    @property
    def num_params(self) -> int:
        """Number of parameters."""
        skewness = self.num_assets if self.has_skewness else 0
        return self.num_loadings + skewness + int(self.has_tails)

    @abc.abstractmethod
    def copula_of(self, params: FactorParams) -> Copula:
        """The copula with given parameters.

        Args:
            params: the parameters.

        Returns:
            The copula.
        """

    def copula(self, params: Float[Array, " param"]) -> Copula:
        """The copula at a vector of parameters.

        Args:
            params: unconstrained.

        Returns:
            The copula.
        """
        return self.copula_of(self.unpack(params))

    def unpack(self, params: Float[Array, " param"]) -> FactorParams:
        """The paper's parameters of an unconstrained vector.

        Args:
            params: unconstrained.

        Returns:
            The parameters.
        """
        rows, columns = self.places()
        free = params[: self.num_loadings]
        is_diagonal = jnp.asarray(rows == columns)
        free = jnp.where(is_diagonal, jnp.exp(jnp.where(is_diagonal, free, 0)), free)
        return self._arranged(free, params)

    def unpack_signed(self, params: Float[Array, " param"]) -> FactorParams:
        """Parameters of a vector whose loadings are all `sinh` of its entries, of either sign.

        Coordinates of a search: turning the sign of a column of loadings changes no correlation,
        so that one that may pass through zero is not held by the barrier of the logarithm; and
        loadings of nearly singular assets, in the thousands, are within reach of small steps.

        Args:
            params: `asinh` of the loadings, slant, `log(nu - 2)`.

        Returns:
            The parameters.
        """
        return self._arranged(jnp.sinh(params[: self.num_loadings]), params)

    def pack(self, params: FactorParams) -> Float[Array, " param"]:
        """The unconstrained vector of parameters; columns of loadings are turned positive.

        Args:
            params: the parameters, diagonal loadings not zero.

        Returns:
            The vector.
        """
        diagonal = jnp.diagonal(params.loadings)
        loadings = params.loadings * jnp.where(diagonal < 0, -1, 1)[None]
        rows, columns = self.places()
        free = loadings[rows, columns]
        is_diagonal = jnp.asarray(rows == columns)
        parts = [jnp.where(is_diagonal, jnp.log(jnp.where(is_diagonal, free, 1)), free)]
        if params.alpha is not None:
            parts.append(params.alpha)
        if params.nu is not None:
            parts.append(jnp.log(params.nu - 2)[None])
        return jnp.concatenate(parts)

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the free loadings, column by column."""
        pairs = [(i, k) for k in range(self.num_factors) for i in range(k, self.num_assets)]
        rows, columns = np.asarray(pairs).T
        return rows, columns

    def log_prior(self, params: Float[Array, " param"]) -> Float[Array, ""]:
        """Log prior density of the unconstrained vector, without normalising constants.

        `-4 sum log1p |G_ij| - sum alpha_j^2 / 50 + 2 log nu - 0.2 nu + sum log G_jj + log(nu - 2)`
        with the default prior. Source: Deng, Smith and Maneesoonthorn (2025).

        Args:
            params: unconstrained.

        Returns:
            The log prior.
        """
        return self.log_prior_of(self.unpack(params))

    def log_prior_of(self, given: FactorParams, smoothing: float = 0.0) -> Float[Array, ""]:
        """Log prior with its log-Jacobian, at parameters.

        Args:
            given: the parameters.
            smoothing: the cusp at a loading of 0 is rounded, `|g|` to `sqrt(g^2 + smoothing)`.

        Returns:
            The log prior.
        """
        dtype = given.loadings.dtype
        prior = jax.tree.map(lambda value: jnp.asarray(value, dtype), self.prior)
        rows, columns = self.places()
        free = given.loadings[rows, columns]
        size = jnp.sqrt(free**2 + smoothing) if smoothing else jnp.abs(free)
        total = -(prior.loading_shape + 1) * jnp.sum(jnp.log1p(size / prior.loading_scale))
        total += jnp.sum(jnp.log(size[rows == columns]))
        if given.alpha is not None:
            total -= 0.5 * jnp.sum(given.alpha**2) / prior.slant_variance
        if given.nu is not None:
            nu = given.nu
            total += (prior.nu_shape - 1) * jnp.log(nu) - prior.nu_rate * nu + jnp.log(nu - 2)
        return total

    def sample_prior(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw param"]:
        """Draws of the unconstrained parameters from the prior.

        Args:
            key: a typed key; draw i uses `fold_in(key, i)`.
            num_draws: how many.

        Returns:
            The draws.

        Raises:
            TypeError: a key that is not typed, a count that is not an int.
            ValueError: a count below 1.
        """
        engine.check_key(key)
        engine.check_count("num_draws", num_draws)
        dtype = jnp.result_type(float)
        prior = jax.tree.map(lambda value: jnp.asarray(value, dtype), self.prior)

        def one(place):
            return self._drawn(jax.random.fold_in(key, place), prior, dtype)

        return jax.vmap(one)(jnp.arange(num_draws, dtype=jnp.int32))

    def _drawn(self, key, prior, dtype):
        """One draw: loadings by the inverse of their cdf, nu by rejection."""
        size_key, sign_key, slant_key, nu_key = jax.random.split(key, 4)
        rows, columns = self.places()
        uniform = jax.random.uniform(size_key, (self.num_loadings,), dtype)
        size = prior.loading_scale * jnp.expm1(-jnp.log1p(-uniform) / prior.loading_shape)
        sign = jnp.where(rows == columns, 1, jax.random.rademacher(sign_key, size.shape, dtype))
        loadings = jnp.zeros((self.num_assets, self.num_factors), dtype)
        loadings = loadings.at[rows, columns].set(size * sign)
        alpha = nu = None
        if self.has_skewness:
            noise = jax.random.normal(slant_key, (self.num_assets,), dtype)
            alpha = noise * jnp.sqrt(prior.slant_variance)
        if self.has_tails:

            def trial(place):
                draw = jax.random.gamma(jax.random.fold_in(nu_key, place), prior.nu_shape)
                return (draw / prior.nu_rate).astype(dtype)

            def again(carry):
                place, _ = carry
                return place + 1, trial(place + 1)

            first = jnp.zeros((), jnp.int32)
            _, nu = jax.lax.while_loop(lambda c: c[1] <= 2, again, (first, trial(first)))
        return self.pack(FactorParams(loadings, alpha, nu))

    def log_prob(
        self, params: Float[Array, " param"], u: Float[ArrayLike, "obs asset"] | Observed
    ) -> Float[Array, ""]:
        """Exact log posterior, prior without normalising constants plus log-likelihood.

        Args:
            params: unconstrained.
            u: copula data in (0, 1), or what `observe` makes of them once for many calls.

        Returns:
            The log posterior.
        """
        observed = u if isinstance(u, Observed) else observe(jnp.asarray(u, params.dtype))
        given = self.unpack(params)
        return self.log_likelihood(given, observed) + self.log_prior_of(given)

    def log_likelihood(self, given: FactorParams, observed: Observed) -> Float[Array, ""]:
        """Sum of the copula's log-densities over the data.

        Quantiles come from the table; the quadratic form is a sum of squares of residuals, in
        `O(obs asset factor)`. Source: derived by us.

        Args:
            given: the parameters.
            observed: the data.

        Returns:
            The log-likelihood, right to 1e-3.
        """
        correlation = factor_correlation(given.loadings)
        delta = None if given.alpha is None else skewness_of_slant(correlation, given.alpha)
        x, margins = quantiles_of(observed, delta, given.nu)
        return jnp.sum(_log_joint(x, correlation, given.alpha, given.nu)) - margins

    def log_density(
        self, params: Float[Array, " param"], u: Float[ArrayLike, "obs asset"] | Observed
    ) -> Float[Array, " obs"]:
        """Log-density of the copula at each observation, for scores of forecasts.

        Args:
            params: unconstrained.
            u: copula data in (0, 1), or what `observe` makes of them once for many calls.

        Returns:
            `log c(u_i)`, right to 1e-5 but far in the tails.
        """
        observed = u if isinstance(u, Observed) else observe(jnp.asarray(u, params.dtype))
        given = self.unpack(params)
        correlation = factor_correlation(given.loadings)
        delta = None if given.alpha is None else skewness_of_slant(correlation, given.alpha)
        x, _ = quantiles_of(observed, delta, given.nu)
        joint = _log_joint(x, correlation, given.alpha, given.nu)
        return joint - jnp.sum(_log_margins(x, delta, given.nu), axis=1)

    def _arranged(self, free, params):
        rows, columns = self.places()
        shape = self.num_assets, self.num_factors
        loadings = jnp.zeros(shape, params.dtype).at[rows, columns].set(free)
        first = self.num_loadings
        alpha = params[first : first + self.num_assets] if self.has_skewness else None
        return FactorParams(loadings, alpha, 2 + jnp.exp(params[-1]) if self.has_tails else None)


class SkewTFactorModel(FactorModel):
    """Skew-t factor copula of Deng, Smith and Maneesoonthorn (2025).

    Attributes:
        num_assets: d, at least 2; static.
        num_factors: K, below d; static.
        prior: the priors; those of the paper by default.

    Raises:
        TypeError: a count that is not an int.
        ValueError: fewer than 2 assets, no factor, as many factors as assets.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxpapers import copulas
        >>> model = copulas.SkewTFactorModel(num_assets=3, num_factors=1)
        >>> print(model.num_params, model.copula(jnp.zeros(7)).nu)
        7 3.0
    """

    num_assets: int = eqx.field(static=True)
    num_factors: int = eqx.field(static=True)
    prior: FactorPrior = FactorPrior()
    has_skewness: ClassVar[bool] = True
    has_tails: ClassVar[bool] = True

    def copula_of(self, params: FactorParams) -> Copula:
        """The skew-t copula with given parameters."""
        assert params.alpha is not None
        assert params.nu is not None
        return SkewTCopula(factor_correlation(params.loadings), params.alpha, params.nu)


class SkewNormalFactorModel(FactorModel):
    """Skew-normal factor copula: the skew-t with nu at infinity, which is no parameter.

    Attributes:
        num_assets: d, at least 2; static.
        num_factors: K, below d; static.
        prior: the priors.
    """

    num_assets: int = eqx.field(static=True)
    num_factors: int = eqx.field(static=True)
    prior: FactorPrior = FactorPrior()
    has_skewness: ClassVar[bool] = True
    has_tails: ClassVar[bool] = False

    def copula_of(self, params: FactorParams) -> Copula:
        """The skew-normal copula with given parameters."""
        assert params.alpha is not None
        return SkewNormalCopula(factor_correlation(params.loadings), params.alpha)


class TFactorModel(FactorModel):
    """Student-t factor copula: the skew-t with slant 0, which is no parameter.

    Attributes:
        num_assets: d, at least 2; static.
        num_factors: K, below d; static.
        prior: the priors.
    """

    num_assets: int = eqx.field(static=True)
    num_factors: int = eqx.field(static=True)
    prior: FactorPrior = FactorPrior()
    has_skewness: ClassVar[bool] = False
    has_tails: ClassVar[bool] = True

    def copula_of(self, params: FactorParams) -> Copula:
        """The t copula with given parameters."""
        assert params.nu is not None
        return TCopula(factor_correlation(params.loadings), params.nu)


class GaussianFactorModel(FactorModel):
    """Gaussian factor copula.

    Attributes:
        num_assets: d, at least 2; static.
        num_factors: K, below d; static.
        prior: the priors.
    """

    num_assets: int = eqx.field(static=True)
    num_factors: int = eqx.field(static=True)
    prior: FactorPrior = FactorPrior()
    has_skewness: ClassVar[bool] = False
    has_tails: ClassVar[bool] = False

    def copula_of(self, params: FactorParams) -> Copula:
        """The Gaussian copula with given parameters."""
        return GaussianCopula(factor_correlation(params.loadings))


def _log_joint(x: Array, correlation: FactorCorrelation, alpha: Any, nu: Any) -> Array:
    """Joint log-density of each row of x."""
    num_assets = x.shape[1]
    squares, log_det, slant = _quadratic(x, correlation, alpha)
    log_two = jnp.log(jnp.asarray(2, x.dtype))
    if nu is None:
        log_constant = num_assets * jnp.log(jnp.asarray(2 * jnp.pi, x.dtype))
        symmetric = -0.5 * (log_constant + log_det + squares)
        return symmetric if slant is None else symmetric + log_two + log_ndtr(slant)
    freedom = nu + num_assets
    log_constant = gammaln(freedom / 2) - gammaln(nu / 2) - 0.5 * num_assets * jnp.log(nu * jnp.pi)
    symmetric = log_constant - 0.5 * log_det - 0.5 * freedom * jnp.log1p(squares / nu)
    if slant is None:
        return symmetric
    scaled = slant * jnp.sqrt(freedom / (nu + squares))
    return symmetric + log_two + log_t_cdf(scaled, jnp.broadcast_to(freedom, slant.shape))


def _quadratic(x, correlation, alpha):
    """`x' Omega^{-1} x` of each row, `log |Omega|`, and `alpha' x`.

    By Woodbury in the number of factors; the quadratic form is that of residuals from posterior
    factor means, which does not cancel where Omega is nearly singular.
    """
    scaled = correlation.loadings / correlation.uniqueness[:, None]
    identity = jnp.eye(scaled.shape[1], dtype=x.dtype)
    root = jnp.linalg.cholesky(identity + matmul(correlation.loadings.T, scaled))
    directions = scaled if alpha is None else jnp.concatenate([scaled, alpha[:, None]], axis=1)
    projected = matmul(x, directions)
    factors = matmul(projected[:, : scaled.shape[1]], cho_solve((root, True), identity))
    residuals = x - matmul(factors, correlation.loadings.T)
    weights = (1 / correlation.uniqueness)[:, None]
    squares = matmul(residuals**2, weights)[:, 0] + jnp.sum(factors**2, axis=1)
    log_det = jnp.sum(jnp.log(correlation.uniqueness))
    log_det += 2 * jnp.sum(jnp.log(jnp.diagonal(root)))
    return squares, log_det, None if alpha is None else projected[:, -1]


def _log_margins(x, delta, nu):
    """Log-density of each value under its margin."""
    if delta is None:
        return norm.logpdf(x) if nu is None else student_t.logpdf(x, nu)
    return skew_normal.logpdf(x, delta) if nu is None else skew_t.logpdf(x, delta, nu)
