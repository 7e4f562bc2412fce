"""Pricing by Q-learning: how far firms that learn alone collude, and how they keep it up."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import games
from ..plots import games as figures
from .claims import Claim
from .context import Context
from .formatting import format_estimate, format_number, format_percent
from .games_runs import drive
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

PAPER = "Calvano, Calzolari, Denicolò and Pastorello (2020)"
LEARNING_RATE, DISCOUNT = 0.15, 0.95
PAPER_DECAY = 4e-6
PUBLISHED = {2: 0.85, 3: 0.64, 4: 0.56}
"""Mean collusion index by number of firms in the baseline of the paper, about."""
WITHIN = 0.02
LEAST_SESSIONS = 300
MEASURED = {2e-5: (0.791, 0.008), PAPER_DECAY: (0.8494, 0.0036)}
"""Mean collusion index of two firms by decay, with standard error, by programs of our own in C
(200 sessions) and numba (1,000)."""
LARGEST_Z, FIRM_Z = 3.0, 3.0
NUM_PERIODS, NUM_LAST = 16, 4
RETURNED = 0.1
BASELINE, MYOPIC = "baseline", "no future"

COLLUDE = {
    num_firms: Claim(
        f"{words} firms that learn prices by Q-learning collude without talking: mean collusion "
        "index Delta.",
        PUBLISHED[num_firms],
        PAPER,
    )
    for num_firms, words in ((2, "Two"), (3, "Three"), (4, "Four"))
}
AGREES = Claim(
    "Two firms at the decay of this scale: mean Delta less that of a program of ours in another "
    "language.",
    0.0,
    "derived by us",
)
PUNISHED = Claim(
    "A firm that undercuts for one period is punished: price of the other firm in the next period, "
    "less that without the cut.",
    None,
    f"{PAPER}, figure 4",
)
FORGIVEN = Claim(
    "Punishment ends: price of the other firm 12 to 15 periods after the cut, less that without "
    "the cut, as a share of the largest fall.",
    0.0,
    f"{PAPER}, figure 4",
)
MYOPIA = Claim(
    "Firms that do not value the future collude less: mean Delta at discount 0 less that of the "
    "baseline.",
    None,
    PAPER,
)


class Group(NamedTuple):
    """Sessions with the same numbers.

    Attributes:
        name: of the group.
        learning_rate: alpha.
        decay: beta.
        discount: delta.
        count: sessions.
    """

    name: str
    learning_rate: float
    decay: float
    discount: float
    count: int


class Summary(NamedTuple):
    """What sessions of a group ended in.

    Attributes:
        indices: collusion index of each.
        periods: mean number of periods.
        lengths: length of each limit cycle.
        converged: share that stood still in time.
    """

    indices: Float[np.ndarray, " session"]
    periods: float
    lengths: np.ndarray
    converged: float

    @property
    def mean(self) -> float:
        """Mean of Delta."""
        return float(self.indices.mean())

    @property
    def error(self) -> float:
        """Its standard error."""
        return float(self.indices.std(ddof=1) / np.sqrt(len(self.indices)))


def _run(context: Context) -> ExperimentResult:
    settings = context.settings
    groups = list(_groups(settings))
    sessions = _sessions(context, 2, groups)
    parts = dict(zip((group.name for group in groups), _parts(sessions, groups), strict=True))
    found = {name: _summary(part) for name, part in parts.items()}
    more = {
        num_firms: _summary(_sessions(context, num_firms, [_baseline(settings)]))
        for num_firms in settings["more_firms"]
    }
    response = jax.device_get(_response(parts[BASELINE]))
    return ExperimentResult(
        _sentence(found, response, settings),
        (
            *_collude_claims(found[BASELINE], more, settings),
            _agrees_claim(found[BASELINE], settings["decay"]),
            *_response_claims(response),
            _myopia_claim(found),
        ),
        tables=dict(_tables(groups, found, more, response, settings)),
        figures=dict(_pictures(found, sessions, response, settings)),
        sizes={
            "num_periods_in_all": int(sum(s.periods * len(s.indices) for s in found.values())),
            "num_prices": 15,
        },
    )


def _baseline(settings: Mapping[str, Any]) -> Group:
    return Group(BASELINE, LEARNING_RATE, settings["decay"], DISCOUNT, settings["num_sessions"])


def _groups(settings: Mapping[str, Any]) -> Iterator[Group]:
    """All sessions of two firms, in one run."""
    yield _baseline(settings)
    yield Group(MYOPIC, LEARNING_RATE, settings["decay"], 0.0, settings["num_controls"])
    for rate in settings["map_rates"]:
        for decay in settings["map_decays"]:
            yield Group(_cell(rate, decay), rate, decay, DISCOUNT, settings["num_map_sessions"])


def _cell(rate: float, decay: float) -> str:
    return f"alpha = {rate:g}, beta = {decay:g}"


def _sessions(context: Context, num_firms: int, groups: list[Group]) -> games.Sessions:
    counts = [group.count for group in groups]

    def per_session(name):
        return jnp.asarray(np.repeat([getattr(group, name) for group in groups], counts))

    market = games.QLearningMarket(
        demand=games.LogitDemand(jnp.full(num_firms, 2.0)),
        costs=jnp.ones(num_firms),
        discount=per_session("discount"),
        learning_rate=per_session("learning_rate"),
        decay=per_session("decay"),
    )
    # Tables in single precision: half the memory, and the same indices within noise.
    market = jax.tree.map(lambda x: x.astype(jnp.float32), market)
    return games.q_learning_sessions(
        jax.random.fold_in(context.key, num_firms),
        market,
        num_sessions=sum(counts),
        batch_size=context.settings["batch_size"],
        keeps_strategies=num_firms == 2,
        **drive(context, f"firms-{num_firms}"),
    )


def _parts(sessions: games.Sessions, groups: list[Group]) -> Iterator[games.Sessions]:
    """The sessions of each group."""
    first = 0
    names = [field.name for field in dataclasses.fields(sessions) if field.name != "grid"]
    columns = {name: getattr(sessions, name) for name in names}
    for group in groups:
        rows = slice(first, first + group.count)
        own = jax.tree.map(lambda column, rows=rows: column[rows], columns)
        yield dataclasses.replace(sessions, **own)
        first += group.count


def _summary(sessions: games.Sessions) -> Summary:
    return Summary(
        np.asarray(sessions.collusion_index, float),
        float(np.mean(np.asarray(sessions.num_periods, float))),
        np.asarray(sessions.cycle_length),
        float(sessions.share_converged),
    )


@jax.jit
def _response(sessions: games.Sessions) -> games.MeanResponse:
    return games.mean_impulse_response(sessions, num_periods=NUM_PERIODS)


def _row(num_firms: int, group: Group, found: Summary) -> dict[str, Any]:
    return {
        "firms": num_firms,
        "sessions of": group.name,
        "alpha": group.learning_rate,
        "beta": group.decay,
        "delta": group.discount,
        "sessions": len(found.indices),
        "Delta": found.mean,
        "s.e.": found.error,
        "s.d.": found.indices.std(ddof=1),
        "periods": found.periods,
        "cycle of 1": np.mean(found.lengths == 1),
        "cycle of 2": np.mean(found.lengths == 2),
        "converged": found.converged,
    }


def _tables(groups, found, more, response, settings) -> Iterator[tuple[str, Table]]:
    rows = [_row(2, group, found[group.name]) for group in groups]
    rows += [_row(count, _baseline(settings), summary) for count, summary in more.items()]
    yield (
        "sessions",
        Table(
            rows,
            "Collusion index Delta on the limit cycle of greedy play (0 at the profits of the "
            "one-shot equilibrium, 1 at those of a cartel), mean with standard error and standard "
            "deviation over sessions, mean number of periods until no strategy had changed for "
            "100,000 periods (these counted), and shares of sessions whose prices stand still or "
            "alternate. Tables of values are in single precision.",
        ),
    )
    mean, error = response.mean, response.standard_error
    yield (
        "response",
        Table(
            [
                {
                    "period": period,
                    "firm that cuts": mean.prices[period, 0],
                    "its s.e.": error.prices[period, 0],
                    "other firm": mean.prices[period, 1],
                    "other's s.e.": error.prices[period, 1],
                    "without the cut": mean.undisturbed[period].mean(),
                }
                for period in range(NUM_PERIODS)
            ],
            "Mean prices after one firm is made to play its best reply of one period for one "
            "period (period 0), on the limit cycle of the baseline.",
        ),
    )


def _collude_claims(baseline: Summary, more: Mapping[int, Summary], settings) -> Iterator[Claim]:
    is_paper = settings["decay"] == PAPER_DECAY
    for num_firms, summary in {2: baseline, 3: more.get(3), 4: more.get(4)}.items():
        claim = COLLUDE[num_firms]
        if summary is None:
            yield claim.found(
                verdict="observed", note="Not run at this scale; it is at scale paper."
            )
            continue
        is_judged = is_paper and len(summary.indices) >= LEAST_SESSIONS
        is_near = abs(summary.mean - PUBLISHED[num_firms]) <= WITHIN + LARGEST_Z * summary.error
        note = (
            f"Reproduced within {WITHIN:g} and {LARGEST_Z:g} standard errors."
            if is_judged
            else f"Not judged: this scale has beta = {settings['decay']:g} and "
            f"{len(summary.indices)} sessions. With exploration that dies out faster than the "
            f"paper's {PAPER_DECAY:g} firms learn less and collude a little less."
        )
        verdict = ("reproduced" if is_near else "short") if is_judged else "observed"
        yield claim.found(summary.mean, standard_error=summary.error, verdict=verdict, note=note)


def _agrees_claim(baseline: Summary, decay: float) -> Claim:
    if decay not in MEASURED:
        return AGREES.found(
            verdict="observed", note=f"Nothing was measured at beta = {format_number(decay)}."
        )
    expected, error = MEASURED[decay]
    gap, whole = baseline.mean - expected, float(np.hypot(baseline.error, error))
    return AGREES.found(
        gap,
        standard_error=whole,
        verdict="reproduced" if abs(gap) <= LARGEST_Z * whole else "short",
        note=f"At beta = {decay:g}, {expected:g} ± {error:g} there. Reproduced within "
        f"{LARGEST_Z:g} standard errors.",
    )


def _fall(response: games.MeanResponse) -> np.ndarray:
    """Price of the other firm with the cut less without it, by period."""
    return np.asarray(response.mean.prices - response.mean.undisturbed)[:, 1]


def _response_claims(response: games.MeanResponse) -> Iterator[Claim]:
    fall, error = _fall(response), response.standard_error.prices[:, 1]
    yield PUNISHED.found(
        fall[1],
        standard_error=error[1],
        verdict="reproduced" if fall[1] < -FIRM_Z * error[1] else "short",
        note=f"Reproduced below −{FIRM_Z:g} standard errors of the price.",
    )
    deepest = min(fall.min(), -1e-9)
    share = fall[-NUM_LAST:].mean() / deepest
    share_error = error[-NUM_LAST:].mean() / -deepest
    yield FORGIVEN.found(
        share,
        standard_error=share_error,
        verdict="reproduced" if abs(share) <= RETURNED + LARGEST_Z * share_error else "short",
        note=f"Reproduced within {RETURNED:g} and {LARGEST_Z:g} standard errors.",
    )


def _myopia_claim(found: Mapping[str, Summary]) -> Claim:
    baseline, myopic = found[BASELINE], found[MYOPIC]
    gap, error = myopic.mean - baseline.mean, float(np.hypot(myopic.error, baseline.error))
    return MYOPIA.found(
        gap,
        standard_error=error,
        verdict="reproduced" if gap < -FIRM_Z * error else "short",
        note=f"Delta at discount 0 is {format_estimate(myopic.mean, myopic.error)} and not 0: "
        "learning alone leaves prices above the equilibrium, so that indices are to be compared "
        f"with this and not with 0. Reproduced below −{FIRM_Z:g} standard errors.",
    )


def _pictures(found, sessions, response, settings) -> Iterator[tuple[str, Picture]]:
    grid = jax.device_get(sessions.grid)
    lowest, highest = grid.prices[0, [0, -1]]
    span = (highest - lowest) / 1.2
    mean, error = response.mean, response.standard_error
    yield (
        "response",
        Picture(
            figures.impulse_response_chart(
                np.arange(-1, NUM_PERIODS),
                np.concatenate([mean.before[None], mean.prices]),
                errors=np.concatenate([error.before[None], error.prices]),
                undisturbed=np.concatenate([mean.before[None], mean.undisturbed]),
                competitive=float(lowest + 0.1 * span),
                collusive=float(highest - 0.1 * span),
                title="A price cut of one period is punished, then forgiven",
            ),
            "Mean prices over sessions after one firm is made to undercut for one period (0), "
            "± 2 s.e.; dotted: the same sessions without the cut.",
        ),
    )
    published = PUBLISHED[2] if settings["decay"] == PAPER_DECAY else None
    yield (
        "sessions",
        Picture(
            figures.collusion_histogram(
                found[BASELINE].indices,
                published=published,
                title="How far two Q-learning firms collude",
            ),
            f"Collusion index of single sessions of two firms, beta = {settings['decay']:g}.",
        ),
    )
    if settings["map_rates"]:
        rates, decays = settings["map_rates"], settings["map_decays"]
        indices = [[found[_cell(rate, decay)].mean for decay in decays] for rate in rates]
        yield (
            "map",
            Picture(
                figures.collusion_map(
                    rates,
                    decays,
                    np.array(indices),
                    title="Collusion by learning rate and exploration",
                ),
                "Mean collusion index of two firms by learning rate alpha and decay beta.",
            ),
        )


def _sentence(found, response, settings) -> str:
    baseline, myopic = found[BASELINE], found[MYOPIC]
    fall = _fall(response)
    return (
        "Two firms that only learn by trial and error which price pays, and never talk, take "
        f"{format_percent(baseline.mean, 0)} of a cartel's extra profit "
        f"(Delta {format_estimate(baseline.mean, baseline.error)}, {len(baseline.indices)} "
        f"sessions, beta = {format_number(settings['decay'])}); firms that do not value the future "
        f"take {format_percent(myopic.mean, 0)}. A price cut of one period is answered by a price "
        f"{-fall[1]:.2f} lower in the next period and forgiven later."
    )


CALVANO = Experiment(
    name="games-calvano",
    system="games",
    title="Q-learning firms: collusion without talk",
    claims=(*COLLUDE.values(), AGREES, PUNISHED, FORGIVEN, MYOPIA),
    run=_run,
    settings={
        "quick": {
            "decay": 2e-5,
            "num_sessions": 128,
            "num_controls": 32,
            "more_firms": (),
            "map_rates": (),
            "map_decays": (),
            "num_map_sessions": 0,
            "batch_size": 16,
        },
        "paper": {
            "decay": PAPER_DECAY,
            "num_sessions": 1_000,
            "num_controls": 300,
            "more_firms": (3, 4),
            "map_rates": (0.05, 0.15, 0.25),
            "map_decays": (4e-6, 1e-5, 2e-5),
            "num_map_sessions": 100,
            "batch_size": 64,
        },
        "full": {
            "decay": PAPER_DECAY,
            "num_sessions": 10_000,
            "num_controls": 1_000,
            "more_firms": (3, 4),
            "map_rates": (0.025, 0.05, 0.1, 0.15, 0.2, 0.25),
            "map_decays": (2e-6, 4e-6, 8e-6, 1.6e-5, 3.2e-5),
            "num_map_sessions": 1_000,
            "batch_size": 256,
        },
    },
    paper_cost_ratio=400.0,
)
