"""Figures of what `frames.token_auction` and `frames.sweep_bids` give."""

from typing import TYPE_CHECKING

import numpy as np

from ..auctions.bidders.tokenizer import END
from ..frames import TokenAuctionResult
from ..plots import auctions as figures

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


def attribution_figure(result: TokenAuctionResult, *, text: int = 0) -> "Figure":
    """A text in cells: who moved each word, what was paid, and what had come instead.

    Args:
        result: what was sold.
        text: its number.

    Returns:
        The figure.
    """
    found = result.generation
    words = np.asarray([word.replace(END, "¶") for word in result.tokenizer.words], object)
    query = f"“{result.settings.prompt}”: " if result.settings.prompt else ""
    return figures.attribution_strip(
        words[found.tokens[text]],
        result.is_moved[text],
        np.asarray(found.payments[text]),
        words[found.counterfactuals[text]],
        result.agents,
        title=f"{query}who moved each word, and what it paid",
    )


def sweep_figure(table: "pandas.DataFrame") -> "Figure":
    """Revenue and welfare against the share of the first bid, rules side by side.

    Args:
        table: as `frames.sweep_bids` gives it.

    Returns:
        The figure; bars are two standard errors to either side.
    """
    by_rule = {str(rule): rows for rule, rows in table.groupby("rule", sort=False)}
    names: tuple[str, ...] = ("revenue", "welfare")

    def curves(suffix):
        return {
            name: {rule: rows[name + suffix].to_numpy() for rule, rows in by_rule.items()}
            for name in names
        }

    shares = np.unique(table["lambda"].to_numpy())
    units: dict[str, str] = dict.fromkeys(names, "price units per text")
    title = "Revenue and welfare as the bids shift"
    return figures.sweep_chart(shares, curves(""), curves(" s.e."), units=units, title=title)
