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
``collusion_histogram``, ``collusion_map``, ``draw_evacuation``, ``escape_curves``,
``impulse_response_chart``, ``price_paths``, ``replay_evacuation``, ``talk_effect``,
``variance_curves`` | no: host | no: host | no: host | no: host
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
from .game_replay import draw_evacuation, replay_evacuation
from .games import (
    collusion_histogram,
    collusion_map,
    escape_curves,
    impulse_response_chart,
    price_paths,
    talk_effect,
    variance_curves,
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
    "collusion_histogram",
    "collusion_map",
    "coverage_chart",
    "crossing_gallery",
    "draw_evacuation",
    "elbo_by_factors",
    "escape_curves",
    "impulse_response_chart",
    "interval_comparison",
    "maximal_asymmetry_chart",
    "payment_comparison",
    "posterior_comparison",
    "price_paths",
    "replay_evacuation",
    "slope_ranking",
    "standard_error_check",
    "sweep_chart",
    "talk_effect",
    "texts_by_share",
    "variance_curves",
    "violation_shares",
]
