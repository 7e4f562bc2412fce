"""A t copula by copulax, in JAX, with the method it takes by default."""

import importlib

import numpy as np

stats = importlib.import_module("scipy.stats")
copulas = importlib.import_module("copulax.copulas")


def fit(u):
    """Return the log-likelihood of the fitted copula.

    Args:
        u: Copula data in (0, 1), shape (obs, asset).
    """
    fitted = copulas.student_t_copula.fit_copula(u)["copula"]
    nu, correlation = float(fitted["nu"]), np.asarray(fitted["sigma"])
    scores = stats.t.ppf(u, nu)
    joint = stats.multivariate_t.logpdf(scores, shape=correlation, df=nu)
    return float(np.sum(joint) - np.sum(stats.t.logpdf(scores, nu)))
