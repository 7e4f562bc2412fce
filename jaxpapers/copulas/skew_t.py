"""Skew-t distribution of Azzalini and Capitanio: `logpdf`, `logcdf`, `cdf`, `sf`, `ppf`.

Location 0 and scale 1; `delta` in (-1, 1) is the skewness, `nu` the degrees of freedom. All are
elementwise, differentiable in every argument, and right far into both tails.
"""

from ..numerics.skew_t import cdf, logcdf, logpdf, ppf, sf

__all__ = ["cdf", "logcdf", "logpdf", "ppf", "sf"]
