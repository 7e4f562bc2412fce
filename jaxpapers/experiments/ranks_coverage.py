"""How often 95 % intervals of each kind contain the true slope, over nine populations."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .. import ranks
from ..plots import ranks as figures
from .claims import Claim
from .context import Context
from .formatting import format_percent
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

PAPER = "Chetverikov and Wilhelm (2023)"

POPULATIONS: tuple[tuple[str, ranks.Population, float], ...] = (
    ("Gaussian copula .5", ranks.GaussianCopula(0.5), 1.0),
    ("Gaussian copula .9", ranks.GaussianCopula(0.9), 1.0),
    ("two independent diagonal blocks", ranks.DiagonalBlocks(), 1.0),
    ("Y = (U − .5)²", ranks.Parabola(), 1.0),
    ("middle flipped, tails of .2", ranks.Flip(0.2), 1.0),
    ("middle flipped, tails of .3", ranks.Flip(0.3), 1.0),
    ("discrete, w = 0", ranks.DiscretisedGaussian(0.5), 0.0),
    ("discrete, w = 1/2", ranks.DiscretisedGaussian(0.5), 0.5),
    ("discrete, w = 1", ranks.DiscretisedGaussian(0.5), 1.0),
)
KINDS = {
    "consistent": "consistent",
    "homoskedastic": "naive: homoskedastic",
    "robust": "naive: robust",
}
LEVEL = 0.95
TOLERANCE = 0.012

CONSISTENT = Claim(
    f"The consistent interval of {PAPER} covers 95 % in every population: worst coverage.",
    LEVEL,
    "nominal level",
)
TOO_SHORT = Claim(
    "Robust (EHW) intervals can cover too little: lowest coverage.",
    0.793,
    "our table of 4,000 samples, middle flipped, tails of .3",
)
TOO_LONG = Claim(
    "Robust (EHW) intervals can cover too much: highest coverage.",
    1.0,
    "our table of 4,000 samples, diagonal blocks",
)


class _OneOf(ranks.Population):
    """One of several populations, chosen by number when it runs: one program serves all.

    Attributes:
        populations: the populations.
        number: place of the one to sample from; a float among floats, `coverage` casts them all.
    """

    populations: tuple[ranks.Population, ...]
    number: Float[Array, ""] | np.ndarray

    def sample(
        self, key: PRNGKeyArray, num_obs: int
    ) -> tuple[Float[Array, " obs"], Float[Array, " obs"]]:
        samplers = [
            functools.partial(population.sample, num_obs=num_obs) for population in self.populations
        ]
        return jax.lax.switch(jnp.asarray(self.number, jnp.int32), samplers, key)

    def slope(self, tie_weight: float) -> float:
        return self.populations[int(self.number)].slope(tie_weight)


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    rows = [_row(context, number) for number in range(len(POPULATIONS))]
    figure = figures.coverage_chart(
        [row["population"] for row in rows],
        {label: np.array([row[kind] for row in rows]) for kind, label in KINDS.items()},
        num_replicates=settings["num_replicates"],
        level=LEVEL,
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
                figure,
                "Coverage of 95 % intervals by population and kind of standard error; bars are "
                "± 2 Monte Carlo standard errors.",
            )
        },
    )


def _row(context: Context, number: int) -> dict[str, Any]:
    """Coverage in one population."""
    name, _, tie_weight = POPULATIONS[number]
    populations = tuple(population for _, population, _ in POPULATIONS)
    draws = ranks.coverage(
        jax.random.fold_in(context.key, number),
        ranks.RankRegression(tie_weight=tie_weight),
        _OneOf(populations, np.asarray(number, np.float64)),
        num_obs=context.settings["num_obs"],
        num_replicates=context.settings["num_replicates"],
        batch_size=context.settings["batch_size"],
        progress=context.progress(name, unit="batches"),
        checkpoint=context.checkpoint(f"population-{number}"),
    )
    covers, ratio = jax.device_get(_summary(draws))
    return {
        "population": name,
        "tie weight": tie_weight,
        "slope": float(draws.truth),
        **{kind: float(covers[kind]) for kind in KINDS},
        "s.e. / s.d.": float(ratio),
    }


@jax.jit
def _summary(draws):
    return draws.coverage(LEVEL), draws.standard_error_ratio()


def _sentence(rows: Sequence[Mapping[str, Any]], num_obs: int) -> str:
    robust = [row["robust"] for row in rows]
    ours = [row["consistent"] for row in rows]
    return (
        f"Over nine populations of {num_obs:,} observations, robust 95 % intervals for the "
        f"rank-rank slope cover between {format_percent(min(robust))} and "
        f"{format_percent(max(robust))}; the consistent ones between "
        f"{format_percent(min(ours))} and {format_percent(max(ours))}."
    )


def _claims(rows: Sequence[Mapping[str, Any]], num_replicates: int) -> tuple[Claim, ...]:
    ours = np.array([row["consistent"] for row in rows])
    robust = np.array([row["robust"] for row in rows])
    worst = ours[np.argmax(np.abs(ours - LEVEL))]
    noise = np.sqrt(LEVEL * (1 - LEVEL) / num_replicates)
    sound = abs(worst - LEVEL) <= TOLERANCE + 3 * noise
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
    """Standard error of a share, half a success and half a failure added: not 0 at 0 and 1."""
    share = (share * num_replicates + 0.5) / (num_replicates + 1)
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
