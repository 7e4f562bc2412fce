"""Experiments on regressions with ranks; the first fills the tile of the report."""

from .ranks_bootstrap import BOOTSTRAP
from .ranks_coverage import COVERAGE
from .ranks_mobility import MOBILITY
from .ranks_regions import REGIONS

EXPERIMENTS = (COVERAGE, MOBILITY, BOOTSTRAP, REGIONS)
