"""What talk changes in an evacuation: a table of five runs against thousands of worlds."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from .. import games
from ..plots import games as figures
from ..plots.game_replay import draw_evacuation, replay_evacuation
from .claims import Claim
from .context import Context
from .formatting import format_estimate
from .games_runs import PAPER, drive
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

TABLE = f"{PAPER}, table of those escaped"
NUM_AGENTS, NUM_STEPS = 100, 51
STEPS = np.arange(5, 55, 5)
NUM_RUNS = 5
"""Runs behind an entry of the published table, whose entries are multiples of 1/5."""
LEVEL, NUM_RESAMPLES = 0.05, 20_000
FRAME = 15

NO_TALK, TALK, SELFISH = "no talk", "talk", "talk, uncooperative"
PUBLISHED: dict[str, tuple[float, ...]] = {
    NO_TALK: (9.4, 31.2, 51.2, 65.6, 78.6, 88.4, 96.6, 99.0, 99.8, 99.8),
    TALK: (9.8, 31.6, 48.8, 67.2, 80.6, 92.2, 97.2, 98.8, 99.8, 100.0),
    SELFISH: (9.4, 31.2, 48.2, 64.4, 77.0, 87.4, 95.0, 98.0, 99.0, 99.0),
}
"""Mean number of 100 that have escaped after 5, 10, ..., 50 steps: the paper's table."""

GREEDY, AT_ONCE = "nearest exit", "nearest exit, all at once"
MEASURED: dict[str, tuple[float, ...]] = {
    GREEDY: (10.3, 36.0, 62.5, 78.7, 85.1, 90.1, 94.8, 98.2, 99.7, 100.0),
    NO_TALK: (8.0, 28.0, 49.2, 65.7, 77.9, 87.7, 94.5, 97.7, 99.0, 99.6),
}
"""The same by programs of our own in NumPy and numba, at least 1,024 worlds, to one decimal."""
NUM_MEASURED, LARGEST_Z, ROUNDING = 1_024, 3.5, 0.05

TEMPERATURE, CROWD_WEIGHT, TREMBLE = 3.0, 1.0, 0.2
WEIGHTS = (-1.0, -0.5, 0.5, 1.0)
SELFISH_WEIGHT = -1.0
TALKERS = {f"h = {weight:g}".replace("-", "−"): (weight, 1.0) for weight in WEIGHTS}
UNHELPFUL = f"h = {SELFISH_WEIGHT:g}, uncooperative".replace("-", "−")
TALKERS[UNHELPFUL] = (SELFISH_WEIGHT, 0.0)

WITHIN_NOISE = {
    setting: Claim(
        f"The published effect of {what} is within the noise of {NUM_RUNS} runs: probability that "
        "without any effect some step would show as much, in standard errors.",
        None,
        f"derived by us, from {TABLE}",
    )
    for setting, what in ((TALK, "talk"), (SELFISH, "uncooperative talk"))
}
EFFECT = {
    setting: Claim(
        f"How many more have escaped after 30 steps with {what} than without talk (agents).",
        round(PUBLISHED[setting][5] - PUBLISHED[NO_TALK][5], 1),
        TABLE,
    )
    for setting, what in ((TALK, "talk"), (SELFISH, "talk of uncooperative agents"))
}
FITS = Claim(
    "Agents that weigh distance against crowd leave as the paper's language models without talk: "
    "root mean squared difference of ten entries (agents).",
    None,
    TABLE,
)
AGREES = Claim(
    "Greedy and logit agents simulated by other programs of ours: largest difference of ten "
    f"entries, as a share of {LARGEST_Z:g} standard errors and rounding.",
    None,
    "derived by us",
)


class Escapes(NamedTuple):
    """Those escaped after each of ten steps, world by world.

    Attributes:
        counts: cumulative.
    """

    counts: Int[np.ndarray, "world step"]

    @property
    def mean(self) -> Float[np.ndarray, " step"]:
        """Mean over worlds."""
        return self.counts.mean(axis=0)

    @property
    def deviation(self) -> Float[np.ndarray, " step"]:
        """Standard deviation of one world."""
        return self.counts.std(axis=0, ddof=1)

    @property
    def error(self) -> Float[np.ndarray, " step"]:
        """Standard error of the mean."""
        return self.deviation / np.sqrt(len(self.counts))

    def less(self, other: "Escapes") -> "Escapes":
        """Differences world by world; the draws are the same, so that most noise cancels.

        Args:
            other: worlds with the same keys.

        Returns:
            The differences.
        """
        return Escapes(self.counts - other.counts)


