"""Every figure of agent games: what it says, what it draws, and that it renders."""

import numpy as np
import pytest
from figure_checks import assert_renders_apart, assert_says

from jaxpapers.plots import games as figures
from jaxpapers.plots import style

ROUNDS = np.arange(4)
STEPS = np.array([5, 10, 15])
VARIANCES = {"baseline": np.array([154.0, 54, 19, 7]), "explicit": np.array([153.0, 0, 0, 0])}
STATED = {"baseline": np.array([158.0, 50, 30, 18]), "explicit": np.array([120.0, 2, np.nan, 0])}
ESCAPED = {"no talk": np.array([9.0, 30, 50]), "talk": np.array([10.0, 31, 48])}
PERIODS = np.arange(-1, 4)
PRICES = np.array([[1.8, 1.8], [1.5, 1.8], [1.6, 1.6], [1.7, 1.75], [1.8, 1.8]])


def variance_curves():
    errors = {name: np.full(4, 2.0) for name in VARIANCES}
    return figures.variance_curves(
        ROUNDS, VARIANCES, published=STATED, errors=errors, title="Variance"
    )


def price_paths():
    paths = {"talk": np.linspace(6, 8, 100), "no talk": np.full(100, 7.0)}
    bands = {"talk": np.stack([paths["talk"] - 0.1, paths["talk"] + 0.1])}
    published = {"talk": (np.array([20, 99]), np.array([6.7, 7.8]))}
    return figures.price_paths(
        paths,
        competitive=6,
        collusive=8,
        bands=bands,
        published=published,
        talk_ends=60,
        title="Prices",
    )


def escape_curves():
    errors = {name: np.full(3, 0.5) for name in ESCAPED}
    published = {"talk": (STEPS, np.array([9.8, 31.6, 48.8]))}
    return figures.escape_curves(
        STEPS, ESCAPED, errors=errors, published=published, title="Escapes"
    )


def talk_effect():
    effects = {"h = 1": (np.array([0.1, -0.4, 0.3]), np.full(3, 0.1))}
    published = {"5 runs": (STEPS, np.array([0.4, 0.4, -2.4]))}
    return figures.talk_effect(STEPS, effects, published=published, title="Talk")


def collusion_map():
    indices = np.array([[0.5, 0.6, 0.7], [0.8, np.nan, 0.9]])
    return figures.collusion_map([0.05, 0.15], [4e-6, 1e-5, 2e-5], indices, title="Map")


def impulse_response_chart():
    return figures.impulse_response_chart(
        PERIODS,
        PRICES,
        errors=np.full((5, 2), 0.01),
        undisturbed=np.full((5, 2), 1.8),
        competitive=1.4729,
        collusive=1.925,
        title="After a cut",
    )


def collusion_histogram():
    return figures.collusion_histogram(
        np.array([0.7, 0.8, 0.9, 1.0]), published=0.85, title="Sessions"
    )


SAID = {
    variance_curves: (
        "Variance",
        "round",
        "variance of choices, root scale (squared units)",
        ["baseline", "explicit", "published"],
    ),
    price_paths: (
        "Prices",
        "round (count)",
        "price (price units)",
        ["talk", "no talk", "talk removed", "published"],
    ),
    escape_curves: (
        "Escapes",
        "steps done (count)",
        "escaped so far (agents)",
        ["no talk", "talk", "published"],
    ),
    talk_effect: (
        "Talk",
        "steps done (count)",
        "escaped, difference to no talk (agents)",
        ["h = 1", "published: 5 runs"],
    ),
    collusion_map: ("Map", "decay of exploration β (per period)", "learning rate α", []),
    impulse_response_chart: (
        "After a cut",
        "periods since the cut (count)",
        "price (price units)",
        ["firm that cuts its price", "other firm", "without the cut"],
    ),
    collusion_histogram: (
        "Sessions",
        "collusion index Δ of a session (0 competitive, 1 cartel)",
        "sessions (count)",
        ["sessions", "mean 0.850 ± 0.065 s.e.", "published mean 0.85"],
    ),
}


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_says_what_it_shows(draw):
    assert_says(draw(), *SAID[draw])


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_renders_with_everything_inside_and_apart(draw):
    assert_renders_apart(draw())


def drawn(axes):
    """Means of the lines with bars, and the ends of their bars."""
    lines = [container[0].get_ydata() for container in axes.containers]
    bars = [
        np.array([segment[:, 1] for segment in container[2][0].get_segments()])
        for container in axes.containers
    ]
    return lines, bars


def hollow(axes):
    """Published points: those of the figure, without the entries of the legend."""
    return [line for line in axes.lines if line.get_fillstyle() == "none" and len(line.get_xdata())]


# --- curves ---------------------------------------------------------------------------------------


