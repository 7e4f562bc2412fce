"""Figures: one function per figure, each takes results and gives a matplotlib `Figure`.

Nothing here touches matplotlib's global state, and no figure needs a display. The common style is
in `jaxpapers.plots.style`; the extra `plot` is needed only when a figure is made.

Promises, *jit · vmap · grad · shard*:

``binned_scatter``, ``coverage_chart``, ``interval_comparison``, ``slope_ranking``,
``standard_error_check`` | no: host | no: host | no: host | no: host
``asymmetry_map``, ``asymmetric_pairs``, ``elbo_by_factors``, ``maximal_asymmetry_chart``,
``posterior_comparison`` | no: host | no: host | no: host | no: host
``attribution_strip``, ``bidding_paths``, ``crossing_gallery``, ``payment_comparison``,
``sweep_chart``, ``texts_by_share``, ``violation_shares`` | no: host | no: host | no: host
| no: host
"""

from .auctions import (
    attribution_strip,
    bidding_paths,
    crossing_gallery,
    payment_comparison,
    sweep_chart,
    texts_by_share,
    violation_shares,
)
from .copulas import (
    asymmetric_pairs,
    asymmetry_map,
    elbo_by_factors,
    maximal_asymmetry_chart,
    posterior_comparison,
)
from .ranks import (
    binned_scatter,
    coverage_chart,
    interval_comparison,
    slope_ranking,
    standard_error_check,
)

__all__ = [
    "asymmetric_pairs",
    "asymmetry_map",
    "attribution_strip",
    "bidding_paths",
    "binned_scatter",
    "coverage_chart",
    "crossing_gallery",
    "elbo_by_factors",
    "interval_comparison",
    "maximal_asymmetry_chart",
    "payment_comparison",
    "posterior_comparison",
    "slope_ranking",
    "standard_error_check",
    "sweep_chart",
    "texts_by_share",
    "violation_shares",
]
