"""Posterior mode of a factor copula: data-based starts, Adam, then L-BFGS, all together."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Algorithm, Status, finite_status
from .model import FactorModel
from .observed import Observed
from .starts import factor_start, turned_positive, with_slants

SMOOTHING = 1e-3
SLANT_SCALES = (0.3, 1.0, 3.0)
MEMORY_SIZE = 30
SUFFICIENT = 1e-4
"""Share of the gain promised by the gradient that an accepted step must bring."""
SHORTEST, LONGEST = 0.1, 0.5
"""Shares of its length by which a step that was not accepted is shortened."""
CHUNK_SIZE = 25
WINDOW = 50
LEAST_GAIN = 0.03
"""Nats; a search ends where the last 50 evaluations gained less."""


class SearchData(eqx.Module):
    """What a search for a mode is given.

    Attributes:
        observed: the copula data.
        start: where it begins, one row per search where there are several.
        horizon: number of steps over which the learning rate falls, int32.
    """

    observed: Observed
    start: Float[Array, "*start param"]
    horizon: Int[Array, ""]


class AdamState(eqx.Module):
    """Where a search by Adam stands.

    Attributes:
        params: the vector.
        memory: what the optimiser remembers.
        count: steps taken, int32.
    """

    params: Float[Array, " param"]
    memory: Any
    count: Int[Array, ""]


class AdamSearch(Algorithm):
    """Ascent by Adam in signed coordinates, past the ridges where quasi-Newton steps die.

    Attributes:
        learning_rate: at the start.
        final: share of it at the end of a cosine.
    """

    learning_rate: Float[Array, ""]
    final: Float[Array, ""]

    def init(self, key: PRNGKeyArray, model: FactorModel, data: SearchData) -> AdamState:
        """The start."""
        del key, model
        memory = optax.scale_by_adam().init(data.start)
        return AdamState(data.start, memory, jnp.zeros((), jnp.int32))

    def step(self, key, model, data, state):
        """One step of Adam; a gradient that is not finite moves nothing."""
        del key
        value, gradient = jax.value_and_grad(_signed)(state.params, model, data.observed)
        gradient = jnp.where(jnp.isfinite(gradient), gradient, 0)
        direction, memory = optax.scale_by_adam().update(gradient, state.memory)
        rate = cosine_rate(self.learning_rate, self.final, state.count, data.horizon)
        params = state.params + rate * jnp.asarray(direction)
        return AdamState(params, memory, state.count + 1), value

    def status(self, state, info):
        """Goes on while parameters are finite."""
        return finite_status(state.params)


class QuasiNewtonState(eqx.Module):
    """Where a search by L-BFGS stands.

    Attributes:
        params: the best vector so far.
        value: the objective there; minus infinity before the first evaluation.
        gradient: of the objective there.
        direction: along which the next vector is tried.
        length: how far along.
        memory: what the optimiser remembers.
        count: evaluations so far, int32.
        mark: value when it was last looked whether the search still gains.
        gain: what it had gained then.
    """

    params: Float[Array, " param"]
    value: Float[Array, ""]
    gradient: Float[Array, " param"]
    direction: Float[Array, " param"]
    length: Float[Array, ""]
    memory: Any
    count: Int[Array, ""]
    mark: Float[Array, ""]
    gain: Float[Array, ""]


class QuasiNewtonSearch(Algorithm):
    """Ascent by L-BFGS in signed coordinates, until it gains no more.

    A step is one evaluation: of a full quasi-Newton step, or, where the last one gained too
    little, of a shorter one by quadratic interpolation. So that searches side by side never wait
    for each other's line search, and the density is compiled once.

    Attributes:
        tolerance: it stops where the last 50 evaluations gained less, in nats.
    """

    tolerance: Float[Array, ""]

    def init(self, key: PRNGKeyArray, model: FactorModel, data: SearchData) -> QuasiNewtonState:
        """Before the first evaluation, which is at the start."""
        del key, model
        nothing = jnp.zeros_like(data.start)
        lowest = jnp.asarray(-jnp.inf, nothing.dtype)
        return QuasiNewtonState(
            params=data.start,
            value=lowest,
            gradient=nothing,
            direction=nothing,
            length=jnp.ones((), nothing.dtype),
            memory=_curvature().init(data.start),
            count=jnp.zeros((), jnp.int32),
            mark=lowest,
            gain=jnp.asarray(jnp.inf, nothing.dtype),
        )

    def step(self, key, model, data, state):
        """One evaluation; the vector moves there if it is enough of a gain."""
        del key
        params = state.params + state.length * state.direction
        value, gradient = jax.value_and_grad(_signed)(params, model, data.observed)
        promised = state.length * jnp.sum(state.gradient * state.direction)
        is_better = jnp.isfinite(value) & (value >= state.value + SUFFICIENT * promised)
        moved = self._moved(state, params, value, gradient)
        shorter = eqx.tree_at(lambda s: s.length, state, _shortened(state, value, promised))
        state = jax.tree.map(lambda new, old: jnp.where(is_better, new, old), moved, shorter)
        is_look = state.count % WINDOW == 0
        gain = jnp.where(is_look, state.value - state.mark, state.gain)
        mark = jnp.where(is_look, state.value, state.mark)
        counted = dataclasses.replace(state, count=state.count + 1, mark=mark, gain=gain)
        return counted, state.value

    def status(self, state, info):
        """CONVERGED where the last window gained little."""
        is_going = state.gain > self.tolerance
        return jnp.where(is_going, Status.RUNNING, Status.CONVERGED).astype(jnp.int32)

    def _moved(self, state, params, value, gradient):
        """The state at a vector that is better, with the next direction."""
        downhill, memory = _curvature().update(-gradient, state.memory, params)
        direction = -jnp.asarray(downhill)
        slope = jnp.sqrt(jnp.sum(gradient**2))
        steepest = gradient / jnp.maximum(slope, jnp.finfo(slope.dtype).tiny)
        is_uphill = jnp.sum(direction * gradient) > 0
        is_known = is_uphill & (state.value > -jnp.inf)
        first = jnp.minimum(1, 1 / jnp.maximum(slope, jnp.finfo(slope.dtype).tiny))
        return dataclasses.replace(
            state,
            params=params,
            value=value,
            gradient=gradient,
            direction=jnp.where(is_uphill, direction, steepest),
            length=jnp.where(is_known, 1, jnp.where(is_uphill, first, 0.01)),
            memory=memory,
        )


def _curvature():
    """Quasi-Newton directions downhill."""
    return optax.scale_by_lbfgs(memory_size=MEMORY_SIZE)


def _shortened(state, value, promised):
    """Where the parabola through both values and the slope at the first has its top."""
    missed = state.value + promised - value
    share = jnp.where(jnp.isfinite(value), 0.5 * promised / missed, SHORTEST)
    return state.length * jnp.clip(share, SHORTEST, LONGEST)


class TogetherState(eqx.Module):
    """Where several searches stand.

    Attributes:
        inner: state of each.
        status: status of each, int32.
    """

    inner: AdamState | QuasiNewtonState
    status: Int[Array, " start"]


class Together(Algorithm):
    """Several searches of one kind, until all have ended.

    One step of each in turn on a CPU, where the data then stay in its cache and a search that has
    ended costs nothing; all in one `vmap` elsewhere.

    Attributes:
        search: the search; `start` of its data has one row per search.
    """

    search: AdamSearch | QuasiNewtonSearch

    def init(self, key: PRNGKeyArray, model: FactorModel, data: SearchData) -> TogetherState:
        """All starts."""

        def one(start):
            return self.search.init(key, model, self._data_of(data, start))

        running = jnp.full(data.start.shape[0], Status.RUNNING, jnp.int32)
        return TogetherState(jax.vmap(one)(data.start), running)

    def step(self, key, model, data, state):
        """One step of each that has not ended."""

        def move(start, inner):
            moved, info = self.search.step(key, model, self._data_of(data, start), inner)
            return moved, self.search.status(moved, info)

        def one(each):
            start, inner, status = each
            is_running = status == Status.RUNNING
            return jax.lax.cond(
                is_running, move, lambda start, inner: (inner, status), start, inner
            )

        each = data.start, state.inner, state.status
        inner, status = jax.lax.platform_dependent(
            each, cpu=partial(jax.lax.map, one), default=jax.vmap(one)
        )
        return TogetherState(inner, status), ()

    def status(self, state, info):
        """CONVERGED where all have ended."""
        is_running = jnp.any(state.status == Status.RUNNING)
        return jnp.where(is_running, Status.RUNNING, Status.CONVERGED).astype(jnp.int32)

    def _data_of(self, data, start):
        return SearchData(data.observed, start, data.horizon)


class Modes(eqx.Module):
    """Modes that the starts of a search reached.

    Attributes:
        params: one vector per start.
        log_posterior: exact log posterior of each.
        status: CONVERGED, or MAX_STEPS or NON_FINITE, of each.
    """

    params: Float[Array, "start param"]
    log_posterior: Float[Array, " start"]
    status: Int[Array, " start"]

    @property
    def best(self) -> Float[Array, " param"]:
        """The vector with the highest log posterior."""
        return self.params[jnp.nanargmax(self.log_posterior)]


def find_modes(
    key: PRNGKeyArray,
    model: FactorModel,
    observed: Observed,
    *,
    num_starts: int = 6,
    num_adam_steps: int = 400,
    max_steps: int = 1_000,
    checkpoint: engine.Checkpoint | None = None,
) -> Modes:
    """Searches the posterior mode from several data-based starts at once.

    Normal scores, principal-axis factors, slants drawn with standard deviations .3, 1 and 3; Adam,
    then L-BFGS, on a rounded prior and in coordinates where the diagonal of the loadings may change
    its sign; signs turned at the end. Source: derived by us.

    Args:
        key: a typed key.
        model: the model.
        observed: the data.
        num_starts: number of starts; 1 for symmetric families, whatever is asked for.
        num_adam_steps: steps of Adam.
        max_steps: largest number of evaluations of each search by L-BFGS.
        checkpoint: directory in which the searches save themselves; not under tracing.

    Returns:
        What each start reached.
    """
    starts = _starts(key, model, observed, num_starts if model.has_skewness else 1)
    drive = _unrolled
    if engine.is_concrete(jax.random.key_data(key), model, observed):
        drive = partial(_run_chunks, checkpoint)
    dtype = starts.dtype
    data = SearchData(observed, starts, jnp.asarray(num_adam_steps, jnp.int32))
    adam = Together(AdamSearch(jnp.asarray(0.08, dtype), jnp.asarray(0.05, dtype)))
    climbed = drive("adam", key, adam, model, data, num_steps=num_adam_steps).state.inner.params
    data = SearchData(observed, climbed, data.horizon)
    newton = Together(QuasiNewtonSearch(jnp.asarray(LEAST_GAIN, dtype)))
    found = drive("newton", key, newton, model, data, num_steps=max_steps).state
    return _judged(model, observed, found)


@eqx.filter_jit
def _starts(key, model, observed, num_starts):
    """Factors of the normal scores, with slants of several sizes."""
    start = factor_start(model, observed.scores)
    if not model.has_skewness:
        return start[None]
    scales = jnp.asarray([SLANT_SCALES[i % 3] for i in range(num_starts)], start.dtype)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(num_starts))
    slants = jax.vmap(lambda k: jax.random.normal(k, (model.num_assets,), start.dtype))(keys)
    return with_slants(model, start, slants * scales[:, None])


def _unrolled(name, *problem, num_steps):
    del name
    return engine.unroll(*problem, num_steps=num_steps)


def _run_chunks(checkpoint, name, *problem, num_steps):
    """A search on the host, saved in a folder of its own."""
    if checkpoint is not None:
        folder = Path(checkpoint.directory) / name
        checkpoint = dataclasses.replace(checkpoint, directory=folder)
    return engine.run(*problem, num_steps=num_steps, chunk_size=CHUNK_SIZE, checkpoint=checkpoint)


@eqx.filter_jit
def _judged(model, observed, found):
    """What the searches found, in the coordinates of the model."""
    vectors = jax.vmap(lambda params: turned_positive(model, params)[0])(found.inner.params)
    values = jax.lax.map(lambda vector: model.log_prob(vector, observed), vectors)
    status = jnp.where(found.status == Status.RUNNING, Status.MAX_STEPS, found.status)
    status = jnp.where(jnp.isfinite(values), status, Status.NON_FINITE).astype(jnp.int32)
    return Modes(vectors, values, status)


def cosine_rate(
    rate: Float[Array, ""], final: Float[Array, ""], count: Int[Array, ""], horizon: Int[Array, ""]
) -> Float[Array, ""]:
    """Learning rate that falls along a cosine to a share of itself.

    Args:
        rate: at the start.
        final: share at the end.
        count: steps taken.
        horizon: steps until the end.

    Returns:
        The rate.
    """
    share = jnp.clip(count.astype(rate.dtype) / horizon, 0, 1)
    return rate * (final + (1 - final) * 0.5 * (1 + jnp.cos(jnp.pi * share)))


def _signed(params, model, observed):
    """Log posterior with a rounded prior, in signed coordinates."""
    given = model.unpack_signed(params)
    return model.log_likelihood(given, observed) + model.log_prior_of(given, SMOOTHING)


def smoothed_log_prob(params, model, observed, smoothing=SMOOTHING):
    """Log posterior with a rounded prior, in the coordinates of the model."""
    given = model.unpack(params)
    return model.log_likelihood(given, observed) + model.log_prior_of(given, smoothing)
