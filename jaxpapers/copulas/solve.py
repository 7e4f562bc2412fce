"""Fitting a factor copula: mode, whitening, the algorithm, and an honest evaluation."""

import dataclasses
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, PRNGKeyArray

from .. import engine
from ..engine import Algorithm, Status
from ..engine.batching import fitting_batch_size
from .checks import check_copula_data
from .hybrid import HybridVI
from .mode import find_modes
from .model import FactorModel, SkewTFactorModel
from .nuts import NUTS
from .observed import observe
from .psis import log_evidence, pareto_k, smoothed
from .results import CopulaFit, draw_params
from .vi import FactorGaussianVI, VariationalInference, VIData, elbo_terms
from .whitening import whiten

NUM_KEPT = 2_000
"""Draws of an approximation that a result keeps."""
NEARLY_SINGULAR = 0.995
"""Correlation of normal scores from which on two assets count as nearly the same."""
GAIN = 0.5
"""Nats that the last fifth of a variational fit may gain over the one before."""
LARGEST_R_HAT = 1.05

MODE, STEPS, EVALUATION = range(3)


def fit(
    key: PRNGKeyArray,
    model: FactorModel,
    u: Float[ArrayLike, "obs asset"],
    algorithm: Algorithm | None = None,
    *,
    num_steps: int,
    num_starts: int = 6,
    num_draws: int = 20_000,
    progress: engine.Progress | None = None,
    checkpoint: engine.Checkpoint | None = None,
) -> CopulaFit:
    """Posterior of a factor copula on its exact likelihood.

    Searches the mode from several data-based starts, whitens the posterior by its curvature there,
    runs the algorithm in those coordinates, and evaluates what came out on fresh draws.

    Source: model and priors by Deng, Smith and Maneesoonthorn (2025); the inference derived by us.
    Compute in float64: in float32 the search for the mode ends early.

    Args:
        key: a typed key.
        model: the model.
        u: copula data in (0, 1), at least as many rows as columns, no two columns the same.
        algorithm: `FactorGaussianVI()` by default, `FullRankVI`, `HybridVI` or `NUTS`.
        num_steps: steps of the optimiser; for NUTS draws of each chain after the warm-up.
        num_starts: starts of the search for the mode.
        num_draws: fresh draws for the ELBO and k-hat; not for NUTS.
        progress: shown while the algorithm runs; None for silence.
        checkpoint: directory in which the search and the algorithm save themselves, so that a
            killed fit goes on; None for nowhere.

    Returns:
        The posterior.

    Raises:
        TypeError: a key that is not typed, a model or algorithm that is none, data that are not
            real numbers.
        ValueError: data outside (0, 1), fewer rows than columns, equal columns, another number of
            columns than the model's; counts below 1.
    """
    u = _checked(key, model, u)
    algorithm = FactorGaussianVI() if algorithm is None else algorithm
    _check_algorithm(algorithm, model)
    for name, count in (("num_steps", num_steps), ("num_starts", num_starts)):
        engine.check_count(name, count)
    engine.check_count("num_draws", num_draws, 100)
    observed = observe(u)
    keys = [jax.random.fold_in(key, stage) for stage in (MODE, STEPS, EVALUATION)]
    modes = find_modes(
        keys[MODE], model, observed, num_starts=num_starts, checkpoint=_below(checkpoint, "mode")
    )
    whitening = whiten(model, observed, modes.best)
    data = VIData(observed, whitening, jnp.asarray(num_steps, jnp.int32))
    drive = partial(engine.run, progress=progress)
    if isinstance(algorithm, NUTS):
        return _sample(keys[STEPS], model, algorithm, data, modes, num_steps, drive, checkpoint)
    result = drive(
        keys[STEPS],
        algorithm,
        model,
        data,
        num_steps=num_steps,
        checkpoint=_below(checkpoint, "steps"),
    )
    return _evaluated(keys[EVALUATION], model, data, modes, result, num_draws)


def _checked(key, model, u):
    engine.check_key(key)
    if not engine.is_concrete(u, jax.random.key_data(key)):
        raise TypeError(
            "a fit is a host verb and cannot be traced; under jit and vmap take "
            "engine.unroll(key, algorithm, model, data, num_steps=...)"
        )
    if not isinstance(model, FactorModel):
        raise TypeError(f"model must be a FactorModel, got {type(model).__name__}")
    u = check_copula_data(u)
    num_obs, num_assets = u.shape
    if num_assets != model.num_assets:
        raise ValueError(f"u has {num_assets} columns, the model {model.num_assets} assets")
    if num_obs < num_assets:
        raise ValueError(
            f"u has {num_obs} observations of {num_assets} assets; needed are at least as many "
            "observations as assets"
        )
    _, first, count = np.unique(np.asarray(u), axis=1, return_index=True, return_counts=True)
    if (count > 1).any():
        raise ValueError(
            f"u has equal columns, the first of them {int(first[count > 1].min())}; drop all "
            "but one: their copula has no density"
        )
    return u


