"""How often 95 % intervals of each kind contain the true slope, over nine populations."""

import jax
import numpy as np

from .. import ranks
from ..plots import ranks as figures
from .claims import Claim
from .context import Context
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

PAPER = "Chetverikov and Wilhelm (2023)"

POPULATIONS: tuple[tuple[str, ranks.Population, float], ...] = (
    ("Gaussian copula .5", ranks.GaussianCopula(0.5), 1.0),
    ("Gaussian copula .9", ranks.GaussianCopula(0.9), 1.0),
    ("two independent diagonal blocks", ranks.DiagonalBlocks(), 1.0),
    ("Y = (U - .5)²", ranks.Parabola(), 1.0),
    ("flip .2", ranks.Flip(0.2), 1.0),
    ("flip .3", ranks.Flip(0.3), 1.0),
    ("discrete, w = 0", ranks.DiscretisedGaussian(0.5), 0.0),
    ("discrete, w = 1/2", ranks.DiscretisedGaussian(0.5), 0.5),
    ("discrete, w = 1", ranks.DiscretisedGaussian(0.5), 1.0),
)
KINDS = ("consistent", "homoskedastic", "robust")
TOLERANCE = 0.012

CONSISTENT = Claim(
    "The consistent interval covers 95 % in every population: worst coverage.", 0.95, PAPER
)
TOO_SHORT = Claim(
    "Robust (EHW) intervals can cover too little: lowest coverage.",
    0.793,
    "our table of 4,000 samples, flip .3",
)
TOO_LONG = Claim(
    "Robust (EHW) intervals can cover too much: highest coverage.",
    1.0,
    "our table of 4,000 samples, diagonal blocks",
)


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    rows = []
    for number, (name, population, tie_weight) in enumerate(POPULATIONS):
        draws = ranks.coverage(
            jax.random.fold_in(context.key, number),
            ranks.RankRegression(tie_weight=tie_weight),
            population,
            num_obs=settings["num_obs"],
            num_replicates=settings["num_replicates"],
            batch_size=settings["batch_size"],
            progress=context.progress(name, unit="batches"),
            checkpoint=context.checkpoint(f"population-{number}"),
        )
        covers = {kind: float(share) for kind, share in draws.coverage(0.95).items()}
        rows.append(
            {
                "population": name,
                "tie weight": tie_weight,
                "slope": float(draws.truth),
                **{kind: covers[kind] for kind in KINDS},
                "s.e. / s.d.": float(draws.standard_error_ratio()),
            }
        )
    return ExperimentResult(
        _sentence(rows, settings["num_obs"]),
        _claims(rows, settings["num_replicates"]),
        tables={
            "coverage": Table(
                rows,
                "Coverage of 95 % intervals for the rank-rank slope (share of samples) by kind of "
                "standard error, and mean consistent standard error over the standard deviation of "
                "the estimates.",
            )
        },
        figures={
            "coverage": Picture(
                figures.coverage_chart(
                    [row["population"] for row in rows],
                    {kind: np.array([row[kind] for row in rows]) for kind in KINDS},
                    num_replicates=settings["num_replicates"],
                ),
                "Coverage of 95 % intervals by population and kind of standard error",
            )
        },
        sizes=dict(settings),
    )


def _sentence(rows, num_obs):
    robust = [row["robust"] for row in rows]
    ours = [row["consistent"] for row in rows]
    return (
        f"Over nine populations of {num_obs:,} observations, robust 95 % intervals for the "
        f"rank-rank slope cover between {min(robust):.1%} and {max(robust):.1%}; the consistent "
        f"ones between {min(ours):.1%} and {max(ours):.1%}."
    )


def _claims(rows, num_replicates):
    ours = np.array([row["consistent"] for row in rows])
    robust = np.array([row["robust"] for row in rows])
    worst = ours[np.argmax(np.abs(ours - 0.95))]
    noise = np.sqrt(0.95 * 0.05 / num_replicates)
    sound = abs(worst - 0.95) <= TOLERANCE + 3 * noise
    low, high = robust.min(), robust.max()
    return (
        CONSISTENT.found(
            worst,
            standard_error=noise,
            verdict="reproduced" if sound else "short",
            note=f"Reproduced within {TOLERANCE} and three Monte Carlo standard errors of .95.",
        ),
        TOO_SHORT.found(
            low,
            standard_error=_error(low, num_replicates),
            verdict="reproduced" if low < 0.85 else "short",
            note="Reproduced below .85.",
        ),
        TOO_LONG.found(
            high,
            standard_error=_error(high, num_replicates),
            verdict="reproduced" if high > 0.98 else "short",
            note="Reproduced above .98.",
        ),
    )


def _error(share, num_replicates):
    return float(np.sqrt(share * (1 - share) / num_replicates))


COVERAGE = Experiment(
    name="ranks-coverage",
    system="ranks",
    title="Coverage of naive and consistent intervals",
    claims=(CONSISTENT, TOO_SHORT, TOO_LONG),
    run=_run,
    settings={
        "quick": {"num_obs": 1_000, "num_replicates": 1_000, "batch_size": 50},
        "paper": {"num_obs": 2_000, "num_replicates": 20_000, "batch_size": 50},
        "full": {"num_obs": 5_000, "num_replicates": 100_000, "batch_size": 50},
    },
    paper_cost_ratio=42.0,
)
