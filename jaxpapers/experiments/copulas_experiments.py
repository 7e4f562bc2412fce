"""Experiments on skew-t factor copulas; the first fills the tile of the report."""

from .copulas_accuracy import ACCURACY
from .copulas_asymmetry import ASYMMETRY
from .copulas_authors import AUTHORS
from .copulas_large import LARGE
from .copulas_stocks import STOCKS

EXPERIMENTS = (STOCKS, ACCURACY, ASYMMETRY, AUTHORS, LARGE)
