"""Data frames and formulas in, labelled tables out.

Start with `rank_regression`, `fit_copula` or `token_auction`; `read_table` and `read_prices` take
their tables from files. Needs the extras `formula` and `io`; pandas, narwhals, formulaic and xarray
are imported when they are first used.

Promises, *jit · vmap · grad · shard*:

``rank_regression``, ``read_table``, ``rank_order`` | no: host | no: host | no: host | no: host
``fit_copula``, ``read_copula_fit`` | no: host | no: host | no: host | no: host
``read_prices``, ``read_returns``, ``log_returns`` | no: host | no: host | no: host | no: host
``token_auction``, ``label_generation``, ``read_token_auction`` | no: host | no: host | no: host
| no: host
``sweep_bids``, ``check_rule`` | no: host | no: host | no: a seed | no: host
"""

from .auction_check import RuleCheck, check_rule
from .auction_reading import read_token_auction
from .auction_results import TokenAuctionResult
from .auction_sale import label_generation, token_auction
from .auction_sweep import sweep_bids
from .copula_files import read_copula_fit
from .copula_fit import fit_copula
from .copula_results import FactorCopulaResult
from .files import read_table
from .order import rank_order
from .prices import log_returns, read_prices, read_returns
from .regression import rank_regression
from .results import RankRegressionResult
from .summary import Summary

__all__ = [
    "FactorCopulaResult",
    "RankRegressionResult",
    "RuleCheck",
    "Summary",
    "TokenAuctionResult",
    "check_rule",
    "fit_copula",
    "label_generation",
    "log_returns",
    "rank_order",
    "rank_regression",
    "read_copula_fit",
    "read_prices",
    "read_returns",
    "read_table",
    "read_token_auction",
    "sweep_bids",
    "token_auction",
]
