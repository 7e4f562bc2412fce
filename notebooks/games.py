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
# # Agent games: who cooperates without being told to?
#
# Wu, Peng, Zheng, Liu, Han, Kwon, Onizuka, Tang and Xiao (*Shall We Team Up*, arXiv 2402.12327) let
# language models play three games in which they compete: a beauty contest, price competition, an
# evacuation. Here the same games are played by policies with a literature, in thousands of worlds,
# so that what five runs suggest can be told from noise.

# %%
import jax
import jax.numpy as jnp
import numpy as np
from IPython.display import Image

from jaxpapers import engine, frames, games, plots
from jaxpapers.plots.style import render_png

engine.compile_quickly()  # before anything is computed: shorter compile times on a CPU
engine.fold_loops()  # and worlds that are one loop each run several times faster

# %% [markdown]
# ## Guess two thirds of the mean
#
# Twenty-four players guess, talk, and guess again, without learning what came of it. In the talk
# model everybody announces a number and some adopt the median of what they heard. The variance of
# the guesses is the paper's measure of cooperation; the published values are read off its figure.


# %%
def tidy(values, digits=1):
    """Numbers to be read."""
    return np.asarray(values, float).round(digits)


personas = {
    "baseline": games.baseline_talk(),
    "cooperative": games.cooperative_talk(),
    "uncooperative": games.uncooperative_talk(),
}
published = {
    "baseline": [158, 50, 30, 18],
    "cooperative": [120, 2, 0, 0],
    "uncooperative": [207, 127, 125, 76],
}
variances, errors = {}, {}
for name, policy in personas.items():
    cloud = games.replicate(
        jax.random.key(0), games.BeautyContest(), policy, num_rounds=4, num_worlds=2_000
    )
    variances[name], errors[name] = cloud.mean["variance"], cloud.standard_error["variance"]
    print(f"{name:14}", tidy(variances[name]), "+-", tidy(errors[name]))

# %%
figure = plots.variance_curves(
    np.arange(4),
    {name: np.asarray(values) for name, values in variances.items()},
    errors={name: np.asarray(values) for name, values in errors.items()},
    published=published,
    title="Variance of guesses by round; published values are hollow",
)
Image(render_png(figure))

# %% [markdown]
# ## Two firms, one price war
#
# The market has two ends: the Nash equilibrium and the cartel. Both follow from demand and costs,
# with derivatives, for any number of firms under logit demand.

# %%
nash = games.equilibrium(games.LinearDemand(), jnp.asarray([2.0, 2.0]))
monopoly = games.cartel(games.LinearDemand(), jnp.asarray([2.0, 2.0]))
print("Nash", nash.prices, nash.profits, " cartel", monopoly.prices, monopoly.profits)
slope = jax.grad(lambda d: games.equilibrium(d, jnp.asarray([2.0, 2.0])).prices[0])
print("d price / d intercept", slope(games.LinearDemand()).intercept)

# %% [markdown]
# Firms whose trust in the other grows with pledges kept drift above the Nash price in silence, and
# close to the cartel's when they talk; talk that ends leaves most of it standing. In the paper's
# figure prices are near 7.1 without talk, 7.8 with talk, and 7.6 when talk ends at round 400.

# %%
firms = games.ConditionalCooperator(start=6.0, cooperative=8.0)
settings = {
    "no talk": games.Bertrand(talk_until=0),
    "talk": games.Bertrand(),
    "talk until 400": games.Bertrand(talk_until=400),
}
paths = {
    name: games.replicate(jax.random.key(1), game, firms, num_rounds=600, num_worlds=200)
    for name, game in settings.items()
}
for name, cloud in paths.items():
    price, index = cloud.mean["price"], cloud.mean["collusion_index"]
    print(
        f"{name:15} price at 20, 350, 600:",
        tidy(price[jnp.asarray([19, 349, 599])], 2),
        " collusion index",
        tidy(index[-100:].mean(), 2),
    )

# %%
figure = plots.price_paths(
    {name: np.asarray(cloud.mean["price"]) for name, cloud in paths.items()},
    competitive=6.0,
    collusive=8.0,
    title="Mean price of 200 markets",
)
Image(render_png(figure))

# %% [markdown]
# ## Firms that learn by themselves
#
# Calvano, Calzolari, Denicolò and Pastorello (2020) let Q-learning firms set prices until their
# strategies stand still, and find them far above the Nash price. A fast decay of exploration keeps
# this short; the published baseline (decay 4e-6, collusion index about .85) takes 1.9 million
# periods a session.

# %%
sessions = games.q_learning_sessions(
    jax.random.key(2), games.QLearningMarket(decay=1e-4), num_sessions=64
)
print("collusion index", sessions.mean_collusion_index, "+-", sessions.standard_error)
print("periods", sessions.num_periods.mean(), "cycles", np.bincount(sessions.cycle_length)[:4])
response = games.mean_impulse_response(sessions, num_periods=8)
print("prices after a cut", tidy(response.mean.prices[:, 0], 3))

# %% [markdown]
# ## A hundred people, seven exit cells
#
# Agents weigh distance and crowd, choose an exit, and walk on a grid. Conflicts are settled in the
# order of the authors' code, or all at once.

# %%
crowd = games.LogitExit(temperature=3.0, crowd_weight=1.0)
moves = games.Sequential(games.Greedy(tremble=0.2))
quiet = games.Evacuation(moves=moves)
cloud = games.replicate(jax.random.key(3), quiet, crowd, num_rounds=50, num_worlds=1_000)
at = jnp.arange(4, 50, 5)
print("ours     ", tidy(cloud.mean["escaped"][at]))
print("published", [9.4, 31.2, 51.2, 65.6, 78.6, 88.4, 96.6, 99.0, 99.8, 99.8])

# %% [markdown]
# Does talk help? Both settings are played with the same draws, world by world. Published effects
# of five runs lie between -2.4 and +3.8 people.

# %%
talking = games.Evacuation(moves=moves, is_talking=True)
for weight in (-1.0, 1.0):
    heeding = games.LogitExit(temperature=3.0, crowd_weight=1.0, heard_weight=weight)
    effect = games.contrast(
        jax.random.key(3), (quiet, crowd), (talking, heeding), num_rounds=50, num_worlds=1_000
    )
    worst = jnp.argmax(jnp.abs(effect.mean["escaped"]))
    print(
        f"heard weight {weight:4}: largest effect {effect.mean['escaped'][worst]:.2f}",
        f"+- {effect.standard_error['escaped'][worst]:.2f} at step {worst + 1}",
    )

# %% [markdown]
# One of these worlds, step 10. `jaxpapers games play evacuation --talk --gif out.gif` shows all.

# %%
play = games.play(jax.random.key(4), talking, crowd, num_rounds=20)
Image(render_png(plots.draw_evacuation(play, talking.room, 10, title="Step 10")))

# %% [markdown]
# ## A grid of settings
#
# `sweep` plays many worlds at every point of a grid, with one compiled program.

# %%
grid = games.sweep(
    jax.random.key(5),
    lambda weight, noise: (games.BeautyContest(), games.MedianTalk(weight=weight, noise=noise)),
    {"weight": [0.25, 0.65, 1.0], "noise": [1.0, 3.0, 6.0]},
    num_rounds=4,
    num_worlds=500,
)
print(frames.to_dataset(grid))
