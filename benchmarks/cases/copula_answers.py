"""What gradients and fits of copulas are checked against, before anything is timed."""

from functools import cached_property

import jax.numpy as jnp
import numpy as np

from benchmarks.cases.copula_data import Sample
from benchmarks.peers import copula_quadrature

GRADIENT_TOLERANCE = 5e-6
"""Of a gradient, relative: norm of the difference over norm of the exact one."""
LOG_POSTERIOR_TOLERANCE = 1e-3
"""Of a log posterior, in nats."""


class Exact:
    """Log posterior and gradient of a sample by quadrature.

    Attributes:
        sample: The sample.
    """

    def __init__(self, sample: Sample):
        """Keep the sample; nothing is computed yet."""
        self.sample = sample

    @cached_property
    def _compiled(self):
        return copula_quadrature.compiled(self.sample.model)

    def at(self, params):
        """Return log posterior and gradient at a vector of parameters."""
        return self._compiled(params, self.sample.u)

    @cached_property
    def gradient(self):
        """The gradient at the true parameters."""
        return np.asarray(self.at(self.sample.params)[1])

    def value_error(self, params, value):
        """Return how far a log posterior is off, in units of what is tolerated."""
        return abs(float(self.at(params)[0]) - float(value)) / LOG_POSTERIOR_TOLERANCE


def relative_error(found, exact):
    """Return the norm of the difference of two gradients over that of the second."""
    return float(np.linalg.norm(np.asarray(found) - exact) / np.linalg.norm(exact))


def gradient_error(found, exact):
    """Return how far a gradient is off, in units of what is tolerated."""
    return relative_error(found, exact) / GRADIENT_TOLERANCE


def posterior_error(exact, params, values):
    """Return the largest error of log posteriors at some draws, in units of what is tolerated."""
    return max(exact.value_error(*pair) for pair in zip(params, values, strict=True))


def gaussian_log_likelihood(u):
    """Return the log-likelihood of the Gaussian copula with the correlation of normal scores."""
    from scipy.special import ndtri

    scores = ndtri(np.asarray(u))
    correlation = np.corrcoef(scores, rowvar=False)
    quadratic = np.sum(scores * np.linalg.solve(correlation, scores.T).T)
    log_det = np.linalg.slogdet(correlation)[1]
    return -0.5 * (quadratic - np.sum(scores**2) + scores.shape[0] * log_det)


def likelihood_error(u, log_likelihood):
    """Return above 1 where a fitted copula tells less than nine tenths of a Gaussian one."""
    found = float(jnp.asarray(log_likelihood))
    return 0.9 * gaussian_log_likelihood(u) / found if found > 0 else float("inf")


def model_fit_error(sample, facts, draws, values):
    """Return how wrong a fit of the factor model is, above 1 where it must not be.

    The log posterior that was fitted must be the exact one at draws of the approximation, the mode,
    where one is told, above the true parameters, and the ELBO finite.

    Args:
        sample: What was fitted.
        facts: Numbers that tell of the fit.
        draws: Draws of the approximation, shape (draw, param).
        values: Log posterior at each as it was fitted.
    """
    exact = Exact(sample)
    error = posterior_error(exact, draws, values)
    missed = float(exact.at(sample.params)[0]) - facts.get("mode", float("inf"))
    sound = np.isfinite(facts["ELBO"]) and missed <= LOG_POSTERIOR_TOLERANCE
    return error if sound else float("inf")
