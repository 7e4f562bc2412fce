"""Whole fits of a skew-t factor copula: ours, and numpyro's own SVI on the same density."""

import jax
import jax.numpy as jnp

from benchmarks.peers.copula_numpyro import LowRankSVI
from jaxpapers import copulas, engine

NUM_CHECKED = 4
BATCH_SIZE = 4


def fit(key, u, model, *, num_steps, num_draws):
    """Fit by `copulas.fit`: mode, whitening, low-rank VI, ELBO on fresh draws.

    Args:
        key: A typed key.
        u: Copula data, shape (obs, asset).
        model: The factor model.
        num_steps: Steps of VI.
        num_draws: Fresh draws for the ELBO.

    Returns:
        The numbers that tell of the fit, draws, and the log posterior at each as it was used.
    """
    found = copulas.fit(key, model, u, num_steps=num_steps, num_draws=num_draws)
    draws = found.draws[:NUM_CHECKED]
    observed = copulas.observe(u)
    values = jax.lax.map(lambda params: model.log_prob(params, observed), draws)
    facts = {
        "ELBO": float(found.elbo),
        "its s.e.": float(found.elbo_se),
        "k-hat": float(found.pareto_k),
        "mode": float(found.log_posterior),
        "log evidence": float(found.log_evidence),
        "rejected": int(found.num_rejected),
        "status": int(found.status),
    }
    return facts, draws, values


def fit_numpyro(key, u, model, *, num_steps, num_draws):
    """Fit by numpyro's SVI from its own start; arguments and what is returned as `fit`."""
    observed = copulas.observe(u)
    start_key, draw_key = jax.random.split(key)
    svi = LowRankSVI(model)
    state, _ = svi.make_steps(num_steps)(svi.start(start_key, observed), observed)
    draws, values, terms = svi.elbo_terms(draw_key, state, observed, num_draws, BATCH_SIZE)
    sound = jnp.isfinite(terms)
    count = jnp.sum(sound)
    mean = jnp.sum(jnp.where(sound, terms, 0)) / count
    spread = jnp.sqrt(jnp.sum(jnp.where(sound, (terms - mean) ** 2, 0)) / count)
    facts = {
        "ELBO": float(mean),
        "its s.e.": float(spread / jnp.sqrt(count)),
        "rejected": int(jnp.sum(~sound)),
        "status": int(engine.Status.OK),
    }
    return facts, draws[:NUM_CHECKED], values[:NUM_CHECKED]
