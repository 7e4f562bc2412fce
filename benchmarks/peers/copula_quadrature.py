"""The log posterior of a skew-t factor copula the plain way: every quantile by quadrature.

Quantiles by `copulas.skew_t.ppf`, margins by `copulas.skew_t.logpdf`, both over all data at once,
derivatives implicit and exact: what a gradient costs without a table, and what a gradient with one
is held to.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxpapers.copulas import skew_t
from jaxpapers.copulas.densities import log_skew_t


def log_posterior(model, params, u):
    """Return the exact log posterior, prior without normalising constants.

    Args:
        model: A skew-t factor model.
        params: Unconstrained, shape (param,).
        u: Copula data in (0, 1), shape (obs, asset).
    """
    copula = model.copula(params)
    delta = copula.skewness[None]
    x = skew_t.ppf(u, delta, copula.nu)

    def joint(row):
        return log_skew_t(row, copula.correlation, copula.alpha, copula.nu)

    margins = jnp.sum(skew_t.logpdf(x, delta, copula.nu))
    return jnp.sum(jax.vmap(joint)(x)) - margins + model.log_prior(params)


def compiled(model):
    """Return a compiled function of parameters and data that gives value and gradient."""
    return jax.jit(jax.value_and_grad(partial(log_posterior, model)))
