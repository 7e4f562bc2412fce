# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Token auctions: who wrote this word, and what does it owe?
#
# Two advertisers, each with a language model, want one text that answers a user's query. The
# auction of Duetting, Mirrokni, Paes Leme, Xu and Zuo (*Mechanism Design for Large Language
# Models*, arXiv 2310.10826) sells it token by token: every model says how likely it finds each
# next word, a rule mixes what they say with their bids as weights, one word is drawn, and
# everybody is charged.

# %%
import jax
import jax.numpy as jnp
import numpy as np
from IPython.display import Image

from jaxpapers import auctions, engine, frames, plots
from jaxpapers.plots.style import render_png

engine.compile_quickly()  # before anything is computed: shorter compile times on a CPU
jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## A text, word by word
#
# An airline and a resort answer "vacations in Hawaii". Both models are trigrams of a few dozen
# sentences, so the text costs nothing to make; any local language model fits behind the same
# interface. A word that only came because of a bid is marked, with its price and the word that
# would have stood there otherwise.

# %%
sold = frames.token_auction(3, "partners", {"Alpha Airlines": 1, "Beta Resort": 1}, num_tokens=24)
print(sold.summary())

# %%
words = sold.tokens().pivot(index="position", columns="agent")
names = ["Alpha Airlines", "Beta Resort"]
strip = plots.attribution_strip(
    words["word"][names[0]].tolist(),
    words["is_moved"][names].to_numpy(),
    words["payment"][names].to_numpy(),
    words["counterfactual_word"][names].to_numpy().tolist(),
    names,
    title="Who moved each word, and what it paid",
)
Image(render_png(strip))

# %% [markdown]
# ## Where the price comes from
#
# Raise one agent's bid from 0 and keep the dice: under the linear rule the word changes at most
# once, from one that the agent likes less than the others do to one that it likes more. The bid at
# which it changed is the price, as in a second-price auction. On average over the dice that is the
# Myerson payment, which has a closed form.

# %%
probs = jnp.asarray([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
bids = jnp.asarray([1.1, 1.5])
keys = jax.random.split(jax.random.key(0), 20_000)
tokens = jax.vmap(lambda key: auctions.clear(key, auctions.LinearRule(), bids, jnp.log(probs)))(
    keys
)
expected = auctions.expected_payments(auctions.LinearRule(), bids, jnp.log(probs)).payments
error = tokens.payments.std(axis=0) / np.sqrt(len(keys))
print("mean of drawn prices", tokens.payments.mean(axis=0), "standard errors", error)
print("closed form         ", expected)
print("moved the word      ", (tokens.switch_bids > 0).mean(axis=0))
print("influence           ", tokens.influence[0])

# %% [markdown]
# ## A rule that looks as good and is not
#
# The log-linear rule multiplies distributions instead of adding them. Both agents below say .09
# for the middle word, the rule says .32: more than either wants, and nobody's bid alone brought
# it. The exact criterion flags the word, the checker finds the pair of bids that shows it.

# %%
probs = jnp.asarray([[0.9, 0.09, 0.01], [0.01, 0.09, 0.9]])
for rule in (auctions.LinearRule(), auctions.LogLinearRule()):
    mixture = jnp.exp(rule.log_mixture(jnp.ones(2), jnp.log(probs)))
    found = auctions.check_monotonicity(rule, jnp.ones(2), jnp.log(probs))
    print(type(rule).__name__, mixture.round(4), "monotone:", found.holds, found.violation)
print("flagged:", auctions.crossed_tokens(jnp.ones(2), jnp.log(probs)).tolist())

# %% [markdown]
# ## Is it worth lying?
#
# Under the second price a truthful bid is a best bid; under the first price it pays to bid less,
# and two equal agents settle at a third of their value. The checker reports the gain, the
# equilibrium comes from best responses.

# %%
values = jnp.asarray([1.0, 1.0])
probs = jnp.asarray([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
for payment in (auctions.SecondPrice(), auctions.FirstPrice(), auctions.AllPay()):
    lie = auctions.check_incentives(auctions.LinearRule(), values, jnp.log(probs), payment=payment)
    end = auctions.equilibrium(auctions.LinearRule(), values, jnp.log(probs), payment=payment)
    print(f"{type(payment).__name__:12} gain of a lie {lie.violation:.4f}  equilibrium {end.bids}")

# %% [markdown]
# ## Ten thousand auctions at once
#
# Four Markov models over 256 tokens; every text is a replicate with draws of its own, so neither
# the batch size nor the number of devices changes a token.

# %%
bidders = [
    auctions.dirichlet_markov(key, vocab_size=256, concentration=0.1)
    for key in jax.random.split(jax.random.key(1), 4)
]
texts = auctions.replicate(
    jax.random.key(2),
    auctions.LinearRule(),
    bidders,
    jnp.asarray([1.0, 2.0, 0.5, 1.5]),
    jnp.asarray([0]),
    num_tokens=8,
    num_replicates=10_000,
)
print("tokens", texts.tokens.shape, "revenue of a text", texts.revenue.mean())
print("paid by agent", texts.charged.mean(axis=0))

# %% [markdown]
# ## Reserve, revenue, welfare
#
# A platform that takes part with a weight of its own acts as a reserve: it raises what a single
# strong agent pays, and pulls the text towards its own model.

# %%
reserves = jnp.linspace(0, 2, 9)
log_probs = jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(3), (64, 2, 32)))
platform = jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(4), (64, 32)))
grid = jax.vmap(auctions.LinearRule)(reserves)
points = auctions.frontier([grid], jnp.tile(jnp.asarray([1.0, 0.2]), (64, 1)), log_probs, platform)
print("reserve", reserves)
print("revenue", points.revenue.round(4))
print("value  ", points.value.round(4))
