"""What every figure of the package must keep: titles, labels, and nothing on top of anything."""

import numpy as np

from jaxpapers.plots import style


def legend_texts(figure):
    legends = [*figure.legends, figure.axes[0].get_legend()]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def assert_says(figure, title, x, y, legend):
    axes = figure.axes[0]
    assert (figure.get_suptitle(), axes.get_xlabel(), axes.get_ylabel()) == (title, x, y)
    assert sorted(legend_texts(figure)) == sorted(legend)


def assert_renders_apart(figure):
    """All of it inside the picture, and no part of it over another."""
    assert style.render_png(figure).startswith(b"\x89PNG")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in (*figure.texts, *figure.legends)]
    boxes += [axes.get_tightbbox() for axes in figure.axes]
    for number, box in enumerate(boxes):
        assert np.all(box.min >= -1)
        assert np.all(box.max <= figure.bbox.max + 1)
        assert not any(box.overlaps(other) for other in boxes[:number])
