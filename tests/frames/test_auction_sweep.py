"""Sweeps over bids, and searches for auctions in which a higher bid does not help."""

import dataclasses

import numpy as np
import pytest

from jaxpapers import frames
from jaxpapers.frames.auction_sweep import sweep_text

pytestmark = pytest.mark.usefixtures("quick_compiles")

TEXTS = {
    "Sun Hotel": ["Stay in the sun.", "Sleep well in the sun, and stay."],
    "Sky Line": ["Fly to the sun.", "Fly well, and fly high."],
}
NUM_SHARES, NUM_TEXTS, NUM_TOKENS = 3, 3, 6


@pytest.fixture(scope="module")
def sweep():
    return frames.sweep_bids(
        3, TEXTS, num_shares=NUM_SHARES, num_texts=NUM_TEXTS, num_tokens=NUM_TOKENS
    )


def test_a_sweep_has_a_row_for_each_rule_and_share(sweep):
    assert list(sweep["rule"]) == ["linear"] * 3 + ["log-linear"] * 3
    np.testing.assert_array_equal(sweep["lambda"], [0, 0.5, 1] * 2)
    for end in (0.0, 1.0):  # nobody pays against a rival who bids nothing
        alone = sweep[sweep["lambda"] == end]
        np.testing.assert_array_equal(alone["revenue"], 0)
        assert alone["text"].nunique() == 1  # both rules say what the only bidder says
    middle = sweep[sweep["lambda"] == 0.5]
    assert (middle["revenue"] > 0).all()
    paid = sweep["paid by Sun Hotel"] + sweep["paid by Sky Line"]
    np.testing.assert_allclose(sweep["revenue"], paid, rtol=1e-12)


def test_a_row_of_a_sweep_is_an_auction(sweep):
    sold = frames.token_auction(3, TEXTS, [0.5, 0.5], num_tokens=NUM_TOKENS, num_texts=NUM_TEXTS)
    row = sweep.iloc[1]
    found = sold.attribution()
    assert row["text"] == sold.text
    assert row["revenue"] == pytest.approx(sold.revenue)
    assert row["welfare"] == pytest.approx(found["welfare"].sum())
    for name in TEXTS:
        assert row[f"moved by {name}"] == pytest.approx(found.loc[name, "tokens_moved"])
        assert row[f"paid by {name}"] == pytest.approx(found.loc[name, "paid"])
    revenues = sold.tokens().groupby("text")["payment"].sum()
    assert row["revenue s.e."] == pytest.approx(revenues.sem())


def test_a_sweep_in_words(sweep):
    lines = sweep_text(sweep).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["rule", "lambda", "revenue", "s.e.", "welfare", "s.e."]
    assert lines[2].split()[:3] == ["linear", "0.5", f"{sweep['revenue'].iloc[1]:.4f}"]
    assert any(line.startswith("log-linear  0.50  ") for line in lines)


# --- checks ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken():
    return frames.check_rule(0, "log-linear", num_restarts=8, num_steps=60)


def test_the_certificate_breaks_monotonicity(broken):
    """Both mixtures again in NumPy, from the certificate alone."""
    own = broken.probabilities

    def mixture(bid):
        bids = np.array([bid, *broken.others])
        products = np.prod(own ** (bids / bids.sum())[:, None], axis=0)
        return products / products.sum()

    before, after = mixture(broken.lower), mixture(broken.higher)
    np.testing.assert_allclose(broken.before, before, rtol=1e-9)
    np.testing.assert_allclose(broken.after, after, rtol=1e-9)
    said, low, high = (row[broken.token] for row in (own[0], before, after))
    is_farther = abs(high - said) > abs(low - said) + 1e-3
    is_across = (high - said) * (low - said) < 0
    assert broken.lower < broken.higher
    assert is_farther or is_across
    assert not broken.holds
    assert broken.violation > 0.1
    assert 1 <= broken.num_found <= 8
    table = broken.certificate()
    assert list(table.columns) == ["agent 1", "agent 2", "q before", "q after"]
    np.testing.assert_allclose(table.sum(), 1)


def test_reports_fit_a_terminal(broken):
    report = broken.report()
    assert report.startswith("log-linear rule, 2 agents, 3 tokens, 8 searches\n\nNOT MONOTONE: ")
    assert f"{broken.num_found} of 8 searches ended at a violation." in report
    assert "log-linear rule: monotonicity violated by" in repr(broken)
    rows = np.random.default_rng(0).dirichlet(np.ones(12), size=11)
    wide = dataclasses.replace(
        broken, probabilities=rows[:9], others=rows[0, :8], before=rows[9], after=rows[10]
    )
    for text in (report, wide.report()):
        assert max(map(len, text.splitlines())) <= 80
    assert "5 of 12 tokens are shown." in wide.report()


@pytest.mark.parametrize(
    ("rule", "vocab_size", "message"),
    [
        ("linear", 3, "this is a theorem of Duetting et al. (2024)."),
        ("log-linear", 2, "of two tokens there is no such auction."),
        ("log-linear", 3, "there are such auctions: take more searches or steps."),
    ],
)
def test_a_rule_that_holds_is_told(broken, rule, vocab_size, message):
    rows = broken.probabilities[:, :vocab_size]
    found = dataclasses.replace(
        broken, rule=rule, holds=True, violations=np.zeros(8), probabilities=rows
    )
    assert found.num_found == 0
    report = found.report()
    assert report.startswith(
        f"{rule} rule, 2 agents, {vocab_size} tokens, 8 searches\n\nNONE FOUND"
    )
    assert message in " ".join(report.split())
    assert max(map(len, report.splitlines())) <= 80
    assert "monotonicity holds" in repr(found)
