"""Every kind under jit, scan and vmap; agents that are stepped together."""

import functools

import bidder_cases
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bidder_cases import KINDS, VOCAB_SIZE

from jaxpapers.auctions import bidders

pytestmark = pytest.mark.usefixtures("quick_compiles")

TOKENS = np.array([2, 1, 2, 3], np.int32)
PROMPTS = [np.array(prompt, np.int32) for prompt in ([0, 1, 2], [3], [1, 2], [2, 1])]


def scanned(bidder, tokens):
    """Log probabilities after every token, reading them one by one."""

    def read(state, token):
        log_probs, state = bidder.step(state, token)
        return state, log_probs

    return jax.lax.scan(read, bidder.init(tokens[:1]), tokens)[1]


def prompted(bidder, tokens):
    """Log probabilities after every token, each time reading all before as a prompt."""
    prompts = [tokens[: time + 1] for time in range(tokens.shape[0])]
    return jnp.stack([bidder.step(bidder.init(p), p[-1])[0] for p in prompts])


@pytest.mark.parametrize("name", KINDS)
def test_reading_on_is_reading_a_longer_prompt(x64, name):
    """The scan holds that the state keeps structure, shapes and dtypes."""
    bidder = KINDS[name]()
    one_by_one, at_once = jax.jit(lambda b, t: (scanned(b, t), prompted(b, t)))(bidder, TOKENS)
    assert bidder.vocab_size == VOCAB_SIZE
    assert one_by_one.shape == (TOKENS.size, VOCAB_SIZE)
    assert one_by_one.dtype == (jnp.float64 if x64 else jnp.float32)
    np.testing.assert_array_equal(one_by_one, at_once)
    sums = np.exp(np.asarray(one_by_one, np.float64)).sum(axis=1)
    tolerance = bidder_cases.SUM if x64 else bidder_cases.SUM_SINGLE
    np.testing.assert_allclose(sums, 1, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["trigram", "nested"])
def test_a_batch_is_its_rows(name):
    bidder = KINDS[name]()
    texts = np.stack([TOKENS, TOKENS[::-1], np.roll(TOKENS, 2)])
    together = jax.jit(jax.vmap(scanned, in_axes=(None, 0)))(bidder, texts)
    alone = jax.jit(scanned)
    for row, text in zip(together, texts, strict=True):
        np.testing.assert_allclose(row, alone(bidder, text), rtol=bidder_cases.ROUNDING_SINGLE)


def test_a_step_without_jit_is_the_same():
    bidder = KINDS["trigram"]()
    state = bidder.init(TOKENS[:4])
    log_probs, after = bidder.step(state, jnp.asarray(TOKENS[3]))
    np.testing.assert_array_equal(state, TOKENS[1:3])
    np.testing.assert_array_equal(after, TOKENS[2:4])
    np.testing.assert_array_equal(log_probs, jax.jit(scanned)(bidder, TOKENS)[3])


def test_start_stands_before_a_short_prompt():
    bidder = bidder_cases.ngram(4)
    np.testing.assert_array_equal(bidder.init(np.array([2, 3])), [VOCAB_SIZE, VOCAB_SIZE, 2])


# --- several agents ------------------------------------------------------------------------------


def group():
    """Five agents: one alone, three on one model, one alone."""
    return (
        KINDS["markov"](),
        bidders.SharedBidder(KINDS["trigram"](), num_agents=3),
        KINDS["mixture"](),
    )


def single():
    """The same agents, each alone."""
    first, shared, last = group()
    return (first, *[shared.bidder] * shared.num_agents, last)


FIVE_PROMPTS = [PROMPTS[0], PROMPTS[1], PROMPTS[2], PROMPTS[3], PROMPTS[0]]


def spoken(agents, prompts, tokens):
    """Log probabilities (time, agent, vocab) while all agents read the same tokens."""

    def read(states, token):
        same = jnp.broadcast_to(token, (bidders.num_agents(agents),))
        log_probs, states = bidders.step_all(agents, states, same)
        return states, log_probs

    return jax.lax.scan(read, bidders.init_all(agents, prompts), tokens)[1]


def test_sharing_weights_changes_nothing(x64):
    assert bidders.num_agents(group()) == bidders.num_agents(single()) == 5
    together = jax.jit(spoken)(group(), FIVE_PROMPTS, TOKENS)
    alone = jax.jit(spoken)(single(), FIVE_PROMPTS, TOKENS)
    assert together.shape == (TOKENS.size, 5, VOCAB_SIZE)
    np.testing.assert_allclose(together, alone, rtol=0, atol=bidder_cases.rounding(x64))


def test_agents_say_what_each_of_them_says():
    """Each row is the agent's own, after its own prompt."""
    tokens = jnp.arange(VOCAB_SIZE, dtype=jnp.int32)
    states = bidders.init_all(group(), FIVE_PROMPTS)
    rows, _ = bidders.step_all(group(), states, tokens)
    for row, bidder, prompt, token in zip(rows, single(), FIVE_PROMPTS, tokens, strict=True):
        text = np.append(prompt[:-1], token).astype(np.int32)
        expected = bidder_cases.answers(bidder, text[None])[0]
        np.testing.assert_allclose(row, expected, rtol=bidder_cases.ROUNDING_SINGLE)


def test_one_prompt_serves_all():
    prompt = PROMPTS[0]
    for prompts in ([prompt] * 5, np.stack([prompt] * 5)):
        for one, many in zip(
            jax.tree.leaves(bidders.init_all(group(), prompt)),
            jax.tree.leaves(bidders.init_all(group(), prompts)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, many)


def test_auctions_are_batched():
    texts = np.stack([TOKENS, TOKENS[::-1]])
    speak = functools.partial(spoken, group(), PROMPTS[0])
    together = jax.jit(jax.vmap(speak))(texts)
    np.testing.assert_allclose(
        together[1], jax.jit(speak)(texts[1]), rtol=bidder_cases.ROUNDING_SINGLE
    )


def test_shared_states_have_one_row_per_agent():
    shared = bidders.SharedBidder(KINDS["mixture"](), num_agents=2)
    assert shared.vocab_size == VOCAB_SIZE
    states = shared.init(np.stack([PROMPTS[2], PROMPTS[3]]))
    log_probs, after = shared.step(states, jnp.array([0, 1], jnp.int32))
    assert log_probs.shape == (2, VOCAB_SIZE)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (states, after))
    assert shapes[0] == shapes[1]
    assert all(leaf.shape[0] == 2 for leaf in jax.tree.leaves(states))


class Counter(bidders.Bidder):
    """A foreign bidder that says which time it is, with a state of two leaves."""

    size: int = eqx.field(static=True)

    @property
    def vocab_size(self):
        return self.size

    def init(self, prompt):
        return {"time": jnp.asarray(prompt.shape[0] - 1, jnp.int32), "last": jnp.zeros(2)}

    def step(self, state, token):
        del token
        log_probs = jnp.log(jnp.arange(self.size) == state["time"] % self.size)
        return log_probs, {"time": state["time"] + 1, "last": state["last"]}


def test_a_foreign_bidder_fits():
    agents = (bidders.SharedBidder(Counter(VOCAB_SIZE), num_agents=2), Counter(VOCAB_SIZE))
    rows = jax.jit(spoken)(agents, [PROMPTS[0], PROMPTS[1], PROMPTS[2]], TOKENS)
    times = np.array([2, 0, 1]) + np.arange(TOKENS.size)[:, None]
    np.testing.assert_array_equal(rows.argmax(axis=-1), times % VOCAB_SIZE)
