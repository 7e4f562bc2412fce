"""Mobility by region: hundreds of slopes with pooled ranks and one joint covariance."""

import jax
import jax.numpy as jnp
import numpy as np

from .. import frames, ranks
from ..plots import ranks as figures
from .claims import Claim
from .context import Context
from .formatting import format_number
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

PAPER = "Chetverikov and Wilhelm (2023)"
LEVEL = 0.95
COLUMNS = (
    "slope",
    "slope lower",
    "slope upper",
    "slope lower, all regions",
    "slope upper, all regions",
    "upward mobility",
    "upward lower",
    "upward upper",
)

EQUALITY = Claim(
    "A Wald test on the joint covariance finds that mobility differs between regions: p-value.",
    None,
    "simulated regions that differ in mobility",
)
NAIVE = Claim(
    "Homoskedastic standard errors of the regions' slopes over the consistent ones, mean over "
    "regions.",
    None,
    "simulated regions that differ in mobility",
)
COMMUTING_ZONES = Claim(
    "Consistent standard errors lead to other conclusions where mobility in U.S. commuting zones "
    "is compared with mobility in other countries.",
    None,
    f"{PAPER}, abstract of an earlier version",
    verdict="cannot",
    note="The data are not part of this package; 700 simulated regions stand in, with pooled ranks "
    "and the joint covariance of all.",
)


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    num_regions = settings["num_regions"]
    fit = _fit(ranks.Regions(num_regions), context.key, num_obs=settings["num_obs"])
    summary, equality, ratios = jax.device_get(_summary(fit))
    slopes, interval, band = summary[:, 0], summary[:, 1:3], summary[:, 3:5]
    sentence = (
        f"One fit of {settings['num_obs']:,} families in {num_regions} regions gives every "
        f"region's mobility with the joint covariance of all {2 * num_regions:,} coefficients; "
        f"slopes run from {format_number(slopes.min(), 2)} to {format_number(slopes.max(), 2)}."
    )
    figure = figures.slope_ranking(
        slopes, interval, band, title=f"Rank-rank slopes of {num_regions} simulated regions"
    )
    return ExperimentResult(
        sentence,
        (
            _equality_claim(float(equality.pvalue), int(equality.degrees_of_freedom)),
            _naive_claim(ratios, settings["num_obs"]),
        ),
        tables={
            "regions": Table(
                [
                    {"region": region, **dict(zip(COLUMNS, map(float, row), strict=True))}
                    for region, row in enumerate(summary)
                ],
                "Slope (ranks per rank) and absolute upward mobility (expected rank at parent "
                "rank .25) by region, with 95 % intervals, pointwise and for all regions at once "
                "(Bonferroni).",
            )
        },
        figures={
            "regions": Picture(
                figure, "Rank-rank slopes by region in increasing order with 95 % intervals"
            )
        },
    )


def _fit(population: ranks.Regions, key: jax.Array, *, num_obs: int) -> ranks.RankRegressionFit:
    """Samples families, and fits all regions at once; the orders are taken on the host."""
    child, parent, regions = jax.device_get(_sample(population, key, num_obs=num_obs))
    return ranks.fit(
        ranks.RankRegression(tie_weight=0.5),
        child,
        parent,
        groups=regions,
        num_groups=population.num_regions,
        order=(frames.rank_order(child), frames.rank_order(parent)),
    )


_sample = jax.jit(ranks.Regions.sample, static_argnames="num_obs")


@jax.jit
def _summary(fit):
    """Table by region with `COLUMNS`, the test of equality, naive over consistent errors."""
    upward = ranks.absolute_mobility(fit, 0.25)
    slopes = slice(fit.num_groups, 2 * fit.num_groups)
    everywhere = 1 - (1 - LEVEL) / fit.num_groups
    columns = [
        fit.slope[:, None],
        fit.interval(LEVEL)[slopes],
        fit.interval(everywhere)[slopes],
        upward.value[:, None],
        upward.interval(LEVEL),
    ]
    ratios = jnp.sqrt(jnp.diag(fit.cov_homoskedastic)) / fit.bse
    return jnp.concatenate(columns, axis=1), ranks.equality_test(fit), ratios[slopes]


def _equality_claim(pvalue: float, degrees_of_freedom: int) -> Claim:
    return EQUALITY.found(
        pvalue,
        verdict="reproduced" if pvalue < 0.01 else "short",
        note=f"{degrees_of_freedom} degrees of freedom; reproduced if below .01.",
    )


def _naive_claim(ratios: np.ndarray, num_obs: int) -> Claim:
    """An observation: at this size the gap of a region is partly that of a small sample."""
    return NAIVE.found(
        ratios.mean(),
        standard_error=ratios.std(ddof=1) / np.sqrt(len(ratios)),
        verdict="observed",
        note=f"1 would be agreement. Not judged: with about {num_obs / len(ratios):.0f} families "
        "in a region, part of the gap is that of small samples.",
    )


REGIONS = Experiment(
    name="ranks-regions",
    system="ranks",
    title="Mobility by region",
    claims=(EQUALITY, NAIVE, COMMUTING_ZONES),
    run=_run,
    settings={
        "quick": {"num_obs": 40_000, "num_regions": 700},
        "paper": {"num_obs": 100_000, "num_regions": 700},
        "full": {"num_obs": 1_000_000, "num_regions": 700},
    },
    paper_cost_ratio=2.5,
)
