"""Data frames and formulas in, labelled tables out.

Start with `rank_regression` or `fit_copula`; `read_table` and `read_prices` take their tables from
files. Needs the extras `formula` and `io`; pandas, narwhals, formulaic and xarray are imported when
they are first used.

Promises, *jit · vmap · grad · shard*:

``rank_regression``, ``read_table``, ``rank_order`` | no: host | no: host | no: host | no: host
``fit_copula``, ``read_copula_fit`` | no: host | no: host | no: host | no: host
``read_prices``, ``read_returns``, ``log_returns`` | no: host | no: host | no: host | no: host
"""

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
    "Summary",
    "fit_copula",
    "log_returns",
    "rank_order",
    "rank_regression",
    "read_copula_fit",
    "read_prices",
    "read_returns",
    "read_table",
]
