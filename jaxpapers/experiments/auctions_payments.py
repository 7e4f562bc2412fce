"""Second-price payments three ways: simulated, in closed form, by quadrature."""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from .. import auctions
from ..plots import auctions as figures
from .claims import Claim
from .context import Context
from .formatting import format_estimate, format_number
from .registry import Experiment
from .results import ExperimentResult, Picture, Table

OURS = "derived by us"
NUM_AGENTS = 3
UNEVEN, EVEN = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 0.0])
CONCENTRATION = 0.3
NUM_NODES = 40
LARGEST_Z = 4.5
LEAST_VISITS = 200
REVENUE, BOUND = 2 * np.log(2) - 1, 0.2162166

SIMULATED = Claim(
    "Second prices of single tokens, the bids at which agents got them, average to the closed form "
    "of the expected payment: relative gap of revenue, three agents.",
    0.0,
    f"{OURS}; the second price is that of Duetting et al. (2024)",
)
INTEGRATED = Claim(
    "The closed form is b x(b) less the integral of x, by a quadrature of its own in NumPy: "
    "largest relative gap.",
    0.0,
    OURS,
)
EQUAL = Claim(
    "Two agents with bids of 1 pay together 2 ln 2 - 1 = .386294 times the total variation "
    "between them: that ratio, simulated.",
    0.386294,
    OURS,
)
LARGEST = Claim(
    "An agent never pays more than .2162166 times its bid and the total variation to the others: "
    "largest ratio over own bids.",
    BOUND,
    OURS,
)


class Simulation(NamedTuple):
    """Texts of Markov bidders, in NumPy arrays.

    Attributes:
        contexts: the token before each.
        payments: by token and agent.
    """

    contexts: Int[np.ndarray, "text time"]
    payments: Float[np.ndarray, "text time agent"]


def _run(context: Context) -> ExperimentResult:
    tables = np.asarray(_markov(context).T)
    uneven, even = (_simulated(context, tables, bids) for bids in (UNEVEN, EVEN))
    closed = _closed(tables, UNEVEN)
    integrated = quadrature(np.exp(tables.swapaxes(0, 1)), UNEVEN)
    rows = list(_rows(context, tables, uneven, closed, integrated))
    cases = _by_context(uneven, tables.shape[1])
    return ExperimentResult(
        _sentence(context, rows),
        (
            _simulated_claim(rows),
            _integrated_claim(closed, integrated),
            _equal_claim(context, tables, even),
            _largest_claim(tables),
        ),
        tables={
            "payments": Table(
                rows,
                "Payments per text and agent at bids 1, 2 and 3: simulated with standard error, "
                "in closed form (exact law of the texts), by quadrature, and the gap in standard "
                "errors (price units).",
            )
        },
        figures={
            "payments": Picture(
                figures.payment_comparison(
                    closed.ravel()[cases.used],
                    cases.means,
                    cases.errors,
                    integrated.ravel()[cases.used],
                    title="Second-price payments, three ways",
                ),
                "Payments per token by the word before and the agent: simulated against the "
                "closed form, and by quadrature; right: their distances in standard errors.",
            )
        },
        sizes={"num_agents": NUM_AGENTS, "num_cases": int(cases.used.sum())},
    )


def _markov(context: Context):
    """Log-transition tables `(vocab, vocab, agent)` transposed, of random agents."""
    bidders = [
        auctions.dirichlet_markov(
            jax.random.fold_in(context.key, agent),
            vocab_size=context.settings["vocab_size"],
            concentration=CONCENTRATION,
        )
        for agent in range(NUM_AGENTS)
    ]
    return jnp.stack([bidder.log_transitions for bidder in bidders]).T


def _simulated(context: Context, tables: np.ndarray, bids: np.ndarray) -> Simulation:
    settings = context.settings
    tokens, payments = _sell(
        jax.random.fold_in(context.key, NUM_AGENTS),
        jnp.asarray(tables),
        jnp.asarray(bids),
        num_tokens=settings["num_tokens"],
        num_texts=settings["num_texts"],
        batch_size=settings["batch_size"],
    )
    tokens = np.asarray(tokens)
    start = np.zeros_like(tokens[:, :1])
    return Simulation(np.concatenate([start, tokens[:, :-1]], axis=1), np.asarray(payments))


