"""Every refusal of a bidder, with its message."""

import bidder_cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bidder_cases import TEXTS, VOCAB_SIZE

from jaxpapers.auctions import bidders

KEY = jax.random.key(0)
HALF = jnp.log(jnp.full((2, 2), 0.5))
SMALL = bidders.MarkovBidder(HALF)
PROMPT = np.array([0, 1], np.int32)
BASE = bidder_cases.markov()
NGRAM = bidder_cases.ngram(2)
SMOOTH = bidders.AddK(1.0)
TOKENIZER = bidders.WordTokenizer.of(["Fly to Hawaii and relax.", "Come to the hotel."])


def fit(texts=TEXTS, **changes):
    settings = {"vocab_size": VOCAB_SIZE, "order": 2, "smoothing": SMOOTH, **changes}
    return lambda: bidders.fit_ngram(texts, **settings)


def dirichlet(**changes):
    settings = {"key": KEY, "vocab_size": 3, "concentration": 1.0, **changes}
    return lambda: bidders.dirichlet_markov(**settings)


def zipf(**changes):
    settings = {"key": KEY, "vocab_size": 3, "exponent": 1.0, **changes}
    return lambda: bidders.zipf_markov(**settings)


def mixture(members, weights):
    return lambda: bidders.MixtureBidder(members, weights)


def init(agents, prompts):
    return lambda: bidders.init_all(agents, prompts)


def step(agents, tokens, states=((), ())):
    return lambda: bidders.step_all(agents, states, tokens)


MODELS = {
    "table of words": (
        lambda: bidders.MarkovBidder("x"),
        TypeError,
        r"log_transitions must be an array, got str 'x'",
    ),
    "table not square": (
        lambda: bidders.MarkovBidder(HALF[:1]),
        ValueError,
        r"log_transitions must have shape \(vocab, vocab\), got \(1, 2\)",
    ),
    "table of probabilities": (
        lambda: bidders.MarkovBidder(jnp.exp(HALF)),
        ValueError,
        "log_transitions must hold log probabilities: the exponentials of row 0 sum to 3.29744, "
        "not to 1; jax.nn.log_softmax normalises logits",
    ),
    "table with nan": (
        lambda: bidders.MarkovBidder(HALF.at[1, 0].set(jnp.nan)),
        ValueError,
        "the exponentials of row 1 sum to nan",
    ),
    "table with infinity": (
        lambda: bidders.MarkovBidder(HALF.at[1, 0].set(jnp.inf)),
        ValueError,
        "the exponentials of row 1 sum to inf",
    ),
    "codes of floats": (
        lambda: bidders.NGramBidder(jnp.ones(1), HALF, 2),
        TypeError,
        "codes must hold integers",
    ),
    "codes and rows": (
        lambda: bidders.NGramBidder(NGRAM.codes[1:], NGRAM.log_rows, 2),
        ValueError,
        r"log_rows must have shape \(5, vocab\), got \(6, 5\)",
    ),
    "codes falling": (
        lambda: bidders.NGramBidder(NGRAM.codes[::-1], NGRAM.log_rows, 2),
        ValueError,
        "codes must be ascending; fit_ngram makes them so",
    ),
    "rows": (
        lambda: bidders.NGramBidder(NGRAM.codes, NGRAM.log_rows + 0.1, 2),
        ValueError,
        "log_rows must hold log probabilities: the exponentials of row 0 sum to 1.10517",
    ),
    "order of rows": (
        lambda: bidders.NGramBidder(NGRAM.codes, NGRAM.log_rows, 0),
        ValueError,
        "order must be at least 1, got 0",
    ),
    "tilt of what": (
        lambda: bidders.TiltedBidder(HALF, [0.0, 0.0], 1.0),
        TypeError,
        "base must be a Bidder, got ArrayImpl",
    ),
    "short reward": (
        lambda: bidders.TiltedBidder(SMALL, [0.0], 1.0),
        ValueError,
        r"reward must have shape \(2,\), got \(1,\)",
    ),
    "infinite reward": (
        lambda: bidders.TiltedBidder(SMALL, [0.0, -np.inf], 1.0),
        ValueError,
        "reward holds 1 non-finite value",
    ),
    "reward of words": (
        lambda: bidders.TiltedBidder(SMALL, ["a", "b"], 1.0),
        TypeError,
        "reward must hold real numbers",
    ),
    "tilt of zero": (
        lambda: bidders.TiltedBidder(SMALL, [0.0, 0.0], 0.0),
        ValueError,
        "temperature must be positive and finite, got 0",
    ),
    "temper of what": (
        lambda: bidders.Tempered(None, 1.0),
        TypeError,
        "bidder must be a Bidder, got NoneType",
    ),
    "nan temperature": (
        lambda: bidders.Tempered(SMALL, float("nan")),
        ValueError,
        "temperature must be positive and finite, got nan",
    ),
    "infinite temperature": (
        lambda: bidders.Tempered(SMALL, jnp.inf),
        ValueError,
        "temperature must be positive and finite, got inf",
    ),
    "several temperatures": (
        lambda: bidders.Tempered(SMALL, jnp.ones(2)),
        ValueError,
        r"temperature must have shape \(\), got \(2,\)",
    ),
    "temperature of words": (
        lambda: bidders.Tempered(SMALL, "hot"),
        TypeError,
        "temperature must be an array, got str 'hot'",
    ),
    "cut of what": (
        lambda: bidders.TopP(1, 0.5),
        TypeError,
        "bidder must be a Bidder, got int",
    ),
    "no mass": (lambda: bidders.TopP(SMALL, 0.0), ValueError, r"mass must be in \(0, 1\], got 0"),
    "too much": (lambda: bidders.TopP(SMALL, 1.1), ValueError, r"mass must be in \(0, 1\], got 1"),
    "no members": (mixture((), []), ValueError, "bidders must hold at least one member, got none"),
    "member": (mixture((SMALL, 3), [0.5, 0.5]), TypeError, r"bidders\[1\] must be a Bidder, got"),
    "member sizes": (
        mixture((SMALL, BASE), [0.5, 0.5]),
        ValueError,
        r"all bidders must share one vocabulary: bidders\[0\] has vocab_size 2, bidders\[1\] has "
        "vocab_size 5",
    ),
    "three weights": (
        mixture((SMALL, SMALL), [0.5, 0.25, 0.25]),
        ValueError,
        r"weights must have shape \(2,\), got \(3,\)",
    ),
    "negative weight": (
        mixture((SMALL, SMALL), [1.5, -0.5]),
        ValueError,
        r"weights must be at least 0 and sum to 1, got \[ 1.5 -0.5\]",
    ),
    "weights of two": (mixture((SMALL, SMALL), [1.0, 1.0]), ValueError, r"sum to 1, got \[1. 1.\]"),
    "shared what": (
        lambda: bidders.SharedBidder("model", 2),
        TypeError,
        "bidder must be a Bidder, got str",
    ),
    "shared by none": (
        lambda: bidders.SharedBidder(SMALL, 0),
        ValueError,
        "num_agents must be at least 1, got 0",
    ),
    "abstract": (lambda: bidders.Bidder(), TypeError, "abstract"),
}

