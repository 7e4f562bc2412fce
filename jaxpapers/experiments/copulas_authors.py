"""The authors' data sets: modes of all starts, evidence bounds, distance to the truth."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .. import copulas, frames
from .claims import Claim
from .context import Context
from .copulas_fits import correlation_error, root_mean_square, timed_fit
from .registry import Experiment
from .results import ExperimentResult, Table

FOLDER_VARIABLE = "JAXPAPERS_DATA"
"""Environment variable that names the folder above `copula`, which is not part of the package."""
NUM_FACTORS = {"sim5": 1, "sim30": 5, "fx17": 2}
FILES = {"sim5": "sim5.npz", "sim30": "sim30.npz", "fx17": "fx17.csv"}
FITTED, LATER, ABSENT = "fitted", "at paper scale only", "the data are not there"
SAME_MODE = 0.5
"""Nats by which the log posteriors of one mode may differ between starts."""
SOURCE = "our computations on the same data"

JUDGED: tuple[tuple[str, str, float, float, Claim], ...] = (
    (
        "sim5",
        "ELBO",
        1_260.7,
        1_261.5,
        Claim(
            "sim5: ELBO of a factor Gaussian on the exact likelihood, against the log evidence "
            "(nats).",
            1_261.11,
            SOURCE,
        ),
    ),
    (
        "sim30",
        "log posterior",
        21_276.0,
        np.inf,
        Claim("sim30: log posterior of the best mode (nats), at least.", 21_276.0, SOURCE),
    ),
    (
        "sim30",
        "ELBO",
        20_979.0,
        np.inf,
        Claim("sim30: ELBO of a factor Gaussian of rank 5 (nats), at least.", 20_979.0, SOURCE),
    ),
    (
        "sim30",
        "delta error",
        0.0,
        0.085,
        Claim("sim30: root mean squared error of delta to the truth, at most.", 0.085, SOURCE),
    ),
    (
        "sim30",
        "Omega error",
        0.0,
        0.05,
        Claim("sim30: root mean squared error of Omega to the truth, at most.", 0.05, SOURCE),
    ),
    (
        "fx17",
        "second mode below",
        4.1,
        6.1,
        Claim("fx17: how far a second mode is below the best one (nats).", 5.1, SOURCE),
    ),
)
"""Data set, column of its row, least and largest value that agree, claim."""


def _run(context: Context) -> ExperimentResult:
    rows, modes = [], []
    for name in NUM_FACTORS:
        data, reason = _data(name, context.settings["data_sets"])
        if data is None:
            rows.append({"data set": name, "outcome": reason})
            continue
        u, num_steps = data["u"], context.settings["num_steps"]
        model = copulas.SkewTFactorModel(u.shape[1], NUM_FACTORS[name])
        fit, run, compiling = timed_fit(context.key, context, name, model, u, num_steps=num_steps)
        rows.append({**_row(name, fit, data), "seconds run": run, "seconds compile": compiling})
        modes += _mode_rows(name, fit)
    tables = {
        "fits": Table(
            rows,
            "Fits of the authors' simulated data and of 17 exchange rates: log posterior at the "
            "best mode and ELBO (nats, prior without normalising constants), root mean squared "
            "errors to the truth of simulated data.",
        )
    }
    if modes:
        tables["modes"] = Table(
            modes,
            "Modes reached by the starts, log posterior (nats), and largest distance of delta "
            "from that of the best mode.",
        )
    by_name = {row["data set"]: row for row in rows}
    claims = tuple(
        _claim(by_name[name], claim, column, lower, upper)
        for name, column, lower, upper, claim in JUDGED
    )
    return ExperimentResult(_sentence(rows), claims, tables=tables)


def _data(name: str, wanted: Sequence[str]) -> tuple[dict[str, np.ndarray] | None, str]:
    """Copula data, and the truth of simulated ones; or None and why."""
    if name not in wanted:
        return None, LATER
    folder = os.environ.get(FOLDER_VARIABLE)
    path = Path(folder or "", "copula", FILES[name])
    if folder is None or not path.is_file():
        return None, f"{ABSENT}: set {FOLDER_VARIABLE} to their folder"
    if path.suffix == ".npz":
        with np.load(path) as stored:
            return {"u": stored["U"], "delta": stored["delta"], "omega": stored["OmegaBar"]}, ""
    returns = frames.log_returns(frames.read_prices(path, "date"))
    return {"u": np.asarray(copulas.pseudo_observations(returns.to_numpy(float)))}, ""


def _row(name: str, fit: copulas.CopulaFit, data: Mapping[str, np.ndarray]) -> dict[str, Any]:
    mean, is_known = fit.mean, "delta" in data
    delta, correlation = np.asarray(mean.delta), np.asarray(mean.correlation)
    below = float(fit.log_posterior) - np.asarray(fit.modes.log_posterior)
    return {
        "data set": name,
        "outcome": FITTED,
        "factors": NUM_FACTORS[name],
        "log posterior": float(fit.log_posterior),
        "ELBO": float(fit.elbo),
        "ELBO s.e.": float(fit.elbo_se),
        "log evidence": float(fit.log_evidence),
        "k-hat": float(fit.pareto_k),
        "nu": float(np.asarray(mean.nu)),
        "delta error": root_mean_square(delta - data["delta"]) if is_known else None,
        "second mode below": min(below[below > SAME_MODE], default=None),
        "Omega error": correlation_error(correlation, data["omega"]) if is_known else None,
    }


def _mode_rows(name: str, fit: copulas.CopulaFit) -> list[dict[str, Any]]:
    """One row per start, the best mode first."""
    values = np.asarray(fit.modes.log_posterior)
    deltas = np.asarray(jax.vmap(lambda p: fit.model.copula(p).skewness)(fit.modes.params))
    order = np.argsort(-values)
    return [
        {
            "data set": name,
            "start": int(start),
            "log posterior": float(values[start]),
            "below the best": float(values[order[0]] - values[start]),
            "delta apart": float(np.max(np.abs(deltas[start] - deltas[order[0]]))),
        }
        for start in order
    ]


def _sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = [
        f"{row['data set']} {row['log posterior']:,.1f} at the best mode, ELBO {row['ELBO']:,.1f}"
        if "ELBO" in row
        else f"{row['data set']} {row['outcome']}"
        for row in rows
    ]
    return f"The authors' data, log posteriors in nats: {'; '.join(parts)}."


def _claim(row: Mapping[str, Any], claim: Claim, column: str, lower: float, upper: float) -> Claim:
    """Judges one number of a data set; `cannot` where the data were not fitted."""
    if row["outcome"] != FITTED:
        reason = row["outcome"][0].upper() + row["outcome"][1:]
        note = f"{reason}; the stored posterior of copulas-accuracy stands in."
        return claim.found(verdict="cannot", note=note)
    here = row[column]
    if here is None:
        return claim.found(verdict="short", note="All starts reached the same mode.")
    ends = [f"{word} {end:,.7g}" for word, end in (("from", lower), ("up to", upper))]
    note = f"Reproduced {' '.join(ends if np.isfinite(upper) else ends[:1])}."
    is_met = lower <= here <= upper
    return claim.found(here, verdict="reproduced" if is_met else "short", note=note)


AUTHORS = Experiment(
    name="copulas-authors",
    system="copulas",
    title="The authors' data",
    claims=tuple(claim for *_, claim in JUDGED),
    run=_run,
    settings={
        "quick": {"data_sets": (), "num_starts": 1, "num_steps": 100, "num_draws": 100},
        "paper": {
            "data_sets": tuple(NUM_FACTORS),
            "num_starts": 12,
            "num_steps": 5_000,
            "num_draws": 20_000,
        },
        "full": {
            "data_sets": tuple(NUM_FACTORS),
            "num_starts": 48,
            "num_steps": 20_000,
            "num_draws": 100_000,
        },
    },
    paper_cost_ratio=10_000.0,
)
