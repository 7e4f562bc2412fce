"""A game that was played, with tables and files."""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import engine, games
from ..engine import Status
from .game_datasets import record_axes, to_dataset
from .game_settings import GameSettings
from .game_summary import summarise_game
from .summary import Summary
from .whole_files import write_table

if TYPE_CHECKING:
    import pandas
    import xarray

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class LabelledFiles(abc.ABC):
    """Files of a result that can label itself."""

    @abc.abstractmethod
    def table(self) -> "pandas.DataFrame":
        """The main table of the result."""

    @abc.abstractmethod
    def to_dataset(self) -> "xarray.Dataset":
        """Everything as labelled arrays."""

    def to_netcdf(self, path: str | Path) -> None:
        """Writes `to_dataset()` to a file that `xarray.open_dataset` reads; whole or not at all.

        Args:
            path: of the file; missing folders are made.

        Raises:
            ImportError: without the extra `io`.
        """
        write_dataset(self.to_dataset(), Path(path))

    def to_parquet(self, path: str | Path) -> None:
        """Writes `table()` to a parquet file; whole or not at all.

        Args:
            path: of the file; missing folders are made.

        Raises:
            ImportError: without the extra `io`.
        """
        write_table(self.table(), Path(path), "parquet")

    def to_csv(self, path: str | Path) -> None:
        """Writes `table()` to a CSV file; whole or not at all.

        Args:
            path: of the file; missing folders are made.
        """
        write_table(self.table(), Path(path), "csv")


@dataclass(frozen=True, eq=False, repr=False)
class GameResult(LabelledFiles):
    """One play of a game.

    Attributes:
        play: everything that happened, in NumPy arrays; see `games.Play`.
        settings: how it was played.
        room: of an evacuation; None in other games.

    Example:
        >>> from jaxpapers import frames
        >>> played = frames.play_game(0, "beauty", policy="level 1", num_agents=3)
        >>> print(played.table()[["round", "mean", "variance"]].iloc[0].round(4).tolist())
        [0.0, 33.3333, 0.0]
    """

    play: games.Play
    settings: GameSettings
    room: games.Room | None

    def __repr__(self) -> str:
        chosen = self.settings
        return (
            f"<GameResult {chosen.game}: {chosen.num_agents} agents, {chosen.num_rounds} rounds, "
            f"{chosen.policy}>"
        )

    @property
    def status(self) -> Status:
        """The most serious status of a round, OK where there is nothing to say."""
        codes = np.unique(getattr(self.play.records, "status", int(Status.OK)))
        found = [Status(int(code)) for code in codes]
        return max(found, key=lambda code: (code.is_failure, int(code)))

    @property
    def status_message(self) -> str:
        """Why, and what to do."""
        return engine.status_message(self.status)

    def table(self) -> "pandas.DataFrame":
        """One row per round.

        Returns:
            Column round, from 0, and what the game says of a round: in "beauty" mean, variance,
            target and num_winners; in "bertrand" price and profit (means over firms),
            collusion_index, price_spread and is_talking; in an evacuation step (rounds done),
            escaped, num_switches, num_talking, and how many escaped through each exit.
        """
        pandas = engine.require_extra("pandas", "formula")
        return pandas.DataFrame(round_columns(self))

    def agents(self) -> "pandas.DataFrame":
        """One row per round and agent.

        Returns:
            Columns round, agent, action, reward, and what the game records of each agent.
        """
        pandas = engine.require_extra("pandas", "formula")
        rounds, agents = np.indices(self.play.actions.shape)
        columns = {
            "round": rounds,
            "agent": agents,
            "action": self.play.actions,
            "reward": self.play.rewards,
        }
        for name, axes in record_axes(self.play.records).items():
            if axes == ("round", "agent"):
                columns[name] = getattr(self.play.records, name)
        return pandas.DataFrame({name: values.reshape(-1) for name, values in columns.items()})

    def summary(self) -> Summary:
        """Text, LaTeX or HTML table of what happened.

        Returns:
            What `print` shows as text.
        """
        return summarise_game(self)

    def to_dataset(self) -> "xarray.Dataset":
        """Everything as labelled arrays; see `to_dataset`.

        Returns:
            Axes round and agent and those of the game; how it was played as attributes.
        """
        found = to_dataset(self.play)
        if self.room is not None:
            exits = [LETTERS[number] for number in np.asarray(self.room.exit_group)]
            found = found.assign_coords(exit=("exit_cell", exits))
            found.attrs["room"] = self.room.to_text()
        chosen = {
            name: int(value) if isinstance(value, bool) else value
            for name, value in vars(self.settings).items()
            if value is not None
        }
        return found.assign_attrs(chosen, status=self.status.name)


def round_columns(result: GameResult) -> dict[str, Any]:
    """What a game says of each round.

    Args:
        result: the play.

    Returns:
        Column to one value per round.
    """
    record: Any = result.play.records
    rounds = np.arange(result.play.actions.shape[0])
    if isinstance(record, games.GuessRecord):
        columns = {"mean": record.mean, "variance": record.variance, "target": record.target}
        return {"round": rounds, **columns, "num_winners": record.num_winners}
    if isinstance(record, games.MarketRecord):
        means = {"price": record.prices.mean(axis=1), "profit": record.profits.mean(axis=1)}
        names = ("collusion_index", "price_spread", "is_talking")
        return {"round": rounds, **means, **{name: getattr(record, name) for name in names}}
    columns = {"round": rounds, "step": rounds + 1, "escaped": record.escaped}
    columns |= {"num_switches": record.num_switches, "num_talking": record.num_talking}
    return columns | escaped_by_exit(record, result.room)


def escaped_by_exit(
    record: games.EvacuationRecord, room: games.Room | None
) -> dict[str, np.ndarray]:
    """How many have left through each exit.

    Args:
        record: of an evacuation.
        room: its room.

    Returns:
        "escaped A" and so on to one number per round.
    """
    if room is None:
        return {}
    group, counts = np.asarray(room.exit_group), np.asarray(record.escaped_by_cell)
    return {
        f"escaped {LETTERS[number]}": counts[:, group == number].sum(axis=1)
        for number in range(room.num_exits)
    }


def write_dataset(dataset: "xarray.Dataset", path: Path) -> None:
    """Writes a dataset as a whole netCDF file.

    Args:
        dataset: the dataset.
        path: of the file; missing folders are made.

    Raises:
        ImportError: without the extra `io`.
    """
    engine.require_extra("h5netcdf", "io")
    engine.write_whole(path, lambda temporary: dataset.to_netcdf(temporary, engine="h5netcdf"))