RANDOM = {
    "key": (dirichlet(key=0), TypeError, "key must be a typed random key"),
    "size": (dirichlet(vocab_size=0), ValueError, "vocab_size must be at least 1, got 0"),
    "size of float": (dirichlet(vocab_size=3.0), TypeError, "vocab_size must be a Python int"),
    "zero": (
        dirichlet(concentration=0.0),
        ValueError,
        r"concentration must lie in \(0, inf\), got 0",
    ),
    "infinite": (
        dirichlet(concentration=np.inf),
        ValueError,
        r"concentration must lie in \(0, inf\), got inf",
    ),
    "vector": (dirichlet(concentration=np.ones(3)), ValueError, r"must have shape \(\), got \(3,"),
    "zipf key": (zipf(key=None), TypeError, "key must be a typed random key"),
    "zipf size": (zipf(vocab_size=-1), ValueError, "vocab_size must be at least 1, got -1"),
    "negative": (zipf(exponent=-1.0), ValueError, r"exponent must lie in \[0, inf\), got -1"),
    "nan": (zipf(exponent=np.nan), ValueError, r"exponent must lie in \[0, inf\), got nan"),
    "common": (zipf(common=1.5), ValueError, r"common must lie in \[0, 1\], got 1.5"),
}

FITS = {
    "no text": (fit([]), ValueError, "texts must hold at least one text, got none"),
    "empty text": (
        fit([TEXTS[0], TEXTS[0][:0]]),
        ValueError,
        r"texts\[1\] must hold at least one token, got none",
    ),
    "large token": (
        fit(np.array([0, 9])),
        ValueError,
        r"texts\[0\] must hold tokens in \[0, 5\), got 9",
    ),
    "negative token": (fit([np.array([-1])]), ValueError, r"tokens in \[0, 5\), got -1"),
    "words": (fit(["fly"]), TypeError, r"texts\[0\] must be an array, got str 'fly'"),
    "floats": (fit([np.ones(2)]), TypeError, r"texts\[0\] must hold integers, got float64\[2\]"),
    "matrix": (fit(np.ones((2, 2), int)), ValueError, r"texts\[0\] must have shape \(time,\)"),
    "traced": (
        lambda: jax.jit(lambda text: fit(text)())(TEXTS[0]),
        TypeError,
        "texts must be known numbers; call fit_ngram outside jit",
    ),
    "order": (fit(order=0), ValueError, "order must be at least 1, got 0"),
    "vocab_size": (fit(vocab_size=0), ValueError, "vocab_size must be at least 1, got 0"),
    "smoothing": (fit(smoothing=0.5), TypeError, "smoothing must be AddK or BackOff, got float"),
    "shares": (
        fit(smoothing=bidders.BackOff((0.9, 0.9, 0.9))),
        ValueError,
        "shares must be one number or 2, got 3",
    ),
    "codes": (
        fit([np.array([0, 1])], vocab_size=2**30, order=3),
        ValueError,
        "texts hold 5 contexts, too many for 32-bit codes at vocab_size 1073741824; use a lower "
        "order or fewer texts",
    ),
    "negative k": (lambda: bidders.AddK(-1.0), ValueError, "k must be finite and at least 0, got"),
    "k": (lambda: bidders.AddK("one"), TypeError, "k must be an array, got str 'one'"),
    "share": (lambda: bidders.BackOff(1.5), ValueError, r"shares must lie in \[0, 1\], got 1.5"),
    "share of words": (lambda: bidders.BackOff("a"), TypeError, "shares must hold real numbers"),
}

