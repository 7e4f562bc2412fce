"""What an experiment hands back: tables, pictures, settled claims, one sentence."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .claims import Claim

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def check_name(what: str, name: object) -> None:
    """Check that a name can be a file name on every system.

    Args:
        what: What the name belongs to, for the message.
        name: The name: small letters, digits, `-` and `_`, starting with a letter.

    Raises:
        ValueError: The name has another form.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} is {name!r}: use small letters, digits, '-' and '_', starting with a letter"
        )


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows with a caption.

    Attributes:
        rows: A list of mappings from column to value, or a data frame with pandas' `to_dict`
            (its index is not written). Values are numbers, texts, booleans or None.
        caption: One sentence that says what is in it, with units.
    """

    rows: Any
    caption: str

    def records(self) -> tuple[dict[str, Any], ...]:
        """Give the rows as dictionaries of plain Python values.

        Returns:
            One dictionary per row, all with the columns of the first row first.

        Raises:
            ValueError: The table has no rows.
        """
        rows = self.rows.to_dict("records") if hasattr(self.rows, "to_dict") else self.rows
        records = tuple({str(name): plain(value) for name, value in row.items()} for row in rows)
        if not records:
            raise ValueError(f"the table {self.caption!r} has no rows")
        return records


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure with a caption.

    Attributes:
        figure: A matplotlib `Figure`, titled and with labelled axes.
        caption: One sentence that says what is seen; also the text for readers without pictures.
    """

    figure: "Figure"
    caption: str


@dataclasses.dataclass(frozen=True)
class ExperimentResult:
    """What `Experiment.run` returns. Seconds are measured by the runner.

    Attributes:
        sentence: The result in one sentence, for the tile of the report.
        claims: The registered claims, each settled by `Claim.found`.
        tables: Name to `Table`; written as `<name>.csv`.
        figures: Name to `Picture`; written as `<name>.png`. The first is the tile's picture.
        sizes: Sizes of the computation for the record, for example `{"num_replicates": 2000}`.

    Raises:
        ValueError: An empty sentence, or a name that cannot be that of a file.
    """

    sentence: str
    claims: tuple[Claim, ...]
    tables: Mapping[str, Table] = dataclasses.field(default_factory=dict)
    figures: Mapping[str, Picture] = dataclasses.field(default_factory=dict)
    sizes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check names, and that there is a sentence."""
        if not self.sentence.strip():
            raise ValueError("sentence is empty: say in one sentence what came out")
        for name in self.tables:
            check_name("the name of a table", name)
        for name in self.figures:
            check_name("the name of a figure", name)
        object.__setattr__(self, "claims", tuple(self.claims))


def plain(value: Any) -> Any:
    """Turn arrays, array scalars and containers into plain Python values for JSON and CSV.

    Args:
        value: Numbers, texts, booleans, None, paths, arrays, and mappings or sequences of them.

    Returns:
        The same value from `dict`, `list`, `float`, `int`, `bool`, `str` and None only; a number
        that is not finite becomes None, because JSON has none.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)