def _run(context: Context) -> ExperimentResult:
    replayed, greedy = _play_greedily(context)
    rules = {GREEDY: greedy, AT_ONCE: _play_at_once(context), NO_TALK: _talk(context, 0.0)}
    talks = {name: _talk(context, *how) for name, how in TALKERS.items()}
    effects = {name: talk.less(rules[NO_TALK]) for name, talk in talks.items()}
    noise = noise_of_runs(rules[NO_TALK])
    return ExperimentResult(
        _sentence(effects, noise),
        (
            *_noise_claims(context, rules),
            *_effect_claims(effects),
            _fits_claim(rules),
            _agrees_claim(rules),
        ),
        tables=dict(_tables(rules, talks, effects, noise)),
        figures={**_pictures(rules, effects), "room": _replay(context, replayed)},
        sizes={"num_agents": NUM_AGENTS, "num_steps": NUM_STEPS, "num_talks": len(talks)},
    )


def _play_greedily(context: Context) -> tuple[games.Play, Escapes]:
    """The first of many worlds, whole, and how many escaped in all of them."""
    plays = games.collect(
        context.key,
        games.Evacuation(NUM_AGENTS),
        games.NearestExit(),
        num_rounds=NUM_STEPS,
        num_worlds=context.settings["num_checked"],
        report=_everything,
        **drive(context, "nearest-exit"),
    )
    first = jax.tree.map(lambda rows: rows[0], plays)
    return first, Escapes(np.asarray(plays.records.escaped)[:, STEPS - 1])


def _play_at_once(context: Context) -> Escapes:
    escaped = games.collect(
        context.key,
        games.Evacuation(NUM_AGENTS, moves=games.Synchronous()),
        games.NearestExit(),
        num_rounds=NUM_STEPS,
        num_worlds=context.settings["num_at_once"],
        report=_escaped,
        **drive(context, "all-at-once"),
    )
    return Escapes(np.asarray(escaped))


def _talk(context: Context, weight: float, honesty: float = 1.0) -> Escapes:
    """Worlds of one weight, all with the same keys, as in `games.contrast`.

    At weight 0 nobody minds what is said, and draws of speakers are their own: these are the
    worlds without talk, from the same program.
    """
    moves = games.Sequential(games.Greedy(tremble=TREMBLE))
    escaped = games.collect(
        context.key,
        games.Evacuation(NUM_AGENTS, moves=moves, is_talking=True),
        games.LogitExit(TEMPERATURE, CROWD_WEIGHT, heard_weight=weight, honesty=honesty),
        num_rounds=NUM_STEPS,
        num_worlds=context.settings["num_worlds"],
        report=_escaped,
        **drive(context, f"talk-{weight:g}-{honesty:g}"),
    )
    return Escapes(np.asarray(escaped))


def _everything(play):
    return play


def _escaped(play):
    return play.records.escaped[jnp.asarray(STEPS - 1)]


def _by_step(name: str, values) -> dict[str, Any]:
    return {"setting": name} | {
        f"step {step}": value for step, value in zip(STEPS, values, strict=True)
    }


def _tables(rules, talks, effects, noise) -> Iterator[tuple[str, Table]]:
    yield (
        "effects",
        Table(
            [
                {
                    "step": int(step),
                    **{
                        f"published, {name}": PUBLISHED[name][k] - PUBLISHED[NO_TALK][k]
                        for name in (TALK, SELFISH)
                    },
                    "s.e. of five runs": noise[k],
                    **{
                        label: value
                        for name, effect in effects.items()
                        for label, value in (
                            (name, effect.mean[k]),
                            (f"{name}, s.e.", effect.error[k]),
                        )
                    },
                }
                for k, step in enumerate(STEPS)
            ],
            "How many more have escaped (of 100) than without talk. Left: the published table and "
            "the standard error of such a difference between two means of five runs, from our "
            "worlds without talk. Right: our agents, by the weight h of what is heard (below 0 "
            "they follow, above 0 they stay away), the same worlds with and without talk; "
            "uncooperative agents name the exit they like least.",
        ),
    )
    published = [_by_step(f"published, {name}", values) for name, values in PUBLISHED.items()]
    here = {**rules, **talks}
    yield (
        "escaped",
        Table(
            [*published, *(_by_step(name, found.mean) for name, found in here.items())],
            "Mean number of 100 that have escaped after so many steps: the published table, and "
            "our rules. The nearest exit is by mean distance, without trembles, moves one after "
            f"another or all at once; the others choose with logit probabilities, temperature "
            f"{TEMPERATURE:g} cells, one person ahead like {CROWD_WEIGHT:g} cell of distance, and "
            f"one move in {1 / TREMBLE:g} is random.",
        ),
    )
    yield (
        "deviations",
        Table(
            [_by_step(name, found.deviation) for name, found in here.items()],
            "Standard deviation of the number escaped between worlds (agents).",
        ),
    )


