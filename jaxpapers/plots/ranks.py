"""Figures of rank regressions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .style import (
    COLORS,
    add_legend,
    band_style,
    label_axes,
    new_figure,
    paper_style,
    point_style,
    reference_style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_BINS = 20


@paper_style()
def binned_scatter(
    regressor: np.ndarray,
    outcome: np.ndarray,
    *,
    grid: np.ndarray,
    fitted: np.ndarray,
    band: np.ndarray,
    title: str,
    regressor_name: str,
    outcome_name: str,
    unit: str = "rank in (0, 1]",
) -> "Figure":
    """Means of the outcome by quantile bins of the regressor, with the fit and its band.

    Args:
        regressor: `(obs,)`, usually ranks.
        outcome: `(obs,)`, usually ranks.
        grid: `(point,)` where the fit is drawn.
        fitted: `(point,)` fitted values.
        band: `(point, 2)` lower and upper end of a confidence band.
        title: title of the figure.
        regressor_name: what is on the horizontal axis.
        outcome_name: what is on the vertical axis.
        unit: unit of both axes.

    Returns:
        The figure; the size of a dot grows with the number of observations in its bin.
    """
    figure, axes = new_figure(title)
    centres, means, sizes = _bins(np.asarray(regressor), np.asarray(outcome))
    axes.fill_between(grid, band[:, 0], band[:, 1], label="95 % band of the line", **band_style(0))
    axes.plot(grid, fitted, color=COLORS[0], label="fitted line")
    area = 300 * sizes / sizes.max()
    axes.scatter(
        centres,
        means,
        s=area,
        color=COLORS[2],
        edgecolor="black",
        linewidth=0.6,
        zorder=3,
        label="mean of a bin (area: observations)",
    )
    label_axes(axes, x=regressor_name, y=outcome_name, x_unit=unit, y_unit=unit)
    add_legend(axes)
    return figure


def _bins(regressor, outcome):
    """Centre, mean outcome and size of quantile bins; tied values stay together."""
    edges = np.unique(np.quantile(regressor, np.linspace(0, 1, NUM_BINS + 1)[1:-1]))
    cell = np.searchsorted(edges, regressor, side="left")
    sizes = np.bincount(cell).astype(float)
    used = sizes > 0
    centres = np.bincount(cell, weights=regressor)[used] / sizes[used]
    means = np.bincount(cell, weights=outcome)[used] / sizes[used]
    return centres, means, sizes[used]


@paper_style()
def interval_comparison(
    labels: Sequence[str],
    estimates: np.ndarray,
    intervals: Mapping[str, np.ndarray],
    *,
    title: str,
    quantity: str,
    unit: str = "ranks per rank",
    specification: str = "specification",
) -> "Figure":
    """Confidence intervals of several kinds side by side, one group of them per label.

    Args:
        labels: one per estimate.
        estimates: `(label,)`.
        intervals: kind to `(label, 2)` lower and upper ends.
        title: title of the figure.
        quantity: what is estimated.
        unit: its unit.
        specification: what the labels tell apart.

    Returns:
        The figure.
    """
    figure, axes = new_figure(title, height=1.6 + 0.22 * len(labels) * (1 + len(intervals)))
    places = np.arange(len(labels))[::-1].astype(float)
    offsets = 0.22 * (np.arange(len(intervals))[::-1] - (len(intervals) - 1) / 2)
    for number, (kind, ends) in enumerate(intervals.items()):
        errors = np.abs(np.asarray(ends).T - np.asarray(estimates))
        axes.errorbar(
            estimates, places + offsets[number], xerr=errors, label=kind, **point_style(number)
        )
    axes.set_yticks(places, labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    label_axes(axes, x=quantity, x_unit=unit, y=specification)
    add_legend(axes, outside=True)
    return figure


@paper_style()
def coverage_chart(
    designs: Sequence[str],
    shares: Mapping[str, np.ndarray],
    *,
    num_replicates: int,
    level: float = 0.95,
    title: str = "Coverage of confidence intervals of the rank-rank slope",
) -> "Figure":
    """Coverage by design and kind of standard error, with the nominal level.

    Args:
        designs: names of the designs.
        shares: kind of standard error to `(design,)` coverage.
        num_replicates: number of samples, for the Monte Carlo error bars.
        level: nominal coverage.
        title: title of the figure.

    Returns:
        The figure; bars are plus and minus two Monte Carlo standard errors, cut off at 0 and 1.
    """
    figure, axes = new_figure(title, height=2.0 + 0.42 * len(designs))
    places = np.arange(len(designs))[::-1].astype(float)
    axes.axvline(level, label=f"nominal {level:g}", **reference_style())
    offsets = 0.2 * (np.arange(len(shares))[::-1] - (len(shares) - 1) / 2)
    for number, (kind, share) in enumerate(shares.items()):
        share = np.asarray(share)
        error = 2 * np.sqrt(share * (1 - share) / num_replicates)
        errors = np.stack([np.minimum(error, share), np.minimum(error, 1 - share)])
        axes.errorbar(
            share, places + offsets[number], xerr=errors, label=kind, **point_style(number)
        )
    axes.set_yticks(places, designs)
    axes.set_ylim(-0.6, len(designs) - 0.4)
    label_axes(axes, x="coverage", x_unit="share of samples, ± 2 Monte Carlo s.e.", y="population")
    add_legend(axes, outside=True)
    return figure


@paper_style()
def standard_error_check(
    labels: Sequence[str],
    asymptotic: np.ndarray,
    others: Mapping[str, np.ndarray],
    *,
    num_replicates: int,
    title: str,
) -> "Figure":
    """Standard errors of several kinds over the consistent asymptotic one.

    Args:
        labels: names of the coefficients.
        asymptotic: `(label,)` consistent asymptotic standard errors.
        others: kind to `(label,)` standard errors.
        num_replicates: draws behind the bootstrap ones; their Monte Carlo error is shaded.
        title: title of the figure.

    Returns:
        The figure; 1 is agreement.
    """
    figure, axes = new_figure(title, height=2.0 + 0.6 * len(labels))
    places = np.arange(len(labels))[::-1].astype(float)
    axes.axvline(1.0, **reference_style())
    noise = 2 / np.sqrt(2 * num_replicates)
    axes.axvspan(1 - noise, 1 + noise, label="1 ± 2 s.e. of Monte Carlo", **band_style(0))
    offsets = 0.16 * (np.arange(len(others))[::-1] - (len(others) - 1) / 2)
    for number, (kind, errors) in enumerate(others.items()):
        ratio = np.asarray(errors) / np.asarray(asymptotic)
        axes.plot(ratio, places + offsets[number], label=kind, **point_style(number))
    axes.set_yticks(places, labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    x = "standard error over the consistent one"
    label_axes(axes, x=x, x_unit="ratio", y="coefficient")
    add_legend(axes, outside=True)
    return figure


@paper_style()
def slope_ranking(
    estimates: np.ndarray,
    interval: np.ndarray,
    band: np.ndarray | None = None,
    *,
    title: str,
    quantity: str = "rank-rank slope of a region",
    unit: str = "ranks per rank",
) -> "Figure":
    """Slopes of many groups in increasing order, with intervals and a simultaneous band.

    Args:
        estimates: `(group,)`.
        interval: `(group, 2)` pointwise ends.
        band: `(group, 2)` simultaneous ends, or None.
        title: title of the figure.
        quantity: what is estimated.
        unit: its unit.

    Returns:
        The figure.
    """
    figure, axes = new_figure(title)
    order = np.argsort(estimates)
    places = np.arange(1, len(order) + 1)
    looks = (band_style(0), {**band_style(0), "alpha": 0.5})
    labels = ("95 %, all regions at once", "95 %, each region")
    for ends, label, look in zip((band, interval), labels, looks, strict=True):
        if ends is not None:
            axes.fill_between(places, *ends[order].T, step="mid", label=label, **look)
    axes.plot(places, estimates[order], color="black", linewidth=1.6, label="estimate")
    axes.margins(x=0.01)
    label_axes(
        axes,
        x="region, from the most to the least mobile",
        x_unit="position",
        y=quantity,
        y_unit=unit,
    )
    add_legend(axes)
    return figure
