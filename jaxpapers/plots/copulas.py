"""Figures of skew-t factor copulas."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .style import (
    add_legend,
    band_style,
    bar_style,
    label_axes,
    new_figure,
    paper_style,
    point_style,
    reference_style,
    series_style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ASYMMETRY = "asymmetry UR − LL"
BAR_WIDTH = 0.8


@paper_style()
def asymmetry_map(
    asymmetry: np.ndarray,
    excludes_zero: np.ndarray,
    names: Sequence[str],
    *,
    title: str,
    unit: str = "share of the level",
) -> "Figure":
    """Asymmetry of every pair as a coloured square; assets in the order of their mean asymmetry.

    Args:
        asymmetry: `(asset, asset)`, symmetric; the diagonal is left blank.
        excludes_zero: `(asset, asset)`, whether the interval of a pair excludes 0: a dot.
        names: of the assets.
        title: title of the figure.
        unit: unit of the asymmetry.

    Returns:
        The figure; the colours are symmetric around 0.
    """
    figure, axes = new_figure(title, width=7.4, height=6.2)
    asymmetry = np.array(asymmetry, float)
    np.fill_diagonal(asymmetry, np.nan)
    order = np.argsort(np.nanmean(asymmetry, axis=1))
    asymmetry = asymmetry[np.ix_(order, order)]
    largest = np.nanmax(np.abs(asymmetry))
    image = axes.imshow(asymmetry, cmap="PuOr", vmin=-largest, vmax=largest)
    rows, columns = np.nonzero(excludes_zero[np.ix_(order, order)] & ~np.isnan(asymmetry))
    axes.scatter(columns, rows, s=7, color="black", linewidth=0)
    places = np.arange(len(order))
    axes.set_xticks(places, [names[i] for i in order], rotation=90)
    axes.set_yticks(places, [names[i] for i in order])
    axes.grid(False)
    label_axes(axes, x="asset", y="asset")
    bar = figure.colorbar(image, shrink=0.9)
    label_axes(bar.ax, x="dot: 95 %\ninterval\nwithout 0", y=ASYMMETRY, y_unit=unit)
    return figure


@paper_style()
def asymmetric_pairs(
    labels: Sequence[str],
    estimates: np.ndarray,
    interval: np.ndarray,
    *,
    title: str,
    unit: str = "share of the level",
) -> "Figure":
    """Asymmetry of a few pairs with posterior intervals.

    Args:
        labels: names of the pairs, from the top down.
        estimates: `(pair,)` posterior means.
        interval: `(pair, 2)` lower and upper end of posterior intervals.
        title: title of the figure.
        unit: unit of the asymmetry.

    Returns:
        The figure.
    """
    figure, axes = new_figure(title, height=1.8 + 0.27 * len(labels))
    places = np.arange(len(labels))[::-1].astype(float)
    axes.axvline(0.0, **reference_style())
    errors = np.abs(np.asarray(interval).T - np.asarray(estimates))
    label = "posterior mean, 95 % interval"
    axes.errorbar(estimates, places, xerr=errors, label=label, **point_style(0))
    axes.set_yticks(places, labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    label_axes(axes, x=ASYMMETRY, x_unit=unit, y="pair")
    add_legend(axes, outside=True)
    return figure


@paper_style()
def posterior_comparison(
    labels: Sequence[str],
    errors: Mapping[str, np.ndarray],
    spreads: Mapping[str, np.ndarray],
    *,
    title: str,
) -> "Figure":
    """Posterior means and standard deviations by method, in units of a reference posterior.

    Args:
        labels: names of the parameters.
        errors: method to `(label,)` means less those of the reference, over its deviations.
        spreads: method to `(label,)` standard deviations over those of the reference.
        title: title of the figure.

    Returns:
        The figure; the band is the reference, mean plus and minus one standard deviation.
    """
    figure, axes = new_figure(title, height=1.8 + 0.13 * len(labels) * (1 + len(errors)))
    places = np.arange(len(labels))[::-1].astype(float)
    axes.axvspan(-1, 1, label="long chains", **band_style(0))
    axes.axvline(0.0, **reference_style())
    offsets = 0.22 * (np.arange(len(errors))[::-1] - (len(errors) - 1) / 2)
    for number, (method, centres) in enumerate(errors.items()):
        place = places + offsets[number]
        axes.errorbar(centres, place, xerr=spreads[method], label=method, **point_style(number))
    axes.set_yticks(places, labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    label_axes(
        axes, x="mean ± s.d. less the mean of long chains", x_unit="their s.d.", y="parameter"
    )
    add_legend(axes, outside=True)
    return figure


@paper_style()
def maximal_asymmetry_chart(
    levels: Sequence[str],
    values: Mapping[str, np.ndarray],
    freedoms: Sequence[float],
    *,
    title: str,
) -> "Figure":
    """Largest asymmetry that each family allows a pair, by level, one panel for each nu.

    Args:
        levels: names of the levels.
        values: family to `(freedom, level)` largest `UR - LL`.
        freedoms: degrees of freedom of the panels.
        title: title of the figure.

    Returns:
        The figure.
    """
    width = max(7.0, 2.4 * len(freedoms))
    figure, panels = new_figure(title, columns=len(freedoms), width=width, share_y=True)
    panels = np.ravel(panels)
    places = np.arange(len(levels), dtype=float)
    size = BAR_WIDTH / len(values)
    for panel, axes in enumerate(panels):
        for number, (family, heights) in enumerate(values.items()):
            offset = size * (number - (len(values) - 1) / 2)
            look = {**bar_style(number), "width": size, "label": family}
            axes.bar(places + offset, heights[panel], **look)
        axes.set_xticks(places, levels)
        axes.set_ylim(0, 1.02)
        axes.grid(False, axis="x")
        subtitle = f"nu = {freedoms[panel]:g}"
        label_axes(axes, x="level u", y=f"largest {ASYMMETRY}", y_unit="share", title=subtitle)
    add_legend(panels[0], outside=True)
    return figure


@paper_style()
def elbo_by_factors(
    num_factors: np.ndarray, elbo: np.ndarray, *, true_number: int, title: str
) -> "Figure":
    """Evidence lower bound by the number of factors.

    Args:
        num_factors: `(fit,)`.
        elbo: `(fit,)` in nats; their Monte Carlo errors are far below a marker.
        true_number: number of factors that the data were drawn with.
        title: title of the figure.

    Returns:
        The figure.
    """
    figure, axes = new_figure(title)
    axes.plot(num_factors, elbo, label="ELBO", **series_style(0))
    axes.axvline(true_number, label=f"drawn with K = {true_number}", **reference_style())
    axes.set_xticks(num_factors)
    label_axes(axes, x="number of factors K", x_unit="count", y="ELBO", y_unit="nats")
    add_legend(axes)
    return figure
