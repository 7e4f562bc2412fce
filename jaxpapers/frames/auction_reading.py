"""Texts that were sold, from files."""

from pathlib import Path

from .. import engine
from .auction_records import from_datatree
from .auction_results import TokenAuctionResult


def read_token_auction(path: str | Path) -> TokenAuctionResult:
    """Reads what `TokenAuctionResult.to_netcdf` wrote.

    Args:
        path: of the file.

    Returns:
        The texts, labelled; all numbers to the bit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that is not netCDF, or holds something else than an auction.
        ImportError: without the extra `io`.
    """
    path = Path(path)
    engine.require_extra("h5netcdf", "io")
    xarray = engine.require_extra("xarray", "io")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the name and the folder")
    try:
        with xarray.open_datatree(path, engine="h5netcdf") as tree:
            return TokenAuctionResult(*from_datatree(tree.load()))
    except (ImportError, PermissionError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as an auction: {reason}") from error
