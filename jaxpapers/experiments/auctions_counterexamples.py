"""Where a higher bid does not help: a known auction, auctions found by gradient, and how many."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import auctions
from ..auctions.preferences import rounding, shortfalls
from ..auctions.welfare import PowerMean
from ..plots import auctions as figures
from .claims import Claim
from .context import Context
from .formatting import format_number, format_percent
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

OURS = "derived by us"
KNOWN = np.array([[0.9, 0.09, 0.01], [0.01, 0.09, 0.9]])
KNOWN_TOKEN = 1
STATED = {0.3: 0.60, 0.8: 0.22, 0.95: 0.05, 1.0: None, 1.2: 0.22}
"""Exponents of power means, and how often two random agents break robust monotonicity."""
VOCAB_SIZE = 4
NUM_BIDS = 41
NUM_CHECKED_BIDS = 5
NUM_FOUND = 5
LEAST_SHOWN = 1e-3
NUM_DRAWN = 101

EXAMPLE = Claim(
    "Both agents give the middle token .09, and the log-linear rule at equal bids gives it .3217.",
    0.321731,
    OURS,
)
FOUND = Claim(
    "Gradient search finds auctions in which a higher bid is not weakly better under the "
    "log-linear rule: largest violation (probability).",
    None,
    f"{OURS}; that the rule is not monotone",
)
NOT_FOUND = Claim(
    "Gradient search finds none under the linear rule: largest violation (probability).",
    0.0,
    "Duetting et al. (2024), the linear rule is monotone",
)
OFTEN = Claim(
    "Power means of two random agents over 4 tokens break robust monotonicity in 60 % (r = .3), "
    "22 % (.8), 5 % (.95) and 22 % (1.2) of draws: largest distance to that (share).",
    0.0,
    f"{OURS}; the law of the draws is not stated",
)
ONLY_LINEAR = Claim(
    "Power means are robustly monotone at r = 1, the linear rule: share of draws that break it.",
    0.0,
    OURS,
)
CRITERION = Claim(
    "The exact criterion of the log-linear rule and a search over bids agree: share of random "
    "auctions in which they do.",
    1.0,
    OURS,
)


def _run(context: Context) -> ExperimentResult:
    found = {
        name: _searched(context, rule)
        for name, rule in (("linear", auctions.LinearRule()), ("log-linear", _log_linear()))
    }
    cases = _cases(found["log-linear"])
    shares = _broken_shares(context)
    agreement, flagged = _agreement(context)
    return ExperimentResult(
        _sentence(shares, flagged),
        (
            _example_claim(),
            *_search_claims(found, context.settings["num_restarts"]),
            *_share_claims(shares, context.settings["num_draws"]),
            CRITERION.found(
                agreement.mean(),
                verdict="reproduced" if agreement.all() else "short",
                note=f"Of {agreement.size:,} auctions of two agents over {VOCAB_SIZE} tokens, "
                f"{format_percent(flagged, 1)} have a token that breaks it; reproduced where all "
                "agree.",
            ),
        ),
        tables={
            "gallery": Table(
                [{name: row[name] for name in row if name != "mixture"} for row in cases],
                "Auctions of two agents with a token that breaks robust monotonicity under the "
                "log-linear rule: what both say of it, the most that the rule says, and at which "
                "lambda; the first is the known one, the others were found by gradient.",
            ),
            "exponents": Table(
                shares,
                "Share of random auctions (two agents, four tokens, Dirichlet(1) distributions) in "
                "which a power mean breaks robust monotonicity, with its standard error, by "
                "exponent.",
            ),
        },
        figures=_pictures(cases, shares),
    )


def _log_linear() -> auctions.Rule:
    return auctions.LogLinearRule()


def _searched(context: Context, rule: auctions.Rule) -> auctions.Counterexamples:
    """What a gradient search finds, in NumPy arrays."""
    found = auctions.find_violations(
        jax.random.fold_in(context.key, 0),
        rule,
        num_restarts=context.settings["num_restarts"],
        num_steps=context.settings["num_search_steps"],
    )
    return jax.tree.map(np.asarray, found)


def _cases(found: auctions.Counterexamples) -> list[dict[str, Any]]:
    """The known auction, and the finds with the largest violations."""
    order = np.argsort(-found.violation)[:NUM_FOUND]
    places = order[found.violation[order] > LEAST_SHOWN]
    auctions_shown = [("known", KNOWN, KNOWN_TOKEN)]
    auctions_shown += [
        (f"find {number}", np.exp(found.log_probs[place]), int(found.token[place]))
        for number, place in enumerate(places, start=1)
    ]
    return [_case(name, own, token) for name, own, token in auctions_shown]


def _case(name: str, own: Float[np.ndarray, "agent vocab"], token: int) -> dict[str, Any]:
    shares = np.linspace(0, 1, NUM_DRAWN)
    mixture = np.asarray(_along(_log_linear(), np.log(own), shares))[:, token]
    return {
        "auction": name,
        "token": token,
        "p1": float(own[0, token]),
        "p2": float(own[1, token]),
        "largest q": float(mixture.max()),
        "lambda": float(shares[mixture.argmax()]),
        "mixture": mixture,
    }


@jax.jit
def _along(rule, log_probs, shares):
    """The mixture at every share of the first bid."""
    bids = jnp.stack([shares, 1 - shares], axis=1)
    return jnp.exp(jax.vmap(rule.log_mixture, (0, None))(bids, log_probs))


def _random_auctions(context: Context, use: int) -> Any:
    """Log-probabilities `(draw, agent, vocab)`, uniform on the simplex."""
    shape = (context.settings["num_draws"], 2, VOCAB_SIZE)
    key = jax.random.fold_in(context.key, use)
    return jax.nn.log_softmax(jnp.log(jax.random.exponential(key, shape)), axis=-1)


def _broken_shares(context: Context) -> list[dict[str, Any]]:
    """How often each power mean breaks robust monotonicity, on the same draws."""
    log_probs, rows = _random_auctions(context, 1), []
    for exponent, stated in STATED.items():
        rule = auctions.CalledRule(PowerMean(exponent))
        share = float(_broken(rule, log_probs).mean())
        error = np.sqrt(share * (1 - share) / log_probs.shape[0])
        rows.append({"r": exponent, "stated": stated, "here": share, "s.e.": float(error)})
    return rows


@jax.jit
def _broken(rule, log_probs):
    """Whether some token breaks robust monotonicity along the first bid, by auction."""
    ratios = 10.0 ** jnp.linspace(-6, 6, NUM_BIDS)
    shares = jnp.concatenate([jnp.zeros(1), ratios / (1 + ratios)])

    def one(own):
        mixtures = _along(rule, own, shares)
        gaps = shortfalls(jnp.exp(own[0])[None], mixtures[1:], mixtures[:-1])
        return jnp.max(gaps) > rounding(mixtures.dtype)

    return jax.lax.map(one, log_probs, batch_size=min(500, log_probs.shape[0]))


def _agreement(context: Context) -> tuple[np.ndarray, float]:
    """Where criterion and checker say the same, and the share of auctions that are flagged."""
    flagged, broken = map(np.asarray, _judged(_random_auctions(context, 2)))
    return flagged == broken, float(flagged.mean())


@jax.jit
def _judged(log_probs):
    """Verdicts of the exact criterion and of the checker, by auction."""
    bids = jnp.ones(2, log_probs.dtype)

    def one(own):
        found = auctions.check_monotonicity(_log_linear(), bids, own, num_bids=NUM_CHECKED_BIDS)
        return jnp.any(auctions.crossed_tokens(bids, own)), ~found.holds

    return jax.lax.map(one, log_probs, batch_size=min(500, log_probs.shape[0]))


def _example_claim() -> Claim:
    both = _along(_log_linear(), np.log(KNOWN), np.array([0.5]))
    here = float(both[0, KNOWN_TOKEN])
    is_same = abs(here - 0.321731) < 5e-7
    return EXAMPLE.found(
        here,
        verdict="reproduced" if is_same else "short",
        note="p1 = (.9, .09, .01), p2 = (.01, .09, .9). Reproduced to the digits stated.",
    )


def _search_claims(found: Mapping[str, auctions.Counterexamples], num_restarts: int):
    linear, other = (np.asarray(found[name].violation) for name in ("linear", "log-linear"))
    broken = int((other > LEAST_SHOWN).sum())
    yield FOUND.found(
        other.max(),
        verdict="reproduced" if other.max() > LEAST_SHOWN else "short",
        note=f"Two agents, three tokens; {broken} of {num_restarts} restarts end at one above "
        ".001. Reproduced where any does.",
    )
    yield NOT_FOUND.found(
        linear.max(),
        verdict="reproduced" if bool(found["linear"].holds) else "short",
        note=f"{num_restarts} restarts of the same search. Reproduced up to rounding.",
    )


def _share_claims(shares: list[dict[str, Any]], num_draws: int):
    gaps = [(row["here"] - row["stated"], row) for row in shares if row["stated"] is not None]
    gap, row = max(gaps, key=lambda entry: abs(entry[0]))
    yield OFTEN.found(
        gap,
        standard_error=row["s.e."],
        verdict="observed",
        note="Not judged: neither law nor number of the draws behind these percentages is stated. "
        f"Here uniform distributions on the simplex, {num_draws:,} draws, which of eight laws that "
        f"were tried come nearest; the largest distance is at r = {row['r']:g}.",
    )
    (linear,) = (row for row in shares if row["r"] == 1.0)
    yield ONLY_LINEAR.found(
        linear["here"],
        verdict="reproduced" if linear["here"] == 0 else "short",
        note="Reproduced where no draw does.",
    )


def _pictures(cases, shares) -> dict[str, Picture]:
    gallery = figures.crossing_gallery(
        np.linspace(0, 1, NUM_DRAWN),
        np.stack([case["mixture"] for case in cases]),
        np.array([[case["p1"], case["p2"]] for case in cases]),
        [f"{case['auction']}, token {case['token'] + 1}" for case in cases],
        title="One token's probability as the bids shift",
    )
    stated = [np.nan if row["stated"] is None else row["stated"] for row in shares]
    frequency = figures.violation_shares(
        [row["r"] for row in shares],
        np.array(stated),
        np.array([row["here"] for row in shares]),
        np.array([row["s.e."] for row in shares]),
        title="How often power means break robust monotonicity",
    )
    return {
        "gallery": Picture(
            gallery,
            "Tokens that the log-linear rule makes likelier, or less likely, than both agents say, "
            "so that a higher bid moves them away from the bidder's own probability.",
        ),
        "exponents": Picture(
            frequency, "Share of random auctions in which a power mean breaks it, by exponent."
        ),
    }


def _sentence(shares: list[dict[str, Any]], flagged: float) -> str:
    (near,) = (row for row in shares if row["r"] == 0.95)
    return (
        "Only the linear rule always gives a higher bid something better: the log-linear rule "
        f"fails in {format_percent(flagged, 0)} of random auctions of two agents over four words, "
        f"the power mean with exponent .95 still in {format_number(100 * near['here'], 2)} %."
    )


COUNTEREXAMPLES = Experiment(
    name="auctions-counterexamples",
    system="auctions",
    title="Where a higher bid does not help",
    claims=(EXAMPLE, FOUND, NOT_FOUND, OFTEN, ONLY_LINEAR, CRITERION),
    run=_run,
    settings={
        "quick": {"num_restarts": 32, "num_search_steps": 200, "num_draws": 10_000},
        "paper": {"num_restarts": 512, "num_search_steps": 400, "num_draws": 100_000},
        "full": {"num_restarts": 4_096, "num_search_steps": 1_000, "num_draws": 1_000_000},
    },
    paper_cost_ratio=15.0,
)