def _check_algorithm(algorithm, model):
    if not isinstance(algorithm, VariationalInference | NUTS):
        raise TypeError(
            "algorithm must be FactorGaussianVI, FullRankVI, HybridVI or NUTS, got "
            f"{type(algorithm).__name__}"
        )
    if isinstance(algorithm, HybridVI) and not isinstance(model, SkewTFactorModel):
        raise TypeError(
            f"HybridVI is for SkewTFactorModel, got {type(model).__name__}; take FactorGaussianVI"
        )


def _below(checkpoint, name):
    """A checkpoint in a folder of its own."""
    if checkpoint is None:
        return None
    return dataclasses.replace(checkpoint, directory=Path(checkpoint.directory) / name)


class _Evaluation(eqx.Module):
    """One fresh draw of the approximation and its term of the ELBO."""

    def __call__(self, key, model, data):
        """Term and whether it counts."""
        family, inputs = data
        _, term, is_sound = elbo_terms(family, model, inputs, family.noise(key))
        return term, is_sound


def _evaluated(key, model, data, modes, result, num_draws):
    """ELBO, k-hat and kept draws of a variational fit."""
    family = result.state.average
    terms, sound = engine.replicate(
        key,
        _Evaluation(),
        model,
        (family, data),
        num_replicates=num_draws,
        batch_size=min(num_draws, fitting_batch_size(data.observed.u.size)),
    )
    elbo, elbo_se = _mean(terms, sound)
    log_weights = jnp.where(sound, terms, -jnp.inf)
    draws, weighted = _kept(key, family, data.whitening, log_weights)
    num_rejected = jnp.sum(result.info.num_rejected) + jnp.sum(~sound, dtype=jnp.int32)
    trace = result.info.elbo
    return CopulaFit(
        model=model,
        draws=draws,
        log_posterior=data.whitening.highest,
        modes=modes,
        whitening=data.whitening,
        approximation=family,
        elbo=elbo,
        elbo_se=elbo_se,
        pareto_k=pareto_k(log_weights),
        weighted=weighted,
        log_evidence=log_evidence(log_weights),
        num_rejected=num_rejected.astype(jnp.int32),
        trace=trace,
        r_hat=jnp.full_like(elbo, jnp.nan),
        status=_status(result.status, data.observed, _still_gains(trace)),
        state=result.state,
        num_steps=result.num_steps,
    )


@jax.jit
def _kept(key, family, whitening, log_weights):
    """The first draws, and as many of all drawn again by their smoothed weights."""
    num_draws = log_weights.shape[0]
    size = min(NUM_KEPT, num_draws)
    places = jnp.arange(size, dtype=jnp.int32)
    upto = jnp.cumsum(smoothed(log_weights))
    levels = (places.astype(upto.dtype) + 0.5) / size * upto[-1]  # systematic resampling
    chosen = jnp.minimum(jnp.searchsorted(upto, levels), num_draws - 1).astype(jnp.int32)
    return tuple(draw_params(key, family, whitening, which) for which in (places, chosen))


@jax.jit
def _mean(terms, sound):
    """Mean over the draws that count, and its standard error."""
    count = jnp.maximum(jnp.sum(sound), 1)
    mean = jnp.sum(jnp.where(sound, terms, 0)) / count
    spread = jnp.sqrt(jnp.sum(jnp.where(sound, terms - mean, 0) ** 2) / jnp.maximum(count - 1, 1))
    return mean, spread / jnp.sqrt(count.astype(terms.dtype))


