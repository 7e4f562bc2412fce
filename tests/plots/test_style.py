import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.figure import Figure

from jaxpapers.plots import style


def lightness(color):
    """CIE L* of a colour: how grey it prints, from 0 to 100."""
    rgb = np.asarray(colors.to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return 116.0 * np.cbrt(y) - 16.0 if y > 0.008856 else 903.3 * y


@style.paper_style()
def chart():
    figure, axes = style.new_figure("Two lines", width=4.0, height=2.5)
    for index in range(2):
        axes.plot(np.arange(3), np.arange(3) * index, label=str(index), **style.series_style(index))
    axes.bar([0.0, 1.0], [1.0, 2.0], **style.bar_style(2))
    axes.fill_between([0.0, 1.0], [0.0, 0.0], [1.0, 1.0], **style.band_style(0))
    axes.axhline(1.0, **style.reference_style())
    axes.errorbar([1.0], [1.0], yerr=[0.5], label="point", **style.point_style(3))
    style.label_axes(axes, x="time", x_unit="years", y="share")
    style.add_legend(axes)
    return figure


def test_series_differ_in_colour_dashes_and_marker():
    looks = [style.series_style(index) for index in range(len(style.COLORS))]
    for field in ("color", "linestyle", "marker"):
        assert len({str(look[field]) for look in looks}) == len(looks)
    assert len({style.bar_style(index)["hatch"] for index in range(7)}) == 7
    later = style.series_style(7)
    assert later["color"] == looks[0]["color"]
    assert later["marker"] != looks[0]["marker"]


def test_first_four_colours_have_different_greys():
    greys = [lightness(color) for color in style.COLORS[:4]]
    assert all(abs(a - b) >= 15.0 for a, b in itertools.combinations(greys, 2))


def test_global_parameters_are_untouched():
    before = dict(matplotlib.rcParams)
    style.render_png(chart())
    assert dict(matplotlib.rcParams) == before


def test_style_does_not_depend_on_the_users_parameters():
    plain = style.render_png(chart())
    with matplotlib.rc_context({"font.size": 20.0, "axes.facecolor": "red", "lines.marker": "x"}):
        assert style.render_png(chart()) == plain


def test_png_is_the_same_every_time():
    png = style.render_png(chart())
    assert png.startswith(b"\x89PNG")
    assert png == style.render_png(chart())


def test_labels_carry_units():
    axes = chart().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time (years)", "share")


@pytest.mark.parametrize(("series", "columns"), [(1, 1), (4, 4), (5, 3), (9, 3)])
def test_legend_outside_has_rows_of_at_most_four(series, columns):
    figure, axes = style.new_figure("Many series")
    for index in range(series):
        axes.plot([0.0, 1.0], [0.0, index], label=f"series {index}")
    style.add_legend(axes, outside=True)
    (legend,) = figure.legends
    assert legend._ncols == columns
    assert [text.get_text() for text in legend.get_texts()][-1] == f"series {series - 1}"


def test_several_axes():
    figure, axes = style.new_figure("Grid", rows=2, columns=2, share_x=True)
    assert axes.shape == (2, 2)
    axes[0, 0].plot([0.0, 1.0], [0.0, 1.0])
    style.label_axes(axes[0, 0], x="a", y="b", title="left")
    assert style.missing_labels(figure) == []


def test_incomplete_figures_are_refused():
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0.0, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="lacks a title; the label of the x axis of axes 1; the"):
        style.render_png(figure)
    axes.set_title("A title", loc="left")
    style.label_axes(axes, x="a", y="b")
    assert style.missing_labels(figure) == []
