"""Prices of two firms that talk, do not talk, or stop talking."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from .. import games
from ..plots import games as figures
from .claims import Claim
from .context import Context
from .formatting import format_estimate, format_percent
from .games_runs import LARGEST_Z, PAPER, drive
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

NUM_ROUNDS, REMOVED_AT = 600, 400
NEVER = NUM_ROUNDS
NUM_LAST, BLOCK = 100, 20
SHOWN = (20, 350, 400, 600)
NEAR = 0.05
START, CARTEL_PRICE = 6.0, 8.0
FIGURE = f"{PAPER}, figure on the Bertrand market, read off"

NO_TALK, TALK, CONTROL = "no talk", "talk", "talk, no cooperation"
REMOVED = f"talk until {REMOVED_AT}"
TALKS_UNTIL = {NO_TALK: 0, TALK: NEVER, REMOVED: REMOVED_AT, CONTROL: NEVER}
PUBLISHED = {
    (NO_TALK, 350): 7.1,
    (TALK, 20): 6.7,
    (TALK, 600): 7.8,
    (REMOVED, 600): 7.6,
}
"""Mean prices after so many rounds, read off a figure of the paper to about 3 %."""

STANDS_IN = (
    "The paper's firms are language models; here firms that follow a rule of trust, with numbers "
    "chosen to come near its figure, stand in."
)
PRICES = {
    (setting, place): Claim(f"Mean price after {place} rounds, {setting}.", published, FIGURE)
    for (setting, place), published in PUBLISHED.items()
}
REMEMBERED = Claim(
    "Collusion outlives the talk that brought it: mean price after 200 rounds without talk, less "
    "that of firms that never talked (price units).",
    0.5,
    FIGURE,
)
RAISES = Claim(
    "Talk raises profits: collusion index of the last 100 rounds, talk less no talk.",
    None,
    f"{PAPER}, case study 2",
)
COMPETES = Claim(
    "Without a will to cooperate (weight 0) the same firms, talking and starting at the cartel's "
    "price, come down to the equilibrium: mean price of the last 100 rounds.",
    6.0,
    "derived by us",
)


class Market(NamedTuple):
    """Two firms over the rounds, means over worlds with standard errors and deviations.

    Attributes:
        price: mean of both firms.
        price_error: its standard error.
        price_deviation: its standard deviation over worlds.
        last_price: mean of the last 100 rounds, with standard error.
        index: collusion index of the last 100 rounds, with standard error.
        spread: distance of the two prices in the last 100 rounds, with standard error.
        first: round in which the first block of 20 begins whose mean price is within 5 % of the
            cartel's, with standard error; the number of rounds where there is none.
        share: of worlds that came so near, with standard error.
    """

    price: Float[np.ndarray, " round"]
    price_error: Float[np.ndarray, " round"]
    price_deviation: Float[np.ndarray, " round"]
    last_price: tuple[float, float]
    index: tuple[float, float]
    spread: tuple[float, float]
    first: tuple[float, float]
    share: tuple[float, float]


def _run(context: Context) -> ExperimentResult:
    markets = {name: _market(context, name) for name in TALKS_UNTIL}
    game = _game(0)
    competitive, collusive = (
        found(game.demand, game.costs) for found in (games.equilibrium, games.cartel)
    )
    ends = float(competitive.prices.mean()), float(collusive.prices.mean())
    return ExperimentResult(
        _sentence(markets),
        (
            *_price_claims(markets),
            _remembered_claim(markets),
            _raises_claim(markets),
            _competes_claim(markets[CONTROL]),
        ),
        tables={
            "prices": Table(
                list(_price_rows(markets)),
                "Mean price of both firms after 20, 350, 400 and 600 rounds, with the standard "
                "error of the last, beside what was read off the paper's figure (price units).",
            ),
            "collusion": Table(
                list(_index_rows(markets)),
                "Collusion index of the last 100 rounds (0 at the profits of the equilibrium, 1 at "
                "those of the cartel), mean distance of the two prices, share of worlds whose mean "
                "price over a block of 20 rounds comes within 5 % of the cartel's, and the round "
                "in which the first such block begins (600 where there is none), with standard "
                "errors; the last setting begins at the cartel's price.",
            ),
        },
        figures={"prices": _picture(markets, *ends)},
        sizes={
            "num_rounds": NUM_ROUNDS,
            "competitive price": ends[0],
            "cartel price": ends[1],
            "competitive profit": float(competitive.profits.mean()),
            "cartel profit": float(collusive.profits.mean()),
        },
    )


def _game(talk_until: int) -> games.Bertrand:
    return games.Bertrand(talk_until=talk_until)


def _firms(setting: str) -> games.ConditionalCooperator:
    """Firms as in the paper's figure; those of the control have no weight on cooperation."""
    if setting == CONTROL:
        return games.ConditionalCooperator(CARTEL_PRICE, CARTEL_PRICE, games.Persona(weight=0.0))
    return games.ConditionalCooperator(START, CARTEL_PRICE)


def _market(context: Context, setting: str) -> Market:
    """Worlds with talk until a round, and with talk throughout, have the same draws."""
    moments = games.replicate(
        jax.random.fold_in(context.key, int(setting == NO_TALK)),
        _game(TALKS_UNTIL[setting]),
        _firms(setting),
        num_rounds=NUM_ROUNDS,
        num_worlds=context.settings["num_worlds"],
        report=_report,
        **drive(context, setting.replace(",", "").replace(" ", "-")),
    )
    mean, error, variance = (
        jax.device_get(part) for part in (moments.mean, moments.standard_error, moments.variance)
    )
    names = ("last_price", "index", "spread", "first", "share")
    ends = {name: (float(mean[name]), float(error[name])) for name in names}
    return Market(mean["price"], error["price"], np.sqrt(variance["price"]), **ends)


