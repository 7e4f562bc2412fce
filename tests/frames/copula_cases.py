"""Real prices, and posteriors of copulas that are known: they were drawn, not fitted."""

import functools

import numpy as np
import pandas as pd

from jaxpapers import copulas
from jaxpapers.frames.copula_results import FactorCopulaResult
from jaxpapers.frames.copula_sample import read_copula_sample
from jaxpapers.frames.copula_settings import CopulaSettings

ASSETS = ("AAPL", "JPM", "XOM")
NUM_PRICES = 301
NUM_DRAWS = 60


@functools.cache
def stock_prices(num_rows=NUM_PRICES, assets=ASSETS):
    """The last days of skfolio's US stocks."""
    from skfolio.datasets import load_sp500_dataset

    return load_sp500_dataset()[list(assets)].iloc[-num_rows:]


def planted(family="skew-t", *, table=None, algorithm="vi", margins="empirical", **numbers):
    """A result whose posterior was drawn around known parameters; `numbers` replaces fields."""
    table = stock_prices() if table is None else table
    sample = read_copula_sample(table, "prices", date=None, margins=margins, missing="drop")
    num_chains = 2 if algorithm == "nuts" else 1
    settings = CopulaSettings(
        family=family,
        num_factors=1,
        values="prices",
        algorithm=algorithm,
        num_steps=NUM_DRAWS // num_chains,
        rank=5 if algorithm == "vi" else None,
        num_chains=num_chains,
        precision="double",
        seed=7,
    )
    model = settings.model(len(sample.assets))
    random = np.random.default_rng(5)
    draws = 0.2 * random.normal(size=(NUM_DRAWS, model.num_params))
    if model.has_skewness:
        first = model.num_loadings
        draws[:, first : first + model.num_assets] += np.linspace(-1.5, 1.5, model.num_assets)
    draws[:, -1] += np.log(4.0) if model.has_tails else 0.0
    fields = {
        "log_posterior": np.float64(101.5),
        "elbo": np.float64(99.25),
        "elbo_se": np.float64(0.0312),
        "pareto_k": np.float64(0.31),
        "log_evidence": np.float64(99.5),
        "num_rejected": np.int32(0),
        "trace": random.normal(99.0, 1.0, size=NUM_DRAWS),
        "r_hat": np.float64(np.nan),
        "status": np.int32(2),
        "num_steps": np.int32(settings.num_steps),
        **numbers,
    }
    modes = copulas.Modes(draws[:2], np.array([101.5, 95.0]), np.array([2, 31], np.int32))
    nothing = dict.fromkeys(("whitening", "approximation", "state", "weighted"))
    draws = draws.astype(numbers.get("dtype", np.float64))
    fields.pop("dtype", None)
    fit = copulas.CopulaFit(model=model, draws=draws, modes=modes, **fields, **nothing)
    return FactorCopulaResult(fit, sample, settings)


def correlations(result):
    """Omega of every draw, from its definition."""
    size = len(result.assets)
    first = np.exp(result.fit.draws[:, :1].astype(np.float64))
    loadings = np.concatenate([first, result.fit.draws[:, 1:size]], axis=1)
    variance = loadings[:, :, None] * loadings[:, None] + np.eye(size)
    scale = np.sqrt(1 + loadings**2)
    return variance / (scale[:, :, None] * scale[:, None])


def skewness(result):
    """Delta, alpha and nu of every draw, from their definitions."""
    size, omega = len(result.assets), correlations(result)
    alpha = result.fit.draws[:, size : 2 * size]
    turned = np.einsum("dij,dj->di", omega, alpha)
    delta = turned / np.sqrt(1 + np.sum(alpha * turned, axis=1, keepdims=True))
    return delta, alpha, 2 + np.exp(result.fit.draws[:, -1])


def with_near_copy(prices):
    """Prices in which a fourth asset moves as the first, but for next to nothing."""
    noise = 1e-5 * np.random.default_rng(2).normal(size=len(prices))
    copy = prices[prices.columns[0]] * np.exp(noise)
    return pd.concat([prices, copy.rename("COPY")], axis=1)
