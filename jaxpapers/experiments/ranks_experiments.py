"""Experiments on regressions with ranks."""

from .ranks_bootstrap import BOOTSTRAP
from .ranks_coverage import COVERAGE
from .ranks_mobility import MOBILITY
from .ranks_regions import REGIONS

EXPERIMENTS = (MOBILITY, COVERAGE, BOOTSTRAP, REGIONS)
