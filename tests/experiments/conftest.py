"""A finished reproduction that several tests read."""

import dataclasses
import io
from pathlib import Path

import pi_recipes
import pytest

from jaxpapers.experiments import Claim, Experiment, Reproduction, reproduce


@dataclasses.dataclass(frozen=True)
class Finished:
    """A reproduction of the three experiments below, and what it printed."""

    folder: Path
    result: Reproduction
    printed: str

    @property
    def page(self) -> str:
        return self.result.report.read_text(encoding="utf-8")


def _break(context):
    raise ArithmeticError("the <third> experiment broke & says why\non two lines")


BROKEN = Experiment(
    "broken",
    "games",
    "One that raises",
    (Claim("It cannot be true", 1.5, "nowhere"),),
    _break,
    pi_recipes.settings(1),
    1.0,
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Finished:
    folder = tmp_path_factory.mktemp("finished") / "report"
    stream = io.StringIO()
    chosen = (BROKEN, pi_recipes.SHORT, pi_recipes.LONG)
    result = reproduce(chosen, scale="quick", output=folder, seed=3, stream=stream)
    return Finished(folder, result, stream.getvalue())
