"""What is compiled: once for new numbers, and within the memory that is promised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import auctions

LOG_PROBS = jax.nn.log_softmax(np.arange(12, dtype=np.float32).reshape(3, 4) % 5)


def test_new_bids_and_reserves_compile_nothing(count_compiles):
    platform = LOG_PROBS[0]

    def sell(seed, bid, reserve):
        bids = jnp.asarray([bid, 1.0, 2.0], jnp.float32)
        rule = auctions.LinearRule(jnp.asarray(reserve, jnp.float32))
        return auctions.clear(jax.random.key(seed), rule, bids, LOG_PROBS, platform).payments

    sell(0, 1.0, 0.5)
    with count_compiles() as compiles:
        sell(1, 3.0, 0.25)
    assert compiles.count("_clear") == 0


def test_new_prompts_bids_and_models_compile_nothing(count_compiles):
    def text(seed):
        models = [
            auctions.dirichlet_markov(jax.random.key(seed + i), vocab_size=4, concentration=0.5)
            for i in range(2)
        ]
        prompt = jnp.asarray([seed % 4], jnp.int32)
        bids = jnp.asarray([1.0, seed + 1.0], jnp.float32)
        return auctions.generate(
            jax.random.key(seed), auctions.LinearRule(), models, bids, prompt, num_tokens=3
        )

    text(0)
    with count_compiles() as compiles:
        text(1)
    assert compiles.count("_generate") == 0


@pytest.mark.slow
def test_a_step_needs_at_most_half_of_its_inputs_in_memory():
    """Asked for at 64 auctions of 4 agents over 50,257 tokens, with second prices."""
    shape = (64, 4, 50_257)

    def step(key, bids, log_probs):
        sold = auctions.clear(key, auctions.LinearRule(), bids, log_probs)
        return sold.token, sold.payments

    arrays = [jax.ShapeDtypeStruct(x, jnp.float32) for x in (shape[:2], shape)]
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), shape[0]))
    program = jax.jit(jax.vmap(step)).lower(keys, *arrays).compile()
    inputs = 4 * np.prod(shape)
    assert program.memory_analysis().temp_size_in_bytes <= 0.5 * inputs
