"""Whether a higher bid always brings something better: a search, and what it found in words."""

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import auctions, engine
from ..auctions.preferences import rounding
from .auction_settings import RuleName, chosen_rule
from .seeds import random_key

if TYPE_CHECKING:
    import pandas

WIDTH = 80
NUM_SHOWN = 5
"""Tokens that a report shows at most: those where the two distributions differ most."""


@dataclass(frozen=True, eq=False, repr=False)
class RuleCheck:
    """What a search for counter-examples found.

    The certificate is the auction with the largest violation: the first agent raises its bid from
    `lower` to `higher`, and the probability of `token` moves away from what it says.

    Attributes:
        rule: "linear" or "log-linear".
        holds: whether no search found a violation above rounding.
        violations: by search, in probability.
        token: of the certificate, from 0.
        lower: the first agent's lower bid.
        higher: its higher bid.
        others: bids of the other agents.
        probabilities: what each agent says.
        before: mixture at the lower bid.
        after: mixture at the higher bid.

    Example:
        >>> from jaxpapers import frames
        >>> found = frames.check_rule(0, "linear", num_restarts=4, num_steps=20)
        >>> print(found.holds)
        True
    """

    rule: str
    holds: bool
    violations: Float[np.ndarray, " restart"]
    token: int
    lower: float
    higher: float
    others: Float[np.ndarray, " other"]
    probabilities: Float[np.ndarray, "agent vocab"]
    before: Float[np.ndarray, " vocab"]
    after: Float[np.ndarray, " vocab"]

    def __repr__(self) -> str:
        verdict = "holds" if self.holds else f"violated by {self.violation:.4g}"
        return f"<RuleCheck {self.rule} rule: monotonicity {verdict}>"

    @property
    def violation(self) -> float:
        """The largest violation, in probability."""
        return float(self.violations.max())

    @property
    def num_found(self) -> int:
        """Searches that ended at a violation above rounding."""
        return int((self.violations > _rounding()).sum())

    def certificate(self) -> "pandas.DataFrame":
        """The auction with the largest violation.

        Returns:
            One row per token: probabilities of each agent, and of the mixture at the lower and at
            the higher bid of the first.
        """
        pandas = engine.require_extra("pandas", "formula")
        columns = {f"agent {i + 1}": row for i, row in enumerate(self.probabilities)}
        columns |= {"q before": self.before, "q after": self.after}
        index = pandas.RangeIndex(1, len(self.before) + 1, name="token")
        return pandas.DataFrame(columns, index=index)

    def report(self) -> str:
        """The verdict, with the certificate where there is one.

        Returns:
            Lines of at most 80 characters; of many tokens and agents those that matter.
        """
        num_agents, vocab_size = self.probabilities.shape
        head = (
            f"{self.rule} rule, {num_agents} agents, {vocab_size} tokens, "
            f"{len(self.violations)} searches"
        )
        return "\n\n".join([head, *(_passed(self) if self.holds else _failed(self))])