@functools.partial(jax.jit, static_argnames=("num_tokens", "num_texts", "batch_size"))
def _sell(key, tables, bids, *, num_tokens, num_texts, batch_size):
    texts = auctions.replicate(
        key,
        auctions.LinearRule(),
        [auctions.MarkovBidder(table) for table in tables],
        bids,
        jnp.zeros(1, jnp.int32),
        num_tokens=num_tokens,
        num_replicates=num_texts,
        batch_size=batch_size,
    )
    return texts.tokens, texts.payments


def _closed(tables: np.ndarray, bids: np.ndarray) -> Float[np.ndarray, "context agent"]:
    """Expected payments after every token."""
    rows = jnp.asarray(tables.swapaxes(0, 1))
    return np.asarray(_expected(jnp.asarray(bids), rows))


@jax.jit
def _expected(bids, rows):
    rule = auctions.LinearRule()
    return jax.vmap(lambda own: auctions.expected_payments(rule, bids, own).payments)(rows)


def quadrature(
    probabilities: Float[np.ndarray, "context agent vocab"], bids: Float[np.ndarray, " agent"]
) -> Float[np.ndarray, "context agent"]:
    """Expected payments by their definition, with nothing of the package in it.

    Args:
        probabilities: of each agent after each token.
        bids: above 0.

    Returns:
        `b x(b)` less the integral of x, x the total variation between the mixtures with and
        without the agent, by Gauss-Legendre nodes.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NUM_NODES)
    paid = np.zeros(probabilities.shape[:2])
    for agent, bid in enumerate(bids):
        others = np.where(np.arange(len(bids)) == agent, 0.0, bids)
        without = np.einsum("a,cav->cv", others / others.sum(), probabilities)

        def moved(own, others=others, agent=agent, without=without):
            trial = np.where(np.arange(len(others)) == agent, own, others)
            mixture = np.einsum("a,cav->cv", trial / trial.sum(), probabilities)
            return 0.5 * np.abs(mixture - without).sum(axis=1)

        own_bids = bid * (nodes + 1) / 2
        integral = sum(w * moved(z) for w, z in zip(weights, own_bids, strict=True)) * bid / 2
        paid[:, agent] = bid * moved(bid) - integral
    return paid


def visits(
    probabilities: Float[np.ndarray, "context agent vocab"], bids: np.ndarray, num_tokens: int
) -> Float[np.ndarray, " context"]:
    """Expected number of times that each token comes before another, in texts that begin after 0.

    Args:
        probabilities: of each agent after each token.
        bids: of the agents.
        num_tokens: of a text.

    Returns:
        Sums to the number of tokens.
    """
    transition = np.einsum("a,cav->cv", bids / bids.sum(), probabilities)
    law = np.eye(len(transition))[0]
    total = np.zeros_like(law)
    for _ in range(num_tokens):
        total += law
        law = law @ transition
    return total


def _rows(context, tables, simulation, closed, integrated) -> Iterator[dict[str, Any]]:
    """Payments per text by agent."""
    probabilities = np.exp(tables.swapaxes(0, 1))
    weights = visits(probabilities, UNEVEN, context.settings["num_tokens"])
    totals = simulation.payments.sum(axis=1)
    sums = {**{f"{agent + 1}": totals[:, agent] for agent in range(NUM_AGENTS)}}
    sums["all"] = totals.sum(axis=1)
    for number, (name, values) in enumerate(sums.items()):
        expected, other = (
            float(weights @ (part.sum(axis=1) if name == "all" else part[:, number]))
            for part in (closed, integrated)
        )
        error = float(values.std(ddof=1) / np.sqrt(len(values)))
        yield {
            "agent": name,
            "bid": float(UNEVEN.sum() if name == "all" else UNEVEN[number]),
            "simulated": float(values.mean()),
            "s.e.": error,
            "closed form": expected,
            "quadrature": other,
            "gap / s.e.": float((values.mean() - expected) / error),
        }


class Cases(NamedTuple):
    """Simulated payments by context and agent.

    Attributes:
        used: which of all cases were seen often enough.
        means: of those.
        errors: standard errors of the means.
    """

    used: np.ndarray
    means: np.ndarray
    errors: np.ndarray


def _by_context(simulation: Simulation, vocab_size: int) -> Cases:
    place = simulation.contexts.ravel()
    counts = np.bincount(place, minlength=vocab_size)[:, None]
    paid = simulation.payments.reshape(-1, NUM_AGENTS).T
    sums, squares = (
        np.stack(
            [np.bincount(place, weights=column, minlength=vocab_size) for column in columns], 1
        )
        for columns in (paid, paid**2)
    )
    counts = np.broadcast_to(counts, sums.shape)
    means = sums / np.maximum(counts, 1)
    spread = np.maximum(squares / np.maximum(counts, 1) - means**2, 0)
    errors = np.sqrt(spread / np.maximum(counts - 1, 1))
    used = ((counts >= LEAST_VISITS) & (errors > 0)).ravel()
    return Cases(used, means.ravel()[used], errors.ravel()[used])


def _simulated_claim(rows: list[dict[str, Any]]) -> Claim:
    whole = rows[-1]
    worst = max(abs(row["gap / s.e."]) for row in rows)
    return SIMULATED.found(
        whole["simulated"] / whole["closed form"] - 1,
        standard_error=whole["s.e."] / whole["closed form"],
        verdict="reproduced" if worst < LARGEST_Z else "short",
        note=f"Largest distance of an agent or of revenue: {worst:.1f} standard errors; reproduced "
        f"below {LARGEST_Z:g}.",
    )


def _integrated_claim(closed: np.ndarray, integrated: np.ndarray) -> Claim:
    gap = float(np.max(np.abs(closed / integrated - 1)))
    return INTEGRATED.found(
        gap,
        verdict="reproduced" if gap < 1e-9 else "short",
        note=f"At {closed.size} auctions, {NUM_NODES} nodes. Reproduced below 1e-9.",
    )


def _equal_claim(context: Context, tables: np.ndarray, simulation: Simulation) -> Claim:
    """Revenue of texts over their sum of total variation, a ratio of means."""
    first, second = np.exp(tables[0]), np.exp(tables[1])
    distances = 0.5 * np.abs(first - second).sum(axis=1)[simulation.contexts].sum(axis=1)
    revenue = simulation.payments.sum(axis=(1, 2))
    ratio = revenue.mean() / distances.mean()
    error = np.std(revenue - ratio * distances, ddof=1) / np.sqrt(len(revenue)) / distances.mean()
    is_same = abs(ratio - REVENUE) < LARGEST_Z * error
    return EQUAL.found(
        ratio,
        standard_error=error,
        verdict="reproduced" if is_same else "short",
        note=f"{len(revenue):,} texts of {context.settings['num_tokens']} tokens; reproduced "
        f"within {LARGEST_Z:g} standard errors.",
    )


def _largest_claim(tables: np.ndarray) -> Claim:
    own = np.linspace(0.01, 20, 2_000)
    bids = np.stack([own, np.ones_like(own), np.zeros_like(own)], axis=1)
    rows = tables[:, 0]
    distance = 0.5 * np.abs(np.exp(rows[0]) - np.exp(rows[1])).sum()
    paid = np.asarray(_along(jnp.asarray(bids), jnp.asarray(rows)))[:, 0]
    ratios = paid / (own * distance)
    is_same = abs(ratios.max() - BOUND) < 1e-6
    return LARGEST.found(
        ratios.max(),
        verdict="reproduced" if is_same else "short",
        note=f"Reached at {own[ratios.argmax()]:.2f} times the others' bids, of {own.size:,} that "
        "were tried. Reproduced within 1e-6.",
    )


@jax.jit
def _along(bids, rows):
    rule = auctions.LinearRule()
    return jax.vmap(lambda trial: auctions.expected_payments(rule, trial, rows).payments)(bids)


def _sentence(context: Context, rows: list[dict[str, Any]]) -> str:
    whole = rows[-1]
    shown = format_estimate(whole["simulated"], whole["s.e."])
    return (
        f"Over {context.settings['num_texts']:,} texts, three agents pay {shown} per text, each "
        "for a word the bid at which it got it; the closed form says "
        f"{format_number(whole['closed form'])} before anything is drawn."
    )


PAYMENTS = Experiment(
    name="auctions-payments",
    system="auctions",
    title="What is paid",
    claims=(SIMULATED, INTEGRATED, EQUAL, LARGEST),
    run=_run,
    settings={
        "quick": {"num_texts": 10_000, "num_tokens": 8, "vocab_size": 32, "batch_size": 500},
        "paper": {"num_texts": 100_000, "num_tokens": 32, "vocab_size": 64, "batch_size": 500},
        "full": {"num_texts": 1_000_000, "num_tokens": 8, "vocab_size": 256, "batch_size": 500},
    },
    paper_cost_ratio=35.0,
)
