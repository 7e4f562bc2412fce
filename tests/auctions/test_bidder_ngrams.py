"""N-gram models against counts in dictionaries."""

import collections

import bidder_cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bidder_cases import TEXTS, VOCAB_SIZE, every_prompt

from jaxpapers.auctions import bidders

START = VOCAB_SIZE
ORDERS = (1, 2, 3, 4)
SHARES = (0.9, 0.8, 0.6, 0.7)


class Counted:
    """Counts of every context of every length, in a dictionary."""

    def __init__(self, texts, order):
        self.order = order
        self.counts = collections.defaultdict(collections.Counter)
        for text in texts:
            padded = [START] * (order - 1) + [int(token) for token in text]
            for place in range(order - 1, len(padded)):
                for length in range(order):
                    self.counts[tuple(padded[place - length : place])][padded[place]] += 1

    def context(self, prompt):
        padded = [START] * (self.order - 1) + [int(token) for token in prompt]
        return tuple(padded[len(padded) - self.order + 1 :])

    def back_off(self, context, token, shares):
        lower = self.back_off(context[1:], token, shares) if context else 1 / VOCAB_SIZE
        counts = self.counts.get(context)
        if not counts:
            return lower
        share = shares[len(context)]
        return share * counts[token] / sum(counts.values()) + (1 - share) * lower

    def add_k(self, context, token, k):
        counts = self.counts.get(context, {})
        if not counts:
            return 1 / VOCAB_SIZE
        return (counts.get(token, 0) + k) / (sum(counts.values()) + k * VOCAB_SIZE)


def table(counted, prompts, rule, numbers):
    return [
        [getattr(counted, rule)(counted.context(prompt), t, numbers) for t in range(VOCAB_SIZE)]
        for prompt in prompts
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_probabilities_are_those_of_a_dictionary(x64, order):
    counted = Counted(TEXTS, order)
    back_off = bidder_cases.ngram(order, bidders.BackOff(SHARES[:order]))
    add_k = bidder_cases.ngram(order, bidders.AddK(0.5))
    tolerance = bidder_cases.rounding(x64)
    for prompts in (every_prompt(1), every_prompt(3)):
        for bidder, rule, numbers in (
            (back_off, "back_off", SHARES),
            (add_k, "add_k", 0.5),
        ):
            found = np.exp(bidder_cases.answers(bidder, prompts))
            expected = table(counted, prompts, rule, numbers)
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_rows_sum_to_one(x64):
    key = jax.random.key(3)
    text = np.asarray(jax.random.categorical(key, -jnp.arange(60.0) / 9, shape=(2_000,)))
    bidder = bidders.fit_ngram(text, vocab_size=60, order=3, smoothing=bidders.BackOff(0.95))
    sums = np.exp(np.asarray(bidder.log_rows, np.float64)).sum(axis=1)
    np.testing.assert_allclose(
        sums, 1, rtol=0, atol=bidder_cases.SUM if x64 else bidder_cases.SUM_SINGLE
    )
    assert np.isfinite(np.asarray(bidder.log_rows)).all()


def test_what_never_came_is_impossible_without_smoothing():
    for smoothing in (bidders.AddK(0.0), bidders.BackOff(1.0)):
        bidder = bidder_cases.ngram(2, smoothing)
        after_three = bidder_cases.answers(bidder, np.array([[3]], np.int32))[0]
        np.testing.assert_array_equal(np.exp(after_three), [1, 0, 0, 0, 0])
        assert np.isneginf(np.asarray(after_three)[1:]).all()


def test_one_share_serves_all_orders():
    one = bidder_cases.ngram(3, bidders.BackOff(0.8))
    three = bidder_cases.ngram(3, bidders.BackOff((0.8, 0.8, 0.8)))
    np.testing.assert_array_equal(one.log_rows, three.log_rows)


def test_texts_are_counted_apart():
    """No context reaches over from one text into the next, and one array is one text."""
    smoothing = bidders.AddK(0.0)
    ends, begins = np.array([0, 1]), np.array([2, 3])
    apart = bidders.fit_ngram([ends, begins], vocab_size=4, order=2, smoothing=smoothing)
    joined = bidders.fit_ngram(
        np.concatenate([ends, begins]), vocab_size=4, order=2, smoothing=smoothing
    )
    prompt = np.array([[1]], np.int32)
    np.testing.assert_allclose(np.exp(bidder_cases.answers(apart, prompt))[0], [0.25] * 4)
    np.testing.assert_allclose(np.exp(bidder_cases.answers(joined, prompt))[0], [0, 0, 1, 0])


def test_memory_grows_with_contexts_seen():
    text = np.tile(np.arange(100), 10)
    bidder = bidders.fit_ngram(text, vocab_size=100, order=3, smoothing=bidders.AddK(0.1))
    assert bidder.codes.dtype == jnp.int32
    assert bidder.log_rows.shape == (1 + (100 + 1) + (100 + 2), 100)


def test_a_longer_text_is_counted():
    """And a planted defect, a text that is shifted by one token, is seen."""
    key = jax.random.key(4)
    text = np.asarray(jax.random.randint(key, (300,), 0, VOCAB_SIZE, jnp.int32))
    bidder = bidders.fit_ngram(
        [text], vocab_size=VOCAB_SIZE, order=3, smoothing=bidders.BackOff(0.9)
    )
    prompts = every_prompt(2)
    found = np.exp(bidder_cases.answers(bidder, prompts))
    shares = (0.9,) * 3
    right = table(Counted([text], 3), prompts, "back_off", shares)
    wrong = table(Counted([np.roll(text, 1)], 3), prompts, "back_off", shares)
    np.testing.assert_allclose(found, right, rtol=0, atol=bidder_cases.ROUNDING_SINGLE)
    assert np.abs(found - wrong).max() > 100 * bidder_cases.ROUNDING_SINGLE
