"""Twenty US stocks: which pairs fall together more than they rise, and who forecasts best."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from .. import copulas, engine, frames
from ..plots import copulas as figures
from .claims import Claim
from .context import Context
from .copulas_fits import timed_fit
from .formatting import format_number
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

PAPER = "Deng, Smith and Maneesoonthorn (2025)"
MODELS = {
    "skew-t": copulas.SkewTFactorModel,
    "skew-normal": copulas.SkewNormalFactorModel,
    "t": copulas.TFactorModel,
    "Gaussian": copulas.GaussianFactorModel,
}
LEVEL = 0.05
TAILS = (0.025, 0.975)
NUM_SHOWN = 10
CRITICAL = 3.0
DATA = "20 US stocks of skfolio, daily"

ASYMMETRIC = Claim(
    "Dependence of equity returns is asymmetric: share of pairs whose 95 % posterior interval of "
    "UR - LL at level .05 excludes 0.",
    None,
    f"{PAPER}, title",
)
SCORES = {
    family: Claim(
        f"The skew-t copula forecasts better than the {family}: log score of held-out days, "
        "difference per day (nats).",
        None,
        DATA,
    )
    for family in ("skew-normal", "t", "Gaussian")
}


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    names, fitted, held_out = _returns(settings)
    u, new = np.asarray(copulas.pseudo_observations(fitted)), empirical_margins(fitted, held_out)
    fits = {
        family: timed_fit(
            jax.random.fold_in(context.key, number),
            context,
            family,
            MODELS[family](u.shape[1], settings["num_factors"]),
            u,
            num_steps=settings["num_steps"],
        )
        for number, family in enumerate(settings["families"])
    }
    asymmetry = _asymmetries(fits["skew-t"][0], settings["num_copulas"])
    pairs = _pair_rows(names, asymmetry, u)
    scores = {family: np.asarray(copulas.log_score(fit, new)) for family, (fit, *_) in fits.items()}
    days = f"{len(u):,} days to fit and the last {len(new)} held out"
    tables = {
        "pairs": Table(
            pairs,
            f"Asymmetry UR - LL at level {LEVEL:g} (share of the level) of all pairs, the most "
            "asymmetric first: posterior mean, 95 % interval, and counted in the data with its "
            "rough standard error.",
        ),
        "scores": Table(
            _score_rows(fits, scores),
            f"Log score of copulas with {settings['num_factors']} factors (nats; larger is "
            f"better), {days}. Margins: empirical, of the fitted days. Differences are the "
            "skew-t's score less that of the family, their errors those of independent days.",
        ),
    }
    return ExperimentResult(
        _sentence(pairs, scores),
        (_asymmetry_claim(pairs), *_score_claims(scores)),
        tables=tables,
        figures=_figures(names, asymmetry, pairs),
        sizes={"num_obs": len(u), "num_held_out": len(new), "num_assets": len(names)},
    )


def _returns(settings: Mapping[str, Any]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, returns to fit and returns that are held out, the latest days of the data."""
    prices = engine.require_extra("skfolio.datasets", "examples").load_sp500_dataset()
    num_obs, num_held_out = settings["num_obs"], settings["num_held_out"]
    prices = prices.iloc[-num_obs - num_held_out - 1 :, : settings["num_assets"]]
    returns = frames.log_returns(prices)
    values = returns.to_numpy(float)
    return [str(name) for name in returns.columns], values[:num_obs], values[num_obs:]


