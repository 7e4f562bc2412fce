"""Texts that were sold, from files."""

from pathlib import Path

from .auction_records import from_datatree
from .auction_results import TokenAuctionResult
from .whole_files import read_netcdf


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
    return read_netcdf(
        path, lambda tree: TokenAuctionResult(*from_datatree(tree)), what="an auction"
    )
