"""Agents who learn to bid, under three payment rules, against equilibria in closed form."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import auctions
from ..auctions.dynamics import GradientPlay, HedgePlay, Learner, bid_repeatedly, hedge_rate
from ..plots import auctions as figures
from .claims import Claim
from .context import Context
from .formatting import format_number
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

OURS = "derived by us"
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
DISTANCE = 0.6
"""Total variation between the two."""
AGENTS = ("the first", "the second")
GRADIENT, HEDGE = "gradient", "no regret"
GRADIENT_TOLERANCE = 1e-6
HEDGE_TOLERANCE = 0.15
AVERAGED = 0.02
SHOWN_CLIMBS = 100


class Mechanism(NamedTuple):
    """A payment rule, values, and the equilibrium in closed form.

    Attributes:
        payment: what is charged.
        values: of the two agents.
        equilibrium: their bids.
        step_size: of gradient play.
    """

    payment: auctions.Payment
    values: Float[np.ndarray, " agent"]
    equilibrium: Float[np.ndarray, " agent"]
    step_size: float


def mechanisms() -> dict[str, Mechanism]:
    """Second price, first price and all-pay with two agents.

    Returns:
        By name. Values are the same for both agents under first price, where only that
        equilibrium has a closed form.
    """
    uneven, even = np.array([1.0, 2.0]), np.array([2.0, 2.0])
    worth = DISTANCE * uneven
    tullock = worth**2 * worth[::-1] / worth.sum() ** 2
    return {
        "second price": Mechanism(auctions.SecondPrice(), uneven, uneven, 0.5),
        "first price": Mechanism(auctions.FirstPrice(), even, even / 3, 0.5),
        "all-pay": Mechanism(auctions.AllPay(), uneven, tullock, 0.05),
    }


CLOSED = {
    "second price": "each agent's value",
    "first price": "a third of the value, at equal values",
    "all-pay": "V1² V2 / (V1 + V2)² and its mirror",
}
LEARNED = {
    (name, learner): Claim(
        f"{name.capitalize()}: bids of {how} come to {CLOSED[name]}: largest distance (share of "
        "the larger bid).",
        0.0,
        OURS,
    )
    for name in CLOSED
    for learner, how in (
        (GRADIENT, "agents that climb their utility"),
        (HEDGE, "agents without regret"),
    )
}
REGRET = Claim(
    "External regret of Hedge stays below its bound, width sqrt(T ln K / 2): largest regret as a "
    "share of the bound.",
    None,
    "known bound of multiplicative weights",
)


def _run(context: Context) -> ExperimentResult:
    rows, paths, shares = [], {}, []
    for number, (name, mechanism) in enumerate(mechanisms().items()):
        key = jax.random.fold_in(context.key, number)
        climbed = _played(key, mechanism, _climber(mechanism), context.settings["num_climbs"])
        learner, bound = _hedger(mechanism, context.settings)
        drawn = _played(key, mechanism, learner, context.settings["num_rounds"])
        shares.append(float(np.max(drawn.state.expected_regret) / bound))
        paths[name] = (np.asarray(climbed.rounds.bids), np.asarray(drawn.rounds.bids))
        rows += [
            _row(name, GRADIENT, mechanism, paths[name][0][-1:], climbed),
            _row(name, HEDGE, mechanism, _last(paths[name][1]), drawn),
        ]
    return ExperimentResult(
        _sentence(rows),
        (*_claims(rows), _regret_claim(max(shares), context.settings)),
        tables={
            "bids": Table(
                rows,
                "Bids of two agents after learning (no regret: means over the last quarter of the "
                "rounds) and in the equilibrium in closed form, in price units; revenue per token "
                "at the same time.",
            )
        },
        figures={"paths": _picture(paths)},
        sizes={"num_agents": 2, "vocab_size": PROBABILITIES.shape[1]},
    )


def _played(key: jax.Array, mechanism: Mechanism, learner: Learner, num_rounds: int):
    return bid_repeatedly(
        key,
        auctions.LinearRule(),
        learner,
        jnp.asarray(mechanism.values),
        jnp.log(jnp.asarray(PROBABILITIES)),
        num_rounds=num_rounds,
    )


def _climber(mechanism: Mechanism) -> Learner:
    return GradientPlay(mechanism.payment, mechanism.step_size)


def _hedger(mechanism: Mechanism, settings: Any) -> tuple[Learner, float]:
    """Multiplicative weights at the rate of the bound, and the bound."""
    num_bids, num_rounds = settings["num_bids"], settings["num_rounds"]
    grid = np.linspace(0, 1.5 * mechanism.equilibrium.max(), num_bids)
    width = float(mechanism.values.max() * DISTANCE + grid[-1])
    rate = hedge_rate(num_bids=num_bids, num_rounds=num_rounds, width=width)
    bound = width * np.sqrt(num_rounds * np.log(num_bids) / 2)
    return HedgePlay(mechanism.payment, jnp.asarray(grid), rate), float(bound)


def _last(bids: Float[np.ndarray, "round agent"]) -> Float[np.ndarray, "round agent"]:
    return bids[-max(len(bids) // 4, 1) :]


def _row(name: str, learner: str, mechanism: Mechanism, bids: np.ndarray, played) -> dict[str, Any]:
    equilibrium, found = mechanism.equilibrium, bids.mean(axis=0)
    return {
        "payment": name,
        "learning": learner,
        **{
            f"value of {agent}": float(v) for agent, v in zip(AGENTS, mechanism.values, strict=True)
        },
        **{f"bid of {agent}": float(b) for agent, b in zip(AGENTS, found, strict=True)},
        **{f"closed form, {agent}": float(b) for agent, b in zip(AGENTS, equilibrium, strict=True)},
        "distance": float(np.max(np.abs(found - equilibrium)) / equilibrium.max()),
        "revenue": float(np.asarray(played.rounds.payments)[-len(bids) :].sum(axis=1).mean()),
    }


def _claims(rows: list[dict[str, Any]]) -> Iterator[Claim]:
    tolerances = {GRADIENT: GRADIENT_TOLERANCE, HEDGE: HEDGE_TOLERANCE}
    for row in rows:
        tolerance = tolerances[row["learning"]]
        yield LEARNED[row["payment"], row["learning"]].found(
            row["distance"],
            verdict="reproduced" if row["distance"] <= tolerance else "short",
            note=f"Two agents, one token in expectation per round; {_manner(row)}. Reproduced "
            f"within {tolerance:g}.",
        )


def _manner(row: dict[str, Any]) -> str:
    """How bids move, in words."""
    if row["learning"] == HEDGE:
        return "bids are drawn from a grid, the mean of the last quarter counts"
    step_size = mechanisms()[row["payment"]].step_size
    more = ", at ten times that bids do not settle" if row["payment"] == "all-pay" else ""
    return f"step size {step_size:g}{more}"


def _regret_claim(share: float, settings: Any) -> Claim:
    return REGRET.found(
        share,
        verdict="reproduced" if share <= 1 else "short",
        note=f"{settings['num_rounds']:,} rounds, {settings['num_bids']} bids; largest over agents "
        "and payment rules, in expectation over the own draws. Reproduced up to 1.",
    )


def _picture(paths: dict[str, tuple[np.ndarray, np.ndarray]]) -> Picture:
    """Gradient play above, means over some rounds of Hedge below."""
    shown, equilibria = {}, {}
    for place, learner in enumerate((GRADIENT, HEDGE)):
        for name, mechanism in mechanisms().items():
            path = paths[name][place]
            shown[f"{name}, {learner}"] = (
                path[:SHOWN_CLIMBS] if learner == GRADIENT else _smoothed(path)
            )
            equilibria[f"{name}, {learner}"] = mechanism.equilibrium
    figure = figures.bidding_paths(
        shown, equilibria, AGENTS, title="Two agents learn to bid", rounds="round"
    )
    return Picture(
        figure,
        "Bids by round under three payment rules; below, where agents draw their bids, means over "
        f"the last {100 * AVERAGED:g} % of the rounds. Dashed: the equilibrium in closed form.",
    )


def _smoothed(bids: Float[np.ndarray, "round agent"]) -> Float[np.ndarray, "round agent"]:
    """Means over the rounds before each, as many as there are or `AVERAGED` of all."""
    size = max(int(AVERAGED * len(bids)), 1)
    sums = np.concatenate([np.zeros((1, bids.shape[1])), np.cumsum(bids, axis=0)])
    ends = np.arange(1, len(bids) + 1)
    starts = np.maximum(ends - size, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)[:, None]


def _sentence(rows: list[dict[str, Any]]) -> str:
    bids = {row["payment"]: row for row in rows if row["learning"] == GRADIENT}
    second, first = bids["second price"], bids["first price"]
    return (
        "Agents that learn bid what a word is worth to them under second prices "
        f"({format_number(second['bid of the second'], 3)} at a value of "
        f"{second['value of the second']:g}), and a third of it under first prices "
        f"({format_number(first['bid of the first'], 3)} at {first['value of the first']:g})."
    )


BIDDING = Experiment(
    name="auctions-bidding",
    system="auctions",
    title="Learning to bid",
    claims=(*LEARNED.values(), REGRET),
    run=_run,
    settings={
        "quick": {"num_climbs": 400, "num_rounds": 4_000, "num_bids": 31},
        "paper": {"num_climbs": 2_000, "num_rounds": 100_000, "num_bids": 61},
        "full": {"num_climbs": 10_000, "num_rounds": 1_000_000, "num_bids": 61},
    },
    paper_cost_ratio=20.0,
)