def test_small_and_large_variances_can_both_be_read():
    (axes,) = variance_curves().axes
    (baseline, explicit), bars = drawn(axes)
    np.testing.assert_array_equal(baseline, VARIANCES["baseline"])
    np.testing.assert_array_equal(explicit, VARIANCES["explicit"])
    np.testing.assert_allclose(bars[0], [[v - 4, v + 4] for v in VARIANCES["baseline"]])
    np.testing.assert_allclose(bars[1][1], [0, 4])  # nothing below 0
    points = hollow(axes)
    for line, stated in zip(points, STATED.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), stated)
    assert [line.get_color() for line in points] == list(style.COLORS[:2])
    heights = axes.transAxes.inverted().transform(
        axes.transData.transform([[0, 0], [0, 2], [0, 20], [0, 158]])
    )[:, 1]
    assert (np.diff(heights) > 0.09).all()
    assert list(axes.get_yticks()) == [0, 2, 10, 25, 50, 100, 150]


def test_without_errors_and_published_values():
    (axes,) = figures.variance_curves(ROUNDS, VARIANCES, title="Plain").axes
    lines = [line.get_ydata() for line in axes.lines]
    np.testing.assert_array_equal(lines, list(VARIANCES.values()))


def test_prices_lie_between_their_benchmarks():
    (axes,) = price_paths().axes
    levels = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2]
    assert [list(level) for level in levels[:2]] == [[6, 6], [8, 8]]
    assert [text.get_text() for text in axes.texts] == ["competitive", "collusive"]
    by_name = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(by_name["talk"].get_xdata(), np.arange(100))
    np.testing.assert_array_equal(by_name["no talk"].get_ydata(), 7)
    assert list(by_name["talk removed"].get_xdata()) == [60, 60]
    (band,) = axes.collections
    ends = band.get_paths()[0].get_extents()
    np.testing.assert_allclose([ends.y0, ends.y1], [5.9, 8.1])
    (points,) = hollow(axes)
    np.testing.assert_array_equal(points.get_xydata(), [[20, 6.7], [99, 7.8]])
    assert points.get_color() == by_name["talk"].get_color()


def test_escapes_are_drawn_as_given():
    (axes,) = escape_curves().axes
    lines, bars = drawn(axes)
    np.testing.assert_array_equal(lines, list(ESCAPED.values()))
    np.testing.assert_allclose(bars[1][:, 1] - bars[1][:, 0], 2)
    (points,) = hollow(axes)
    np.testing.assert_array_equal(points.get_ydata(), [9.8, 31.6, 48.8])
    assert points.get_color() == style.COLORS[1]


def test_effects_have_intervals_of_95_percent_around_a_zero_line():
    (axes,) = talk_effect().axes
    (line,), (bars,) = drawn(axes)
    np.testing.assert_allclose(bars[:, 0], line - 1.959964 * 0.1)
    np.testing.assert_allclose(bars[:, 1], line + 1.959964 * 0.1)
    assert list(axes.lines[0].get_ydata()) == [0, 0]
    (points,) = hollow(axes)
    assert points.get_color() == style.REFERENCE_COLOR


def test_prices_after_a_cut_are_beside_those_without():
    (axes,) = impulse_response_chart().axes
    lines, _ = drawn(axes)
    np.testing.assert_array_equal(np.stack(lines, 1), PRICES)
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert [len(line.get_ydata()) for line in dotted] == [5, 5, 0]
    np.testing.assert_array_equal(dotted[0].get_ydata(), 1.8)


# --- collusion ------------------------------------------------------------------------------------


def test_cells_hold_their_numbers_in_a_colour_that_can_be_read():
    axes, bar = collusion_map().axes
    shown = {(round(t.get_position()[1]), round(t.get_position()[0])): t for t in axes.texts}
    assert {place: text.get_text() for place, text in shown.items()} == {
        **{(0, 0): "0.50", (0, 1): "0.60", (0, 2): "0.70"},
        **{(1, 0): "0.80", (1, 2): "0.90"},
    }
    assert shown[0, 0].get_color() == "white"
    assert shown[1, 2].get_color() == "black"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["4e-06", "1e-05", "2e-05"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.05", "0.15"]
    assert axes.get_ylim()[0] < axes.get_ylim()[1]  # learning rates go up
    assert bar.get_ylabel() == "collusion index Δ (0 competitive, 1 cartel)"


def test_all_sessions_are_counted_also_those_outside():
    figure = figures.collusion_histogram(np.array([-0.2, 0.5, 1.3]), title="Wide")
    (axes,) = figure.axes
    assert sum(bar.get_height() for bar in axes.patches) == 3
    (mean,) = axes.lines
    assert mean.get_xdata()[0] == pytest.approx(1.6 / 3)


def test_one_session_has_no_error():
    figure = figures.collusion_histogram(np.array([0.8]), title="One")
    assert "mean 0.800 ± 0.000 s.e." in [line.get_label() for line in figure.axes[0].lines]
