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
# # Skew-t factor copulas: do these stocks fall together more than they rise together?
#
# A t copula ties the two tails to each other: whatever it says of joint crashes it says of joint
# rallies. The skew-t factor copula of Deng, Smith and Maneesoonthorn (*Large Skew-t Copula Models
# and Asymmetric Dependence in Intraday Equity Returns*, arXiv 2308.05564) lets them differ.
# `jaxpapers` finds its exact posterior: the likelihood is evaluated, not augmented, at about the
# price of a Gaussian one.

# %%
import arviz
import jax
import jax.numpy as jnp
import numpy as np
from IPython.display import Image
from skfolio.datasets import load_sp500_dataset

from jaxpapers import copulas, engine, frames
from jaxpapers.plots import asymmetric_pairs
from jaxpapers.plots.style import render_png

engine.compile_quickly()  # before anything is computed: shorter compile times on a CPU
jax.config.update("jax_enable_x64", True)

NAMES = ["JPM", "BAC", "XOM", "CVX", "KO", "PEP"]
prices = load_sp500_dataset()[NAMES].iloc[-1_301:]
past, later = prices.iloc[:1_041], prices.iloc[1_040:]

# %% [markdown]
# ## Prices in, posterior out
#
# Log returns, their ranks, the posterior mode from several starts, coordinates in which the
# posterior is near a standard normal, then variational inference with a factor Gaussian. The
# summary says how good that was: the ELBO with its standard error, and k-hat, above .7 where the
# approximation should not be trusted for more than its means.

# %%
fit = frames.fit_copula(0, past, num_factors=2, values="prices")
print(fit.summary())

# %% [markdown]
# ## Quantile dependence with uncertainty
#
# LL is the probability that one return is below its 5 % quantile given that the other is; UR the
# same above the 95 % quantile. `asymmetry` is UR - LL. The last column is what was counted in
# 1,040 days: it has no interval worth the name, the posterior has.

# %%
pairs = fit.quantile_dependence(0.05)
asymmetry = pairs[pairs["quantity"] == "asymmetry"].sort_values("mean")
asymmetry.head(5).round(3)

# %%
figure = asymmetric_pairs(
    [
        f"{first}, {second}"
        for first, second in zip(asymmetry.asset, asymmetry.asset_2, strict=True)
    ],
    asymmetry["mean"].to_numpy(),
    asymmetry[["lower", "upper"]].to_numpy(),
    title="Posterior asymmetry of the pairs, level .05",
)
Image(render_png(figure))

# %% [markdown]
# ## How far to trust it
#
# The searches for the mode are all kept. So are importance weights of the draws: `corrected()`
# gives the posterior drawn anew by them. From here on these are plain JAX functions.

# %%
found = fit.fit
print("modes reached  ", np.round(np.asarray(found.modes.log_posterior), 1))
print("status         ", engine.status_message(found.status))
print("k-hat          ", round(float(found.pareto_k), 2))
print("nu             ", round(float(found.mean.nu), 2), "+-", round(float(found.sd.nu), 2))
print("nu, corrected  ", round(float(found.corrected().mean.nu), 2))

# %% [markdown]
# A few parameters are the home ground of NUTS, on the same density: with this gradient it costs
# about as much here. The case for variational inference is many assets, many windows, many starts.

# %%
u = np.asarray(copulas.pseudo_observations(np.diff(np.log(past.to_numpy()), axis=0)))
chains = frames.fit_copula(0, past, num_factors=2, values="prices", algorithm="nuts", num_steps=400)
print("R-hat", round(float(chains.fit.r_hat), 3))
print("nu   ", round(float(chains.fit.mean.nu), 2), "+-", round(float(chains.fit.sd.nu), 2))

# %% [markdown]
# ## Does it forecast?
#
# Mean log predictive density of the copula over the 260 days that were held out, by their places
# in the margins of the past. The log score is proper: no model gains by lying.

# %%
returns, new = (np.diff(np.log(part.to_numpy()), axis=0) for part in (past, later))
levels = np.stack(
    [
        (np.searchsorted(np.sort(column), fresh) + 0.5) / (len(column) + 1)
        for column, fresh in zip(returns.T, new.T, strict=True)
    ],
    axis=1,
)
for family in ("skew-t", "t", "gaussian"):
    other = frames.fit_copula(0, past, num_factors=2, values="prices", family=family)
    scores = np.asarray(copulas.log_score(other.fit, levels))
    print(f"{family:9} {scores.mean():.4f} (s.e. {scores.std() / np.sqrt(len(scores)):.4f})")

# %% [markdown]
# ## To ArviZ

# %%
posterior = fit.to_datatree()["posterior"].to_dataset()
arviz.summary(posterior, var_names=["nu", "delta"], kind="stats")

# %% [markdown]
# ## How asymmetric can a pair be?
#
# Three skew-t copulas go by that name. The largest UR - LL at level .05 over all pairs, nu = 5:

# %%
for family in (copulas.SkewTCopula, copulas.GHSkewTCopula, copulas.SahuSkewTCopula):
    largest = copulas.maximal_asymmetry(family, 0.05, 5.0)
    print(f"{family.__name__:16} {float(largest.value):.3f} at rho {float(largest.rho):.3f}")

# %% [markdown]
# ## In a JAX pipeline
#
# `model.log_prob` is an ordinary JAX function of unconstrained parameters: it is jitted, mapped,
# differentiated, and a factor in numpyro. The host verb `copulas.fit` is made of pieces that can
# be traced; here three windows of four stocks are fitted in one program, by `vmap`.


# %%
def window_fit(key, u):
    """Posterior of the degrees of freedom of one window."""
    model = copulas.TFactorModel(4, 1)
    observed = copulas.observe(u)
    keys = jax.random.split(key)
    mode = copulas.find_modes(keys[0], model, observed, num_starts=1, max_steps=300).best
    data = copulas.VIData(observed, copulas.whiten(model, observed, mode), jnp.asarray(500))
    run = engine.unroll(keys[1], copulas.FactorGaussianVI(rank=2), model, data, num_steps=500)
    noise = jax.vmap(run.state.average.noise)(jax.random.split(keys[0], 200))
    xi = jax.vmap(run.state.average.draw)(noise)
    nu = jax.vmap(lambda point: model.unpack(data.whitening.params(point)).nu)(xi)
    return nu.mean(), nu.std()


windows = jnp.stack([jnp.asarray(u[start : start + 340, :4]) for start in (0, 350, 700)])
keys = jax.random.split(jax.random.key(3), 3)
means, deviations = jax.jit(jax.vmap(window_fit))(keys, windows)
for number in range(3):
    print(f"window {number}: nu {means[number]:.1f} +- {deviations[number]:.1f}")
