"""A joint text of two brands as the bids move from one to the other, under two rules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .. import auctions
from ..plots import auctions as figures
from .auctions_texts import Brands, Judged, Sold, all_brands, judge, sell, written
from .claims import Claim
from .context import Context
from .formatting import format_number, format_percent
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

PAPER = "Duetting et al. (2024)"
RULES: dict[str, tuple[type[auctions.Rule], type[auctions.Payment]]] = {
    "linear": (auctions.LinearRule, auctions.SecondPrice),
    "log-linear": (auctions.LogLinearRule, auctions.OneDraw),
}
NUM_SHOWN = 5
LARGEST_Z = 3.0
LARGEST_STEP, LEAST_WAY = 3.0, 0.5
ROUNDING, LEAST_BROKEN = 1e-12, 1e-3
NUM_CHECKED = 4

SMOOTH = {
    rule: Claim(
        f"Under the {rule} rule the joint text moves smoothly from one brand to the other as "
        "lambda goes from 0 to 1: largest step of the first brand's share of brand words between "
        "neighbouring lambdas, as a share of the whole way.",
        None,
        f"{PAPER}, demonstration with two brands",
    )
    for rule in RULES
}
MONOTONE = Claim(
    "The linear rule is monotone for robust preferences: largest violation at the places of "
    "eight texts (probability).",
    0.0,
    PAPER,
)
NOT_MONOTONE = Claim(
    "The log-linear rule is not monotone for robust preferences: largest violation at the same "
    "places (probability).",
    None,
    "derived by us, with the exact criterion",
)
BEST = Claim(
    "Each rule is best for the welfare that it maximises, -sum b KL(p || q) for the linear and "
    "-sum b KL(q || p) for the log-linear rule: least lead over the other at the same places "
    "(nats).",
    None,
    PAPER,
)

Sweep = Mapping[tuple[str, str], Sequence[Sold]]


def _run(context: Context) -> ExperimentResult:
    shares = np.linspace(0, 1, context.settings["num_shares"])
    brands = all_brands()
    sweep = {
        (pair, rule): [sell(context, own, kind(), payment(), float(share)) for share in shares]
        for rule, (kind, payment) in RULES.items()
        for pair, own in brands.items()
    }
    rows = list(_rows(brands, sweep, shares))
    checked = _checked(context, brands, sweep)
    return ExperimentResult(
        _sentence(brands["partners"], sweep),
        (*_smooth_claims(brands, sweep), *_monotone_claims(checked), _best_claim(checked)),
        tables={
            "sweep": Table(
                rows,
                "Share of the first brand among the words that only one brand uses, words moved by "
                "a bid, revenue per token and welfare per token (bids sum to 1; welfare in nats), "
                "with standard errors over texts, by pair, rule and lambda = b1 / (b1 + b2). "
                "Payments are second prices under the linear rule and unbiased one-draw estimates "
                "of them under the log-linear rule.",
            ),
            "texts": Table(
                list(_text_rows(brands, sweep, shares)),
                "The first text at every lambda; the draws are the same throughout.",
            ),
        },
        figures=dict(_pictures(brands, sweep, shares)),
        sizes={
            "vocab_size": brands["partners"].tokenizer.vocab_size,
            "num_texts_in_all": len(rows) * context.settings["num_texts"],
        },
    )


def _rows(brands: Mapping[str, Brands], sweep: Sweep, shares: np.ndarray) -> Iterator[dict]:
    """Means over texts with their standard errors."""
    for (pair, rule), texts in sweep.items():
        for share, sold in zip(shares, texts, strict=True):
            row: dict[str, Any] = {"pair": pair, "rule": rule, "lambda": float(share)}
            for name, values in _quantities(brands[pair], sold).items():
                row[name] = float(values.mean())
                row[f"{name} s.e."] = _error(values)
            yield row


def _quantities(brands: Brands, sold: Sold) -> dict[str, np.ndarray]:
    return {
        "first brand": sold.first_share(brands.owners),
        "moved words": sold.is_moved.any(axis=2).sum(axis=1).astype(float),
        "revenue": sold.revenue,
        "-sum b KL(p||q)": sold.pretraining,
        "-sum b KL(q||p)": sold.rlhf,
    }


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _text_rows(brands, sweep, shares):
    for (pair, rule), texts in sweep.items():
        for share, sold in zip(shares, texts, strict=True):
            text = brands[pair].tokenizer.decode(sold.tokens[0]).replace("\n", " ¶ ")
            yield {"pair": pair, "rule": rule, "lambda": float(share), "text": text}


def _checked(context, brands, sweep) -> dict[str, Judged]:
    """Both rules at the places of the first texts that the linear rule makes at lambda 1/2."""
    middle = context.settings["num_shares"] // 2
    checked = {}
    for rule, (kind, _) in RULES.items():
        parts = [
            judge(own, kind(), sweep[pair, "linear"][middle].tokens[number])
            for pair, own in brands.items()
            for number in range(min(NUM_CHECKED, context.settings["num_texts"]))
        ]
        checked[rule] = Judged(*map(np.concatenate, zip(*parts, strict=True)))
    return checked


def _smooth_claims(brands, sweep) -> Iterator[Claim]:
    """Steps of the share from one lambda to the next, by texts with the same draws."""
    for rule, claim in SMOOTH.items():
        found = [
            _steps(np.stack([sold.first_share(own.owners) for sold in sweep[pair, rule]]))
            for pair, own in brands.items()
        ]
        largest, error = max((steps.largest, steps.error) for steps in found)
        even = 1 / found[0].num_steps
        is_smooth = largest <= LARGEST_STEP * even and all(
            steps.whole >= LEAST_WAY and not steps.falls for steps in found
        )
        way = min(steps.whole for steps in found)
        yield claim.found(
            largest,
            standard_error=error,
            verdict="reproduced" if is_smooth else "short",
            note=f"The worse of two pairs; an even way has {even:.3f}. Reproduced where no share "
            f"falls by more than {LARGEST_Z:g} standard errors, the way is at least "
            f"{LEAST_WAY:g} (here {way:.2f}) and no step more than {LARGEST_STEP:g} even ones. "
            "Brands and texts are of our own writing, and the models are n-grams.",
        )


class Steps(NamedTuple):
    """How a share moves as lambda rises.

    Attributes:
        num_steps: steps from 0 to 1.
        whole: from the first to the last lambda.
        largest: step, as a share of the whole.
        error: its standard error, the whole taken as known.
        falls: whether a step goes down by more than noise.
    """

    num_steps: int
    whole: float
    largest: float
    error: float
    falls: bool


def _steps(curves: Float[np.ndarray, "share text"]) -> Steps:
    steps = np.diff(curves, axis=0)
    means, errors = steps.mean(axis=1), np.array([_error(step) for step in steps])
    whole = max(float(means.sum()), 1e-9)
    place = int(means.argmax())
    falls = bool((means < -LARGEST_Z * errors).any())
    return Steps(len(steps), float(means.sum()), means[place] / whole, errors[place] / whole, falls)


def _monotone_claims(checked: Mapping[str, Judged]) -> Iterator[Claim]:
    linear, other = checked["linear"].violation, checked["log-linear"].violation
    yield MONOTONE.found(
        linear.max(),
        verdict="reproduced" if linear.max() <= ROUNDING else "short",
        note=f"At {linear.size} places of texts of both pairs, own bids from 0 to 1e6 times the "
        f"other's. Reproduced up to {ROUNDING:g}, which is rounding.",
    )
    broken = format_percent(float((other > ROUNDING).mean()), 0)
    yield NOT_MONOTONE.found(
        other.max(),
        verdict="reproduced" if other.max() > LEAST_BROKEN else "short",
        note=f"Some token breaks it at {broken} of the places. Reproduced above {LEAST_BROKEN:g}.",
    )


def _best_claim(checked: Mapping[str, Judged]) -> Claim:
    linear, other = checked["linear"], checked["log-linear"]
    leads = np.stack([linear.pretraining - other.pretraining, other.rlhf - linear.rlhf])
    first, second = (format_number(mean, 2) for mean in leads.mean(axis=1))
    return BEST.found(
        leads.min(),
        verdict="reproduced" if leads.min() >= -ROUNDING else "short",
        note=f"Equal bids that sum to 1. Mean leads {first} and {second}; many places leave no "
        f"choice and have none. Reproduced where no lead is below −{ROUNDING:g}, rounding.",
    )


def _pictures(brands, sweep, shares) -> Iterator[tuple[str, Picture]]:
    yield "attribution", _attribution(brands["partners"], sweep["partners", "linear"])
    for pair, own in brands.items():
        for rule in RULES:
            if pair == "partners" or rule == "linear":
                yield f"texts-{pair}-{rule}", _texts(own, sweep[pair, rule], shares, rule)
        yield f"sweep-{pair}", _curves(own, {r: sweep[pair, r] for r in RULES}, shares)


def _attribution(brands: Brands, texts: Sequence[Sold]) -> Picture:
    """The text at equal bids in which bids moved most words."""
    sold = texts[len(texts) // 2]
    number = int(sold.is_moved.any(axis=2).sum(axis=1).argmax())
    figure = figures.attribution_strip(
        written(brands, sold.tokens[number]),
        sold.is_moved[number],
        sold.payments[number],
        _instead(brands, sold, number),
        brands.pair.names,
        title=f"“{brands.pair.query}”: who moved each word, and what it paid",
    )
    return Picture(
        figure,
        "A text that two brands with equal bids (of 0.5) wrote word by word under the linear rule: "
        "a coloured word was moved by the brand of its colour, which paid the bid at which it "
        "would have begun to get it, a second price; in italics the word that would have come "
        f"without it. Of {len(sold.tokens)} texts the one in which most words were moved.",
    )


def _instead(brands: Brands, sold: Sold, number: int) -> list[list[str]]:
    """By token and agent the word without the agent, written as it would stand there."""
    tokens = sold.tokens[number]
    columns = [written(brands, tokens, instead) for instead in sold.counterfactuals[number].T]
    return [list(row) for row in zip(*columns, strict=True)]


def _texts(brands: Brands, texts: Sequence[Sold], shares: np.ndarray, rule: str) -> Picture:
    """The first text at some shares."""
    places = np.unique(np.linspace(0, len(texts) - 1, NUM_SHOWN).round().astype(int))
    chosen = [texts[place] for place in places]
    figure = figures.texts_by_share(
        [float(share) for share in shares[places]],
        [written(brands, sold.tokens[0]) for sold in chosen],
        [brands.owners[sold.tokens[0]] for sold in chosen],
        [sold.is_moved[0].any(axis=1) for sold in chosen],
        brands.pair.names,
        title=f"“{brands.pair.query}” as the bids shift, {rule} rule",
    )
    return Picture(
        figure,
        f"The first text of {' and '.join(brands.pair.names)} at several shares of the first bid, "
        f"{rule} rule, same draws: coloured words are used by one brand only, framed words were "
        "moved by a bid.",
    )


def _curves(brands: Brands, texts: Mapping[str, Sequence[Sold]], shares: np.ndarray) -> Picture:
    names = {
        "first brand": (f"brand words of {brands.pair.names[0]}", "share of all brand words"),
        "revenue": ("revenue", "price units per token"),
        "-sum b KL(p||q)": ("welfare of pre-training, −Σ b KL(p‖q)", "nats per token"),
        "-sum b KL(q||p)": ("welfare of RLHF, −Σ b KL(q‖p)", "nats per token"),
    }
    values = {
        rule: [_quantities(brands, sold) for sold in by_share] for rule, by_share in texts.items()
    }

    def curves(statistic):
        return {
            label: {
                rule: np.array([statistic(one[name]) for one in by_share])
                for rule, by_share in values.items()
            }
            for name, (label, _) in names.items()
        }

    pair = " and ".join(brands.pair.names)
    figure = figures.sweep_chart(
        shares,
        curves(np.mean),
        curves(_error),
        units=dict(names.values()),
        title=f"{pair} as the bids shift",
    )
    return Picture(figure, f"Words, revenue and welfare against lambda, {pair}; ± 2 s.e.")


def _sentence(brands: Brands, sweep: Sweep) -> str:
    ends = [
        format_percent(float(sold.first_share(brands.owners).mean()), 0)
        for sold in (sweep["partners", "linear"][place] for place in (0, -1))
    ]
    middle = sweep["partners", "linear"][len(sweep["partners", "linear"]) // 2]
    moved = middle.is_moved.any(axis=2)
    first, second = brands.pair.names
    return (
        f"{first} and {second} write one advertisement together, and every word is sold by a "
        f"second-price auction: as {first} bids more, its share of the brand words goes from "
        f"{ends[0]} to {ends[1]}. At equal bids {format_percent(float(moved.mean()), 0)} of the "
        "words would have been others without somebody's bid, and only those are paid for."
    )


SWEEP = Experiment(
    name="auctions-sweep",
    system="auctions",
    title="A joint text as the bids shift",
    claims=(*SMOOTH.values(), MONOTONE, NOT_MONOTONE, BEST),
    run=_run,
    settings={
        "quick": {"num_shares": 9, "num_texts": 48, "num_tokens": 32},
        "paper": {"num_shares": 21, "num_texts": 2_000, "num_tokens": 32},
        "full": {"num_shares": 41, "num_texts": 10_000, "num_tokens": 64},
    },
    paper_cost_ratio=55.0,
)