def check_rule(
    seed: int | jax.Array,
    rule: RuleName,
    *,
    num_agents: int = 2,
    vocab_size: int = 3,
    num_restarts: int = 64,
    num_steps: int = 200,
) -> RuleCheck:
    """Looks for auctions in which a higher bid is not weakly better for who makes it.

    Better is meant robustly: at every token at least as near to what the agent says, and on the
    same side of it. Gradient ascent over distributions and bids, in double precision.

    Source: Duetting et al. (2024), robust preferences and monotone aggregation; the search is ours.

    Args:
        seed: a seed or a typed key; more searches begin with the same ones.
        rule: "linear" or "log-linear".
        num_agents: of the auctions.
        vocab_size: tokens of the auctions.
        num_restarts: searches.
        num_steps: steps of each.

    Returns:
        The verdict, and the largest violation.

    Raises:
        TypeError: a seed or counts of the wrong type.
        ValueError: an unknown rule, counts below 1 (searches, steps) or 2 (agents, tokens).

    Example:
        >>> from jaxpapers import frames
        >>> found = frames.check_rule(0, "log-linear", num_restarts=8, num_steps=100)
        >>> print(found.holds, found.violation > 0.1)
        False True
    """
    chosen = chosen_rule(rule)
    engine.check_count("num_agents", num_agents, 2)
    engine.check_count("vocab_size", vocab_size, 2)
    key = random_key(seed)
    with engine.double_precision():
        found = auctions.find_violations(
            key,
            chosen,
            num_agents=num_agents,
            vocab_size=vocab_size,
            num_restarts=num_restarts,
            num_steps=num_steps,
        )
        place = int(np.argmax(found.violation))
        bids, log_probs, higher = found.bids[place], found.log_probs[place], found.raised[place]
        before, after = map(np.asarray, _mixtures(chosen, bids, higher, log_probs))
        return RuleCheck(
            rule=rule,
            holds=bool(found.holds),
            violations=np.asarray(found.violation),
            token=int(found.token[place]),
            lower=float(bids[0]),
            higher=float(higher),
            others=np.asarray(bids)[1:],
            probabilities=np.exp(np.asarray(log_probs)),
            before=before,
            after=after,
        )


@jax.jit
def _mixtures(rule, bids, higher, log_probs):
    """Probabilities at the first agent's lower and higher bid."""
    trials = jnp.stack([bids, bids.at[0].set(higher)])
    return jnp.exp(jax.vmap(rule.log_mixture, (0, None))(trials, log_probs))


def _rounding() -> float:
    return rounding(np.float64)


def _passed(check: RuleCheck) -> list[str]:
    if check.rule == "linear":
        more = "A search proves nothing; this is a theorem of Duetting et al. (2024)."
    elif check.probabilities.shape[1] == 2:
        more = "A search proves nothing; of two tokens there is no such auction."
    else:
        more = "A search proves nothing, and there are such auctions: take more searches or steps."
    text = (
        "NONE FOUND: in no auction that was searched a higher bid is not weakly better for the "
        f"agent that makes it. {more}"
    )
    return [textwrap.fill(text, WIDTH)]


def _failed(check: RuleCheck) -> list[str]:
    own, low, high = (
        float(row[check.token]) for row in (check.probabilities[0], check.before, check.after)
    )
    text = (
        f"NOT MONOTONE: agent 1 says {own:.4f} for token {check.token + 1}. When it raises its bid "
        f"from {check.lower:.4g} to {check.higher:.4g}, the auction's probability goes from "
        f"{low:.4f} to {high:.4f}: worse by {check.violation:.4f}."
    )
    found = f"{check.num_found} of {len(check.violations)} searches ended at a violation."
    return [textwrap.fill(text, WIDTH), _certificate_lines(check), found]


def _certificate_lines(check: RuleCheck) -> str:
    """Distributions row by row, tokens side by side."""
    moves = np.abs(check.after - check.before)
    shown = np.sort(np.argsort(-moves)[:NUM_SHOWN])
    rows: list[tuple[str, str, Any]] = [
        ("agent 1", f"{check.lower:.3g} -> {check.higher:.3g}", check.probabilities[0])
    ]
    rows += [
        (f"agent {number + 2}", f"{bid:.4g}", own)
        for number, (bid, own) in enumerate(
            zip(check.others[:NUM_SHOWN], check.probabilities[1 : NUM_SHOWN + 1], strict=True)
        )
    ]
    rows += [("auction before", "", check.before), ("auction after", "", check.after)]
    width = max(len(bid) for _, bid, _ in rows)
    heads = "".join(f"{f'token {token + 1}':>9}" for token in shown)
    lines = [f"{'':14}  {'bid':>{width}}{heads}"]
    for name, bid, values in rows:
        lines.append(f"{name:14}  {bid:>{width}}" + "".join(f"{values[t]:9.4f}" for t in shown))
    cut = [] if len(shown) == len(moves) else [f"{len(shown)} of {len(moves)} tokens are shown."]
    return "\n".join([*lines, *cut])
