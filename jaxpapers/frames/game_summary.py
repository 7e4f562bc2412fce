"""Games and sessions of Q-learning firms in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import games
from ..engine import Status
from .summary import Summary

if TYPE_CHECKING:
    from .game_calvano import CalvanoResult
    from .game_results import GameResult

TITLES = {
    "beauty": "Beauty contest: guess two thirds of the mean",
    "bertrand": "Price competition of two firms",
    "evacuation": "Evacuation of a room",
}
MOST_ROWS, MOST_COLUMNS = 12, 7
STEPS = tuple(factor * 10**power for power in range(7) for factor in (1, 2, 5))
NEAR = 0.05
"""Distance from the cartel price, as a share of it, from which on prices count as collusive."""
WORDS = {
    "num_winners": "winners",
    "collusion_index": "collusion",
    "price_spread": "spread",
    "is_talking": "talk",
    "num_switches": "switches",
    "num_talking": "speakers",
}
"""Heads of columns whose names are too long."""


def summarise_game(result: "GameResult") -> Summary:
    """Builds the summary of a game that was played.

    Args:
        result: the play.

    Returns:
        Its summary; of many rounds some, the first and the last among them.
    """
    table, settings = result.table(), result.settings
    first = "step" if settings.game == "evacuation" else "round"
    shown = table.iloc[_shown_rounds(len(table), starts_at_one=first == "step")]
    names = [name for name in table.columns if name not in ("round", "step")]
    if len(names) > MOST_COLUMNS:
        names = [name for name in names if not name.startswith("escaped ")]
    rows = tuple(
        (f"{first} {number}", *(_cell(value) for value in row))
        for number, row in zip(
            shown[first], shown[names].itertuples(index=False, name=None), strict=True
        )
    )
    header, notes = tuple(_header(result)), tuple(_notes(result))
    heads = tuple(WORDS.get(name) or name for name in names)
    return Summary(TITLES[settings.game], header, heads, rows, notes)


def summarise_sessions(result: "CalvanoResult") -> Summary:
    """Builds the summary of sessions of Q-learning firms.

    Args:
        result: the sessions.

    Returns:
        Its summary.
    """
    settings, sessions = result.settings, result.sessions
    header = (
        ("Firms", str(settings.num_firms)),
        ("Sessions", f"{settings.num_sessions:,}"),
        ("Learning rate", f"{settings.learning_rate:g}"),
        ("Decay", f"{settings.decay:g} per period"),
        ("Discount", f"{settings.discount:g}"),
        ("Prices of each", str(settings.num_prices)),
        ("Converged", f"{100 * result.share_converged:.0f} %"),
        ("Precision", settings.precision),
    )
    published = [] if result.published is None else [f"{result.published:.2f}"]
    blank = [""] * len(published)
    rows = (
        ("collusion index", *_mean_and_error(result.collusion_index), *published),
        ("mean price", *_mean_and_error(sessions.prices.mean(axis=1)), *blank),
        ("mean profit", *_mean_and_error(sessions.profits.mean(axis=1)), *blank),
        ("periods", *_mean_and_error(sessions.num_periods, decimals=0), *blank),
    )
    columns = ("mean", "s.e.", "published")[: 2 + len(published)]
    notes = tuple(_session_notes(result))
    return Summary("Prices of Q-learning firms", header, columns, rows, notes)


def _mean_and_error(values, decimals=4):
    values = np.asarray(values, float)
    error = values.std(ddof=min(1, len(values) - 1)) / np.sqrt(len(values))
    return f"{values.mean():,.{decimals}f}", f"{error:,.{decimals}f}"


def _session_notes(result):
    yield (
        "Collusion index: mean profit on the limit cycle, 0 at competitive and 1 at cartel "
        "profits; one session is one observation."
    )
    if result.published is not None:
        yield "Published: Calvano, Calzolari, Denicolò and Pastorello (2020), rounded."
    lengths = np.asarray(result.sessions.cycle_length)
    yield f"Limit cycles of one period: {100 * np.mean(lengths == 1):.0f} % of sessions."
    if result.status != Status.CONVERGED:
        yield f"{result.status.name}: {result.status_message}"


def _shown_rounds(num_rounds: int, *, starts_at_one: bool) -> list[int]:
    """Indices of rounds at round numbers, and the last one."""
    stride = next(step for step in STEPS if step * (MOST_ROWS - 1) >= num_rounds)
    first = stride - 1 if starts_at_one else 0
    return sorted({*range(first, num_rounds, stride), num_rounds - 1})


def _cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | np.integer) else f"{value:,.4g}"


def _header(result) -> Iterator[tuple[str, str]]:
    settings = result.settings
    yield "Agents", f"{settings.num_agents:,}"
    yield "Rounds", f"{settings.num_rounds:,}"
    yield "Policy", settings.policy
    if settings.persona:
        yield "Persona", settings.persona
    until = f" until round {settings.talk_until:,}" if settings.talk_until is not None else ""
    yield "Talk", f"yes{until}" if settings.is_talking else "no"
    if result.room is not None:
        yield "Room", f"{result.room.height} x {result.room.width}, {result.room.num_exits} exits"
    if settings.game == "bertrand":
        state = result.play.state
        yield "Competitive price", _prices(state.competitive)
        yield "Cartel price", _prices(state.collusive)
    if settings.precision == "single":
        yield "Precision", "single"
    yield "Status", result.status.name + ("" if result.status == Status.OK else " (see below)")


def _prices(outcome) -> str:
    return ", ".join(f"{price:.4g}" for price in np.unique(np.round(outcome.prices, 6)))


def _notes(result) -> Iterator[str]:
    record = result.play.records
    if isinstance(record, games.GuessRecord):
        yield "variance: of the choices of a round, small where players agree."
    elif isinstance(record, games.MarketRecord):
        yield "collusion: 0 at competitive and 1 at cartel profits; price and profit are means."
        yield _when_collusive(record.prices, result.play.state.collusive.prices)
    else:
        left = int(record.escaped[-1])
        through = [
            f"{name.removeprefix('escaped ')} {values.iloc[-1]:,}"
            for name, values in result.table().items()
            if name.startswith("escaped ")
        ]
        yield f"{left:,} of {result.settings.num_agents:,} escaped, through {', '.join(through)}."
        yield "escaped, switches and exits are counted from the start, speakers in the round."
    if result.status != Status.OK:
        yield f"{result.status.name}: {result.status_message}"


def _when_collusive(prices, cartel_prices) -> str:
    """From when on the mean price is near that of a cartel."""
    target = cartel_prices.mean()
    is_far = np.abs(prices.mean(axis=1) - target) > NEAR * target
    since = int(np.max(np.flatnonzero(is_far), initial=-1)) + 1
    if since == len(prices):
        return f"At the end the mean price is not within {100 * NEAR:.0f} % of the cartel's."
    return f"From round {since:,} on the mean price is within {100 * NEAR:.0f} % of the cartel's."
