"""The cases of the auction benchmark: one step over large vocabularies, texts of Markov bidders."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.jax_contenders import xla_memory
from benchmarks.cases.ranks import late, why_missing
from benchmarks.contenders import Case, Contender
from benchmarks.peers import auction_numpy
from jaxpapers import auctions

SEED = 20_231_016
NUM_AUCTIONS = 64
NUM_AGENTS = 4
VOCAB_SIZES = (50_257, 262_144)
NUM_TEXTS = 10_000
NUM_TOKENS = 64
MARKOV_VOCABULARY = 256
BATCH_SIZE = 250
LARGEST_Z = 5.0
"""Standard errors that mean payments may be off; a wrong rule is hundreds off."""
MIXTURE_TOLERANCE = 2e-5
GPU_AUCTIONS = 4_096


def make_cases(sizes):
    """Return all cases in the order in which they are run.

    Args:
        sizes: Not used; vocabularies are those of language models.
    """
    del sizes
    names = [(name, size) for size in VOCAB_SIZES for name in ("linear", "log-linear")]
    names.append(("markov", NUM_TEXTS))
    if jax.default_backend() == "gpu":
        names.append(("gpu", VOCAB_SIZES[0]))
    return [make_case(name, size) for name, size in names]


def make_case(name, size):
    """Return the case of a name at a size.

    Args:
        name: One of BUILDERS.
        size: Tokens of the vocabulary, of Markov bidders the number of texts.

    Raises:
        ValueError: If there is no case of this name.
    """
    if name not in BUILDERS:
        raise ValueError(f"case is {name!r}; needed is one of {', '.join(BUILDERS)}")
    build, others = BUILDERS[name]
    size_name = "texts" if name == "markov" else "V"
    return Case(name, size, "float32", partial(build, size), size_name, others)


def draw_auctions(vocab_size, num_auctions):
    """Return bids `(auction, agent)` and log-probabilities `(auction, agent, vocab)`, float32."""
    generator = np.random.default_rng(SEED)
    logits = generator.standard_normal((num_auctions, NUM_AGENTS, vocab_size), np.float32)
    logits *= 2
    logits -= np.log(np.exp(logits).sum(axis=2, keepdims=True))
    return generator.uniform(0.1, 1.1, (num_auctions, NUM_AGENTS)).astype(np.float32), logits


def expected_mean(bids, log_probs):
    """Mean expected payment of all agents, by the closed form in NumPy and float64."""
    total = 0.0
    for own_bids, rows in zip(bids.astype(float), log_probs, strict=True):
        probs = np.exp(rows.astype(float))
        for agent, bid in enumerate(own_bids):
            others = np.where(np.arange(NUM_AGENTS) == agent, 0, own_bids)
            rest = others.sum()
            distance = 0.5 * np.abs(probs[agent] - others @ probs / rest).sum()
            total += distance * (rest * np.log1p(bid / rest) - bid * rest / (bid + rest))
    return total / bids.size


def payment_error(wanted, bids, answer):
    """Return how far the mean payment is off in allowed standard errors; infinite if above bids."""
    _, paid = (np.asarray(x) for x in answer[:2])
    if (paid < 0).any() or (paid > bids * (1 + 1e-6)).any():
        return float("inf")
    error = paid.std() / np.sqrt(paid.size)
    return abs(paid.mean() - wanted) / error / LARGEST_Z


def build_linear(vocab_size):
    """Return the contenders for one step under the linear rule with second-price payments."""
    bids, log_probs = draw_auctions(vocab_size, NUM_AUCTIONS)
    generator = np.random.default_rng(SEED + 1)
    uniforms, heights = generator.random((2, NUM_AUCTIONS), np.float32)
    error = partial(payment_error, expected_mean(bids, log_probs), bids)
    exact = np.einsum("ai,aiv->av", bids.astype(float), np.exp(log_probs.astype(float)))

    def mixture_error(found):
        return np.max(np.abs(np.asarray(found) / exact - 1)) / MIXTURE_TOLERANCE

    return [
        *_our_steps(auctions.LinearRule(), bids, log_probs, error),
        _ours(
            "jaxpapers, ancestral",
            "auctions.clear with Ancestral(), tokens and payments",
            partial(_sold, auctions.LinearRule(), sampler=auctions.Ancestral()),
            bids,
            log_probs,
            error,
        ),
        _ours(
            "mixture alone",
            "jitted bids @ jnp.exp(log_probs), no draw and no payments",
            lambda key, bids, log_probs: bids @ jnp.exp(log_probs),
            bids,
            log_probs,
            mixture_error,
        ),
        Contender(
            "NumPy",
            "np.exp, matmul, cumulative sums and searchsorted, payments",
            partial(auction_numpy.linear_step, bids, log_probs, uniforms, heights),
            error,
        ),
        Contender(
            "torch",
            "exp, bmm, torch.multinomial, payments",
            _torch_step(bids, log_probs),
            error,
            why_missing=why_missing("torch"),
        ),
    ]


def build_log_linear(vocab_size):
    """Return the contenders for one step under the log-linear rule."""
    bids, log_probs = draw_auctions(vocab_size, NUM_AUCTIONS)
    uniforms = np.random.default_rng(SEED + 1).random(NUM_AUCTIONS, np.float32)
    rule = auctions.LogLinearRule()

    def paid_error(answer):
        _, paid = (np.asarray(x) for x in answer)
        is_sound = np.isfinite(paid).all() and (paid <= bids * (1 + 1e-5)).all()
        return 0.0 if is_sound and (paid >= -1e-6).all() else float("inf")

    def token_error(tokens):
        return 0.0 if ((tokens >= 0) & (tokens < vocab_size)).all() else float("inf")

    return [
        _ours(
            "jaxpapers, one draw",
            "auctions.clear with OneDraw(), tokens and payments",
            partial(_sold, rule, payment=auctions.OneDraw()),
            bids,
            log_probs,
            paid_error,
        ),
        _ours(
            "jaxpapers, free",
            "auctions.clear with NoPayment(), tokens",
            partial(_sold, rule, payment=auctions.NoPayment()),
            bids,
            log_probs,
            paid_error,
        ),
        Contender(
            "NumPy, free",
            "matmul of logarithms, np.exp, cumulative sums and searchsorted; no payments",
            partial(auction_numpy.log_linear_step, bids, log_probs, uniforms),
            token_error,
        ),
    ]


def build_markov(num_texts):
    """Return the contenders for many texts of Markov bidders with second-price payments."""
    generator = np.random.default_rng(SEED + 2)
    shape = (NUM_AGENTS, MARKOV_VOCABULARY)
    tables = generator.dirichlet(np.full(MARKOV_VOCABULARY, 0.1), shape).astype(np.float32)
    tables = np.maximum(tables, 1e-12)
    tables /= tables.sum(axis=2, keepdims=True)
    bids = generator.uniform(0.1, 1.1, NUM_AGENTS).astype(np.float32)
    bidders = [auctions.MarkovBidder(jnp.log(jnp.asarray(table))) for table in tables]

    def ours():
        text = auctions.replicate(
            jax.random.key(SEED),
            auctions.LinearRule(),
            bidders,
            bids,
            jnp.zeros(1, jnp.int32),
            num_tokens=NUM_TOKENS,
            num_replicates=num_texts,
            batch_size=min(BATCH_SIZE, num_texts),
        )
        return jax.block_until_ready((text.tokens, text.payments.sum(axis=1), text))

    def peer():
        randomness = np.random.default_rng(SEED + 3)
        return auction_numpy.markov_texts(randomness, bids, tables, 0, num_texts, NUM_TOKENS)

    wanted = _mean_of_texts(bids, tables)
    error = partial(payment_error, wanted, np.full(NUM_AGENTS, np.inf))
    return [
        Contender(
            "jaxpapers",
            "auctions.replicate: payments, influence, counterfactual tokens",
            ours,
            error,
            compiler="jax",
        ),
        Contender("NumPy", "all texts at once; payments only", peer, error),
    ]


def _mean_of_texts(bids, tables):
    """Expected payment of an agent for a text, by the chain of the mixture, in float64."""
    bids, tables = bids.astype(float), tables.astype(float)
    mixture = np.einsum("a,aij->ij", bids / bids.sum(), tables)
    by_token = [
        expected_mean(bids[None], np.log(tables[None, :, row])) for row in range(len(mixture))
    ]
    law, total = np.eye(len(mixture))[0], 0.0
    for _ in range(NUM_TOKENS):
        total += law @ by_token
        law = law @ mixture
    return total


def build_gpu_step(vocab_size):
    """Return our contender for one step of many auctions on a GPU, and a copy to compare with."""
    bids, log_probs = draw_auctions(vocab_size, GPU_AUCTIONS)
    error = partial(payment_error, expected_mean(bids[:64], log_probs[:64]), bids)
    return [
        *_our_steps(auctions.LinearRule(), bids, log_probs, lambda answer: min(error(answer), 1.0)),
        _ours(
            "copy",
            "log_probs + 1: reads and writes all of it",
            lambda key, bids, log_probs: log_probs + 1,
            bids,
            log_probs,
            lambda found: 0.0,
        ),
    ]


def _our_steps(rule, bids, log_probs, error):
    return [
        _ours(
            "jaxpapers",
            "auctions.clear, tokens and payments",
            partial(_sold, rule),
            bids,
            log_probs,
            error,
        ),
        _ours(
            "jaxpapers, all of it",
            "auctions.clear, with mixture, influence and counterfactual tokens",
            partial(_all_of_it, rule),
            bids,
            log_probs,
            error,
        ),
    ]


def _sold(rule, key, bids, log_probs, **settings):
    sold = auctions.clear(key, rule, bids, log_probs, **settings)
    return sold.token, sold.payments


def _all_of_it(rule, key, bids, log_probs):
    sold = auctions.clear(key, rule, bids, log_probs)
    return sold.token, sold.payments, sold


def _ours(name, note, step, bids, log_probs, error):
    """A contender that runs a step of one auction for all auctions, from the same arrays."""
    arrays = [jnp.asarray(x) for x in (bids, log_probs)]
    keys = jax.random.split(jax.random.key(SEED), len(bids))
    program = jax.jit(jax.vmap(step))

    def facts(answer):
        del answer
        megabytes = xla_memory(jax.vmap(step), keys, *arrays)
        inputs = sum(x.nbytes for x in arrays) / 2**20
        return {"answer": {"extra memory / inputs": megabytes["xla_temp_mb"] / inputs}}

    return Contender(
        name,
        note,
        lambda: jax.block_until_ready(program(keys, *arrays)),
        error,
        compiler="jax",
        facts=facts,
    )


def _torch_step(bids, log_probs):
    @functools.cache
    def tensors():
        return late("auction_torch", "prepare", bids, log_probs)()

    return lambda: late("auction_torch", "linear_step", *tensors())()


_STEP = {"A": NUM_AUCTIONS, "N": NUM_AGENTS}
BUILDERS = {
    "linear": (build_linear, _STEP),
    "log-linear": (build_log_linear, _STEP),
    "markov": (
        build_markov,
        {"tokens": NUM_TOKENS, "V": MARKOV_VOCABULARY, "N": NUM_AGENTS},
    ),
    "gpu": (build_gpu_step, {"A": GPU_AUCTIONS, "N": NUM_AGENTS}),
}
"""What each case builds, and the sizes that it does not vary."""
