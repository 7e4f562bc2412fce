"""The tokenizer, the texts of the brands, and what their models say."""

import itertools

import bidder_cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.auctions import bidders
from jaxpapers.auctions.bidders import PARTNERS, RIVALS, WordTokenizer

PAIRS = {"partners": PARTNERS, "rivals": RIVALS}
NUM_TOKENS = 30
NUM_TEXTS = 40

SENTENCES = [
    "Fly to Hawaii. We fly daily, and Hawaii is warm!",
    'He said: "Fly to Hawaii (at $99.50, or 20% off)." We said: "Why not?" It is warm.',
    "It's the guests' all-inclusive hotel… or is it? “Yes,” we said; it is 24 hours.",
    "The USA is far... 10,000 miles away at 9:30 — and we love it.",
    "Say “so”. Then go [now].",
]


def normalised(text):
    return " ".join(text.split())


# --- tokenizer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", SENTENCES)
def test_text_comes_back(text):
    tokenizer = WordTokenizer.of(SENTENCES)
    tokens = tokenizer.encode(f"  {text}\n")
    assert tokens.dtype == np.int32
    assert tokenizer.decode(tokens) == text
    assert tokenizer.decode(jnp.asarray(tokens)) == text


def test_pieces_of_a_text():
    text = 'He said: "It\'s $9.50 (20% off)..." Why?'
    tokenizer = WordTokenizer.of([text, "And he said why."])
    found = [tokenizer.words[token] for token in tokenizer.encode(text)]
    inside = ["(", "20%", "off", ")", "...", '"']
    assert found == ["he", "said", ":", '"', "It's", "$9.50", *inside, "Why", "?"]


def test_first_words_are_small_where_they_are_not_names():
    tokenizer = WordTokenizer.of(["Alpha flies. Fly Alpha! IBM and A flies.", '"Fly," it said.'])
    words = ["!", '"', ",", ".", "Alpha", "IBM", "A", "and", "flies", "fly", "it", "said"]
    assert tokenizer.words == ("<end>", *sorted(words))
    assert tokenizer.vocab_size == len(words) + 1


def test_end_of_text_begins_a_line():
    tokenizer = WordTokenizer.of(["We fly to Hawaii."])
    tokens = tokenizer.encode("we fly <end> to Hawaii. we fly <end> <end>")
    assert (tokens == tokenizer.words.index("<end>")).sum() == 3
    assert tokenizer.decode(tokens) == "We fly\nTo Hawaii. We fly"
    assert tokenizer.decode(tokens[:0]) == ""


def test_tokenizers_of_the_same_texts_are_equal():
    one, two = WordTokenizer.of(SENTENCES), WordTokenizer.of(reversed(SENTENCES))
    assert one == two
    assert hash(one) == hash(two)


# --- brands --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=PAIRS)
def pair(request):
    return PAIRS[request.param]


@pytest.fixture(scope="module")
def brands(pair):
    return bidders.brand_bidders(pair)


def test_texts_of_brands_come_back(pair, brands):
    tokenizer, _ = brands
    for texts in bidders.brand_texts(pair):
        for text in texts:
            assert tokenizer.decode(tokenizer.encode(text)) == normalised(text) == text
    assert tokenizer.decode(tokenizer.encode(pair.prompt)) == pair.query[0].upper() + pair.query[1:]


def test_both_pairs_share_one_tokenizer(brands):
    tokenizer, models = brands
    assert tokenizer == bidders.brand_bidders(PARTNERS, order=1)[0]
    assert [model.vocab_size for model in models] == [tokenizer.vocab_size] * 2
    assert bidders.num_agents(models) == 2


def test_brands_speak_of_themselves(pair):
    """40 to 70 short sentences each, of the own brand and never of the other."""
    for texts, own, other in zip(
        bidders.brand_texts(pair), pair.names, reversed(pair.names), strict=True
    ):
        together = " ".join(texts)
        assert 40 <= sum(together.count(mark) for mark in ".!?") <= 70
        assert together.count(own) >= 10
        assert other not in together


def generated(models, prompt, share):
    """Texts of the linear mixture that gives the first model a share."""
    agents = bidders.MixtureBidder(models, [share, 1 - share])

    def say(carry, key):
        state, token = carry
        log_probs, state = agents.step(state, token)
        token = jax.random.categorical(key, log_probs).astype(jnp.int32)
        return (state, token), token

    def text(key):
        start = (agents.init(prompt), prompt[-1])
        return jax.lax.scan(say, start, jax.random.split(key, NUM_TOKENS))[1]

    return jax.vmap(text)(jax.random.split(jax.random.key(5), NUM_TEXTS))


def test_brands_blend(pair, brands):
    """The share moves the texts from one brand to the other, and nearly all pairs of words are
    taken from one of the brands: of 1,160 pairs at most 3 in a hundred are not."""
    tokenizer, models = brands
    prompt = jnp.asarray(tokenizer.encode(pair.prompt))
    known = set()
    for text in [text for texts in bidders.brand_texts(pair) for text in texts]:
        tokens = tokenizer.encode(f"<end> {text} <end>").tolist()
        known |= set(itertools.pairwise(tokens))
    draw = jax.jit(generated)
    mentions = []
    for share in (0.0, 0.5, 1.0):
        tokens = np.asarray(draw(models, prompt, jnp.asarray(share)))
        steps = [step for row in tokens.tolist() for step in itertools.pairwise(row)]
        assert np.mean([step in known for step in steps]) > 0.97
        texts = [tokenizer.decode(row) for row in tokens]
        mentions.append([sum(name in text for text in texts) for name in pair.names])
    first, second = np.array(mentions).T
    assert first[0] < first[1] < first[2]
    assert second[0] > second[1] > second[2]
    assert min(first[1], second[1]) >= NUM_TEXTS / 8


def test_every_word_is_possible(brands):
    _, models = brands
    for model in models:
        log_rows = np.asarray(model.log_rows)
        assert np.isfinite(log_rows).all()
        sums = np.exp(log_rows.astype(np.float64)).sum(axis=1)
        np.testing.assert_allclose(sums, 1, rtol=0, atol=bidder_cases.SUM_SINGLE)
