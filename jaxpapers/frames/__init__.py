"""Data frames and formulas in, labelled tables out.

Start with `rank_regression`; `read_table` takes its table from a file. Needs the extras `formula`
and `io`; pandas, narwhals and formulaic are imported when they are first used.

Promises, *jit · vmap · grad · shard*:

``rank_regression``, ``read_table``, ``rank_order`` | no: host | no: host | no: host | no: host
"""

from .files import read_table
from .order import rank_order
from .regression import rank_regression
from .results import RankRegressionResult
from .summary import Summary

__all__ = [
    "RankRegressionResult",
    "Summary",
    "rank_order",
    "rank_regression",
    "read_table",
]
