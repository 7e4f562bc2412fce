"""The common style of all figures: titled, labelled with units, legible in grey and in colour.

Series differ by colour, line style, marker and hatch at once. The colours are Paul Tol's
high-contrast and medium-contrast sets: safe for colour-blind readers, and the first four have
clearly different greys. Figures are built without pyplot, so there is nothing to close and no
global state; the style is a context manager around matplotlib's parameters.

Example:
    >>> from jaxpapers.plots import style
    >>> @style.paper_style()
    ... def coverage_chart(levels, shares):
    ...     figure, axes = style.new_figure("Coverage of 95 % intervals")
    ...     axes.plot(levels, shares, label="ours", **style.series_style(0))
    ...     style.label_axes(axes, x="tie weight", x_unit="share", y="coverage", y_unit="share")
    ...     style.add_legend(axes)
    ...     return figure
    >>> style.missing_labels(coverage_chart([0.0, 0.5, 1.0], [0.94, 0.95, 0.95]))
    []
"""

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import engine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS: tuple[str, ...] = (
    "#004488",
    "#DDAA33",
    "#BB5566",
    "#000000",
    "#6699CC",
    "#997700",
    "#EE99AA",
)
LINE_STYLES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1.2, 1.4)),
    (0, (6, 2, 1.2, 2)),
    (0, (9, 3)),
    (0, (3, 1.4, 1.2, 1.4, 1.2, 1.4)),
    (0, (1.2, 3)),
)
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X")
HATCHES: tuple[str, ...] = ("", "//", "xx", "..", "\\\\", "++", "oo")
REFERENCE_COLOR = "#666666"
DOTS_PER_INCH = 160
LEGEND_COLUMNS = 4

_PARAMETERS: dict[str, Any] = {
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.fancybox": False,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.handlelength": 3.2,
    "lines.linewidth": 1.7,
    "lines.markersize": 5.5,
    "errorbar.capsize": 3.0,
    "hatch.linewidth": 0.7,
    "savefig.dpi": DOTS_PER_INCH,
}


@contextlib.contextmanager
def paper_style() -> Iterator[None]:
    """Use the style inside a `with` block, or, as a decorator, inside a plotting function.

    matplotlib's parameters are put back at the end.

    Yields:
        Nothing.
    """
    styles = engine.require_extra("matplotlib.style", "plot")
    with styles.context(["default", _PARAMETERS]):
        yield


def new_figure(
    title: str,
    *,
    rows: int = 1,
    columns: int = 1,
    width: float = 7.0,
    height: float = 4.2,
    share_x: bool = False,
    share_y: bool = False,
) -> "tuple[Figure, Any]":
    """Make a titled figure with axes, without pyplot.

    Args:
        title: What the figure shows; the title of the whole figure.
        rows: Rows of axes.
        columns: Columns of axes.
        width: Width in inches.
        height: Height in inches.
        share_x: Whether all axes have the same horizontal range.
        share_y: Whether all axes have the same vertical range.

    Returns:
        The figure, and its `Axes` (one) or NumPy array of `Axes` (rows, columns; flattened where
        one of them is 1).

    Raises:
        ImportError: The extra `plot` is not installed.
    """
    figures = engine.require_extra("matplotlib.figure", "plot")
    with paper_style():
        figure = figures.Figure(figsize=(width, height))
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.0, fontweight="bold")
        axes = figure.subplots(rows, columns, sharex=share_x, sharey=share_y)
    return figure, axes


def label_axes(
    axes: "Axes",
    *,
    x: str,
    y: str,
    x_unit: str | None = None,
    y_unit: str | None = None,
    title: str | None = None,
) -> None:
    """Label both axes with their units.

    Args:
        axes: The axes.
        x: Name of the horizontal quantity.
        y: Name of the vertical quantity.
        x_unit: Its unit, for example `"years"`; None where it has none (categories).
        y_unit: Its unit; None where it has none.
        title: Title of these axes, where the figure has several.
    """
    axes.set_xlabel(x if x_unit is None else f"{x} ({x_unit})")
    axes.set_ylabel(y if y_unit is None else f"{y} ({y_unit})")
    if title is not None:
        axes.set_title(title)


