"""Fitted copulas from files."""

from pathlib import Path

from .. import engine
from .copula_records import from_datatree
from .copula_results import FactorCopulaResult


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
    path = Path(path)
    engine.require_extra("h5netcdf", "io")
    xarray = engine.require_extra("xarray", "io")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the name and the folder")
    try:
        with xarray.open_datatree(path, engine="h5netcdf") as tree:
            return FactorCopulaResult(*from_datatree(tree.load()))
    except (ImportError, PermissionError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as a fitted copula: {reason}") from error
