"""Figures of token auctions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import engine
from .auction_words import (
    LINE_INCHES,
    SMALL_LINE_INCHES,
    Cell,
    broken,
    draw_line,
    set_lines,
    tint,
)
from .style import (
    COLORS,
    REFERENCE_COLOR,
    add_legend,
    label_axes,
    new_figure,
    paper_style,
    point_style,
    reference_style,
    series_style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BID_SHARE = "λ = b₁ / (b₁ + b₂)"
READING = "words in reading order"
PANEL_COLUMNS = 3


@paper_style()
def attribution_strip(
    words: Sequence[str],
    is_moved: np.ndarray,
    payments: np.ndarray,
    counterfactuals: Sequence[Sequence[str]],
    agents: Sequence[str],
    *,
    title: str,
) -> "Figure":
    """A text in cells: who moved each word, what it paid, and what had come instead.

    Args:
        words: `(token,)` of the text.
        is_moved: `(token, agent)` whether the word would have been another without the agent.
        payments: `(token, agent)` in the unit of bids.
        counterfactuals: `(token, agent)` the word without the agent.
        agents: names of the agents.
        title: title of the figure.

    Returns:
        The figure; the colour says which agent moved a word, and is deeper where it paid more.
    """
    is_moved, payments = np.asarray(is_moved, bool), np.asarray(payments, float)
    largest = max(float(np.max(np.where(is_moved, payments, 0), initial=0)), 1e-300)
    cells = []
    for place, word in enumerate(words):
        movers = [int(agent) for agent in np.flatnonzero(is_moved[place])]
        paid = [f"{payments[place, mover]:.2f}" for mover in movers]
        instead = [counterfactuals[place][mover] for mover in movers]
        lines = [" + ".join(paid), " / ".join(instead)] if movers else []
        depth = [payments[place, mover] / largest for mover in movers]
        cells.append(Cell(word, movers, depth, lines))
    lines = broken(cells)
    inches = LINE_INCHES + 2 * SMALL_LINE_INCHES
    figure, axes = new_figure(title, width=7.6, height=1.25 + 1.08 * inches * len(lines))
    for place, line in enumerate(lines):
        draw_line(axes, line, place, num_small=2)
    set_lines(axes, len(lines))
    axes.set_yticks(range(len(lines)), [str(place + 1) for place in range(len(lines))])
    label_axes(axes, x=f"{READING}; small print: what was paid, what had come instead", y="line")
    _agent_legend(axes, agents, "moved by {}", [])
    return figure


@paper_style()
def texts_by_share(
    bid_shares: Sequence[float],
    texts: Sequence[Sequence[str]],
    owners: Sequence[np.ndarray],
    is_moved: Sequence[np.ndarray],
    agents: Sequence[str],
    *,
    title: str,
) -> "Figure":
    """One text for each share of the first bid, with the words that only one agent uses coloured.

    Args:
        bid_shares: `(share,)` lambda, in [0, 1].
        texts: for each share its words.
        owners: for each share and word the agent that alone uses it, -1 where there is none.
        is_moved: for each share and word whether some agent moved it: a frame.
        agents: names of the agents.
        title: title of the figure.

    Returns:
        The figure, shares from the top down.
    """
    lines, first_lines = [], []
    for words, owner, moved in zip(texts, owners, is_moved, strict=True):
        cells = [
            Cell(word, () if who < 0 else (int(who),), () if who < 0 else (0.75,), (), bool(frame))
            for word, who, frame in zip(words, owner, moved, strict=True)
        ]
        first_lines.append(len(lines))
        lines += broken(cells)
    height = 1.25 + 0.98 * LINE_INCHES * len(lines)
    figure, axes = new_figure(title, width=7.6, height=height)
    for place, line in enumerate(lines):
        draw_line(axes, line, place, num_small=0)
    for place in first_lines[1:]:
        axes.axhline(place - 0.5, color="#BBBBBB", linewidth=0.6)
    set_lines(axes, len(lines))
    axes.set_yticks(first_lines, [f"{share:.2f}" for share in bid_shares])
    label_axes(axes, x=READING, y=BID_SHARE)
    _agent_legend(axes, agents, "only {} says it", ["moved by a bid"])
    return figure


@paper_style()
def sweep_chart(
    bid_shares: np.ndarray,
    curves: Mapping[str, Mapping[str, np.ndarray]],
    errors: Mapping[str, Mapping[str, np.ndarray]],
    *,
    units: Mapping[str, str],
    title: str,
) -> "Figure":
    """Several quantities against the share of the first bid, rules side by side.

    Args:
        bid_shares: `(share,)` lambda, in [0, 1].
        curves: quantity to rule to `(share,)` means.
        errors: of the same, their standard errors.
        units: unit of each quantity.
        title: title of the figure.

    Returns:
        The figure, one panel for each quantity; bars are two standard errors to either side.
    """
    rows = -(-len(curves) // 2)
    columns = min(len(curves), 2)
    figure, panels = new_figure(
        title, rows=rows, columns=columns, width=7.6, height=1.0 + 2.5 * rows, share_x=True
    )
    panels = np.atleast_1d(panels).ravel()
    for panel, (quantity, by_rule) in zip(panels, curves.items(), strict=False):
        for number, (rule, values) in enumerate(by_rule.items()):
            bars = 2 * np.asarray(errors[quantity][rule])
            panel.errorbar(bid_shares, values, yerr=bars, label=rule, **series_style(number))
        label_axes(panel, x=BID_SHARE, y=units[quantity], title=quantity)
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    add_legend(panels[0], outside=True)
    return figure


@paper_style()
def crossing_gallery(
    bid_shares: np.ndarray,
    mixtures: np.ndarray,
    own: np.ndarray,
    labels: Sequence[str],
    *,
    title: str,
) -> "Figure":
    """Probability of one token against the share of the first bid, beside what both agents say.

    Args:
        bid_shares: `(share,)` lambda, in [0, 1].
        mixtures: `(case, share)` probability of the token under the rule.
        own: `(case, 2)` probabilities of the two agents.
        labels: titles of the cases.
        title: title of the figure.

    Returns:
        The figure, one panel for each case.
    """
    columns = min(len(labels), PANEL_COLUMNS)
    rows = -(-len(labels) // columns)
    figure, panels = new_figure(
        title, rows=rows, columns=columns, width=7.6, height=1.1 + 2.1 * rows, share_x=True
    )
    panels = np.atleast_1d(panels).ravel()
    for panel, mixture, (first, second), label in zip(panels, mixtures, own, labels, strict=False):
        straight = bid_shares * first + (1 - bid_shares) * second
        panel.plot(bid_shares, straight, label="linear rule", **_plain(series_style(1)))
        panel.plot(bid_shares, mixture, label="log-linear rule", **_plain(series_style(0)))
        for place, value, name, marker in ((1, first, "p₁", "o"), (0, second, "p₂", "s")):
            panel.plot(place, value, marker, color=COLORS[2], label=f"{name}, what it says")
        panel.set_ylim(bottom=0)
        label_axes(panel, x="λ", y="probability", title=label)
    for panel in panels[len(labels) :]:
        panel.set_visible(False)
    add_legend(panels[0], outside=True)
    return figure


@paper_style()
def violation_shares(
    exponents: Sequence[float],
    published: np.ndarray,
    found: np.ndarray,
    errors: np.ndarray,
    *,
    title: str,
) -> "Figure":
    """How often power means break robust monotonicity.

    Args:
        exponents: `(exponent,)` of the power mean; 1 is the linear rule.
        published: `(exponent,)` shares as published, in [0, 1], NaN where none is.
        found: `(exponent,)` shares found here.
        errors: `(exponent,)` their standard errors.
        title: title of the figure.

    Returns:
        The figure.
    """
    figure, axes = new_figure(title, height=3.4)
    axes.axvline(1.0, label="linear rule", **reference_style())
    axes.errorbar(exponents, 100 * found, yerr=200 * errors, label="here", **series_style(0))
    has_number = np.isfinite(published)
    style = {**point_style(2), "markersize": 9.0, "fillstyle": "none"}
    places = np.asarray(exponents)[has_number]
    axes.plot(places, 100 * published[has_number], label="stated", **style)
    label_axes(
        axes, x="exponent of the power mean", x_unit="r", y="auctions that break it", y_unit="%"
    )
    add_legend(axes)
    return figure


@paper_style()
def bidding_paths(
    paths: Mapping[str, np.ndarray],
    equilibria: Mapping[str, np.ndarray],
    agents: Sequence[str],
    *,
    title: str,
    rounds: str = "round",
    unit: str = "price units",
) -> "Figure":
    """Bids over the rounds of learning, with the equilibrium in closed form.

    Args:
        paths: name of a panel to `(round, agent)` bids.
        equilibria: the same names to `(agent,)` bids.
        agents: names of the agents.
        title: title of the figure.
        rounds: what the horizontal axis counts.
        unit: unit of bids.

    Returns:
        The figure, one panel for each path.
    """
    columns = min(len(paths), PANEL_COLUMNS)
    rows = -(-len(paths) // columns)
    figure, panels = new_figure(
        title, rows=rows, columns=columns, width=7.6, height=1.1 + 2.3 * rows
    )
    panels = np.atleast_1d(panels).ravel()
    for panel, (name, path) in zip(panels, paths.items(), strict=False):
        counts = np.arange(1, len(path) + 1)
        for number, agent in enumerate(agents):
            style = {**series_style(number), "marker": "", "linewidth": 1.3}
            panel.plot(counts, path[:, number], label=f"bid of {agent}", **style)
            panel.axhline(equilibria[name][number], **reference_style())
        panel.plot([], [], label="equilibrium in closed form", **reference_style())
        panel.set_ylim(bottom=0)
        label_axes(panel, x=rounds, x_unit="count", y="bid", y_unit=unit, title=name)
    for panel in panels[len(paths) :]:
        panel.set_visible(False)
    add_legend(panels[0], outside=True)
    return figure


@paper_style()
def payment_comparison(
    closed: np.ndarray,
    simulated: np.ndarray,
    errors: np.ndarray,
    quadrature: np.ndarray,
    *,
    title: str,
    unit: str = "price units",
) -> "Figure":
    """Second-price payments three ways: simulated, in closed form, and by quadrature.

    Args:
        closed: `(case,)` expected payments in closed form.
        simulated: `(case,)` means of simulated payments.
        errors: `(case,)` their standard errors.
        quadrature: `(case,)` expected payments by quadrature.
        title: title of the figure.
        unit: unit of payments.

    Returns:
        The figure: payments on the left, distances from the closed form in standard errors of the
        simulation on the right.
    """
    figure, (left, right) = new_figure(title, columns=2, width=7.6, height=3.6)
    ends = [0, float(np.max(closed))]
    left.plot(ends, ends, label="equal", **reference_style())
    style = {**point_style(0), "markersize": 3.0}
    left.errorbar(closed, simulated, yerr=2 * errors, label="simulated ± 2 s.e.", **style)
    style = {**point_style(2), "marker": "x", "markersize": 4.0, "zorder": 3}
    left.plot(closed, quadrature, label="quadrature", **style)
    label_axes(left, x="payment in closed form", x_unit=unit, y="payment per token", y_unit=unit)
    distances = (simulated - closed) / errors
    edges = np.arange(-4.25, 4.5, 0.5)
    right.hist(np.clip(distances, -4, 4), bins=list(edges), color=COLORS[0], label="simulated")
    grid = np.linspace(-4.25, 4.25, 200)
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    right.plot(grid, 0.5 * len(closed) * density, color=REFERENCE_COLOR, label="normal law")
    label_axes(right, x="simulated less closed form", x_unit="s.e.", y="cases", y_unit="count")
    add_legend(left)
    add_legend(right)
    return figure


def _plain(style: dict[str, Any]) -> dict[str, Any]:
    """A line without markers."""
    return {**style, "marker": ""}


def _agent_legend(axes, agents, text, frames):
    """Names of agents beside their colours, below the axes."""
    patches = engine.require_extra("matplotlib.patches", "plot")
    handles = [
        patches.Patch(color=tint(number, 0.9), label=text.format(agent))
        for number, agent in enumerate(agents)
    ]
    handles += [patches.Patch(fill=False, ec="#222222", lw=0.9, label=label) for label in frames]
    axes.figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
