"""Fitted copulas from files."""

from pathlib import Path

from .copula_records import from_datatree
from .copula_results import FactorCopulaResult
from .whole_files import read_netcdf


def read_copula_fit(path: str | Path) -> FactorCopulaResult:
    """Reads a fit that `FactorCopulaResult.to_netcdf` wrote.

    Args:
        path: of the file.

    Returns:
        The fit: everything but going on with it works, and simulations are the same to the bit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that is not netCDF, or holds something else than a fitted copula.
        ImportError: without the extra `io`.
    """
    return read_netcdf(
        path, lambda tree: FactorCopulaResult(*from_datatree(tree)), what="a fitted copula"
    )
