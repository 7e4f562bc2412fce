"""Ninety-three simulated assets: how many factors, what it costs, how near the truth."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import copulas
from ..plots import copulas as figures
from .claims import Claim
from .context import Context
from .copulas_fits import correlation_error, root_mean_square, timed_fit
from .formatting import format_number
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

PAPER = "Deng, Smith and Maneesoonthorn (2025)"
NU = 8.0
LATER = "at paper scale only"
SIZES = ("num_obs", "num_assets", "true_factors")

EQUITIES = Claim(
    "Fits of the paper's 93 intraday equity returns.",
    None,
    PAPER,
    verdict="cannot",
    note="Their data are proprietary; data drawn from a factor model of the same size stand in.",
)
CHOSEN = Claim(
    "The ELBO is highest at the number of factors that the data were drawn with.",
    5.0,
    "simulated data of the paper's size",
)


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    if not settings["num_factors"]:
        table = Table([{"outcome": LATER}], "Fits of simulated data of the paper's size.")
        claim = CHOSEN.found(
            verdict="cannot",
            note="Fitted at paper scale only; 20 stocks of copulas-stocks stand in.",
        )
        return ExperimentResult(f"Ninety-three assets: {LATER}.", (claim,), tables={"fits": table})
    truth, u = simulated(context.key, **{name: settings[name] for name in SIZES})
    rows = [_row(context, truth, u, number) for number in settings["num_factors"]]
    best = max(rows, key=lambda row: row["ELBO"])
    figure = figures.elbo_by_factors(
        np.array([row["factors"] for row in rows]),
        np.array([row["ELBO"] for row in rows]),
        true_number=settings["true_factors"],
        title=f"ELBO by number of factors, {u.shape[1]} simulated assets",
    )
    return ExperimentResult(
        _sentence(rows, best, u.shape),
        (_chosen_claim(best, settings["true_factors"]),),
        tables={
            "fits": Table(
                rows,
                "Fits of simulated data by number of factors: log posterior at the mode and ELBO "
                "(nats), root mean squared errors of posterior means to the truth.",
            )
        },
        figures={"elbo": Picture(figure, "Evidence lower bound by the number of factors fitted")},
        sizes={"num_obs": u.shape[0], "num_assets": u.shape[1]},
    )


def simulated(
    key: jax.Array, *, num_obs: int, num_assets: int, true_factors: int
) -> tuple[copulas.Copula, np.ndarray]:
    """Draws data of many assets from a skew-t factor copula.

    Args:
        key: A typed key.
        num_obs: Number of observations.
        num_assets: Number of assets.
        true_factors: Number of factors.

    Returns:
        The copula, of which one factor moves all assets and the others some of them, and copula
        data `(obs, asset)`.
    """
    model = copulas.SkewTFactorModel(num_assets, true_factors)
    loading_key, slant_key, sample_key = jax.random.split(key, 3)
    rows, columns = np.indices((num_assets, true_factors))
    noise = jax.random.normal(loading_key, rows.shape)
    loadings = jnp.where(columns == 0, 1 + 0.2 * noise, 0.4 * noise)
    loadings = jnp.where(rows == columns, jnp.abs(loadings) + 0.1, loadings)
    loadings = jnp.where(rows < columns, 0, loadings)
    slant = 0.5 * jax.random.normal(slant_key, (num_assets,))
    params = copulas.FactorParams(loadings, slant, jnp.asarray(NU, loadings.dtype))
    copula = model.copula_of(params)
    return copula, np.asarray(copula.sample(sample_key, num_obs))


def _row(context: Context, truth: copulas.Copula, u: np.ndarray, number: int) -> dict[str, Any]:
    """A fit with a number of factors."""
    model = copulas.SkewTFactorModel(u.shape[1], number)
    key, num_steps = jax.random.fold_in(context.key, number), context.settings["num_steps"]
    fit, run, compiling = timed_fit(
        key, context, f"factors {number}", model, u, num_steps=num_steps
    )
    mean = fit.mean
    delta, correlation = np.asarray(mean.delta), np.asarray(mean.correlation)
    return {
        "factors": number,
        "parameters": fit.model.num_params,
        "log posterior": float(fit.log_posterior),
        "ELBO": float(fit.elbo),
        "ELBO s.e.": float(fit.elbo_se),
        "k-hat": float(fit.pareto_k),
        "nu": float(np.asarray(mean.nu)),
        "delta error": root_mean_square(delta - np.asarray(truth.skewness)),
        "Omega error": correlation_error(correlation, np.asarray(truth.correlation.matrix())),
        "seconds run": run,
        "seconds compile": compiling,
    }


def _sentence(
    rows: Sequence[Mapping[str, Any]], best: Mapping[str, Any], shape: tuple[int, ...]
) -> str:
    seconds = sum(row["seconds run"] + row["seconds compile"] for row in rows)
    return (
        f"Of {len(rows)} factor counts for {shape[1]} simulated assets over {shape[0]:,} days, "
        f"{best['factors']} has the highest ELBO; its delta is off the truth by "
        f"{format_number(best['delta error'], 2)}, its Omega by "
        f"{format_number(best['Omega error'], 2)}, root mean square. All fits took "
        f"{seconds:,.0f} s."
    )


def _chosen_claim(best: Mapping[str, Any], true_factors: int) -> Claim:
    return CHOSEN.found(
        best["factors"],
        verdict="reproduced" if best["factors"] == true_factors else "short",
        note=f"Drawn with {true_factors} factors, nu = {NU:g}.",
    )


def _settings(num_factors: Sequence[int], **changes: int) -> dict[str, Any]:
    sizes = {"num_assets": 93, "num_obs": 1_040, "true_factors": 5}
    steps = {"num_starts": 6, "num_steps": 2_000, "num_draws": 5_000}
    return {"num_factors": tuple(num_factors), **sizes, **steps, **changes}


LARGE = Experiment(
    name="copulas-93",
    system="copulas",
    title="Ninety-three simulated assets",
    claims=(CHOSEN, EQUITIES),
    run=_run,
    settings={
        "quick": _settings(()),
        "paper": _settings((1, 3, 5, 8)),
        "full": _settings(range(1, 16), num_starts=12, num_steps=5_000, num_draws=20_000),
    },
    paper_cost_ratio=20_000.0,
)
