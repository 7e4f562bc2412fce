"""Simulation-based calibration: ranks of the truth among posterior draws are uniform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxpapers import copulas, engine
from jaxpapers.copulas import NUTS, FullRankVI
from jaxpapers.copulas.psis import pareto_k, smoothed
from jaxpapers.copulas.vi import elbo_terms

NUM_ASSETS, NUM_FACTORS, NUM_OBS = 4, 1, 200
NUM_REPLICATES, NUM_KEPT = 256, 100
NUM_WARMUP, THINNING = 300, 5
NUM_STEPS, NUM_DRAWS = 800, 2_000
NUM_STARTS, NUM_ADAM_STEPS, MOST_EVALUATIONS = 6, 200, 500
NAMES = ("nu", "delta 1", "delta 2", "delta 3", "delta 4", "Omega 12", "Omega 34")
FALSE_ALARM = 1e-3
"""Over all quantities, each by a Kolmogorov-Smirnov test at an equal share."""
NARROWED = 0.6
"""Planted defect: deviations that are this share of the right ones."""
MODEL = copulas.SkewTFactorModel(NUM_ASSETS, NUM_FACTORS)


def identified(params):
    copula, given = MODEL.copula(params), MODEL.unpack(params)
    omega = copula.correlation.matrix()
    return jnp.stack([given.nu, *copula.skewness, omega[0, 1], omega[2, 3]])


def shares(draws, weights, truth):
    """Posterior probability of being below the truth, as it is and with narrowed draws."""
    center = jnp.sum(weights[:, None] * draws, axis=0, keepdims=True)
    narrowed = center + NARROWED * (draws - center)
    return [
        jnp.sum(weights[:, None] * (which < truth[None]), axis=0) for which in (draws, narrowed)
    ]


def problem(key, num_steps):
    """Truth and data from prior and model, and the coordinates of the posterior."""
    keys = [jax.random.fold_in(key, part) for part in range(3)]
    truth = MODEL.sample_prior(keys[0], 1)[0]
    observed = copulas.observe(MODEL.copula(truth).sample(keys[1], NUM_OBS))
    modes = copulas.find_modes(
        keys[2],
        MODEL,
        observed,
        num_starts=NUM_STARTS,
        num_adam_steps=NUM_ADAM_STEPS,
        max_steps=MOST_EVALUATIONS,
    )
    whitening = copulas.whiten(MODEL, observed, modes.best)
    horizon = jnp.asarray(num_steps, jnp.int32)
    return identified(truth), copulas.VIData(observed, whitening, horizon)


def by_chains(key, model, data):
    """Shares below the truth among thinned draws of one chain."""
    del data
    truth, inputs = problem(key, 1)
    chain = NUTS(num_warmup=NUM_WARMUP, num_chains=1, max_tree_depth=7)
    num_steps = NUM_WARMUP + NUM_KEPT * THINNING
    run = engine.unroll(jax.random.fold_in(key, 3), chain, model, inputs, num_steps=num_steps)
    kept = run.info.xi[NUM_WARMUP::THINNING]
    draws = jax.vmap(lambda xi: identified(inputs.whitening.params(xi)))(kept)
    weights = jnp.full(NUM_KEPT, 1 / NUM_KEPT)
    uniform = jax.random.uniform(jax.random.fold_in(key, 4), truth.shape)
    ranks = [
        (NUM_KEPT * share + uniform) / (NUM_KEPT + 1) for share in shares(draws, weights, truth)
    ]
    return {"chains": ranks[0], "narrowed": ranks[1]}


def by_approximation(key, model, data):
    """Shares below the truth under q, with and without importance weights."""
    del data
    truth, inputs = problem(key, NUM_STEPS)
    run = engine.unroll(
        jax.random.fold_in(key, 3), FullRankVI(), model, inputs, num_steps=NUM_STEPS
    )
    family, draw_key = run.state.average, jax.random.fold_in(key, 4)

    def one(place):
        noise = family.noise(jax.random.fold_in(draw_key, place))
        params, term, is_sound = elbo_terms(family, model, inputs, noise)
        return identified(params), jnp.where(is_sound, term, -jnp.inf)

    draws, log_weights = jax.lax.map(one, jnp.arange(NUM_DRAWS), batch_size=4)
    equal = jnp.full(NUM_DRAWS, 1 / NUM_DRAWS)
    weighted, narrowed = shares(draws, smoothed(log_weights), truth)
    return {
        "weighted": weighted,
        "narrowed": narrowed,
        "plain": shares(draws, equal, truth)[0],
        "k": pareto_k(log_weights),
    }


def p_values(found):
    return np.asarray([stats.kstest(column, "uniform").pvalue for column in np.asarray(found).T])


def show(name, found):
    line = ", ".join(f"{n} {p:.3f}" for n, p in zip(NAMES, p_values(found), strict=True))
    print(f"\n{name}: p-values {line}")


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("posterior", "name"), [(by_chains, "chains"), (by_approximation, "weighted")]
)
def test_ranks_of_the_truth_are_uniform(posterior, name):
    """A prior draw, its data, its posterior, 256 times; false alarm 1e-3."""
    with jax.enable_x64(True):
        found = engine.replicate(
            jax.random.key(2026),
            posterior,
            MODEL,
            None,
            num_replicates=NUM_REPLICATES,
            batch_size=1,
        )
        found = jax.device_get(found)
    for which in found.keys() - {"k"}:
        show(which, found[which])
    if "k" in found:
        print("k-hat: quartiles", np.quantile(found["k"], [0.25, 0.5, 0.75]).round(2))
    least = FALSE_ALARM / len(NAMES)
    assert p_values(found["narrowed"]).min() < least, "a defect that was planted is not seen"
    assert p_values(found[name]).min() >= least
