"""Results of auctions of texts, with the names of agents and the words of tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from .. import auctions, engine
from ..engine import Status
from .auction_records import to_datatree
from .auction_settings import AuctionSettings
from .auction_summary import attribution_lines, summarise_auction
from .auction_tables import attribution_table, token_table
from .summary import Summary
from .whole_files import write_netcdf, write_table

if TYPE_CHECKING:
    import pandas
    import xarray


@dataclass(frozen=True, eq=False, repr=False)
class TokenAuctionResult:
    """One text or several that were sold token by token.

    Attributes:
        generation: what was sold, in NumPy arrays with a leading axis of texts.
        agents: names of the agents.
        tokenizer: words of the tokens.
        settings: how it was sold.

    Example:
        >>> from jaxpapers import frames
        >>> texts = {"A": ["We fly.", "We fly high."], "B": ["We sleep.", "We sleep well."]}
        >>> sold = frames.token_auction(1, texts, [1.0, 2.0], num_tokens=4)
        >>> print(sold.num_texts, sold.num_tokens, sold.status.name)
        1 4 OK
    """

    generation: auctions.Generation
    agents: tuple[str, ...]
    tokenizer: auctions.WordTokenizer
    settings: AuctionSettings

    def __repr__(self) -> str:
        return (
            f"<TokenAuctionResult {self.settings.rule or 'some'} rule, {len(self.agents)} agents, "
            f"{self.num_texts} x {self.num_tokens} tokens: {self.text[:40]!r}>"
        )

    @property
    def num_texts(self) -> int:
        """Number of texts."""
        return self.generation.tokens.shape[0]

    @property
    def num_tokens(self) -> int:
        """Number of tokens of each text."""
        return self.generation.tokens.shape[1]

    @property
    def text(self) -> str:
        """The first text."""
        return self.tokenizer.decode(self.generation.tokens[0])

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts."""
        return tuple(map(self.tokenizer.decode, self.generation.tokens))

    @property
    def is_moved(self) -> Bool[np.ndarray, "text time agent"]:
        """Whether another token would have come without the agent's bid, everything else equal."""
        found = self.generation
        return np.asarray(found.counterfactuals != found.tokens[..., None])

    @property
    def bids(self) -> "pandas.Series":
        """Bids by agent, those of the first token where they change."""
        pandas = engine.require_extra("pandas", "formula")
        return pandas.Series(self.generation.bids[0, 0], index=list(self.agents), name="bid")

    @property
    def revenue(self) -> float:
        """Sum of all payments of a text, the mean over texts."""
        return float(self.generation.payments.sum(axis=(1, 2), dtype=np.float64).mean())

    @property
    def status(self) -> Status:
        """The most serious status of a token, OK where there is nothing to say."""
        found = self.generation
        codes = {Status(int(code)) for code in np.unique(found.status)}
        codes |= {Status(int(code)) for code in np.unique(found.switch_status)}
        return max(codes, key=lambda code: (code.is_failure, int(code)))

    @property
    def status_message(self) -> str:
        """Why, and what to do."""
        return engine.status_message(self.status)

    def tokens(self) -> "pandas.DataFrame":
        """One row per text, position and agent.

        Returns:
            Columns text, position, token, word, agent, bid, p (the agent's probability of the
            token), q (the auction's), influence, payment, switch_bid (the bid at which the agent
            got the token; 0 where its bid changed nothing, NaN where no single bid did), is_moved,
            counterfactual and counterfactual_word (the token without the agent's bid) and status.
        """
        return token_table(self)

    def attribution(self) -> "pandas.DataFrame":
        """What each agent moved and paid, per text; means over texts.

        Returns:
            One row per agent: bid, tokens_moved, share_moved, influence (expected share), welfare
            (bid times influence, the worth of the moved text to an agent that bids its value),
            paid, surplus (welfare less paid).
        """
        return attribution_table(self)

    def attribution_text(self, text: int = 0) -> str:
        """Words of one text with who moved them, what was paid and what had come instead.

        Args:
            text: number of the text, from 0.

        Returns:
            Aligned lines, at most 80 characters wide.

        Raises:
            ValueError: there is no such text.
        """
        if not 0 <= text < self.num_texts:
            raise ValueError(f"there is no text {text}; there are {self.num_texts}, from 0 on")
        return "\n".join(attribution_lines(self, text))

    def summary(self) -> Summary:
        """Text, LaTeX or HTML table of how it was sold and what each agent moved and paid.

        Returns:
            What `print` shows as text.
        """
        return summarise_auction(self)

    def to_datatree(self) -> "xarray.DataTree":
        """Everything as labelled arrays.

        Returns:
            Groups "generation" (text, position, agent) and "vocabulary", and how it was sold as
            attributes.
        """
        return to_datatree(self)

    def to_netcdf(self, path: str | Path) -> None:
        """Writes `to_datatree()` to a file that `read_token_auction` reads; whole or not at all.

        Args:
            path: of the file; missing folders are made.
        """
        write_netcdf(self.to_datatree(), Path(path))

    def to_parquet(self, path: str | Path) -> None:
        """Writes `tokens()` to a parquet file; whole or not at all.

        Args:
            path: of the file; missing folders are made.

        Raises:
            ImportError: without the extra `io`.
        """
        write_table(self.tokens(), Path(path), "parquet")

    def to_csv(self, path: str | Path) -> None:
        """Writes `tokens()` to a CSV file; whole or not at all.

        Args:
            path: of the file; missing folders are made.
        """
        write_table(self.tokens(), Path(path), "csv")
