"""Words of texts as cells in lines, for figures of texts that were sold."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import engine
from .style import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE_LENGTH = 496.0
"""Width of a line in points."""
WORD_SIZE, SMALL_SIZE = 9.0, 7.0
PADDING, GAP = 6.0, 1.5
SHORTEST = 8.0
PALEST, DARKEST = 0.18, 0.62
LINE_INCHES = 0.30
SMALL_LINE_INCHES = 0.17


class Cell(NamedTuple):
    """One word on the page.

    Attributes:
        word: the word.
        agents: whose colours it has, side by side; empty for none.
        depth: how deep each colour is, in [0, 1].
        lines: small print below the word.
        is_framed: whether it has a frame.
    """

    word: str
    agents: Sequence[int] = ()
    depth: Sequence[float] = ()
    lines: Sequence[str] = ()
    is_framed: bool = False

    @property
    def width(self) -> float:
        """Width in points."""
        small = [_text_width(line, SMALL_SIZE) for line in self.lines if line]
        return max(_text_width(self.word, WORD_SIZE), *small, SHORTEST) + PADDING


def broken(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells in lines.

    Args:
        cells: in reading order.

    Returns:
        Lines no longer than `LINE_LENGTH`, but for words that are longer by themselves.
    """
    lines: list[list[Cell]] = [[]]
    length = 0.0
    for cell in cells:
        if lines[-1] and length + cell.width > LINE_LENGTH:
            lines.append([])
            length = 0.0
        lines[-1].append(cell)
        length += cell.width
    return lines


def draw_line(axes: "Axes", cells: Sequence[Cell], place: float, num_small: int) -> None:
    """Draws one line of cells.

    Args:
        axes: with lines going down, one unit each.
        cells: of the line.
        place: of the middle of the line.
        num_small: lines of small print below the words.
    """
    patches = engine.require_extra("matplotlib.patches", "plot")
    total = LINE_INCHES + num_small * SMALL_LINE_INCHES
    top, left = place - 0.46, 0.0
    middle = top + 0.92 * (LINE_INCHES / total) / 2
    for cell in cells:
        width = cell.width - GAP
        for number, (agent, depth) in enumerate(zip(cell.agents, cell.depth, strict=True)):
            part = width / len(cell.agents)
            corner = (left + number * part, top)
            axes.add_patch(patches.Rectangle(corner, part, 0.92, color=tint(agent, depth), lw=0))
        if cell.is_framed:
            frame = patches.Rectangle((left, top), width, 0.92, fill=False, ec="#222222", lw=0.9)
            axes.add_patch(frame)
        centre = left + width / 2
        axes.text(centre, middle, cell.word, size=WORD_SIZE, ha="center", va="center")
        for number, line in enumerate(cell.lines):
            below = top + 0.92 * (LINE_INCHES + (number + 0.4) * SMALL_LINE_INCHES) / total
            style = {"size": SMALL_SIZE, "ha": "center", "va": "center", "color": "#333333"}
            axes.text(centre, below, line, style="italic" if number else "normal", **style)
        left += cell.width


def tint(agent: int, depth: float) -> tuple[float, float, float]:
    """A colour of an agent on which black words can be read.

    Args:
        agent: number of the agent.
        depth: in [0, 1], from pale to as deep as can be read.

    Returns:
        Red, green and blue in [0, 1].
    """
    colors = engine.require_extra("matplotlib.colors", "plot")
    full = np.asarray(colors.to_rgb(COLORS[agent % len(COLORS)]))
    share = PALEST + (DARKEST - PALEST) * float(np.clip(depth, 0, 1))
    red, green, blue = 1 - share * (1 - full)
    return float(red), float(green), float(blue)


def set_lines(axes: "Axes", num_lines: int) -> None:
    """Gives axes one unit for each line, from the top down, and no scale along it.

    Args:
        axes: the axes.
        num_lines: number of lines.
    """
    axes.set_xlim(-3, LINE_LENGTH + 3)
    axes.set_ylim(num_lines - 0.4, -0.6)
    axes.set_xticks([])
    axes.grid(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


@functools.lru_cache(maxsize=4_096)
def _text_width(text, size):
    """Width of a text in points."""
    paths = engine.require_extra("matplotlib.textpath", "plot")
    return float(np.ptp(paths.TextPath((0, 0), text, size=size).vertices[:, 0], axis=0))