def series_style(index: int) -> dict[str, Any]:
    """Give the look of a line: colour, dashes and marker.

    Args:
        index: Number of the series, from 0. Seven looks differ in everything; later ones combine
            the same colours with other markers.

    Returns:
        Keyword arguments for `axes.plot` or `axes.errorbar`.
    """
    return {
        "color": COLORS[index % len(COLORS)],
        "linestyle": LINE_STYLES[index % len(LINE_STYLES)],
        "marker": MARKERS[(index + index // len(COLORS)) % len(MARKERS)],
        "linewidth": _PARAMETERS["lines.linewidth"],
        "markersize": _PARAMETERS["lines.markersize"],
    }


def point_style(index: int) -> dict[str, Any]:
    """Give the look of points without a line.

    Args:
        index: Number of the series, from 0.

    Returns:
        Keyword arguments for `axes.plot` or `axes.errorbar`.
    """
    return {**series_style(index), "linestyle": "none"}


def bar_style(index: int) -> dict[str, Any]:
    """Give the look of bars: colour, edge and hatch.

    Args:
        index: Number of the series, from 0.

    Returns:
        Keyword arguments for `axes.bar` or `axes.barh`.
    """
    return {
        "color": COLORS[index % len(COLORS)],
        "hatch": HATCHES[(index + index // len(COLORS)) % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0.0,
    }


def band_style(index: int) -> dict[str, Any]:
    """Give the look of a confidence band.

    Args:
        index: Number of the series it belongs to, from 0.

    Returns:
        Keyword arguments for `axes.fill_between`.
    """
    return {"color": COLORS[index % len(COLORS)], "alpha": 0.18, "linewidth": 0.0}


def reference_style() -> dict[str, Any]:
    """Give the look of a reference line, such as the nominal level.

    Returns:
        Keyword arguments for `axes.axhline` or `axes.axvline`.
    """
    return {"color": REFERENCE_COLOR, "linestyle": (0, (3, 3)), "linewidth": 1.0, "zorder": 1.5}


def add_legend(axes: "Axes", *, outside: bool = False) -> None:
    """Add the legend of the labelled series.

    Args:
        axes: The axes.
        outside: Whether to put it below all axes of the figure, in rows of at most four, where
            the inside is full.
    """
    with paper_style():
        if outside:
            handles, labels = axes.get_legend_handles_labels()
            rows = -(-len(handles) // LEGEND_COLUMNS)
            axes.figure.legend(
                handles,
                labels,
                loc="outside lower left",
                ncols=-(-len(handles) // rows),
                columnspacing=1.4,
                handlelength=2.4,
            )
        else:
            axes.legend(loc="best")


def missing_labels(figure: "Figure") -> list[str]:
    """Say what a figure lacks to be understood alone.

    Args:
        figure: The figure.

    Returns:
        One text per lack: a title, or the name of an axis of axes with data; empty when complete.
    """
    filled = [axes for axes in figure.axes if axes.has_data()]
    titles = [figure.get_suptitle(), *(axes.get_title(loc="left") for axes in filled)]
    titles += [axes.get_title() for axes in filled]
    missing = [] if any(titles) else ["a title"]
    for number, axes in enumerate(filled, start=1):
        missing += [
            f"the label of the {name} axis of axes {number}"
            for name, label in (("x", axes.get_xlabel()), ("y", axes.get_ylabel()))
            if not label
        ]
    return missing


def render_png(figure: "Figure") -> bytes:
    """Draw a figure as PNG; the same figure gives the same bytes.

    Args:
        figure: A figure with a title and labelled axes.

    Returns:
        The bytes of the file.

    Raises:
        ValueError: The figure lacks a title or the label of an axis.
    """
    missing = missing_labels(figure)
    if missing:
        raise ValueError(f"the figure lacks {'; '.join(missing)}: use new_figure and label_axes")
    stream = io.BytesIO()
    with paper_style():
        figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()
