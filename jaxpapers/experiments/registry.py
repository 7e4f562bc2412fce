"""The registry: which systems there are and which experiments each of them has."""

import dataclasses
import difflib
import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

from .claims import Claim
from .context import Context
from .results import ExperimentResult, check_name

Scale = Literal["quick", "paper", "full"]
SCALES: tuple[str, ...] = get_args(Scale)


@dataclasses.dataclass(frozen=True)
class System:
    """One of the four papers.

    Attributes:
        name: Name of the subpackage and on the command line.
        title: What it is about, in a few words.
        paper: Authors, title and place of the paper.
    """

    name: str
    title: str
    paper: str


SYSTEMS: tuple[System, ...] = (
    System(
        "copulas",
        "Skew-t factor copulas",
        "Deng, Smith and Maneesoonthorn, Large Skew-t Copula Models and Asymmetric Dependence "
        "in Intraday Equity Returns, JBES 43(2), 2025",
    ),
    System(
        "ranks",
        "Regressions with ranks",
        "Chetverikov and Wilhelm, Inference for Rank-Rank Regressions, arXiv 2310.15512",
    ),
    System(
        "auctions",
        "Token auctions",
        "Duetting, Mirrokni, Paes Leme, Xu and Zuo, Mechanism Design for Large Language Models, "
        "WWW 2024",
    ),
    System(
        "games",
        "Agent games",
        "Wu, Peng, Zheng, Liu, Han, Kwon, Onizuka, Tang and Xiao, Shall We Team Up: Exploring "
        "Spontaneous Cooperation of Competing LLM Agents, EMNLP Findings 2024",
    ),
)
SYSTEM_NAMES: tuple[str, ...] = tuple(system.name for system in SYSTEMS)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The recipe of one table or figure of a paper, at three scales.

    The first experiment of a system that has a figure fills the system's tile in the report.

    Attributes:
        name: Small letters, digits, `-`, `_`; unique among the experiments that run together.
        system: One of `SYSTEM_NAMES`.
        title: Heading in the report.
        claims: What the run has to answer, with verdict `"open"`; a claim that cannot be tried
            here at all has verdict `"cannot"` and a note on what stands in for it.
        run: Function of a `Context` that gives an `ExperimentResult`; all its randomness comes
            from `context.key`, all its sizes from `context.settings`.
        settings: For each scale the configuration as plain values, for example
            `{"quick": {"num_replicates": 500}, "paper": {...}, "full": {...}}`.
        paper_cost_ratio: Estimated work at paper scale divided by the work at quick scale.

    Raises:
        ValueError: A name or system that cannot be, a claim registered twice, settings that are
            not for the three scales, a cost ratio that is not above 0.
    """

    name: str
    system: str
    title: str
    claims: tuple[Claim, ...]
    run: Callable[[Context], ExperimentResult]
    settings: Mapping[str, Mapping[str, Any]]
    paper_cost_ratio: float

    def __post_init__(self) -> None:
        """Check every field that a registration can get wrong."""
        check_name("the name of an experiment", self.name)
        check_system(self.system)
        object.__setattr__(self, "claims", tuple(self.claims))
        texts = [claim.text for claim in self.claims]
        if len(set(texts)) != len(texts):
            raise ValueError(f"experiment {self.name!r} registers the same claim twice")
        if set(self.settings) != set(SCALES):
            raise ValueError(
                f"settings of experiment {self.name!r} are for {sorted(self.settings)}: "
                f"give one mapping for each of {SCALES}"
            )
        if not (math.isfinite(self.paper_cost_ratio) and self.paper_cost_ratio > 0):
            raise ValueError(
                f"paper_cost_ratio of experiment {self.name!r} is {self.paper_cost_ratio}: "
                "give the work at paper scale divided by the work at quick scale, above 0"
            )


def check_system(name: object) -> None:
    """Check the name of a system.

    Args:
        name: What the user gave.

    Raises:
        ValueError: There is no such system; the message gives the nearest names.
    """
    if name not in SYSTEM_NAMES:
        raise ValueError(unknown_name("system", str(name), SYSTEM_NAMES))


def check_scale(name: object) -> None:
    """Check the name of a scale.

    Args:
        name: What the user gave.

    Raises:
        ValueError: It is none of `quick`, `paper`, `full`.
    """
    if name not in SCALES:
        raise ValueError(unknown_name("scale", str(name), SCALES))


def unknown_name(what: str, name: str, choices: Iterable[str]) -> str:
    """Write the message for a name that is not there.

    Args:
        what: What kind of thing was named.
        name: What the user wrote.
        choices: The names there are.

    Returns:
        One line with the nearest names first, then all of them.
    """
    names = tuple(choices)
    near = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    hint = f" did you mean {' or '.join(repr(entry) for entry in near)}?" if near else ""
    return f"unknown {what} {name!r}:{hint} choose from {', '.join(names)}"


def check_experiments(experiments: Iterable[Experiment]) -> tuple[Experiment, ...]:
    """Check that experiments can run together.

    Args:
        experiments: The experiments, in the order they shall run.

    Returns:
        The same experiments.

    Raises:
        ValueError: There are none, or two have the same name.
    """
    chosen = tuple(experiments)
    if not chosen:
        raise ValueError("experiments is empty: there is nothing to reproduce")
    seen: dict[str, Experiment] = {}
    for experiment in chosen:
        if experiment.name in seen:
            raise ValueError(
                f"two experiments have the name {experiment.name!r} (systems "
                f"{seen[experiment.name].system!r} and {experiment.system!r}): rename one"
            )
        seen[experiment.name] = experiment
    return chosen


def experiments_of(system: str) -> tuple[Experiment, ...]:
    """List the experiments of a system; its module is imported here, not before.

    Args:
        system: One of `SYSTEM_NAMES`.

    Returns:
        `EXPERIMENTS` of `jaxpapers.experiments.<system>_experiments`, or `()` where this version
        has no such module.

    Raises:
        ValueError: There is no such system, or two experiments have the same name.
    """
    check_system(system)
    module_name = f"jaxpapers.experiments.{system}_experiments"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        return ()
    return check_experiments(module.EXPERIMENTS)


def select_experiments(systems: Iterable[str] = ()) -> tuple[Experiment, ...]:
    """Collect the experiments to run.

    Args:
        systems: Names of systems; none means every system that has experiments.

    Returns:
        Their experiments, in the order of `SYSTEMS`.

    Raises:
        ValueError: A system is unknown or has no experiments in this version.
    """
    wanted = tuple(systems)
    for name in wanted:
        check_system(name)
    chosen = {name: experiments_of(name) for name in SYSTEM_NAMES if not wanted or name in wanted}
    empty = [name for name in wanted if not chosen[name]]
    if empty:
        raise ValueError(f"no experiments for {', '.join(empty)} in this version of jaxpapers")
    return check_experiments(entry for group in chosen.values() for entry in group)
