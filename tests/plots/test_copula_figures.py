"""Every figure of factor copulas: what it says, what it draws, and that it renders."""

import numpy as np
import pytest
from figure_checks import assert_renders_apart, assert_says

from jaxpapers.plots import copulas as figures

NAMES = ("AAA", "BBB", "CCC")
ASYMMETRY = np.array([[0.0, -0.04, 0.01], [-0.04, 0.0, -0.02], [0.01, -0.02, 0.0]])
CENTRES = np.array([-0.04, -0.02, 0.01])
ENDS = np.stack([CENTRES - 0.01, CENTRES + 0.015], axis=1)


def asymmetry_map():
    return figures.asymmetry_map(ASYMMETRY, np.abs(ASYMMETRY) > 0.015, NAMES, title="Stocks")


def asymmetric_pairs():
    labels = ("AAA – BBB", "BBB – CCC", "AAA – CCC")
    return figures.asymmetric_pairs(labels, CENTRES, ENDS, title="Pairs")


def posterior_comparison():
    errors = {"exact VI": np.array([0.1, -0.1, 0.0]), "NUTS": np.array([0.2, 0.0, -0.2])}
    spreads = {"exact VI": np.array([1.0, 0.9, 1.1]), "NUTS": np.ones(3)}
    labels = ("nu", "delta 1", "Omega 1,2")
    return figures.posterior_comparison(labels, errors, spreads, title="Posteriors")


def maximal_asymmetry_chart():
    values = {"ours": np.array([[0.9, 0.8]]), "theirs": np.array([[0.7, 0.6]])}
    return figures.maximal_asymmetry_chart(("0.01", "0.05"), values, (5.0,), title="Largest")


def elbo_by_factors():
    elbo = np.array([-10.0, 5.0, 4.0])
    return figures.elbo_by_factors(np.array([1, 2, 3]), elbo, true_number=2, title="Factors")


SAID = {
    asymmetry_map: ("Stocks", "asset", "asset", []),
    asymmetric_pairs: (
        "Pairs",
        "asymmetry UR − LL (share of the level)",
        "pair",
        ["posterior mean, 95 % interval"],
    ),
    posterior_comparison: (
        "Posteriors",
        "mean ± s.d. less the mean of long chains (their s.d.)",
        "parameter",
        ["long chains", "exact VI", "NUTS"],
    ),
    maximal_asymmetry_chart: (
        "Largest",
        "level u",
        "largest asymmetry UR − LL (share)",
        ["ours", "theirs"],
    ),
    elbo_by_factors: (
        "Factors",
        "number of factors K (count)",
        "ELBO (nats)",
        ["ELBO", "drawn with K = 2"],
    ),
}


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_says_what_it_shows(draw):
    assert_says(draw(), *SAID[draw])


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_renders_with_everything_inside_and_apart(draw):
    figure = draw()
    assert_renders_apart(figure)
    width = figure.axes[0].get_window_extent().width
    assert width > 0.6 * figure.bbox.width


def test_map_orders_assets_and_marks_pairs():
    axes, bar = asymmetry_map().axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["BBB", "AAA", "CCC"]
    (image,) = axes.images
    drawn = np.ma.filled(image.get_array(), np.nan)
    expected = [[np.nan, -0.04, -0.02], [-0.04, np.nan, 0.01], [-0.02, 0.01, np.nan]]
    np.testing.assert_allclose(drawn, expected)
    assert image.get_clim() == (-0.04, 0.04)
    (dots,) = (c for c in axes.collections if len(c.get_offsets()) > 1)
    places = {tuple(place) for place in np.asarray(dots.get_offsets()).tolist()}
    assert places == {(0.0, 1.0), (1.0, 0.0), (0.0, 2.0), (2.0, 0.0)}
    assert bar.get_ylabel() == "asymmetry UR − LL (share of the level)"


def bars(axes):
    """Horizontal ends of every error bar: series, label, (left, right)."""
    return [
        np.array([segment[:, 0] for segment in container[2][0].get_segments()])
        for container in axes.containers
    ]


def test_intervals_are_drawn_as_given():
    (ends,) = bars(asymmetric_pairs().axes[0])
    np.testing.assert_allclose(ends, ENDS)


def test_posteriors_reach_one_deviation_to_either_side():
    exact, chains = bars(posterior_comparison().axes[0])
    np.testing.assert_allclose(exact, [[-0.9, 1.1], [-1.0, 0.8], [-1.1, 1.1]])
    np.testing.assert_allclose(chains, [[-0.8, 1.2], [-1, 1], [-1.2, 0.8]])


def test_bars_have_the_heights_of_their_panel():
    values = {"ours": np.array([[0.9, 0.8], [0.5, 0.4]]), "theirs": np.full((2, 2), 0.1)}
    figure = figures.maximal_asymmetry_chart(("0.01", "0.05"), values, (5.0, 10.0), title="Two")
    for panel, axes in enumerate(figure.axes):
        heights = [bar.get_height() for bar in axes.patches]
        np.testing.assert_allclose(heights, [*values["ours"][panel], 0.1, 0.1])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["nu = 5", "nu = 10"]


def test_elbo_is_drawn_by_number_of_factors():
    line, reference = elbo_by_factors().axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(line.get_ydata(), [-10, 5, 4])
    assert list(reference.get_xdata()) == [2, 2]