AGENTS = {
    "one bidder": (
        init(SMALL, PROMPT),
        TypeError,
        "bidders must be a tuple of bidders, got MarkovBidder",
    ),
    "none": (lambda: bidders.num_agents(()), ValueError, "bidders must hold at least one bidder"),
    "kind": (
        init((SMALL, "x"), PROMPT),
        TypeError,
        r"bidders\[1\] must be a Bidder or a SharedBidder, got str",
    ),
    "sizes": (
        init((SMALL, bidders.SharedBidder(BASE, 2)), PROMPT),
        ValueError,
        r"bidders\[0\] has vocab_size 2, bidders\[1\] has vocab_size 5",
    ),
    "prompts": (
        init((SMALL, SMALL), [PROMPT]),
        ValueError,
        "prompts must be one per agent, 2, got 1",
    ),
    "text": (init((SMALL,), "fly"), TypeError, "prompts must be an array, or one array per agent"),
    "scalar": (init((SMALL,), np.array(0)), ValueError, r"prompts must have shape \(time,\)"),
    "empty": (init((SMALL,), PROMPT[:0]), ValueError, "prompts must hold at least one token"),
    "second empty": (
        init((SMALL, SMALL), [PROMPT, PROMPT[:0]]),
        ValueError,
        r"prompts\[1\] must hold at least one token, got none",
    ),
    "list": (init((SMALL,), [[0, 1]]), TypeError, r"prompts\[0\] must be an array, got list"),
    "floats": (init((SMALL,), np.ones(2)), TypeError, "prompts must hold integers"),
    "outside": (
        init((SMALL,), [np.array([0, 2])]),
        ValueError,
        r"prompts\[0\] must hold tokens in \[0, 2\), got 2",
    ),
    "tokens": (
        step((SMALL, SMALL), PROMPT[:1]),
        ValueError,
        r"tokens must have shape \(2,\), got \(1,\)",
    ),
    "tokens outside": (
        step((SMALL, SMALL), np.array([0, -1])),
        ValueError,
        r"tokens must hold tokens in \[0, 2\), got -1",
    ),
    "float tokens": (step((SMALL, SMALL), np.zeros(2)), TypeError, "tokens must hold integers"),
    "states": (
        step((SMALL, SMALL), PROMPT, ((),)),
        ValueError,
        "states must be one per bidder, 2, got 1",
    ),
    "shared prompts": (
        lambda: bidders.SharedBidder(SMALL, 3).init(np.zeros((2, 1), int)),
        ValueError,
        "prompts must be 3, got 2",
    ),
    "own empty prompt": (
        lambda: NGRAM.init(PROMPT[:0]),
        ValueError,
        "prompt must hold at least one token, got none",
    ),
    "own prompt": (
        lambda: SMALL.init(np.array([5])),
        ValueError,
        r"prompt must hold tokens in \[0, 2\), got 5",
    ),
}