def published_effect(setting: str) -> Float[np.ndarray, " step"]:
    """Published means of a setting less those without talk.

    Args:
        setting: `TALK` or `SELFISH`.

    Returns:
        Differences after 5, 10, ..., 50 steps.
    """
    return np.array(PUBLISHED[setting]) - np.array(PUBLISHED[NO_TALK])


def noise_of_runs(found: Escapes) -> Float[np.ndarray, " step"]:
    """Standard error of a difference between two means of five worlds.

    Args:
        found: worlds.

    Returns:
        By step.
    """
    return found.deviation * np.sqrt(2 / NUM_RUNS)


def chance_of(effect: np.ndarray, found: Escapes, generator: np.random.Generator) -> float:
    """Probability of an effect as large at some step between two groups of five equal worlds.

    Groups are drawn from the worlds; "as large" is by the largest distance over the steps, in
    standard errors, so that ten looks count as ten.

    Args:
        effect: differences by step.
        found: worlds without effect.
        generator: of draws.

    Returns:
        The probability, to about .003.
    """
    noise = np.maximum(noise_of_runs(found), 1e-9)
    groups = generator.integers(len(found.counts), size=(2, NUM_RESAMPLES, NUM_RUNS))
    first, second = (found.counts[group].mean(axis=1) for group in groups)
    largest = (np.abs(first - second) / noise).max(axis=1)
    return float(np.mean(largest >= (np.abs(effect) / noise).max()))


def _noise_claims(context: Context, rules: Mapping[str, Escapes]) -> Iterator[Claim]:
    generator = np.random.default_rng(np.asarray(jax.random.key_data(context.key)))
    noise = noise_of_runs(rules[NO_TALK])
    for setting, claim in WITHIN_NOISE.items():
        effect = published_effect(setting)
        chance = chance_of(effect, rules[NO_TALK], generator)
        place = int(np.argmax(np.abs(effect) / np.maximum(noise, 1e-9)))
        yield claim.found(
            chance,
            verdict="reproduced" if chance > LEVEL else "short",
            note=f"Largest at step {STEPS[place]}: {effect[place]:+.1f} with a standard error of "
            f"{noise[place]:.2f}. From groups of {NUM_RUNS} of our worlds without talk, so that it "
            "rests on runs of the paper's agents that vary like ours and start apart. That entries "
            f"are means of {NUM_RUNS} runs is read from their decimals. Reproduced above "
            f"{LEVEL:g}.",
        )


def _effect_claims(effects: Mapping[str, Escapes]) -> Iterator[Claim]:
    """Claims on step 30, where the published effect of talk is largest."""
    place = int(np.argmax(published_effect(TALK)))
    honest = {name: found for name, found in effects.items() if name != UNHELPFUL}
    name = max(honest, key=lambda key: honest[key].mean[place])
    others = "; ".join(
        f"{key} {format_estimate(found.mean[place], found.error[place])}"
        for key, found in honest.items()
    )
    stands_in = "The paper's agents are language models; agents with logit choices stand in."
    for setting, key, text in (
        (TALK, name, f"Of four weights that with the largest gain, {name}; all: {others}."),
        (SELFISH, UNHELPFUL, f"Here {UNHELPFUL}: all name the exit they like least."),
    ):
        found = effects[key]
        yield EFFECT[setting].found(
            found.mean[place],
            standard_error=found.error[place],
            verdict="stand-in",
            note=f"{stands_in} {text}",
        )


