"""Every figure of token auctions: what it says, what it draws, and that it renders."""

import matplotlib.colors
import numpy as np
import pytest
from figure_checks import assert_renders_apart, assert_says

from jaxpapers.plots import auction_words, style
from jaxpapers.plots import auctions as figures

AGENTS = ("Sun Hotel", "Sky Line")
WORDS = ("Fly", "to", "the", "sun", ".")
IS_MOVED = np.array([[0, 1], [0, 0], [0, 0], [1, 1], [0, 0]], bool)
PAYMENTS = np.array([[0, 0.5], [0, 0], [0, 0], [0.25, 1.0], [0, 0]])
INSTEAD = [["Fly", "Stay"], ["to", "to"], ["the", "the"], ["sea", "snow"], [".", "."]]
SHARES = np.array([0.0, 0.5, 1.0])


def attribution_strip():
    return figures.attribution_strip(
        WORDS, IS_MOVED, PAYMENTS, INSTEAD, AGENTS, title="Who moved what"
    )


def texts_by_share():
    owners = [np.array([1, -1, -1, 0, -1])] * 3
    moved = [IS_MOVED.any(axis=1)] * 3
    return figures.texts_by_share(SHARES, [WORDS] * 3, owners, moved, AGENTS, title="Texts")


def sweep_chart():
    curves = {
        "revenue": {"linear": np.array([0, 0.2, 0]), "log-linear": np.array([0, 0.3, 0])},
        "welfare": {"linear": np.array([1, 0.8, 1]), "log-linear": np.array([1, 0.7, 1])},
    }
    errors = {name: {rule: np.full(3, 0.05) for rule in entry} for name, entry in curves.items()}
    units = {"revenue": "price units", "welfare": "nats"}
    return figures.sweep_chart(SHARES, curves, errors, units=units, title="Sweep")


def crossing_gallery():
    mixtures, own = np.array([[0.1, 0.3, 0.1], [0.2, 0.5, 0.4]]), np.array([[0.1, 0.1], [0.4, 0.2]])
    return figures.crossing_gallery(SHARES, mixtures, own, ["one", "two"], title="Gallery")


def violation_shares():
    stated, found = np.array([0.6, np.nan]), np.array([0.61, 0.0])
    return figures.violation_shares((0.3, 1.0), stated, found, np.full(2, 0.01), title="Power")


def bidding_paths():
    paths = {"second price": np.array([[0.5, 1], [0.9, 1.8]]), "all-pay": np.ones((3, 2))}
    equilibria = {"second price": np.array([1.0, 2.0]), "all-pay": np.array([0.1, 0.3])}
    return figures.bidding_paths(paths, equilibria, AGENTS, title="Learning")


def payment_comparison():
    closed = np.array([0.1, 0.2, 0.4])
    simulated = closed + np.array([0.01, -0.02, 0.09])
    return figures.payment_comparison(
        closed, simulated, np.full(3, 0.01), closed, title="Three ways"
    )


READING = "words in reading order"
LAMBDA = "λ = b₁ / (b₁ + b₂)"
SAID = {
    attribution_strip: (
        "Who moved what",
        f"{READING}; small print: what was paid, what had come instead",
        "line",
        ["moved by Sun Hotel", "moved by Sky Line"],
    ),
    texts_by_share: (
        "Texts",
        READING,
        LAMBDA,
        ["only Sun Hotel says it", "only Sky Line says it", "moved by a bid"],
    ),
    sweep_chart: ("Sweep", LAMBDA, "price units", ["linear", "log-linear"]),
    crossing_gallery: (
        "Gallery",
        "λ",
        "probability",
        ["linear rule", "log-linear rule", "p₁, what it says", "p₂, what it says"],
    ),
    violation_shares: (
        "Power",
        "exponent of the power mean (r)",
        "auctions that break it (%)",
        ["linear rule", "here", "stated"],
    ),
    bidding_paths: (
        "Learning",
        "round (count)",
        "bid (price units)",
        ["bid of Sun Hotel", "bid of Sky Line", "equilibrium in closed form"],
    ),
    payment_comparison: (
        "Three ways",
        "payment in closed form (price units)",
        "payment per token (price units)",
        ["equal", "simulated ± 2 s.e.", "quadrature"],
    ),
}


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_says_what_it_shows(draw):
    assert_says(draw(), *SAID[draw])


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_renders_with_everything_inside_and_apart(draw):
    figure = draw()
    assert_renders_apart(figure)


# --- words ----------------------------------------------------------------------------------------


def shown_texts(axes):
    return [text.get_text() for text in axes.texts]


def test_moved_words_say_what_was_paid_and_what_had_come():
    (axes,) = attribution_strip().axes
    assert shown_texts(axes) == [
        *("Fly", "0.50", "Stay", "to", "the", "sun", "0.25 + 1.00", "sea / snow", "."),
    ]


