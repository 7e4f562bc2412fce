"""Texts: what `generate`, `replicate` and `read` promise, on Markov and n-gram bidders."""

import auction_oracle as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import auctions, engine

KEY = jax.random.key(7)
LINEAR = auctions.LinearRule()
BIDS = np.array([1.0, 2.0], np.float32)
PROMPT = np.array([0, 3], np.int32)
NUM_TOKENS = 6


@pytest.fixture(scope="module")
def bidders():
    keys = jax.random.split(jax.random.key(1), 3)
    return [auctions.dirichlet_markov(key, vocab_size=8, concentration=0.5) for key in keys]


@pytest.fixture(scope="module")
def text(bidders):
    return auctions.generate(KEY, LINEAR, bidders[:2], BIDS, PROMPT, num_tokens=NUM_TOKENS)


def assert_same(one, other, tolerance=0):
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


def test_each_token_is_one_clearing(bidders, text):
    tables = [np.exp(np.asarray(b.log_transitions, float)) for b in bidders[:2]]
    before = 3
    for time, token in enumerate(np.asarray(text.tokens)):
        probs = np.stack([table[before] for table in tables])
        sold = auctions.clear(
            jax.random.fold_in(KEY, time), LINEAR, BIDS, jnp.log(jnp.asarray(probs, jnp.float32))
        )
        assert sold.token == token
        np.testing.assert_allclose(text.probabilities[time], probs[:, token], rtol=1e-5)
        assert text.probability[time] == pytest.approx(oracle.linear(BIDS, probs)[token], rel=1e-5)
        np.testing.assert_allclose(text.payments[time], sold.payments, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(text.counterfactuals[time], sold.counterfactuals)
        before = int(token)


def test_longer_text_begins_with_the_shorter(bidders, text):
    longer = auctions.generate(KEY, LINEAR, bidders[:2], BIDS, PROMPT, num_tokens=NUM_TOKENS + 3)
    assert_same(text, jax.tree.map(lambda x: x[:NUM_TOKENS], longer))


def test_sums_of_a_text(text):
    np.testing.assert_allclose(text.charged, np.asarray(text.payments).sum(axis=0), rtol=1e-6)
    assert text.revenue == pytest.approx(float(np.asarray(text.payments).sum()), rel=1e-6)
    logs = np.log(np.asarray(text.probability)).sum()
    assert text.log_likelihood == pytest.approx(float(logs), rel=1e-6)


def test_replicates_do_not_depend_on_batches(bidders):
    def texts(batch_size):
        return auctions.replicate(
            KEY,
            LINEAR,
            bidders[:2],
            BIDS,
            PROMPT,
            num_tokens=NUM_TOKENS,
            num_replicates=7,
            batch_size=batch_size,
        )

    some, others = texts(3), texts(7)
    assert some.payments.shape == (7, NUM_TOKENS, 2)
    np.testing.assert_array_equal(some.tokens, others.tokens)
    assert_same(some, others, 1e-5)
    first = auctions.generate(
        jax.random.fold_in(KEY, 4), LINEAR, bidders[:2], BIDS, PROMPT, num_tokens=NUM_TOKENS
    )
    np.testing.assert_array_equal(some.tokens[4], first.tokens)


def test_bids_by_token(bidders):
    bids = np.zeros((NUM_TOKENS, 2), np.float32)
    bids[:3, 0], bids[3:, 1] = 1, 2
    found = auctions.generate(KEY, LINEAR, bidders[:2], bids, PROMPT, num_tokens=NUM_TOKENS)
    np.testing.assert_array_equal(found.bids, bids)
    np.testing.assert_allclose(found.probability[:3], found.probabilities[:3, 0], rtol=1e-6)
    np.testing.assert_allclose(found.probability[3:], found.probabilities[3:, 1], rtol=1e-6)


def test_platform_takes_part_with_its_reserve(bidders):
    rule = auctions.LinearRule(reserve=1e6)
    found = auctions.generate(
        KEY, rule, bidders[:2], BIDS, PROMPT, num_tokens=NUM_TOKENS, platform=bidders[2]
    )
    table = np.exp(np.asarray(bidders[2].log_transitions))
    before = np.concatenate([[3], np.asarray(found.tokens)[:-1]])
    np.testing.assert_allclose(found.probability, table[before, found.tokens], rtol=1e-4)
    assert (found.influence < 1e-5).all()


def test_agents_on_one_model_differ_by_their_prompts(bidders):
    shared = [auctions.SharedBidder(bidders[0], 2)]
    prompts = [np.array([0, 1], np.int32), np.array([2], np.int32)]
    found = auctions.generate(KEY, LINEAR, shared, BIDS, prompts, num_tokens=NUM_TOKENS)
    alone = auctions.generate(
        KEY, LINEAR, [bidders[0], bidders[0]], BIDS, prompts, num_tokens=NUM_TOKENS
    )
    np.testing.assert_array_equal(found.tokens, alone.tokens)
    assert_same(found, alone, 1e-6)
    assert found.influence[0].max() > 0.01  # they read different prompts
    np.testing.assert_allclose(found.influence[1:], 0, atol=1e-6)  # and then the same token


def test_read_gives_what_the_agents_said(bidders, text):
    log_probs = auctions.read(bidders[:2], PROMPT, text.tokens)
    assert log_probs.shape == (NUM_TOKENS, 2, 8)
    picked = jnp.take_along_axis(log_probs, text.tokens[:, None, None], axis=2)[..., 0]
    np.testing.assert_allclose(jnp.exp(picked), text.probabilities, rtol=1e-5)


def test_an_interrupted_text_goes_on_to_the_same_end(bidders, text, tmp_path):
    data = auctions.Conversation(
        tuple(bidders[:2]), PROMPT, jnp.broadcast_to(BIDS, (NUM_TOKENS, 2)), None
    )
    algorithm = auctions.TokenAuction(auctions.SecondPrice(), auctions.InverseCDF())
    checkpoint = engine.Checkpoint(tmp_path / "text", every_steps=2)

    def run(num_steps):
        return engine.run(
            KEY, algorithm, LINEAR, data, num_steps=num_steps, chunk_size=2, checkpoint=checkpoint
        )

    run(4)
    whole = run(NUM_TOKENS)
    np.testing.assert_array_equal(whole.info.tokens, text.tokens)
    assert_same(whole.info, text, 1e-6)


def test_brands_meet_in_one_text():
    tokenizer, brands = auctions.brand_bidders(auctions.PARTNERS)
    prompt = jnp.asarray(tokenizer.encode(auctions.PARTNERS.prompt))
    found = auctions.replicate(
        KEY,
        auctions.LinearRule(),
        brands,
        jnp.ones(2),
        prompt,
        num_tokens=24,
        num_replicates=64,
        payment=auctions.Myerson(),
    )
    texts = [tokenizer.decode(row) for row in np.asarray(found.tokens)]
    assert any("Alpha Airlines" in text for text in texts)
    assert any("Beta Resort" in text for text in texts)
    assert (found.status == engine.Status.OK).all()
    np.testing.assert_allclose(found.payments[..., 0], found.payments[..., 1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"bids": np.array([1.0, -2.0])}, ValueError,
         r"bids must be finite and at least 0, got -2.0 at \[1\]"),
        ({"bids": np.array([1.0, np.nan])}, ValueError, r"got nan at \[1\]"),
        ({"bids": np.ones(3)}, ValueError, r"bids must have shape \(2,\), got \(3,\)"),
        ({"bids": np.ones((5, 2))}, ValueError, r"bids must have shape \(6, 2\), got \(5, 2\)"),
        ({"num_tokens": 0}, ValueError, "num_tokens must be at least 1"),
        ({"rule": auctions.LinearRule(1.0)}, ValueError, "but platform is None"),
        ({"rule": auctions.BaseModelRule()}, ValueError, "BaseModelRule needs platform"),
        ({"rule": "linear"}, TypeError, "rule must be a Rule, got str"),
        ({"payment": "second"}, TypeError, "payment must be a Payment"),
        ({"sampler": 1}, TypeError, "sampler must be a Sampler"),
        ({"prompt": [PROMPT]}, ValueError, "prompt holds 1 prompts for 2 readers"),
        ({"prompt": np.array([], np.int32)}, ValueError, "at least one token"),
        ({"prompt": np.array([9])}, ValueError, r"tokens in \[0, 8\), got 9"),
        ({"bidders": []}, ValueError, "(?i)at least one|no bidders"),
        ({"platform": 3}, TypeError, "platform must be a Bidder"),
        ({"key": 3}, TypeError, "key must be a typed random key"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["generate", "replicate"])
def test_bad_arguments_are_told_before_anything_runs(bidders, verb, changes, error, message):
    args = {"key": KEY, "rule": LINEAR, "bidders": bidders[:2], "bids": BIDS, "prompt": PROMPT,
            "num_tokens": NUM_TOKENS} | changes  # fmt: skip
    settings = {"num_replicates": 2} if verb == "replicate" else {}
    with pytest.raises(error, match=message):
        getattr(auctions, verb)(**args, **settings)


def test_different_vocabularies_are_refused(bidders):
    other = auctions.dirichlet_markov(KEY, vocab_size=5, concentration=0.5)
    with pytest.raises(ValueError, match="share one vocabulary"):
        auctions.generate(KEY, LINEAR, [bidders[0], other], BIDS, PROMPT, num_tokens=2)
    with pytest.raises(ValueError, match="share one vocabulary"):
        auctions.generate(KEY, LINEAR, bidders[:2], BIDS, PROMPT, num_tokens=2, platform=other)
