"""Posterior of the small simulated copula data by long chains of NUTS, independent of VI.

    python tests/golden/make_copula_posterior.py

writes `jaxpapers/experiments/data/copula_posterior.json`: how the data were drawn, means and
standard deviations of what is identified, and the largest split R-hat. The sampler is numpyro's own
`MCMC`; the log posterior is that of the package, which `tests/copulas/test_log_posterior.py` holds
to quadrature.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.diagnostics import split_gelman_rubin
from numpyro.infer import MCMC, NUTS

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / "jaxpapers" / "experiments" / "data" / "copula_posterior.json"
sys.path.insert(0, str(REPOSITORY / "tests" / "copulas"))
NUM_WARMUP, NUM_DRAWS, NUM_CHAINS = 1_000, 4_000, 4


def run():
    import copula_data

    from jaxpapers.copulas.observed import observe

    model = copula_data.model()
    observed = observe(jnp.asarray(copula_data.sample()))
    start = model.pack(copula_data.truth())

    def potential(params):
        value = model.log_prob(params, observed)
        return jnp.where(jnp.isfinite(value), -value, 1e10)

    kernel = NUTS(potential_fn=potential, dense_mass=True, target_accept_prob=0.9)
    chains = MCMC(
        kernel,
        num_warmup=NUM_WARMUP,
        num_samples=NUM_DRAWS,
        num_chains=NUM_CHAINS,
        chain_method="sequential",
        progress_bar=False,
    )
    starts = start + 0.1 * jax.random.normal(jax.random.key(5), (NUM_CHAINS, start.shape[0]))
    chains.run(jax.random.key(20251125), init_params=starts)
    draws = chains.get_samples(group_by_chain=True)

    def identified(params):
        copula = model.copula(params)
        below = copula.correlation.matrix()[np.tril_indices(model.num_assets, -1)]
        return {"correlation": below, "delta": copula.skewness, "nu": copula.nu}

    values = jax.vmap(jax.vmap(identified))(draws)
    shrink = {name: split_gelman_rubin(np.asarray(value)) for name, value in values.items()}
    return {
        "design": {
            "num_obs": copula_data.NUM_OBS,
            "num_assets": copula_data.NUM_ASSETS,
            "num_factors": copula_data.NUM_FACTORS,
            "loadings": copula_data.LOADINGS,
            "slant": copula_data.SLANT,
            "nu": copula_data.NU,
            "seed": 2025,
        },
        "num_draws": NUM_DRAWS * NUM_CHAINS,
        "r_hat": float(max(np.max(part) for part in shrink.values())),
        "mean": {k: np.mean(np.asarray(v), axis=(0, 1)).tolist() for k, v in values.items()},
        "sd": {k: np.std(np.asarray(v), axis=(0, 1)).tolist() for k, v in values.items()},
    }


if __name__ == "__main__":
    with jax.enable_x64(True):
        FILE.write_text(json.dumps(run(), indent=1) + "\n", encoding="utf-8")
