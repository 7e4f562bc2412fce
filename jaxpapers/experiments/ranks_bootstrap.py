"""The bootstrap with ranks taken anew against the asymptotic variance."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .. import ranks
from ..plots import ranks as figures
from .claims import Claim
from .context import Context
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

NAMES = ("intercept", "r(parent)", "female")
RERANKING, MULTIPLYING, ROBUST = (
    "re-ranking bootstrap",
    "multiplier bootstrap",
    "naive: robust (HC1)",
)
KINDS: tuple[str, ...] = (RERANKING, MULTIPLYING, "naive: homoskedastic", ROBUST)
METHODS = (
    "asymptotic, consistent",
    "bootstrap percentile",
    "bootstrap percentile-t",
    "bootstrap normal",
)
OURS = "agreement of bootstrap and asymptotic variance"

AGREES = Claim(
    "Re-ranking bootstrap standard error of the slope over the consistent asymptotic one.",
    1.0,
    OURS,
)
MULTIPLIER = Claim(
    "Multiplier bootstrap standard error of the slope over the consistent asymptotic one.",
    1.0,
    OURS,
)
NAIVE = Claim(
    "Robust (HC1) standard error of the slope over the re-ranking bootstrap's: 1 if it were "
    "consistent.",
    None,
    "Chetverikov and Wilhelm (2023)",
)


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    params, consistent, others, intervals = jax.device_get(_summary(*_resample(context)))
    errors = dict(zip(KINDS, others, strict=True))
    ratios = {kind: float(bse[1] / consistent[1]) for kind, bse in errors.items()}
    gap = ratios[ROBUST] / ratios[RERANKING]
    sentence = (
        f"{settings['num_replicates']:,} bootstrap draws with ranks taken anew give a standard "
        f"error of the slope {ratios[RERANKING]:.3f} times the asymptotic one; the "
        f"usual robust one is {gap:.2f} times the bootstrap's."
    )
    tables = {
        "standard-errors": Table(
            _error_rows(params, consistent, errors),
            "Standard errors of the coefficients (ranks, or ranks per rank) by method.",
        ),
        "intervals": Table(
            _interval_rows(intervals), "95 % intervals of the slope (ranks per rank) by method."
        ),
    }
    figure = figures.standard_error_check(
        NAMES,
        consistent,
        errors,
        num_replicates=settings["num_replicates"],
        title="Bootstrap check of the consistent standard errors",
    )
    caption = (
        "Standard errors by method over the consistent asymptotic ones; the band is the Monte "
        "Carlo error of the two bootstraps"
    )
    return ExperimentResult(
        sentence,
        _claims(ratios, gap, settings["num_replicates"]),
        tables=tables,
        figures={"standard-errors": Picture(figure, caption)},
    )


def _resample(context: Context) -> tuple[ranks.BootstrapDraws, ranks.MultiplierDraws]:
    """Both bootstraps of one sample."""
    counts = {name: context.settings[name] for name in ("num_replicates", "batch_size")}
    sample_key, draw_key, multiplier_key = jax.random.split(context.key, 3)
    child, parent, female = _families(sample_key, num_obs=context.settings["num_obs"])
    draws = ranks.bootstrap(
        draw_key,
        ranks.RankRegression(),
        child,
        parent,
        covariates=female,
        studentize=True,
        progress=context.progress("draws", unit="batches"),
        checkpoint=context.checkpoint("draws"),
        **counts,
    )
    multiplier = ranks.multiplier_bootstrap(
        multiplier_key,
        draws.fit,
        progress=context.progress("multiplier draws", unit="batches"),
        checkpoint=context.checkpoint("multiplier"),
        **counts,
    )
    return draws, multiplier


@partial(jax.jit, static_argnames="num_obs")
def _families(key, *, num_obs):
    """Families in which the two halves of parents' incomes differ in kind (flipped tails)."""
    sample_key, female_key, noise_key = jax.random.split(key, 3)
    child, parent = ranks.Flip(0.3).sample(sample_key, num_obs)
    female = jax.random.bernoulli(female_key, 0.5, (num_obs,)).astype(child.dtype)
    shifted = child - 0.05 * female + 0.02 * jax.random.normal(noise_key, (num_obs,))
    return shifted, parent, female[:, None]


@jax.jit
def _summary(draws, multiplier):
    """Estimates, their standard errors, those of `KINDS`, intervals of the slope by `METHODS`."""
    fit = draws.fit
    naive = (jnp.sqrt(jnp.diag(cov)) for cov in (fit.cov_homoskedastic, fit.cov_robust))
    intervals = (
        fit.interval(),
        draws.percentile_interval(),
        draws.percentile_t_interval(),
        draws.normal_interval(),
    )
    errors = (draws.bse, multiplier.bse, *naive)
    return fit.params, fit.bse, errors, [ends[1] for ends in intervals]


def _claims(ratios: Mapping[str, float], gap: float, num_replicates: int) -> tuple[Claim, ...]:
    noise = 1 / np.sqrt(2 * num_replicates)

    def agreement(claim, kind):
        close = abs(ratios[kind] - 1) <= 3 * noise + 0.02
        return claim.found(
            ratios[kind],
            standard_error=noise,
            verdict="reproduced" if close else "short",
            note="Reproduced within .02 and three Monte Carlo standard errors of 1.",
        )

    return (
        agreement(AGREES, RERANKING),
        agreement(MULTIPLIER, MULTIPLYING),
        NAIVE.found(
            gap,
            standard_error=noise * gap,
            verdict="reproduced" if abs(gap - 1) > 0.1 else "short",
            note="Reproduced if more than 10 % off.",
        ),
    )


def _error_rows(params, consistent, errors):
    return [
        {
            "coefficient": name,
            "estimate": float(params[i]),
            "consistent": float(consistent[i]),
            **{kind: float(bse[i]) for kind, bse in errors.items()},
        }
        for i, name in enumerate(NAMES)
    ]


def _interval_rows(intervals):
    return [
        {"method": method, "lower": float(ends[0]), "upper": float(ends[1])}
        for method, ends in zip(METHODS, intervals, strict=True)
    ]


BOOTSTRAP = Experiment(
    name="ranks-bootstrap",
    system="ranks",
    title="Bootstrap against asymptotic variance",
    claims=(AGREES, MULTIPLIER, NAIVE),
    run=_run,
    settings={
        "quick": {"num_obs": 2_000, "num_replicates": 2_000, "batch_size": 50},
        "paper": {"num_obs": 10_000, "num_replicates": 10_000, "batch_size": 50},
        "full": {"num_obs": 100_000, "num_replicates": 10_000, "batch_size": 20},
    },
    paper_cost_ratio=25.0,
)
