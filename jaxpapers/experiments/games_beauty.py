"""How talk brings the choices of a beauty contest together, in three characters."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from .. import games
from ..plots import games as figures
from .claims import Claim
from .context import Context
from .formatting import format_estimate, format_number
from .games_runs import LARGEST_Z, PAPER, drive
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

NUM_ROUNDS = 4
ROUNDING = 1e-12
TALKS = {
    "baseline": games.baseline_talk,
    "cooperative": games.cooperative_talk,
    "uncooperative": games.uncooperative_talk,
}
PUBLISHED: dict[str, tuple[float, ...]] = {
    "baseline": (158, 50, 30, 18),
    "cooperative": (120, 2, 0, 0),
    "uncooperative": (207, 127, 125, 76),
}
"""Variances of choices in rounds 0 to 3, read off a figure of the paper to about 3 %."""

STANDS_IN = (
    "The paper's players are language models; here a model of talk with three numbers that were "
    "chosen to come near its figure stands in, so that the agreement shows what such talk can "
    "explain, and is no test of the paper. "
)

AFTER = {
    setting: Claim(
        f"Variance of choices after three rounds of talk, {setting} players (squared units).",
        curve[-1],
        f"{PAPER}, figure on the beauty contest, read off",
    )
    for setting, curve in PUBLISHED.items()
}
ORDERED = Claim(
    "Players told to cooperate agree more than those told nothing, and those more than players "
    "told to think of themselves: least gap of the variances once they have talked, in standard "
    "errors.",
    None,
    f"{PAPER}, figure on the beauty contest",
)
CLOSED_FORM = Claim(
    "Before any talk the variance is (1 - 1/n) (50^2 (e^(-5 tau/9) - e^(-2 tau/3)) + sd^2): "
    "largest distance over the settings, in standard errors.",
    0.0,
    "derived by us",
)
AGAIN = Claim(
    "The same talk simulated in NumPy with draws of its own: largest distance of a mean variance, "
    "in standard errors of the difference.",
    0.0,
    "derived by us",
)


class Curve(NamedTuple):
    """Variances by round, means over worlds.

    Attributes:
        mean: over worlds.
        error: standard errors.
    """

    mean: Float[np.ndarray, " round"]
    error: Float[np.ndarray, " round"]


def _run(context: Context) -> ExperimentResult:
    curves = {name: _curve(context, number) for number, name in enumerate(TALKS)}
    generator = np.random.default_rng(np.asarray(jax.random.key_data(context.key)))
    checks = {
        name: simulate_in_numpy(generator, talk(), context.settings["num_checked"])
        for name, talk in TALKS.items()
    }
    return ExperimentResult(
        _sentence(curves),
        (
            *_after_claims(curves),
            _ordered_claim(curves),
            _closed_form_claim(curves),
            _again_claim(curves, checks),
        ),
        tables={
            "variance": Table(
                list(_rows(curves)),
                "Variance of the 24 choices in each round (squared units), mean over worlds with "
                "standard error, beside the value read off the paper's figure, and the standard "
                "deviation it stands for (units of choices from 0 to 100).",
            )
        },
        figures={"variance": _picture(curves)},
        sizes={"num_agents": games.BeautyContest().num_agents, "num_rounds": NUM_ROUNDS},
    )


def _curve(context: Context, number: int) -> Curve:
    """Each setting has worlds of its own, so that settings are independent."""
    name = list(TALKS)[number]
    moments = games.replicate(
        jax.random.fold_in(context.key, number),
        games.BeautyContest(),
        TALKS[name](),
        num_rounds=NUM_ROUNDS,
        num_worlds=context.settings["num_worlds"],
        report=_variances,
        **drive(context, name),
    )
    mean, error = np.asarray(moments.mean), np.asarray(moments.standard_error)
    is_rounding = mean < ROUNDING
    return Curve(np.where(is_rounding, 0, mean), np.where(is_rounding, 0, error))


def _variances(play):
    return play.records.variance


def simulate_in_numpy(
    generator: np.random.Generator, talk: games.MedianTalk, num_worlds: int, num_agents: int = 24
) -> Curve:
    """The model of talk once more, with nothing of the package in it but its three numbers.

    Args:
        generator: of draws.
        talk: whose `depth`, `noise` and `weight` are used.
        num_worlds: how many.
        num_agents: in each.

    Returns:
        Mean variances and their standard errors.
    """
    levels = generator.poisson(float(talk.depth), (num_worlds, num_agents))
    choices = 50 * (2 / 3) ** levels + float(talk.noise) * generator.normal(size=levels.shape)
    rounds = [choices]
    for _ in range(NUM_ROUNDS - 1):
        median = np.median(rounds[-1], axis=1, keepdims=True)
        is_swayed = generator.random(levels.shape) < float(talk.weight)
        rounds.append(np.where(is_swayed, median, rounds[-1]))
    variances = np.stack([own.var(axis=1) for own in rounds])
    variances = np.where(variances < ROUNDING, 0, variances)
    return Curve(variances.mean(axis=1), variances.std(axis=1, ddof=1) / np.sqrt(num_worlds))


def first_variance(talk: games.MedianTalk, num_agents: int = 24) -> float:
    """Expected variance before any talk: of a Poisson power, plus that of the noise.

    Args:
        talk: whose `depth` and `noise` are used.
        num_agents: of a world.

    Returns:
        `(1 - 1/n) (50^2 (e^(-tau (1 - 4/9)) - e^(-2 tau (1 - 2/3))) + sd^2)`.
    """
    depth, noise = float(talk.depth), float(talk.noise)
    reasoned = 50**2 * (np.exp(-5 * depth / 9) - np.exp(-2 * depth / 3))
    return float((1 - 1 / num_agents) * (reasoned + noise**2))


def _rows(curves: Mapping[str, Curve]) -> Iterator[dict[str, Any]]:
    for setting, curve in curves.items():
        for place in range(NUM_ROUNDS):
            yield {
                "players": setting,
                "round": place,
                "published": PUBLISHED[setting][place],
                "here": curve.mean[place],
                "s.e.": curve.error[place],
                "standard deviation": np.sqrt(curve.mean[place]),
            }


def _after_claims(curves: Mapping[str, Curve]) -> Iterator[Claim]:
    for setting, curve in curves.items():
        published = ", ".join(format_number(value) for value in PUBLISHED[setting])
        here = ", ".join(f"{value:.0f}" for value in curve.mean)
        yield AFTER[setting].found(
            curve.mean[-1],
            standard_error=curve.error[-1],
            verdict="stand-in",
            note=f"{STANDS_IN}In rounds 0 to 3 the figure has {published}, here {here}; "
            f"{_difference(np.array(PUBLISHED[setting]), curve.mean)}.",
        )


def _difference(published: np.ndarray, here: np.ndarray) -> str:
    place = int(np.argmax(np.abs(here - published)))
    words = "above" if here[place] > published[place] else "below"
    gap = abs(here[place] - published[place])
    return f"the largest difference is in round {place}, {gap:.0f} {words} the figure"


def _ordered_claim(curves: Mapping[str, Curve]) -> Claim:
    order = ("cooperative", "baseline", "uncooperative")
    gaps = [
        (curves[more].mean - curves[less].mean)[1:]
        / np.hypot(curves[more].error, curves[less].error)[1:]
        for less, more in itertools.pairwise(order)
    ]
    least = float(np.min(gaps))
    holds = "The order holds" if least > LARGEST_Z else "The order does not hold"
    return ORDERED.found(
        least, verdict="stand-in", note=f"{holds} in every round with talk. {STANDS_IN.strip()}"
    )


def _closed_form_claim(curves: Mapping[str, Curve]) -> Claim:
    distances = [
        abs(curve.mean[0] - first_variance(TALKS[name]())) / curve.error[0]
        for name, curve in curves.items()
    ]
    return CLOSED_FORM.found(
        max(distances),
        verdict="reproduced" if max(distances) < LARGEST_Z else "short",
        note=f"Reproduced below {LARGEST_Z:g}.",
    )


def _again_claim(curves: Mapping[str, Curve], checks: Mapping[str, Curve]) -> Claim:
    largest = max(float(_distance(curve, checks[name]).max()) for name, curve in curves.items())
    return AGAIN.found(
        largest,
        verdict="reproduced" if largest < LARGEST_Z else "short",
        note=f"Three settings, {NUM_ROUNDS} rounds. Reproduced below {LARGEST_Z:g}.",
    )


def _distance(curve: Curve, other: Curve) -> np.ndarray:
    """In standard errors; variances that are 0 up to rounding are equal."""
    error = np.hypot(curve.error, other.error)
    return np.abs(curve.mean - other.mean) / np.maximum(error, ROUNDING)


def _picture(curves: Mapping[str, Curve]) -> Picture:
    figure = figures.variance_curves(
        np.arange(NUM_ROUNDS),
        {name: curve.mean for name, curve in curves.items()},
        published={name: np.array(curve, float) for name, curve in PUBLISHED.items()},
        errors={name: curve.error for name, curve in curves.items()},
        title="How talk brings choices together",
    )
    return Picture(
        figure,
        "Variance of the choices of 24 players round by round; talk begins before round 1. Lines: "
        "model of talk, ± 2 s.e.; hollow marks: language models, read off the paper's figure.",
    )


def _sentence(curves: Mapping[str, Curve]) -> str:
    first, last = (
        {
            name: format_estimate(curve.mean[place], curve.error[place])
            for name, curve in curves.items()
        }
        for place in (0, -1)
    )
    return (
        "Players of a beauty contest who say their number and mostly adopt the median of what they "
        f"hear come together within three rounds: the variance of their choices falls from "
        f"{first['baseline']} to {last['baseline']}, to 0 where all adopt it, and only to "
        f"{last['uncooperative']} from {first['uncooperative']} where one in four does."
    )


BEAUTY = Experiment(
    name="games-beauty",
    system="games",
    title="Beauty contest: talk and agreement",
    claims=(*AFTER.values(), ORDERED, CLOSED_FORM, AGAIN),
    run=_run,
    settings={
        "quick": {"num_worlds": 4_000, "num_checked": 4_000},
        "paper": {"num_worlds": 100_000, "num_checked": 100_000},
        "full": {"num_worlds": 1_000_000, "num_checked": 100_000},
    },
    paper_cost_ratio=2.0,
)
