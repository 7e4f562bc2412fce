"""Figures of agent games: guesses, prices, escapes, and how far firms collude."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import (
    COLORS,
    REFERENCE_COLOR,
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

NORMAL_QUANTILE = 1.959964
VARIANCE_TICKS = (0, 2, 10, 25, 50, 100, 150, 200, 300, 500, 800, 1_200, 1_800, 2_500)
LONGEST_WITH_MARKERS = 60
NUM_BINS = 24
DARK = 0.45
"""Luminance below which numbers on a colour are white."""


@paper_style()
def variance_curves(
    rounds: np.ndarray,
    curves: Mapping[str, np.ndarray],
    *,
    published: Mapping[str, np.ndarray] | None = None,
    errors: Mapping[str, np.ndarray] | None = None,
    title: str,
) -> "Figure":
    """Variance of the choices in a guessing game, round by round.

    Heights are square roots, so that variances near 0 and above 100 can both be read.

    Args:
        rounds: `(round,)` numbers of the rounds.
        curves: setting to `(round,)` mean variances, at least 0.
        published: setting to `(round,)` variances as published; NaN where none is.
        errors: setting to `(round,)` standard errors of the means.
        title: title of the figure.

    Returns:
        The figure; bars are two standard errors to either side.
    """
    figure, axes = new_figure(title)
    axes.set_yscale("function", functions=(_root, np.square))
    _draw_means(axes, rounds, curves, errors)
    points = {name: (rounds, values) for name, values in (published or {}).items()}
    _draw_published(axes, points, curves)
    drawn = [*curves.values(), *(published or {}).values()]
    top = 1.1 * max(float(np.nanmax(values)) for values in drawn)
    axes.set_ylim(0, max(top, 1.0))
    axes.set_yticks([tick for tick in VARIANCE_TICKS if tick <= max(top, 1.0)])
    axes.set_xticks(rounds)
    label_axes(axes, x="round", y="variance of choices, root scale", y_unit="squared units")
    add_legend(axes, outside=True)
    return figure


@paper_style()
def price_paths(
    paths: Mapping[str, np.ndarray],
    *,
    competitive: float,
    collusive: float,
    bands: Mapping[str, np.ndarray] | None = None,
    published: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    talk_ends: float | None = None,
    title: str,
    unit: str = "price units",
) -> "Figure":
    """Prices over the rounds, between those of competition and of a cartel.

    Args:
        paths: setting to `(round,)` prices.
        competitive: price of the equilibrium of one round.
        collusive: price of a cartel.
        bands: setting to `(2, round)` lower and upper ends of a band.
        published: setting to rounds and prices as published; of settings without a path too.
        talk_ends: round in which talk is removed.
        title: title of the figure.
        unit: unit of prices.

    Returns:
        The figure; round 0 is the first.
    """
    figure, axes = new_figure(title)
    for level, name in ((competitive, "competitive"), (collusive, "collusive")):
        axes.axhline(level, **reference_style())
        _name_line(axes, level, name)
    if talk_ends is not None:
        style = {**reference_style(), "linestyle": "-", "color": "#AAAAAA"}
        axes.axvline(talk_ends, label="talk removed", **style)
    for number, (name, path) in enumerate(paths.items()):
        rounds = np.arange(len(path))
        if bands and name in bands:
            axes.fill_between(rounds, *np.asarray(bands[name]), **band_style(number))
        axes.plot(rounds, path, label=name, **_line(number, len(path)))
    _draw_published(axes, published or {}, paths)
    label_axes(axes, x="round", x_unit="count", y="price", y_unit=unit)
    add_legend(axes, outside=True)
    return figure


@paper_style()
def escape_curves(
    steps: np.ndarray,
    curves: Mapping[str, np.ndarray],
    *,
    errors: Mapping[str, np.ndarray] | None = None,
    published: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    title: str,
) -> "Figure":
    """How many have left the room after each step.

    Args:
        steps: `(step,)` steps done.
        curves: setting to `(step,)` mean numbers of those who have left.
        errors: setting to `(step,)` standard errors of the means.
        published: setting to steps and means as published; of settings without a curve too.
        title: title of the figure.

    Returns:
        The figure; bars are two standard errors to either side.
    """
    figure, axes = new_figure(title)
    _draw_means(axes, steps, curves, errors)
    _draw_published(axes, published or {}, curves)
    axes.set_ylim(bottom=0)
    label_axes(axes, x="steps done", x_unit="count", y="escaped so far", y_unit="agents")
    add_legend(axes, outside=True)
    return figure


@paper_style()
def talk_effect(
    steps: np.ndarray,
    effects: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    published: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    title: str,
) -> "Figure":
    """How many more have left with talk than without, step by step.

    Args:
        steps: `(step,)` steps done.
        effects: setting to `(step,)` mean differences and their standard errors.
        published: setting to steps and differences as published; of other settings too.
        title: title of the figure.

    Returns:
        The figure; bars are 95 % intervals.
    """
    figure, axes = new_figure(title)
    axes.axhline(0.0, **reference_style())
    means = {name: mean for name, (mean, _) in effects.items()}
    errors = {name: error for name, (_, error) in effects.items()}
    _draw_means(axes, steps, means, errors, scale=NORMAL_QUANTILE)
    _draw_published(axes, published or {}, effects)
    label_axes(
        axes, x="steps done", x_unit="count", y="escaped, difference to no talk", y_unit="agents"
    )
    add_legend(axes, outside=True)
    return figure


@paper_style()
def collusion_map(
    learning_rates: Sequence[float],
    decays: Sequence[float],
    indices: np.ndarray,
    *,
    title: str,
) -> "Figure":
    """Collusion index over learning rate and decay of exploration, as a map with numbers.

    Args:
        learning_rates: `(rate,)` alpha, in (0, 1].
        decays: `(decay,)` beta, per period.
        indices: `(rate, decay)` mean collusion index; NaN where there is none.
        title: title of the figure.

    Returns:
        The figure, learning rates from the bottom up.
    """
    indices = np.asarray(indices, float)
    rows, columns = indices.shape
    width = min(max(3.4 + 0.75 * columns, 4.6), 9.0)
    height = min(max(1.6 + 0.5 * rows, 3.4), 8.0)
    figure, axes = new_figure(title, width=width, height=height)
    image = axes.imshow(indices, cmap="cividis", origin="lower", aspect="auto")
    for (row, column), value in np.ndenumerate(indices):
        if np.isfinite(value):
            color = "white" if _luminance(image, value) < DARK else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=color)
    axes.set_xticks(range(columns), [f"{decay:.3g}" for decay in decays])
    axes.set_yticks(range(rows), [f"{rate:.3g}" for rate in learning_rates])
    axes.grid(False)
    label_axes(axes, x="decay of exploration β", x_unit="per period", y="learning rate α")
    bar = figure.colorbar(image)
    label_axes(bar.ax, x=" ", y="collusion index Δ", y_unit="0 competitive, 1 cartel")
    return figure


@paper_style()
def impulse_response_chart(
    periods: np.ndarray,
    prices: np.ndarray,
    *,
    errors: np.ndarray | None = None,
    undisturbed: np.ndarray | None = None,
    competitive: float,
    collusive: float,
    agents: Sequence[str] = ("firm that cuts its price", "other firm"),
    title: str,
    unit: str = "price units",
) -> "Figure":
    """Mean prices after one firm is made to cut its price for one period.

    Args:
        periods: `(period,)` periods since the cut; 0 is the period of the cut.
        prices: `(period, agent)` mean prices.
        errors: `(period, agent)` their standard errors.
        undisturbed: `(period, agent)` mean prices of the same periods without the cut.
        competitive: price of the equilibrium of one period.
        collusive: price of a cartel.
        agents: names of the firms.
        title: title of the figure.
        unit: unit of prices.

    Returns:
        The figure; bars are two standard errors to either side.
    """
    figure, axes = new_figure(title)
    for level, name in ((competitive, "competitive"), (collusive, "collusive")):
        axes.axhline(level, **reference_style())
        _name_line(axes, level, name)
    columns = np.asarray(prices).T
    curves = dict(zip(agents, columns, strict=True))
    bars = None if errors is None else dict(zip(agents, np.asarray(errors).T, strict=True))
    _draw_means(axes, periods, curves, bars)
    if undisturbed is not None:
        for number, path in enumerate(np.asarray(undisturbed).T):
            style = {**series_style(number), "marker": "", "linewidth": 1.0, "linestyle": ":"}
            axes.plot(periods, path, **style)
        axes.plot([], [], color=REFERENCE_COLOR, linestyle=":", label="without the cut")
    label_axes(axes, x="periods since the cut", x_unit="count", y="price", y_unit=unit)
    add_legend(axes, outside=True)
    return figure


@paper_style()
def collusion_histogram(
    indices: np.ndarray,
    *,
    published: float | None = None,
    title: str,
) -> "Figure":
    """Collusion indices of single sessions, their mean, and the published mean.

    Args:
        indices: `(session,)` collusion index on the limit cycle.
        published: mean index as published.
        title: title of the figure.

    Returns:
        The figure.
    """
    figure, axes = new_figure(title, height=3.8)
    indices = np.asarray(indices, float)
    low, high = min(float(indices.min()), 0.0), max(float(indices.max()), 1.0)
    edges = np.linspace(low, high, NUM_BINS + 1)
    axes.hist(indices, bins=list(edges), label="sessions", **bar_style(0))
    mean = float(indices.mean())
    error = float(indices.std(ddof=min(1, len(indices) - 1)) / np.sqrt(len(indices)))
    axes.axvline(mean, color=COLORS[2], label=f"mean {mean:.3f} ± {error:.3f} s.e.")
    if published is not None:
        style = {**reference_style(), "color": COLORS[3], "zorder": 3}
        axes.axvline(published, label=f"published mean {published:.2f}", **style)
    label_axes(axes, x="collusion index Δ of a session", x_unit="0 competitive, 1 cartel",
               y="sessions", y_unit="count")  # fmt: skip
    add_legend(axes, outside=True)
    return figure


def _draw_means(axes, x, curves, errors, *, scale=2.0):
    """One line for each setting, with bars where there are errors."""
    for number, (name, values) in enumerate(curves.items()):
        values = np.asarray(values, float)
        style = _line(number, len(values))
        if errors is None:
            axes.plot(x, values, label=name, **style)
            continue
        half = scale * np.asarray(errors[name], float)
        bars = np.stack([half, half])
        if axes.get_yscale() == "function":
            bars[0] = np.minimum(half, values)
        axes.errorbar(x, values, yerr=bars, label=name, **style)


def _draw_published(axes, published, settings):
    """Hollow marks: in the colour of their setting, or grey with a name where it has no curve."""
    order = list(settings)
    for number, (name, (x, values)) in enumerate(published.items()):
        if name in order:
            axes.plot(x, values, **_hollow(order.index(name)), zorder=4)
        else:
            style = {**_hollow(len(order) + number), "color": REFERENCE_COLOR}
            axes.plot(x, values, label=f"published: {name}", **style, zorder=4)
    if any(name in order for name in published):
        axes.plot([], [], label="published", **{**_hollow(0), "color": REFERENCE_COLOR})


def _hollow(number: int) -> dict[str, Any]:
    style = point_style(number)
    return {**style, "markersize": 8.5, "fillstyle": "none", "markeredgewidth": 1.3}


def _line(number: int, length: int) -> dict[str, Any]:
    """A line; long ones without markers."""
    style = series_style(number)
    return style if length <= LONGEST_WITH_MARKERS else {**style, "marker": "", "linewidth": 1.3}


def _name_line(axes, level, name):
    """The name of a horizontal line at its right end, beside the axes."""
    axes.annotate(
        name,
        (1.0, level),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=REFERENCE_COLOR,
    )


def _root(values):
    return np.sqrt(np.maximum(values, 0))


def _luminance(image, value: float) -> float:
    red, green, blue, _ = image.cmap(image.norm(value))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