def _report(play):
    """What is averaged over worlds."""
    records, state = play.records, play.state
    prices = records.prices.mean(axis=1)
    blocks = games.block_means(records.prices, size=BLOCK)
    first = BLOCK * games.first_collusion(blocks, state.collusive.prices, share=NEAR)
    return {
        "price": prices,
        "last_price": prices[-NUM_LAST:].mean(),
        "index": games.mean_collusion_index(
            records.profits, state.competitive.profits, state.collusive.profits, num_last=NUM_LAST
        ),
        "spread": records.price_spread[-NUM_LAST:].mean(),
        "first": first.astype(prices.dtype),
        "share": (first < NUM_ROUNDS).astype(prices.dtype),
    }


def _price_rows(markets: Mapping[str, Market]) -> Iterator[dict[str, Any]]:
    for setting, market in markets.items():
        row: dict[str, Any] = {"setting": setting}
        for place in SHOWN:
            row[f"round {place}"] = market.price[place - 1]
        row["s.e."] = market.price_error[-1]
        for place in SHOWN:
            if any(after == place for _, after in PUBLISHED):
                row[f"published, round {place}"] = PUBLISHED.get((setting, place))
        yield row


def _index_rows(markets: Mapping[str, Market]) -> Iterator[dict[str, Any]]:
    columns = {
        "collusion index": "index",
        "price spread": "spread",
        "share near the cartel": "share",
        "first round near it": "first",
    }
    for setting, market in markets.items():
        row: dict[str, Any] = {"setting": setting}
        for label, name in columns.items():
            is_told = setting != CONTROL or name in ("index", "spread")
            row[label], row[f"{label} s.e."] = getattr(market, name) if is_told else (None, None)
        yield row


def _price_claims(markets: Mapping[str, Market]) -> Iterator[Claim]:
    for (setting, place), claim in PRICES.items():
        market = markets[setting]
        yield claim.found(
            market.price[place - 1],
            standard_error=market.price_error[place - 1],
            verdict="stand-in",
            note=STANDS_IN,
        )


def _remembered_claim(markets: Mapping[str, Market]) -> Claim:
    before, after = markets[NO_TALK], markets[REMOVED]
    return REMEMBERED.found(
        after.price[-1] - before.price[-1],
        standard_error=np.hypot(after.price_error[-1], before.price_error[-1]),
        verdict="stand-in",
        note=f"{STANDS_IN} In the rule a firm's record of kept pledges stays and fades only as "
        "rounds without pledges are added to it; after talk ends the price falls by "
        f"{markets[REMOVED].price[REMOVED_AT - 1] - after.price[-1]:.2f} in 200 rounds.",
    )


def _raises_claim(markets: Mapping[str, Market]) -> Claim:
    (high, high_error), (low, low_error) = markets[TALK].index, markets[NO_TALK].index
    ends = f"{format_estimate(low, low_error)} to {format_estimate(high, high_error)}"
    return RAISES.found(
        high - low,
        standard_error=np.hypot(high_error, low_error),
        verdict="stand-in",
        note=f"From {ends}. {STANDS_IN}",
    )


def _competes_claim(control: Market) -> Claim:
    price, error = control.last_price
    return COMPETES.found(
        price,
        standard_error=error,
        verdict="reproduced" if abs(price - START) < LARGEST_Z * error else "short",
        note="Best replies are linear in prices, so that trembles cancel in the mean. Reproduced "
        f"within {LARGEST_Z:g} standard errors.",
    )


def _picture(markets: Mapping[str, Market], competitive: float, collusive: float) -> Picture:
    shown = {name: markets[name] for name in (NO_TALK, TALK, REMOVED)}
    figure = figures.price_paths(
        {name: market.price for name, market in shown.items()},
        bands={
            name: np.stack(
                [market.price - market.price_deviation, market.price + market.price_deviation]
            )
            for name, market in shown.items()
        },
        competitive=competitive,
        collusive=collusive,
        published={name: _published_points(name) for name in shown},
        talk_ends=REMOVED_AT,
        title="Prices of two firms with talk, without, and after it",
    )
    return Picture(
        figure,
        "Mean price of two firms over 600 rounds, between the competitive price and the cartel's; "
        "bands are one standard deviation between worlds to either side, hollow marks what was "
        "read off the paper's figure. The path with talk removed is that with talk until then.",
    )


def _published_points(setting: str) -> tuple[np.ndarray, np.ndarray]:
    points = [(place - 1, price) for (name, place), price in PUBLISHED.items() if name == setting]
    rounds, prices = np.array(points).T
    return rounds, prices


def _sentence(markets: Mapping[str, Market]) -> str:
    prices = {name: f"{market.price[-1]:.2f}" for name, market in markets.items()}
    index = {name: format_percent(market.index[0], 0) for name, market in markets.items()}
    return (
        "Two firms that trust each other as far as pledges were kept set prices of "
        f"{prices[TALK]} after 600 rounds with talk and {prices[NO_TALK]} without, where 6 is "
        f"competition and 8 a cartel: {index[TALK]} against {index[NO_TALK]} of a cartel's extra "
        f"profit. When talk ends after round 400 the price is still {prices[REMOVED]} at the end."
    )


BERTRAND = Experiment(
    name="games-bertrand",
    system="games",
    title="Bertrand market: talk and prices",
    claims=(*PRICES.values(), REMEMBERED, RAISES, COMPETES),
    run=_run,
    settings={
        "quick": {"num_worlds": 200},
        "paper": {"num_worlds": 10_000},
        "full": {"num_worlds": 100_000},
    },
    paper_cost_ratio=6.0,
)