def _fits_claim(rules: Mapping[str, Escapes]) -> Claim:
    gaps = {name: found.mean - np.array(PUBLISHED[NO_TALK]) for name, found in rules.items()}
    sizes = {name: float(np.sqrt(np.mean(gap**2))) for name, gap in gaps.items()}
    place = int(np.argmax(np.abs(gaps[NO_TALK])))
    return FITS.found(
        sizes[NO_TALK],
        verdict="stand-in",
        note=f"Largest difference {gaps[NO_TALK][place]:+.1f}, at step {STEPS[place]}. "
        "Temperature, crowd weight and tremble were chosen to come near the table. Agents that "
        f"walk greedily to the nearest exit differ by {sizes[GREEDY]:.1f}, and by "
        f"{sizes[AT_ONCE]:.1f} where all move at once.",
    )


def _agrees_claim(rules: Mapping[str, Escapes]) -> Claim:
    largest, where = 0.0, ""
    for name, expected in MEASURED.items():
        found = rules[name]
        spread = np.sqrt(1 / NUM_MEASURED + 1 / len(found.counts)) * found.deviation
        shares = np.abs(found.mean - np.array(expected)) / (LARGEST_Z * spread + ROUNDING)
        if shares.max() > largest:
            largest, where = float(shares.max()), f"{name}, step {STEPS[shares.argmax()]}"
    return AGREES.found(
        largest,
        verdict="reproduced" if largest <= 1 else "short",
        note=f"Largest for {where}. Reproduced up to 1.",
    )


def _pictures(rules, effects) -> dict[str, Picture]:
    published = {"h = −1": published_effect(TALK), UNHELPFUL: published_effect(SELFISH)}
    logit = f"{NO_TALK} (logit)"
    curves = {logit: rules[NO_TALK], GREEDY: rules[GREEDY], AT_ONCE: rules[AT_ONCE]}
    effect_figure = figures.talk_effect(
        STEPS,
        {name: (effect.mean, effect.error) for name, effect in effects.items()},
        published={name: (STEPS, effect) for name, effect in published.items()},
        title="What talk changes in an evacuation",
    )
    escape_figure = figures.escape_curves(
        STEPS,
        {name: found.mean for name, found in curves.items()},
        errors={name: found.error for name, found in curves.items()},
        published={logit: (STEPS, np.array(PUBLISHED[NO_TALK]))},
        title="Escapes from the room without talk",
    )
    return {
        "effects": Picture(
            effect_figure,
            "How many more of 100 have escaped than without talk, by the weight h of what is "
            "heard; bars are 95 % intervals. Hollow marks: published differences of means of five "
            "runs, talk in the colour of h = −1 and uncooperative talk in that of h = −1, "
            "uncooperative.",
        ),
        "escaped": Picture(
            escape_figure,
            "Mean number of 100 that have escaped, ± 2 s.e.; hollow marks: the published row "
            "without talk.",
        ),
    }


def _replay(context: Context, play: games.Play) -> Picture:
    """One world as a moving picture beside the report, and one step of it in the report."""
    room = games.Evacuation(NUM_AGENTS).room
    replay_evacuation(play, room, context.output / "evacuation.gif")
    return Picture(
        draw_evacuation(play, room, FRAME, title="One evacuation, each to its nearest exit"),
        f"One world after {FRAME} steps: agents in the colour of the exit they walk to. The whole "
        "of it moves in evacuation.gif, in the folder of this figure.",
    )


def _sentence(effects: Mapping[str, Escapes], noise: np.ndarray) -> str:
    published = published_effect(TALK)
    place = int(np.argmax(published))
    follow, avoid = (
        format_estimate(effects[name].mean[place], effects[name].error[place])
        for name in ("h = −1", "h = 1")
    )
    return (
        f"Five runs cannot show what talk does: the published effects on those escaped go from "
        f"{published.min():+.1f} to {published.max():+.1f} of 100 agents, where chance alone has a "
        f"standard error of up to {noise.max():.1f}. Thousands of worlds, the same with and "
        f"without talk, can: in our agents talk changes the number escaped after {STEPS[place]} "
        f"steps by {follow} where they follow what they hear, and by {avoid} where they stay away "
        "from it."
    ).replace("-", "−")


EVACUATION = Experiment(
    name="games-evacuation",
    system="games",
    title="Evacuation: is there an effect of talk?",
    claims=(*WITHIN_NOISE.values(), *EFFECT.values(), FITS, AGREES),
    run=_run,
    settings={
        "quick": {"num_worlds": 2_000, "num_checked": 512, "num_at_once": 128},
        "paper": {"num_worlds": 10_000, "num_checked": 2_048, "num_at_once": 2_048},
        "full": {"num_worlds": 100_000, "num_checked": 2_048, "num_at_once": 16_384},
    },
    paper_cost_ratio=5.0,
)
