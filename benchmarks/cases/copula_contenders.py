"""Contenders of one gradient of a copula's log posterior: ours, by quadrature, numpyro's step."""

from functools import cache

import jax
import jax.numpy as jnp

from benchmarks.calls import repeated
from benchmarks.cases.copula_answers import Exact, gradient_error, relative_error
from benchmarks.cases.copula_data import SEED, Sample
from benchmarks.contenders import Contender
from benchmarks.peers.copula_numpyro import LowRankSVI
from jaxpapers import copulas

NUM_CALLS = 20
NUM_NAIVE_CALLS = 1
SCAN_LENGTH = 50
SMALL_STEP = 1e-12
"""Of the parameters from one gradient of a scan to the next, so that none is computed once only."""


def gradient_facts(found, exact, compiled=None):
    """Return the entries of the record that tell of a gradient.

    Args:
        found: The gradient.
        exact: The exact one.
        compiled: What XLA made of it, for its count of operations. None: no count.
    """
    facts = {"relative error": relative_error(found, exact)}
    if compiled is not None:
        costs = compiled.cost_analysis() or {}
        facts |= {
            "XLA Mflop": costs.get("flops", float("nan")) / 1e6,
            "XLA MB": costs.get("bytes accessed", float("nan")) / 2**20,
        }
    return {"answer": facts}


def our_gradient(sample: Sample, exact: Exact, observed: copulas.Observed):
    """Return our contender, one gradient a call."""
    gradient = jax.jit(jax.grad(sample.model.log_prob))

    def facts(calls):
        compiled = gradient.lower(sample.params, observed).compile()
        return gradient_facts(calls.answer, exact.gradient, compiled)

    return Contender(
        "jaxpapers",
        "jax.jit(jax.grad(model.log_prob)) on observed data, one gradient a call",
        lambda: repeated(lambda: gradient(sample.params, observed), NUM_CALLS),
        lambda calls: gradient_error(calls.answer, exact.gradient),
        seconds=lambda calls: calls.seconds,
        compiler="jax",
        facts=facts,
    )


def our_scan(sample: Sample, exact: Exact, observed: copulas.Observed):
    """Return our contender, gradients inside a loop of one program."""

    @jax.jit
    def gradients(params, observed):
        def step(params, _):
            gradient = jax.grad(sample.model.log_prob)(params, observed)
            return params + SMALL_STEP * gradient, gradient

        return jax.lax.scan(step, params, length=SCAN_LENGTH)[1]

    def error(calls):
        return max(gradient_error(found, exact.gradient) for found in calls.answer)

    return Contender(
        "jaxpapers, in a scan",
        f"the same inside a lax.scan of {SCAN_LENGTH}, per gradient",
        lambda: repeated(lambda: gradients(sample.params, observed), 1, jobs_per_call=SCAN_LENGTH),
        error,
        seconds=lambda calls: calls.seconds,
        compiler="jax",
        facts=lambda calls: gradient_facts(calls.answer[-1], exact.gradient),
    )


def quadrature_gradient(sample: Sample, exact: Exact):
    """Return the contender that takes every quantile by quadrature."""
    return Contender(
        "quadrature",
        "the same log posterior, skew_t.ppf and skew_t.logpdf, implicit derivatives: exact",
        lambda: repeated(lambda: exact.at(sample.params), NUM_NAIVE_CALLS),
        lambda calls: gradient_error(calls.answer[1], exact.gradient),
        seconds=lambda calls: calls.seconds,
        compiler="jax",
    )


def numpyro_step(sample: Sample, exact: Exact, observed: copulas.Observed):
    """Return the contender that takes steps of numpyro's SVI on our density."""

    @cache
    def started():
        svi = LowRankSVI(sample.model)
        state = svi.start(jax.random.key(SEED), observed)
        return svi, state, svi.make_steps(SCAN_LENGTH)

    def run():
        _, state, steps = started()
        return repeated(lambda: steps(state, observed), 1, jobs_per_call=SCAN_LENGTH)

    def error(calls):
        state, losses = calls.answer
        center = started()[0].center(state)
        value = jnp.where(jnp.all(jnp.isfinite(losses)), sample.model.log_prob(center, observed), 0)
        return exact.value_error(center, value)

    return Contender(
        "numpyro SVI step",
        "AutoLowRankMultivariateNormal, Trace_ELBO, Adam on our density, per step",
        run,
        error,
        seconds=lambda calls: calls.seconds,
        compiler="jax",
    )


def our_batches(sample: Sample, exact: Exact, points):
    """Return our contenders for gradients at several points: side by side, and one by one."""
    observed = copulas.observe(sample.u)
    gradient = jax.grad(sample.model.log_prob)

    @jax.jit
    def side_by_side(points, observed):
        return jax.vmap(gradient, in_axes=(0, None))(points, observed)

    @jax.jit
    def one_by_one(points, observed):
        return jax.lax.map(lambda point: gradient(point, observed), points)

    def error(calls):
        ends = {0, len(points) - 1}
        return max(gradient_error(calls.answer[i], exact.at(points[i])[1]) for i in ends)

    def contender(name, note, gradients):
        num_calls = max(NUM_CALLS // len(points), 1)
        return Contender(
            f"jaxpapers, {name}",
            f"{note}, per gradient",
            lambda: repeated(
                lambda: gradients(points, observed), num_calls, jobs_per_call=len(points)
            ),
            error,
            seconds=lambda calls: calls.seconds,
            compiler="jax",
        )

    return [
        contender("vmap", "all vectors side by side by jax.vmap", side_by_side),
        contender("lax.map", "one vector after the other by jax.lax.map", one_by_one),
    ]
