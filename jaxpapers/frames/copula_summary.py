"""Summaries of fitted factor copulas."""

from typing import TYPE_CHECKING

import numpy as np

from ..engine import Status
from .dates import day
from .names import listed
from .summary import MAX_ROWS, Summary, decimals_of, number_text

if TYPE_CHECKING:
    from .copula_results import FactorCopulaResult

FAMILIES = {
    "skew-t": "skew-t",
    "skew-normal": "skew-normal",
    "t": "Student t",
    "gaussian": "Gaussian",
}
MARGINS = {"empirical": "empirical (ranks)", "kernel": "Gaussian kernel"}
ALGORITHMS = {
    "vi": "variational, rank {rank}",
    "full-rank": "variational, full rank",
    "hybrid": "hybrid variational, rank {rank}",
    "nuts": "NUTS",
}
MANY_TIES = 0.01
SHOWN_COPIES = 3


def summarise_copula(result: "FactorCopulaResult") -> Summary:
    """Builds the summary of a fit.

    Args:
        result: the fit.

    Returns:
        Its summary.
    """
    rows, cut = _rows(result)
    return Summary(
        title=f"Factor copula: {FAMILIES[result.settings.family]}, K = "
        f"{result.settings.num_factors}, {len(result.assets)} assets",
        header=tuple(_header(result)),
        columns=("mean", "sd", "[0.025", "0.975]"),
        rows=tuple(rows),
        notes=(*([cut] if cut else []), *_notes(result)),
    )


def _rows(result):
    """Degrees of freedom and skewness; correlations where the family has no skewness."""
    mean, sd, ends = result.params, result.bse, result.conf_int().to_numpy()
    has_skewness = result.posterior.delta is not None
    kinds = ("nu", "delta[") if has_skewness else ("nu", "correlation[")
    places = [i for i, name in enumerate(result.names) if name.startswith(kinds)]
    cut = None
    if len(places) > MAX_ROWS:
        cut = f"The first {MAX_ROWS} of {len(result.names)} parameters are shown; .tidy() has all."
    rows = []
    for i in places[:MAX_ROWS]:
        digits = decimals_of(sd.iloc[i])
        numbers = (mean.iloc[i], sd.iloc[i], *ends[i])
        rows.append((result.names[i], *(number_text(value, digits) for value in numbers)))
    return rows, cut


def _header(result):
    settings, sample, fit = result.settings, result.sample, result.fit
    yield "Observations", f"{result.nobs:,}"
    yield "Dropped (missing)", f"{result.num_dropped:,}"
    if sample.has_dates:
        yield "From", day(sample.index[0])
        yield "To", day(sample.index[-1])
    yield "Fitted to", "log returns" if settings.values == "prices" else "returns as given"
    yield "Margins", MARGINS[sample.margins]
    yield "Algorithm", ALGORITHMS[settings.algorithm].format(**vars(settings))
    if settings.algorithm == "nuts":
        yield "Draws", f"{settings.num_chains} x {settings.num_steps:,}"
        yield "Largest R-hat", f"{float(fit.r_hat):.3f}"
        yield "Diverging", f"{int(fit.num_rejected):,}"
    else:
        yield "Steps", f"{int(fit.num_steps):,}"
        yield "ELBO", f"{float(fit.elbo):.2f} (s.e. {float(fit.elbo_se):.2f})"
        yield "k-hat", f"{float(fit.pareto_k):.2f} ({_short(result)})"
    yield "Mean correlation", f"{_mean_correlation(result):.3f}"
    if settings.precision == "single":
        yield "Precision", "single"
    yield "Status", result.status.name + (" (see below)" if _is_told(result) else "")


def _short(result):
    return result.pareto_message.partition(":")[0]


def _mean_correlation(result):
    matrix = result.correlation.to_numpy()
    return matrix[np.triu_indices(len(matrix), 1)].mean()


def _is_told(result):
    return result.status not in (Status.OK, Status.CONVERGED)


def _notes(result):
    if _is_told(result):
        yield f"{result.status.name}: {result.status_message}"
    if result.pareto_message:
        yield f"k-hat {float(result.fit.pareto_k):.2f}, {result.pareto_message}."
    if result.posterior.delta is not None:
        yield _asymmetry(result)
    ties = {asset: share for asset, share in result.sample.tie_shares.items() if share > MANY_TIES}
    if ties:
        most = max(ties, key=ties.__getitem__)
        yield (
            f"Tied returns share their mid-rank: {100 * ties[most]:.1f} % in {most}, more than "
            f"{100 * MANY_TIES:g} % in {len(ties)} of {len(result.assets)} assets. A copula has no "
            "ties; the more there are, the less the fit can be trusted."
        )
    copies = result.sample.near_copies
    if copies and result.status != Status.NEARLY_SINGULAR:
        shown = [f"{first} and {second}" for first, second in copies[:SHOWN_COPIES]]
        yield f"Nearly copies of each other: {listed(shown)}. Drop one of each pair."


def _asymmetry(result):
    row = result.most_asymmetric
    tells = "they rise together more than they fall together"
    if row["mean"] < 0:
        tells = "they fall together more than they rise together"
    if row["lower"] <= 0 <= row["upper"]:
        tells = "the interval contains 0, so the data do not tell which is larger"
    return (
        f"Most asymmetric pair at the level 0.05: {row['asset']} and {row['asset_2']}, UR - LL = "
        f"{row['mean']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}], observed "
        f"{row['empirical']:.3f}: {tells}."
    )
