"""Every figure of rank regressions: what it says, what it draws, and that it renders."""

import numpy as np
import pytest
from figure_checks import assert_renders_apart, assert_says, legend_texts

from jaxpapers.plots import ranks as figures

RNG = np.random.default_rng(0)
LABELS = ("a", "b", "c")
CENTRES = np.array([0.2, 0.5, 0.4])
ENDS = np.stack([CENTRES - 0.1, CENTRES + 0.1], axis=1)


def binned_scatter():
    ranks = np.arange(1, 401) / 400
    grid = np.linspace(0, 1, 5)
    return figures.binned_scatter(
        ranks,
        0.25 + ranks / 2,
        grid=grid,
        fitted=0.25 + grid / 2,
        band=np.stack([0.2 + grid / 2, 0.3 + grid / 2], axis=1),
        title="Sons and parents",
        regressor_name="parents",
        outcome_name="sons",
    )


def interval_comparison():
    intervals = {"consistent": ENDS, "naive": np.stack([CENTRES - 0.2, CENTRES + 0.3], axis=1)}
    return figures.interval_comparison(
        LABELS, CENTRES, intervals, title="Slopes", quantity="slope", specification="tie weight"
    )


def coverage_chart():
    shares = {"consistent": np.array([0.95, 0.94, 0.96]), "naive": np.array([1.0, 0.8, 0.99])}
    return figures.coverage_chart(LABELS, shares, num_replicates=100)


def standard_error_check():
    others = {"bootstrap": CENTRES * 1.01, "naive": CENTRES * np.array([0.7, 1.0, 1.2])}
    return figures.standard_error_check(
        LABELS, CENTRES, others, num_replicates=200, title="Standard errors"
    )


def slope_ranking():
    wide = np.stack([CENTRES - 0.3, CENTRES + 0.3], axis=1)
    return figures.slope_ranking(CENTRES, ENDS, wide, title="Regions")


SAID = {
    binned_scatter: (
        "Sons and parents",
        "parents (rank in (0, 1])",
        "sons (rank in (0, 1])",
        ["95 % band of the line", "fitted line", "mean of a bin (area: observations)"],
    ),
    interval_comparison: (
        "Slopes",
        "slope (ranks per rank)",
        "tie weight",
        ["consistent", "naive"],
    ),
    coverage_chart: (
        "Coverage of confidence intervals of the rank-rank slope",
        "coverage (share of samples, ± 2 Monte Carlo s.e.)",
        "population",
        ["nominal 0.95", "consistent", "naive"],
    ),
    standard_error_check: (
        "Standard errors",
        "standard error over the consistent one (ratio)",
        "coefficient",
        ["1 ± 2 s.e. of Monte Carlo", "bootstrap", "naive"],
    ),
    slope_ranking: (
        "Regions",
        "region, from the most to the least mobile (position)",
        "rank-rank slope of a region (ranks per rank)",
        ["95 %, all regions at once", "95 %, each region", "estimate"],
    ),
}


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_says_what_it_shows(draw):
    figure = draw()
    assert len(figure.axes) == 1
    assert_says(figure, *SAID[draw])


@pytest.mark.parametrize("draw", SAID, ids=lambda draw: draw.__name__)
def test_figure_renders_with_everything_inside_and_apart(draw):
    figure = draw()
    assert_renders_apart(figure)
    width = figure.axes[0].get_window_extent().width
    assert width > 0.6 * figure.bbox.width


def test_binned_scatter_averages_equal_bins():
    (dots,) = (c for c in binned_scatter().axes[0].collections if len(c.get_offsets()) > 1)
    centres, means = np.asarray(dots.get_offsets()).T
    assert len(centres) == figures.NUM_BINS
    np.testing.assert_allclose(means, 0.25 + centres / 2, rtol=1e-12)
    np.testing.assert_allclose(dots.get_sizes(), dots.get_sizes()[0])


def test_binned_scatter_keeps_ties_together():
    values = np.repeat([0.1, 0.6, 1.0], [10, 500, 490])
    figure = figures.binned_scatter(
        values,
        RNG.uniform(size=1_000),
        grid=np.array([0.0, 1.0]),
        fitted=np.zeros(2),
        band=np.zeros((2, 2)),
        title="Ties",
        regressor_name="x",
        outcome_name="y",
    )
    (dots,) = (c for c in figure.axes[0].collections if len(c.get_offsets()) > 1)
    np.testing.assert_allclose(np.asarray(dots.get_offsets())[:, 0], [301 / 510, 1])
    np.testing.assert_allclose(dots.get_sizes()[1] / dots.get_sizes()[0], 490 / 510)


def bars(axes):
    """Horizontal ends of every error bar: series, label, (left, right)."""
    return [
        np.array([segment[:, 0] for segment in container[2][0].get_segments()])
        for container in axes.containers
    ]


def test_intervals_are_drawn_as_given():
    consistent, naive = bars(interval_comparison().axes[0])
    np.testing.assert_allclose(consistent, ENDS)
    np.testing.assert_allclose(naive, np.stack([CENTRES - 0.2, CENTRES + 0.3], axis=1))


def test_coverage_bars_stay_shares():
    consistent, naive = bars(coverage_chart().axes[0])
    half = 2 * np.sqrt(0.95 * 0.05 / 100)
    np.testing.assert_allclose(consistent[0], [0.95 - half, min(0.95 + half, 1)])
    np.testing.assert_allclose(naive[0], [1, 1])
    assert naive[2, 1] == pytest.approx(1)
    assert naive[2, 0] == pytest.approx(0.99 - 2 * np.sqrt(0.99 * 0.01 / 100))


def test_standard_errors_are_drawn_as_ratios():
    axes = standard_error_check().axes[0]
    points = {line.get_label(): line.get_xdata() for line in axes.lines}
    np.testing.assert_allclose(points["bootstrap"], 1.01)
    np.testing.assert_allclose(points["naive"], [0.7, 1, 1.2])
    (shade,) = axes.patches
    np.testing.assert_allclose([shade.get_x(), shade.get_width()], [0.9, 0.2])


def test_slopes_are_ranked_with_their_own_intervals():
    axes = slope_ranking().axes[0]
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), [0.2, 0.4, 0.5])
    band, interval = (collection.get_paths()[0].vertices for collection in axes.collections)
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((-0.1, 0.8))
    assert (interval[:, 1].min(), interval[:, 1].max()) == pytest.approx((0.1, 0.6))
    at_last = interval[:, 0] == 3
    assert set(interval[at_last, 1].round(9)) == {0.4, 0.6}


def test_slope_ranking_without_a_band():
    figure = figures.slope_ranking(CENTRES, ENDS, title="Regions")
    assert legend_texts(figure) == ["95 %, each region", "estimate"]