WORDS = {
    "near": (
        lambda: TOKENIZER.encode("Fly to Hawai."),
        ValueError,
        "'Hawai' is not in the vocabulary; nearest: 'Hawaii'",
    ),
    "far": (
        lambda: TOKENIZER.encode("Fly to xyzzy."),
        ValueError,
        "'xyzzy' is not in the vocabulary; nothing is near it",
    ),
    "tokens as text": (
        lambda: TOKENIZER.encode(PROMPT),
        TypeError,
        "a text must be a string, got ndarray",
    ),
    "one text": (
        lambda: bidders.WordTokenizer.of("Fly."),
        TypeError,
        "texts must be several strings, got one; put it into a list",
    ),
    "no text": (
        lambda: bidders.WordTokenizer.of([1]),
        TypeError,
        "a text must be a string, got int",
    ),
    "text as tokens": (lambda: TOKENIZER.decode("fly"), TypeError, "tokens must be an array"),
    "decoded outside": (
        lambda: TOKENIZER.decode(np.array([0, 99])),
        ValueError,
        r"tokens must lie in \[0, 10\), got 99",
    ),
    "decoded matrix": (
        lambda: TOKENIZER.decode(np.zeros((1, 1), int)),
        ValueError,
        r"tokens must have shape \(time,\)",
    ),
    "no end": (lambda: bidders.WordTokenizer(("a",)), ValueError, "words must hold '<end>'"),
    "twice": (
        lambda: bidders.WordTokenizer(("<end>", "a", "a")),
        ValueError,
        "words must differ; one is given twice",
    ),
    "pair": (
        lambda: bidders.brand_texts("partners"),
        ValueError,
        "pair must be PARTNERS or RIVALS, got 'partners'",
    ),
    "pair of bidders": (
        lambda: bidders.brand_bidders(None),
        ValueError,
        "pair must be PARTNERS or RIVALS, got None",
    ),
    "order": (
        lambda: bidders.brand_bidders(bidders.PARTNERS, order=0),
        ValueError,
        "order must be at least 1, got 0",
    ),
}

GROUPS = {"models": MODELS, "random": RANDOM, "fits": FITS, "agents": AGENTS, "words": WORDS}
ROWS = [(group, name) for group, rows in GROUPS.items() for name in rows]


@pytest.mark.parametrize(("group", "name"), ROWS)
def test_is_refused(group, name):
    call, error, message = GROUPS[group][name]
    with pytest.raises(error, match=message):
        call()


def test_traced_values_pass():
    """Inside jit nothing is known of values: models, prompts and tokens are taken as they come."""

    @jax.jit
    def speak(rows, reward, temperature, weights, prompt, token):
        base = bidders.MarkovBidder(rows)
        tilted = bidders.TiltedBidder(base, reward, temperature)
        mixed = bidders.MixtureBidder((base, tilted), [weights[0], weights[1]])
        agents = (mixed, bidders.Tempered(base, temperature), bidders.TopP(base, temperature))
        states = bidders.init_all(agents, prompt)
        return bidders.step_all(agents, states, jnp.broadcast_to(token, (3,)))[0]

    rows = speak(jnp.zeros((2, 2)), jnp.zeros(2), -1.0, jnp.ones(2), PROMPT + 5, 1)
    assert rows.shape == (3, 2)


def test_constants_are_checked_inside_jit():
    """Bidders made inside jit of known numbers are made, or refused, as outside."""
    numbers = jnp.asarray([0.5, 0.5]), jnp.asarray(0.5), jnp.asarray(2.0)

    @jax.jit
    def speak(token):
        base = bidders.Tempered(bidders.TopP(bidders.MarkovBidder(HALF), numbers[1]), numbers[2])
        mixed = bidders.MixtureBidder((base, bidders.TiltedBidder(base, *numbers[:2])), numbers[0])
        states = bidders.init_all((mixed,), jnp.asarray(PROMPT))
        return bidders.step_all((mixed,), states, token[None])[0]

    assert speak(jnp.asarray(1, jnp.int32)).shape == (1, 2)
    with pytest.raises(ValueError, match=r"mass must be in \(0, 1\], got 2"):
        jax.jit(lambda _: bidders.TopP(SMALL, numbers[2]))(0)