def empirical_margins(fitted: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Copula data of new rows by the ranks that they would take among the fitted ones.

    Args:
        fitted: `(obs, asset)` data whose margins are used.
        new: `(day, asset)`.

    Returns:
        `(below + up to + 1) / 2 / (obs + 1)`, from the counts of fitted values below a new value
        and up to it: in (0, 1), and at a fitted value without ties its own pseudo-observation.
    """
    columns = []
    for old, values in zip(np.sort(fitted, axis=0).T, new.T, strict=True):
        counts = [np.searchsorted(old, values, side) for side in ("left", "right")]
        columns.append((counts[0] + counts[1] + 1) / 2)
    return np.stack(columns, axis=1) / (len(fitted) + 1)


def _asymmetries(fit: copulas.CopulaFit, num_copulas: int) -> np.ndarray:
    """`UR - LL` of every pair at draws of the posterior, `(draw, asset, asset)`."""
    batch = jax.vmap(fit.model.copula)(fit.draws[:num_copulas])
    return np.asarray(copulas.posterior_quantile_dependence(batch, LEVEL).asymmetry)


def _pair_rows(names: Sequence[str], asymmetry: np.ndarray, u: np.ndarray) -> list[dict[str, Any]]:
    """One row per pair, by the size of its posterior mean."""
    found = copulas.empirical_quantile_dependence(u, LEVEL)
    counted, size = np.asarray(found.asymmetry), np.asarray(found.UR + found.LL)
    error = np.sqrt(size / (LEVEL * len(u)))
    mean, ends = asymmetry.mean(axis=0), np.quantile(asymmetry, TAILS, axis=0)
    rows = [
        {
            "first": names[i],
            "second": names[j],
            "asymmetry": float(mean[i, j]),
            "lower": float(ends[0, i, j]),
            "upper": float(ends[1, i, j]),
            "counted": float(counted[i, j]),
            "counted s.e.": float(error[i, j]),
        }
        for i, j in itertools.combinations(range(len(names)), 2)
    ]
    return sorted(rows, key=lambda row: -abs(row["asymmetry"]))


def _excludes_zero(row: Mapping[str, Any]) -> bool:
    return row["lower"] > 0 or row["upper"] < 0


def _differences(scores: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Mean of the skew-t's score less that of each family per day, with its standard error."""
    gaps = {family: scores["skew-t"] - score for family, score in scores.items()}
    return {
        family: (float(gap.mean()), float(gap.std(ddof=1) / math.sqrt(len(gap))))
        for family, gap in gaps.items()
        if family != "skew-t"
    }


def _score_rows(fits, scores):
    gaps = _differences(scores)
    rows = []
    for family, (fit, run, compiling) in fits.items():
        gap, error = gaps.get(family, (None, None))
        rows.append(
            {
                "family": family,
                "total": float(scores[family].sum()),
                "per day": float(scores[family].mean()),
                "skew-t less it, per day": gap,
                "s.e.": error,
                "ELBO": float(fit.elbo),
                "ELBO s.e.": float(fit.elbo_se),
                "k-hat": float(fit.pareto_k),
                "seconds run": run,
                "seconds compile": compiling,
            }
        )
    return rows


def _sentence(pairs: Sequence[Mapping[str, Any]], scores: Mapping[str, np.ndarray]) -> str:
    top = pairs[0]
    way = "fall" if top["asymmetry"] < 0 else "rise"
    gaps = ", ".join(
        f"{format_number(gap, 2)} ± {format_number(error, 2)} nats a day better than the {family}"
        for family, (gap, error) in _differences(scores).items()
    )
    return (
        f"{sum(map(_excludes_zero, pairs))} of {len(pairs)} pairs of US stocks have a 95 % "
        f"interval of UR - LL without 0; {top['first']} and {top['second']} are the most "
        f"asymmetric, {format_number(top['asymmetry'], 2)}: they {way} together more. On held-out "
        f"days the skew-t scores {gaps}."
    )


def _asymmetry_claim(pairs: Sequence[Mapping[str, Any]]) -> Claim:
    return ASYMMETRIC.found(
        sum(map(_excludes_zero, pairs)) / len(pairs),
        verdict="stand-in",
        note=f"{DATA}, stand in for the paper's 93 intraday equity returns, which are proprietary. "
        "Pairs share their posterior, and are not independent.",
    )


def _score_claims(scores: Mapping[str, np.ndarray]) -> tuple[Claim, ...]:
    gaps = _differences(scores)
    return tuple(
        _score_claim(claim, *gaps[family])
        if family in gaps
        else claim.found(verdict="cannot", note="All four families are fitted at paper scale only.")
        for family, claim in SCORES.items()
    )


def _score_claim(claim: Claim, gap: float, error: float) -> Claim:
    return claim.found(
        gap,
        standard_error=error,
        verdict="reproduced" if gap > CRITICAL * error else "short",
        note=f"Reproduced if above {CRITICAL:g} standard errors, of independent days.",
    )


def _figures(names, asymmetry, pairs):
    mean, (low, high) = asymmetry.mean(axis=0), np.quantile(asymmetry, TAILS, axis=0)
    shown = pairs[:NUM_SHOWN]
    title = f"Asymmetric dependence of {len(names)} US stocks, u = {LEVEL:g}"
    whole = figures.asymmetry_map(mean, (low > 0) | (high < 0), names, title=title)
    ranked = figures.asymmetric_pairs(
        [f"{row['first']} – {row['second']}" for row in shown],
        np.array([row["asymmetry"] for row in shown]),
        np.array([[row["lower"], row["upper"]] for row in shown]),
        title=f"The {len(shown)} most asymmetric pairs, u = {LEVEL:g}",
    )
    return {
        "map": Picture(
            whole,
            "Posterior mean of UR - LL of all pairs; negative where two stocks fall together more "
            "than they rise together",
        ),
        "pairs": Picture(ranked, "The most asymmetric pairs with 95 % posterior intervals"),
    }


def _settings(families: Iterable[str], **changes: int) -> dict[str, Any]:
    sizes = {
        "num_assets": 20,
        "num_obs": 1_040,
        "num_held_out": 260,
        "num_factors": 3,
        "num_starts": 6,
        "num_steps": 500,
        "num_draws": 1_000,
        "num_copulas": 300,
    }
    return {"families": tuple(families), **sizes, **changes}


STOCKS = Experiment(
    name="copulas-stocks",
    system="copulas",
    title="Asymmetric dependence of US stocks",
    claims=(ASYMMETRIC, *SCORES.values()),
    run=_run,
    settings={
        "quick": _settings(MODELS),
        "paper": _settings(
            MODELS, num_starts=12, num_steps=2_000, num_draws=20_000, num_copulas=1_000
        ),
        "full": _settings(
            MODELS, num_starts=24, num_steps=5_000, num_draws=100_000, num_copulas=2_000
        ),
    },
    paper_cost_ratio=30.0,
)
