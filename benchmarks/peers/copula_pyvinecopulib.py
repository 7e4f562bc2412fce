"""A vine of t pair-copulas by pyvinecopulib, structure selected, on all cores."""

import importlib
import os

pv = importlib.import_module("pyvinecopulib")


def fit(u):
    """Return the log-likelihood of the fitted vine.

    Args:
        u: Copula data in (0, 1), shape (obs, asset).
    """
    controls = pv.FitControlsVinecop(
        family_set=[pv.BicopFamily.student], num_threads=os.cpu_count() or 1
    )
    return pv.Vinecop.from_data(u, controls=controls).loglik(u)
