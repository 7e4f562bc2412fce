"""Texts that were sold, in words: the summary, and who moved which token."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..engine import Status
from .summary import Summary

if TYPE_CHECKING:
    from .auction_results import TokenAuctionResult

WIDTH = 80
NOBODY = "–"
DECIMALS = 4
UNKNOWN = "not named"


def summarise_auction(result: "TokenAuctionResult") -> Summary:
    """Builds the summary of texts that were sold.

    Args:
        result: what was sold.

    Returns:
        Its summary.
    """
    table = result.attribution()
    rows = tuple(
        (
            str(name),
            f"{row['bid']:g}",
            _count(row["tokens_moved"], result.num_texts),
            f"{100 * row['share_moved']:.1f} %",
            f"{row['welfare']:.{DECIMALS}f}",
            f"{row['paid']:.{DECIMALS}f}",
            f"{row['surplus']:.{DECIMALS}f}",
        )
        for name, row in table.iterrows()
    )
    columns = ("bid", "moved", "share", "welfare", "paid", "surplus")
    return Summary("Token auction", tuple(_header(result)), columns, rows, tuple(_notes(result)))


def attribution_lines(result: "TokenAuctionResult", text: int) -> Iterator[str]:
    """Words of one text, with who moved them, what each paid and what had come instead.

    A word that two agents moved has two lines; what was paid by agents that moved nothing, as
    first-price and expected payments are, is in a line below.

    Args:
        result: what was sold.
        text: its number.

    Yields:
        A head, and the lines of the table.
    """
    words, found = result.tokenizer.words, result.generation
    cells = [("", "word", "moved by", "paid", "instead")]
    for place, token in enumerate(found.tokens[text]):
        movers = np.flatnonzero(result.is_moved[text, place])
        number, word = str(place + 1), words[token]
        for mover in movers:
            instead = words[found.counterfactuals[text, place, mover]]
            paid = f"{found.payments[text, place, mover]:.{DECIMALS}f}"
            cells.append((number, word, result.agents[mover], paid, instead))
            number, word = "", ""
        if not len(movers):
            cells.append((number, word, NOBODY, "", ""))
    yield from _aligned(cells)
    rest = np.where(result.is_moved[text], 0, found.payments[text]).sum()
    if rest > 0:
        yield f"Paid besides, whoever moved the word: {rest:.{DECIMALS}f}"


def _aligned(cells):
    """Columns side by side; words that are too long are cut, so that lines fit a terminal."""
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    spare = WIDTH - widths[0] - widths[3] - 8
    for column in (2, 1, 4):
        others = sum(widths[i] for i in (1, 2, 4) if i != column)
        widths[column] = min(widths[column], max(spare - others, spare // 3))
    for row in cells:
        number, word, mover, paid, instead = (
            cell if len(cell) <= width else cell[: width - 1] + "…"
            for cell, width in zip(row, widths, strict=True)
        )
        parts = (
            f"{number:>{widths[0]}}",
            f"{word:<{widths[1]}}",
            f"{mover:<{widths[2]}}",
            f"{paid:>{widths[3]}}",
            instead,
        )
        yield "  ".join(parts).rstrip()


def _header(result):
    settings, found = result.settings, result.generation
    yield "Rule", settings.rule or UNKNOWN
    yield "Payment", settings.payment or UNKNOWN
    yield "Texts", f"{result.num_texts:,}"
    yield "Tokens of each", f"{result.num_tokens:,}"
    yield "Revenue", f"{result.revenue:.{DECIMALS}f}"
    logs = np.log(found.probability.astype(np.float64)).sum(axis=1).mean()
    yield "Log-likelihood", f"{logs:.2f} nats"
    if settings.precision == "single":
        yield "Precision", "single"
    yield "Status", result.status.name + ("" if result.status == Status.OK else " (see below)")


def _notes(result):
    lines = result.text.splitlines() or [""]
    yield f"{'First text' if result.num_texts > 1 else 'Text'}: {' / '.join(lines)}"
    yield (
        "moved: words that would have been others without the agent's bid; welfare: bid times "
        "expected share, summed over the text; all per text."
    )
    if bool(np.all(result.generation.is_expected)) and result.settings.payment != "none":
        yield "Payments are expectations: they do not depend on the words that were drawn."
    if result.status != Status.OK:
        yield f"{result.status.name}: {result.status_message}"


def _count(number, num_texts):
    return f"{number:.0f}" if num_texts == 1 else f"{number:.2f}"
