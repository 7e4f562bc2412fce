"""A t copula by copulae, all correlations and the degrees of freedom by maximum likelihood."""

import importlib

copulae = importlib.import_module("copulae")


def fit(u):
    """Return the log-likelihood of the fitted copula.

    Args:
        u: Copula data in (0, 1), shape (obs, asset); copulae takes their ranks anew.
    """
    copula = copulae.StudentCopula(dim=u.shape[1])
    copula.fit(u, verbose=0)
    return float(copula.log_lik(u))
