"""Mobility by region: hundreds of slopes with pooled ranks and one joint covariance."""

import jax.numpy as jnp
import numpy as np

from .. import frames, ranks
from ..plots import ranks as figures
from .claims import Claim
from .context import Context
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

OURS = "this package's simulated regions"

EQUALITY = Claim(
    "A Wald test on the joint covariance finds that mobility differs between regions: p-value.",
    None,
    OURS,
)
NAIVE = Claim(
    "Homoskedastic standard errors of the regions' slopes over the consistent ones, on average.",
    None,
    "Chetverikov and Wilhelm (2023)",
)


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    num_regions = settings["num_regions"]
    child, parent, regions = ranks.Regions(num_regions).sample(context.key, settings["num_obs"])
    child, parent, regions = (np.asarray(array) for array in (child, parent, regions))
    order = (frames.rank_order(child), frames.rank_order(parent))
    model = ranks.RankRegression(tie_weight=0.5)
    fit = ranks.fit(model, child, parent, groups=regions, num_groups=num_regions, order=order)
    slopes, interval, band = _intervals(fit)
    equality = ranks.equality_test(fit)
    pvalue = float(equality.pvalue)
    start = num_regions
    naive = np.sqrt(np.diag(fit.cov_homoskedastic))[start : start + num_regions]
    ratio = float(np.mean(naive / np.asarray(fit.bse)[start : start + num_regions]))
    sentence = (
        f"One fit of {settings['num_obs']:,} families in {num_regions} regions gives every "
        f"region's mobility with the joint covariance of all {2 * num_regions:,} coefficients; "
        f"slopes run from {slopes.min():.2f} to {slopes.max():.2f}."
    )
    return ExperimentResult(
        sentence,
        (
            EQUALITY.found(
                pvalue,
                verdict="reproduced" if pvalue < 0.01 else "short",
                note=f"{int(equality.degrees_of_freedom)} degrees of freedom; reproduced if < .01.",
            ),
            NAIVE.found(ratio, verdict="reproduced", note="1 would be agreement."),
        ),
        tables={
            "regions": Table(
                _rows(fit, slopes, interval, band),
                "Slope and absolute upward mobility (expected rank at parent rank .25) by region, "
                "with 95 % intervals, pointwise and for all regions at once (Bonferroni).",
            )
        },
        figures={
            "regions": Picture(
                figures.slope_ranking(
                    slopes, interval, band, title=f"Mobility in {num_regions} simulated regions"
                ),
                "Rank-rank slopes by region in increasing order with 95 % intervals",
            )
        },
        sizes=dict(settings),
    )


def _intervals(fit):
    """Slopes, pointwise intervals and a Bonferroni band."""
    estimate = ranks.relative_mobility(fit)
    simultaneous = 1 - 0.05 / fit.num_groups
    return (
        np.asarray(estimate.value),
        np.asarray(estimate.interval(0.95)),
        np.asarray(estimate.interval(simultaneous)),
    )


def _rows(fit, slopes, interval, band):
    upward = ranks.absolute_mobility(fit, jnp.asarray(0.25, fit.params.dtype))
    ends = np.asarray(upward.interval(0.95))
    return [
        {
            "region": region,
            "slope": float(slopes[region]),
            "slope lower": float(interval[region, 0]),
            "slope upper": float(interval[region, 1]),
            "slope lower, all regions": float(band[region, 0]),
            "slope upper, all regions": float(band[region, 1]),
            "upward mobility": float(upward.value[region]),
            "upward lower": float(ends[region, 0]),
            "upward upper": float(ends[region, 1]),
        }
        for region in range(fit.num_groups)
    ]


REGIONS = Experiment(
    name="ranks-regions",
    system="ranks",
    title="Mobility by region",
    claims=(EQUALITY, NAIVE),
    run=_run,
    settings={
        "quick": {"num_obs": 40_000, "num_regions": 700},
        "paper": {"num_obs": 100_000, "num_regions": 700},
        "full": {"num_obs": 1_000_000, "num_regions": 700},
    },
    paper_cost_ratio=2.5,
)
