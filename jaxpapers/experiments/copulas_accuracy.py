"""Three methods against long chains on a small data set that is simulated by key."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import copulas
from ..engine import Algorithm
from ..plots import copulas as figures
from .claims import Claim
from .context import Context
from .copulas_fits import timed_fit
from .formatting import format_number
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

EXACT, HYBRID, CHAINS = "exact VI", "hybrid VI", "NUTS"
LARGEST_ERROR = 0.15
LARGEST_GAP = 0.4
SD_RATIOS = (0.8, 1.25)
OURS = "long chains of NUTS, 16,000 draws, stored with the package"

MEANS = {
    method: Claim(
        f"Posterior means of {name} are those of long chains: largest error of nu, delta and "
        "Omega (their posterior s.d.).",
        0.0,
        OURS,
    )
    for method, name in {
        EXACT: "variational inference on the exact likelihood",
        HYBRID: "the paper's hybrid variational inference",
        CHAINS: "short chains of NUTS",
    }.items()
}
SPREADS = Claim(
    "Posterior standard deviations of variational inference on the exact likelihood are those of "
    "long chains: the ratio that is furthest from 1.",
    1.0,
    OURS,
)
GAP = Claim(
    "The ELBO of variational inference on the exact likelihood is close to the log evidence: "
    "evidence less ELBO (nats).",
    0.0,
    "importance-sampling estimate of the same run",
)


def _run(context: Context) -> ExperimentResult:
    stored = stored_posterior()
    fits = {method: _fit(context, method, stored["design"]) for method in MEANS}
    errors, ratios = _compared(fits, stored)
    labels = _labels(stored["design"]["num_assets"])
    rows = [
        _row(context.settings, method, fits[method], errors[method], ratios[method])
        for method in fits
    ]
    figure = figures.posterior_comparison(
        labels, errors, ratios, title="Posteriors by method against long chains"
    )
    return ExperimentResult(
        _sentence(rows),
        _claims(rows, fits[EXACT][0]),
        tables={
            "methods": Table(
                rows,
                "Errors of posterior means (in posterior s.d. of long chains) and ratios of "
                "posterior s.d. to theirs over nu, delta and Omega, by method; seconds with the "
                "search for the mode, whose programs the first method compiles for all. "
                "Gradients are those of the steps after it; NUTS keeps no count.",
            ),
            "parameters": Table(
                _parameter_rows(labels, stored, errors, ratios),
                "Mean and s.d. of long chains by parameter, and errors of means by method (in "
                "that s.d.).",
            ),
        },
        figures={
            "posteriors": Picture(
                figure, "Mean plus and minus one s.d. by parameter and method; band: long chains"
            )
        },
        sizes={name: stored["design"][name] for name in ("num_obs", "num_assets", "num_factors")},
    )


def stored_posterior() -> dict[str, Any]:
    """Reads the posterior by long chains that the package holds.

    Returns:
        `design` of the data, `num_draws` and `r_hat` of the chains, and `mean` and `sd` of
        `correlation` (below the diagonal), `delta` and `nu`.
    """
    file = resources.files("jaxpapers.experiments").joinpath("data", "copula_posterior.json")
    return json.loads(file.read_text("utf-8"))


def stored_data(design: Mapping[str, Any]) -> tuple[copulas.SkewTFactorModel, np.ndarray]:
    """Draws the data of the stored posterior again; in float64.

    Args:
        design: sizes, parameters and seed.

    Returns:
        The model and copula data `(obs, asset)`.
    """
    model = copulas.SkewTFactorModel(design["num_assets"], design["num_factors"])
    values = (jnp.asarray(design[name], jnp.float64) for name in ("loadings", "slant", "nu"))
    copula = model.copula_of(copulas.FactorParams(*values))
    return model, np.asarray(copula.sample(jax.random.key(design["seed"]), design["num_obs"]))


def _fit(context: Context, method: str, design: Mapping[str, Any]):
    """Posterior by a method, seconds of running and of compiling."""
    settings = context.settings
    algorithms: dict[str, tuple[Algorithm, int]] = {
        EXACT: (copulas.FactorGaussianVI(), settings["num_steps"]),
        HYBRID: (copulas.HybridVI(), settings["num_hybrid_steps"]),
        CHAINS: (copulas.NUTS(num_warmup=settings["num_warmup"]), settings["num_chain_draws"]),
    }
    algorithm, num_steps = algorithms[method]
    model, u = stored_data(design)
    found, run, compiling = timed_fit(
        context.key, context, method, model, u, algorithm, num_steps=num_steps
    )
    draw_key = jax.random.fold_in(context.key, 1)
    return _drawn_anew(draw_key, found, settings["num_draws"]), run, compiling


def _identified(moments: copulas.FactorMoments) -> np.ndarray:
    """Nu, delta and the correlations below the diagonal in one vector."""
    nu, delta, correlation = map(np.asarray, (moments.nu, moments.delta, moments.correlation))
    return np.concatenate([nu[None], delta, correlation[np.tril_indices(len(correlation), -1)]])


def _stored(part: Mapping[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(part[name]) for name in ("nu", "delta", "correlation")])


def _labels(num_assets: int) -> list[str]:
    rows, columns = np.tril_indices(num_assets, -1)
    deltas = [f"delta {i + 1}" for i in range(num_assets)]
    pairs = zip(rows, columns, strict=True)
    return ["nu", *deltas, *(f"Omega {j + 1},{i + 1}" for i, j in pairs)]


def _compared(fits, stored):
    """Errors of means in stored deviations, and ratios of deviations, by method."""
    mean, sd = _stored(stored["mean"]), _stored(stored["sd"])
    errors = {method: (_identified(fit.mean) - mean) / sd for method, (fit, *_) in fits.items()}
    ratios = {method: _identified(fit.sd) / sd for method, (fit, *_) in fits.items()}
    return errors, ratios


def _drawn_anew(key: jax.Array, fit: copulas.CopulaFit, num_draws: int) -> copulas.CopulaFit:
    """The fit with more draws of its approximation, so that moments have little noise; not NUTS."""
    if fit.approximation is None:
        return fit
    return dataclasses.replace(fit, draws=fit.sample(key, num_draws))


def _row(settings, method, timed_fit, errors, ratios):
    fit, run, compiling = timed_fit
    gradients = {EXACT: settings["num_steps"], HYBRID: settings["num_hybrid_steps"]}
    is_best = np.asarray(fit.modes.log_posterior > fit.log_posterior - 0.5)
    return {
        "method": method,
        "largest error": float(np.max(np.abs(errors))),
        "least s.d. ratio": float(ratios.min()),
        "largest s.d. ratio": float(ratios.max()),
        "ELBO": float(fit.elbo),
        "log evidence": float(fit.log_evidence),
        "k-hat": float(fit.pareto_k),
        "R-hat": float(fit.r_hat),
        "starts at the best mode": f"{is_best.sum()} of {is_best.size}",
        "gradients": gradients.get(method),
        "seconds run": run,
        "seconds compile": compiling,
    }


def _parameter_rows(labels, stored, errors, ratios):
    mean, sd = _stored(stored["mean"]), _stored(stored["sd"])
    return [
        {
            "parameter": label,
            "mean": float(mean[i]),
            "s.d.": float(sd[i]),
            **{f"error, {method}": float(error[i]) for method, error in errors.items()},
            **{f"s.d. ratio, {method}": float(ratio[i]) for method, ratio in ratios.items()},
        }
        for i, label in enumerate(labels)
    ]


def _sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = ", ".join(
        f"{format_number(row['largest error'], 2)} s.d. by {row['method']} "
        f"({row['seconds run']:.1f} s)"
        for row in rows
    )
    return f"Posterior means differ from those of long chains by at most {parts}."


def _claims(rows: Sequence[Mapping[str, Any]], exact: copulas.CopulaFit) -> tuple[Claim, ...]:
    first = rows[0]
    ends = [first["least s.d. ratio"], first["largest s.d. ratio"]]
    furthest = max(ends, key=lambda ratio: abs(np.log(ratio)))
    sound = SD_RATIOS[0] <= ends[0] and ends[1] <= SD_RATIOS[1]
    return (
        *(_mean_claim(row["method"], row["largest error"]) for row in rows),
        SPREADS.found(
            furthest,
            verdict="reproduced" if sound else "short",
            note=f"Reproduced if all ratios lie in [{SD_RATIOS[0]:g}, {SD_RATIOS[1]:g}].",
        ),
        _gap_claim(exact),
    )


def _mean_claim(method: str, error: float) -> Claim:
    if method == HYBRID:
        return MEANS[method].found(
            error,
            verdict="observed",
            note="Not judged: the iterates of its constant steps go on wandering.",
        )
    return MEANS[method].found(
        error,
        verdict="reproduced" if error <= LARGEST_ERROR else "short",
        note=f"Reproduced up to {LARGEST_ERROR:g}.",
    )


def _gap_claim(exact: copulas.CopulaFit) -> Claim:
    gap = float(exact.log_evidence - exact.elbo)
    return GAP.found(
        gap,
        standard_error=float(exact.elbo_se),
        verdict="reproduced" if abs(gap) <= LARGEST_GAP else "short",
        note=f"Reproduced up to {LARGEST_GAP:g}; the evidence is right where k-hat is below .7, "
        f"here {float(exact.pareto_k):.2f}.",
    )


ACCURACY = Experiment(
    name="copulas-accuracy",
    system="copulas",
    title="Accuracy of three methods",
    claims=(*MEANS.values(), SPREADS, GAP),
    run=_run,
    settings={
        "quick": {
            "num_steps": 2_000,
            "num_hybrid_steps": 2_000,
            "num_warmup": 150,
            "num_chain_draws": 400,
            "num_starts": 6,
            "num_draws": 20_000,
        },
        "paper": {
            "num_steps": 10_000,
            "num_hybrid_steps": 20_000,
            "num_warmup": 500,
            "num_chain_draws": 4_000,
            "num_starts": 12,
            "num_draws": 50_000,
        },
        "full": {
            "num_steps": 20_000,
            "num_hybrid_steps": 50_000,
            "num_warmup": 1_000,
            "num_chain_draws": 20_000,
            "num_starts": 24,
            "num_draws": 100_000,
        },
    },
    paper_cost_ratio=4.0,
)
