"""The authors' R package csranks, run by Rscript where both are installed.

R reads the data, fits and times itself; starting R and reading are not counted.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_suffix(".R")


@dataclass(frozen=True)
class TimedFit:
    """A fit by csranks and what it took.

    Attributes:
        params: Constant, slope, effects of the covariates, shape (param,).
        cov: Their covariance, shape (param, param).
        wall: Elapsed seconds of fit and covariance inside R.
        cpu: CPU seconds of the same.
        peak_mb: Largest memory of R's heap in megabytes.
    """

    params: np.ndarray
    cov: np.ndarray
    wall: float
    cpu: float
    peak_mb: float


def why_missing():
    """Return why csranks cannot be run here, None if it can."""
    if shutil.which("Rscript") is None:
        return "R is not installed"
    probe = ["Rscript", "-e", "quit(status = !requireNamespace('csranks', quietly = TRUE))"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return "the R package csranks is not installed"
    return None


def fit(outcome, regressor, covariates=None, *, tie_weight=1.0):
    """Fit rank on rank and its covariance.

    Args:
        outcome: Values whose ranks are explained, shape (obs,).
        regressor: Values whose ranks explain, shape (obs,).
        covariates: Further regressors, shape (obs, covariate).
        tie_weight: Weight of ties in the ranks, in [0, 1].

    Returns:
        A TimedFit.
    """
    columns = [outcome, regressor, *([] if covariates is None else covariates.T)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "columns.bin"
        path.write_bytes(np.ascontiguousarray(columns, np.float64).tobytes())
        arguments = [path, outcome.size, len(columns) - 2, tie_weight]
        command = ["Rscript", SCRIPT, *arguments]
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, check=True, text=True
        )
    lines = [np.array(line.split(), np.float64) for line in done.stdout.splitlines()]
    seconds, peak, params, cov = lines
    return TimedFit(
        params,
        cov.reshape(params.size, params.size),
        float(seconds[0]),
        float(seconds[1]),
        float(peak[0]),
    )
