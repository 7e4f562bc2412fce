"""Data frames and formulas in, labelled tables out.

Start with `rank_regression`, `fit_copula`, `token_auction`, `play_game` or `calvano`; `read_table`,
`read_prices` and `read_room` take tables and maps from files, `to_dataset` labels results of games.
Needs the extras `formula` and `io`; pandas, narwhals, formulaic and xarray are imported when they
are first used.

Promises, *jit · vmap · grad · shard*:

``rank_regression``, ``read_table``, ``rank_order`` | no: host | no: host | no: host | no: host
``fit_copula``, ``read_copula_fit`` | no: host | no: host | no: host | no: host
``read_prices``, ``read_returns``, ``log_returns`` | no: host | no: host | no: host | no: host
``token_auction``, ``label_generation``, ``read_token_auction`` | no: host | no: host | no: host
| no: host
``sweep_bids``, ``check_rule`` | no: host | no: host | no: a seed | no: host
``play_game``, ``calvano`` | no: host | no: host | no: a seed | no: host
``read_room``, ``to_dataset`` | no: host | no: host | no: host | no: host
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
from .game_calvano import CalvanoResult, calvano
from .game_datasets import to_dataset
from .game_play import play_game
from .game_results import GameResult
from .game_rooms import read_room
from .order import rank_order
from .prices import log_returns, read_prices, read_returns
from .regression import rank_regression
from .results import RankRegressionResult
from .summary import Summary

__all__ = [
    "CalvanoResult",
    "FactorCopulaResult",
    "GameResult",
    "RankRegressionResult",
    "RuleCheck",
    "Summary",
    "TokenAuctionResult",
    "calvano",
    "check_rule",
    "fit_copula",
    "label_generation",
    "log_returns",
    "play_game",
    "rank_order",
    "rank_regression",
    "read_copula_fit",
    "read_prices",
    "read_returns",
    "read_room",
    "read_table",
    "read_token_auction",
    "sweep_bids",
    "to_dataset",
    "token_auction",
]