def test_colours_are_those_of_the_movers_and_deeper_where_more_was_paid():
    (axes,) = attribution_strip().axes
    fly, sun_hotel, sun_line = (patch.get_facecolor()[:3] for patch in axes.patches)
    base = np.array(matplotlib.colors.to_rgb(style.COLORS[1]))
    for colour, depth in ((fly, 0.5), (sun_line, 1.0)):
        share = auction_words.PALEST + (auction_words.DARKEST - auction_words.PALEST) * depth
        np.testing.assert_allclose(colour, 1 - share * (1 - base), atol=1e-6)
    assert sun_hotel == pytest.approx(auction_words.tint(0, 0.25), abs=1e-6)
    left, right = (patch.get_x() for patch in axes.patches[1:])
    assert left < right  # a word that two moved has both colours side by side


def test_words_stay_inside_their_cells():
    words = ["Gamma", "WWWWWW", "i", ".", "extraordinarily", "mmm"] * 12
    moved = np.ones((len(words), 1), bool)
    instead = [["somewhatlonger"]] * len(words)
    figure = figures.attribution_strip(
        words, moved, np.ones((len(words), 1)), instead, AGENTS[:1], title="Wide"
    )
    figure.draw_without_rendering()
    (axes,) = figure.axes
    cells = [patch.get_window_extent() for patch in axes.patches]
    texts = [text.get_window_extent() for text in axes.texts]
    for number, cell in enumerate(cells):
        for box in texts[3 * number : 3 * number + 3]:
            assert cell.x0 - 1 <= box.x0
            assert box.x1 <= cell.x1 + 1
            assert cell.y0 - 2 <= box.y0
            assert box.y1 <= cell.y1 + 2
    assert max(cell.x1 for cell in cells) <= axes.get_window_extent().x1 + 1
    assert len(axes.get_yticks()) > 1


def test_nobody_moved_anything():
    figure = figures.attribution_strip(
        WORDS, np.zeros((5, 2), bool), np.zeros((5, 2)), INSTEAD, AGENTS, title="Nobody"
    )
    assert shown_texts(figure.axes[0]) == list(WORDS)
    assert style.render_png(figure).startswith(b"\x89PNG")


def test_texts_are_in_the_order_of_the_shares():
    (axes,) = texts_by_share().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.00", "0.50", "1.00"]
    assert shown_texts(axes) == [*WORDS] * 3
    filled = [patch for patch in axes.patches if patch.get_fill()]
    framed = [patch for patch in axes.patches if not patch.get_fill()]
    assert (len(filled), len(framed)) == (6, 6)
    colours = {patch.get_facecolor()[:3] for patch in filled}
    assert colours == {auction_words.tint(0, 0.75), auction_words.tint(1, 0.75)}


# --- curves ---------------------------------------------------------------------------------------


def test_curves_are_drawn_as_given():
    revenue, welfare = sweep_chart().axes
    lines = [container[0] for container in welfare.containers]
    np.testing.assert_array_equal(lines[1].get_ydata(), [1, 0.7, 1])
    bars = revenue.containers[0][2][0].get_segments()
    np.testing.assert_allclose([bar[:, 1] for bar in bars], [[-0.1, 0.1], [0.1, 0.3], [-0.1, 0.1]])
    assert [axes.get_title(loc="left") for axes in (revenue, welfare)] == ["revenue", "welfare"]


def test_an_odd_panel_is_left_out():
    curves = {str(n): {"linear": SHARES} for n in range(3)}
    figure = figures.sweep_chart(
        SHARES, curves, curves, units=dict.fromkeys(curves, "unit"), title="Three"
    )
    assert [axes.get_visible() for axes in figure.axes] == [True, True, True, False]
    assert style.render_png(figure).startswith(b"\x89PNG")


def test_a_token_is_drawn_beside_what_both_say():
    _, second = crossing_gallery().axes
    straight, mixture, first_says, second_says = second.lines
    np.testing.assert_allclose(straight.get_ydata(), [0.2, 0.3, 0.4])
    np.testing.assert_array_equal(mixture.get_ydata(), [0.2, 0.5, 0.4])
    assert [line.get_xdata()[0] for line in (first_says, second_says)] == [1, 0]
    assert [line.get_ydata()[0] for line in (first_says, second_says)] == [0.4, 0.2]


def test_paths_and_equilibria_are_drawn():
    first, second = bidding_paths().axes
    np.testing.assert_array_equal(first.lines[0].get_ydata(), [0.5, 0.9])
    levels = [
        line.get_ydata()[0]
        for line in first.lines
        if line.get_linewidth() == 1.0 and len(line.get_ydata())
    ]
    assert levels == [1.0, 2.0]
    assert second.get_title(loc="left") == "all-pay"


def test_distances_are_in_standard_errors_and_none_is_lost():
    _, right = payment_comparison().axes
    counts = {round(bar.get_x() + 0.25, 6): bar.get_height() for bar in right.patches}
    assert {place for place, count in counts.items() if count} == {1.0, -2.0, 4.0}
    assert sum(counts.values()) == 3
