"""Numbers asked for on the authors' data, on exchange rates and on 93 simulated assets."""

import functools
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers import copulas, engine
from jaxpapers.copulas import NUTS, FactorGaussianVI, HybridVI, SkewTFactorModel
from jaxpapers.copulas.vi import elbo_terms
from jaxpapers.engine import Status

pytestmark = pytest.mark.acceptance
KEY = jax.random.key(1)
GOLD = {  # of sim5, 2 x 700 draws by NUTS: mean, sd
    "nu": (10.60, 1.44),
    "delta 1": (0.970, 0.012),
    "delta 2": (0.257, 0.045),
    "delta 3": (0.608, 0.044),
    "delta 4": (0.589, 0.043),
    "delta 5": (0.289, 0.047),
    "Omega 12": (0.370, 0.027),
    "Omega 13": (0.676, 0.027),
    "Omega 34": (0.896, 0.007),
    "alpha 1": (6.91, 1.76),
}
EVIDENCE = 1261.11
WITHIN = 0.5
"""Nats from the end at which a method counts as arrived."""
START = 3.0
"""Posterior deviations between the mode and where both methods begin."""


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@functools.cache
def stored(folder, name):
    return dict(np.load(folder / "copula" / f"{name}.npz"))


def named(moments):
    omega, delta = np.asarray(moments.correlation), np.asarray(moments.delta)
    found = {"nu": moments.nu, "alpha 1": moments.alpha[0]}
    found |= {f"delta {i + 1}": delta[i] for i in range(5)}
    found |= {f"Omega {i}{j}": omega[i - 1, j - 1] for i, j in ((1, 2), (1, 3), (3, 4))}
    return {name: float(found[name]) for name in GOLD}


def distances(fit):
    """Means off the gold ones in their deviations, and ratios of deviations."""
    mean, sd = named(fit.mean), named(fit.sd)
    off = {name: abs(mean[name] - gold) / spread for name, (gold, spread) in GOLD.items()}
    ratio = {name: sd[name] / spread for name, (_, spread) in GOLD.items()}
    for name in GOLD:
        print(f"{name:9} mean {mean[name]:8.3f} off {off[name]:.3f} sd ratio {ratio[name]:.3f}")
    return np.asarray(list(off.values())), np.asarray(list(ratio.values()))


def timed(function):
    wall, cpu = time.perf_counter(), time.process_time()
    result = jax.block_until_ready(function())
    print(f"{time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} CPU s with compile")
    return result


def show(fit):
    print(f"modes {np.round(np.asarray(fit.modes.log_posterior), 3)}")
    print(
        f"ELBO {float(fit.elbo):.3f} ({float(fit.elbo_se):.3f}), evidence "
        f"{float(fit.log_evidence):.3f}, k-hat {float(fit.pareto_k):.2f}, rejected "
        f"{int(fit.num_rejected)}; {engine.status_message(fit.status)}"
    )


@functools.cache
def five_assets(folder):
    u, model = stored(folder, "sim5")["U"], SkewTFactorModel(5, 1)
    return timed(lambda: copulas.fit(KEY, model, u, FactorGaussianVI(), num_steps=2_000))


def test_five_assets_by_approximation(reference_data):
    fit = five_assets(reference_data)
    show(fit)
    off, ratio = distances(fit)
    assert off.max() <= 0.15
    assert 0.8 <= ratio.min() <= ratio.max() <= 1.25
    assert abs(fit.elbo - EVIDENCE) <= 0.4
    np.testing.assert_allclose(fit.log_posterior, 1271.557, atol=0.01)


def test_five_assets_by_chains(reference_data):
    from numpyro.diagnostics import effective_sample_size

    u, model = stored(reference_data, "sim5")["U"], SkewTFactorModel(5, 1)
    fit = timed(lambda: copulas.fit(KEY, model, u, NUTS(), num_steps=700))
    off, ratio = distances(fit)
    nu = np.asarray(jax.vmap(lambda params: model.unpack(params).nu)(fit.draws))
    print(f"R-hat {float(fit.r_hat):.4f}, effective draws {effective_sample_size(nu[None]):.0f}")
    assert fit.r_hat <= 1.02
    assert off.max() <= 0.25
    assert 0.8 <= ratio.min() <= ratio.max() <= 1.25


def rmse(found, truth):
    return float(np.sqrt(np.mean((np.asarray(found) - truth) ** 2)))


def test_thirty_assets(reference_data):
    data = stored(reference_data, "sim30")
    fit = timed(lambda: copulas.fit(KEY, SkewTFactorModel(30, 5), data["U"], num_steps=2_000))
    show(fit)
    below = np.tril_indices(30, -1)
    delta = rmse(fit.mean.delta, data["delta"])
    omega = rmse(np.asarray(fit.mean.correlation)[below], data["OmegaBar"][below])
    print(f"rmse to the truth: delta {delta:.4f}, Omega {omega:.4f}")
    assert fit.log_posterior >= 21_276
    assert fit.elbo >= 20_979
    assert delta <= 0.085
    assert omega <= 0.05


