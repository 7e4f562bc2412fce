"""Experiments on agent games; the first fills the tile of the report."""

from .games_beauty import BEAUTY
from .games_bertrand import BERTRAND
from .games_calvano import CALVANO
from .games_evacuation import EVACUATION

EXPERIMENTS = (EVACUATION, BEAUTY, BERTRAND, CALVANO)