def _still_gains(trace):
    """Whether the last fifth of the ELBO's estimates is above the fifth before."""
    fifth = max(trace.shape[0] // 5, 1)
    last, before = trace[-fifth:], trace[-2 * fifth : -fifth]
    if before.shape[0] < 2:
        return jnp.asarray(True)
    error = jnp.sqrt((jnp.var(last) + jnp.var(before)) / fifth)
    return jnp.mean(last) - jnp.mean(before) > jnp.maximum(GAIN, 3 * error)


@jax.jit
def _status(status, observed, is_unfinished):
    """The most serious thing to say about a fit."""
    scores = observed.scores
    centred = scores - jnp.mean(scores, axis=0, keepdims=True)
    centred = centred / jnp.sqrt(jnp.sum(centred**2, axis=0, keepdims=True))
    size = scores.shape[1]
    others = jnp.abs(centred.T @ centred) * (1 - jnp.eye(size, dtype=scores.dtype))
    is_singular = jnp.max(others) > NEARLY_SINGULAR
    ended = jnp.where(is_unfinished, Status.MAX_STEPS, Status.CONVERGED)
    ended = jnp.where(is_singular & ~is_unfinished, Status.NEARLY_SINGULAR, ended)
    return jnp.where(status == Status.OK, ended, status).astype(jnp.int32)


def _sample(key, model, algorithm, data, modes, num_steps, drive, checkpoint):
    """Chains of NUTS one after another."""
    results = [
        drive(
            jax.random.fold_in(key, chain),
            algorithm,
            model,
            data,
            num_steps=algorithm.num_warmup + num_steps,
            checkpoint=_below(checkpoint, f"chain-{chain}"),
        )
        for chain in range(algorithm.num_chains)
    ]
    return _chains(model, algorithm, data, modes, results)


def _chains(model, algorithm, data, modes, results):
    """The chains as one posterior."""
    first = algorithm.num_warmup
    xi = jnp.stack([result.info.xi[first:] for result in results])
    flat = xi.reshape(-1, xi.shape[-1])
    draws = jax.vmap(data.whitening.params)(flat)
    nothing = jnp.full((), jnp.nan, flat.dtype)
    r_hat = _largest_r_hat(model, draws, xi.shape[:2])
    stopped = jnp.max(jnp.stack([result.status for result in results]))
    diverging = [jnp.sum(result.info.is_diverging[first:], dtype=jnp.int32) for result in results]
    return CopulaFit(
        model=model,
        draws=draws,
        log_posterior=data.whitening.highest,
        modes=modes,
        whitening=data.whitening,
        approximation=None,
        elbo=nothing,
        elbo_se=nothing,
        pareto_k=nothing,
        weighted=None,
        log_evidence=nothing,
        num_rejected=jnp.sum(jnp.stack(diverging), dtype=jnp.int32),
        trace=jnp.concatenate([result.info.log_posterior[first:] for result in results]),
        r_hat=r_hat,
        status=_status(stopped, data.observed, ~(r_hat <= LARGEST_R_HAT)),
        state=tuple(result.state for result in results),
        num_steps=jnp.max(jnp.stack([result.num_steps for result in results])),
    )


def _largest_r_hat(model, draws, shape):
    """Largest split potential scale reduction of skewness, correlation and tails."""
    from numpyro.diagnostics import split_gelman_rubin

    @jax.jit
    def identified(params):
        copula, given = model.copula(params), model.unpack(params)
        rows, columns = np.tril_indices(model.num_assets, -1)
        parts = [copula.correlation.matrix()[rows, columns]]
        parts += [] if given.alpha is None else [copula.skewness]
        return jnp.concatenate(parts + ([] if given.nu is None else [jnp.log(given.nu)[None]]))

    values = np.asarray(jax.lax.map(identified, draws)).reshape(*shape, -1)
    return jnp.asarray(np.max(split_gelman_rubin(values)), draws.dtype)


def resume(
    key: PRNGKeyArray,
    fit: CopulaFit,
    u: Float[ArrayLike, "obs asset"],
    algorithm: Algorithm,
    *,
    num_steps: int,
    num_draws: int = 20_000,
    progress: engine.Progress | None = None,
) -> CopulaFit:
    """Goes on with a variational fit from where it stands.

    Args:
        key: the key of the fit; steps go on with keys not used before.
        fit: what is to go on.
        u: the data of the fit.
        algorithm: the algorithm of the fit.
        num_steps: further steps, over which the learning rate falls again from where the cosine
            of all steps stands.
        num_draws: fresh draws for the ELBO and k-hat.
        progress: shown while the algorithm runs; None for silence.

    Returns:
        The posterior after all steps.

    Raises:
        TypeError: as `fit`; an algorithm that is not variational.
        ValueError: as `fit`.
    """
    u = _checked(key, fit.model, u)
    if not isinstance(fit, CopulaFit) or not isinstance(algorithm, VariationalInference):
        raise TypeError("resume needs a variational fit and its algorithm")
    engine.check_count("num_steps", num_steps)
    first = int(fit.num_steps)
    data = VIData(observe(u), fit.whitening, jnp.asarray(first + num_steps, jnp.int32))
    result = engine.run(
        jax.random.fold_in(key, STEPS),
        algorithm,
        fit.model,
        data,
        num_steps=num_steps,
        state=fit.state,
        first_step=first,
        progress=progress,
    )
    done = _evaluated(
        jax.random.fold_in(key, EVALUATION), fit.model, data, fit.modes, result, num_draws
    )
    trace = jnp.concatenate([fit.trace, done.trace])
    return dataclasses.replace(done, trace=trace, num_steps=done.num_steps + first)