def test_nearly_singular_exchange_rates_have_two_optima(reference_data):
    table = np.genfromtxt(reference_data / "copula" / "fx17.csv", delimiter=",", skip_header=1)
    u = copulas.pseudo_observations(np.diff(np.log(table[:, 1:]), axis=0))
    fit = timed(
        lambda: copulas.fit(KEY, SkewTFactorModel(17, 2), u, num_steps=2_000, num_starts=12)
    )
    show(fit)
    reached = np.asarray(fit.modes.log_posterior)
    for optimum in (18_312.4, 18_307.3):
        assert np.abs(reached - optimum).min() < 0.3
    assert fit.status == Status.NEARLY_SINGULAR
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((fit.mean, fit.sd, fit.elbo)))


def elbo_of(family, model, data, draw_key):
    def one(place):
        noise = family.noise(jax.random.fold_in(draw_key, place))
        return elbo_terms(family, model, data, noise)[1]

    return jnp.mean(jax.lax.map(one, jnp.arange(1_000, dtype=jnp.int32)))


def seconds_to_arrive(algorithm, model, data, num_steps, chunk):
    """CPU seconds of steps until the ELBO is within half a nat of its end.

    From three posterior deviations off the mode in every coordinate: from the mode itself the
    first q is nearer than that.
    """
    evaluate = jax.jit(lambda family: elbo_of(family, model, data, KEY))
    state = algorithm.init(KEY, model, data)
    away = jnp.full_like(state.family.mean, START)
    state = eqx.tree_at(lambda state: state.family.mean, state, away)
    spent, path = 0.0, []
    drive = functools.partial(engine.run, KEY, algorithm, model, data, num_steps=chunk)
    jax.block_until_ready(drive(state=state).state)  # compiles
    for first in range(0, num_steps, chunk):
        start = time.process_time()
        state = jax.block_until_ready(drive(state=state, first_step=first).state)
        spent += time.process_time() - start
        path.append((spent, float(evaluate(state.average))))
    end = path[-1][1]
    return next(seconds for seconds, elbo in path if elbo >= end - WITHIN), end


def gradient_noise(algorithm, model, data, family):
    """Summed variance of the gradient in the mean of q, at a given q."""

    def gradient(key):
        keys = jax.random.split(key)
        noise = family.noise(keys[0])[None]

        def loss(family):
            return algorithm.loss(keys[1], family, model, data, noise)[0]

        return jax.grad(loss)(family).mean

    gradients = jax.jit(lambda keys: jax.lax.map(gradient, keys))(jax.random.split(KEY, 400))
    return float(jnp.sum(jnp.var(gradients, axis=0)))


def test_exact_against_hybrid(reference_data):
    """The same family, coordinates and start; both end at the same place."""
    fit = five_assets(reference_data)
    model = fit.model
    steps = {FactorGaussianVI(): (2_000, 20), HybridVI(): (20_000, 100)}
    observed = copulas.observe(jnp.asarray(stored(reference_data, "sim5")["U"]))
    data = copulas.VIData(observed, fit.whitening, jnp.asarray(2_000, jnp.int32))
    noise, seconds, ends = zip(
        *(
            (
                gradient_noise(algorithm, model, data, fit.approximation),
                *seconds_to_arrive(algorithm, model, data, *counts),
            )
            for algorithm, counts in steps.items()
        ),
        strict=True,
    )
    ratio = noise[1] / noise[0]
    print(f"\ngradient variance {noise[0]:.3g} exact, {noise[1]:.3g} hybrid: {ratio:.1f}")
    print(f"CPU s until within {WITHIN} nat: {seconds[0]:.2f} exact, {seconds[1]:.2f} hybrid")
    print(f"ELBO at the end: {ends[0]:.2f} exact, {ends[1]:.2f} hybrid")
    assert ratio > 3
    assert seconds[1] >= 5 * seconds[0]
    assert abs(ends[1] - ends[0]) < 1.5


@pytest.mark.parametrize("num_factors", [5, 15])
def test_recovery_of_93_assets(num_factors):
    """Printed, no bound: what a fit of this size tells about its truth."""
    model = SkewTFactorModel(93, num_factors)
    shrunk = 0.5 * model.sample_prior(jax.random.key(8), 1)[0]
    copula = model.copula(shrunk)
    u = copula.sample(jax.random.key(9), 1_040)
    fit = timed(lambda: copulas.fit(KEY, model, u, num_steps=2_000, num_starts=3))
    show(fit)
    below = np.tril_indices(93, -1)
    truth = np.asarray(copula.correlation.matrix())
    omega = rmse(np.asarray(fit.mean.correlation)[below], truth[below])
    print(
        f"rmse to the truth: delta {rmse(fit.mean.delta, copula.skewness):.4f}, Omega {omega:.4f}"
    )
    assert np.isfinite(omega)
    assert fit.log_posterior > model.log_prob(shrunk, u)
