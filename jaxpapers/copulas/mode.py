"""Posterior mode of a factor copula: staged start, restarts together, then a polish."""

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
MOST_TRIALS = 20
CHUNK_SIZE = 25
WINDOW = 50


class SearchData(eqx.Module):
    """What a search for a mode is given.

    Attributes:
        observed: the copula data.
        start: where it begins.
        horizon: number of steps over which the learning rate falls, int32.
        free: 1 for parameters that may move, 0 for those that are held.
    """

    observed: Observed
    start: Float[Array, " param"]
    horizon: Int[Array, ""]
    free: Float[Array, " param"]


class SearchState(eqx.Module):
    """Where a search stands.

    Attributes:
        params: the vector.
        memory: what the optimiser remembers.
        count: steps taken, int32.
        mark: value when it was last looked whether the search still gains.
    """

    params: Float[Array, " param"]
    memory: Any
    count: Int[Array, ""]
    mark: Float[Array, ""]


class AdamSearch(Algorithm):
    """Ascent by Adam in signed coordinates, past the ridges where quasi-Newton steps die.

    Attributes:
        learning_rate: at the start.
        final: share of it at the end of a cosine.
    """

    learning_rate: Float[Array, ""]
    final: Float[Array, ""]

    def init(self, key: PRNGKeyArray, model: FactorModel, data: SearchData) -> SearchState:
        """The start."""
        del key, model
        return _search_state(data.start, optax.scale_by_adam().init(data.start))

    def step(self, key, model, data, state):
        """One step of Adam; a gradient that is not finite moves nothing."""
        del key
        value, gradient = jax.value_and_grad(_signed)(state.params, model, data.observed)
        gradient = jnp.where(jnp.isfinite(gradient), gradient, 0) * data.free
        direction, memory = optax.scale_by_adam().update(gradient, state.memory)
        rate = cosine_rate(self.learning_rate, self.final, state.count, data.horizon)
        params = state.params + rate * jnp.asarray(direction)
        return SearchState(params, memory, state.count + 1, state.mark), value

    def status(self, state, info):
        """Goes on while parameters are finite."""
        return finite_status(state.params)


class QuasiNewtonSearch(Algorithm):
    """Ascent by L-BFGS with a zoom line search, until it gains no more.

    Attributes:
        tolerance: it stops where the last 50 steps gained less, in nats.
        is_signed: whether diagonal loadings are themselves, or their logarithms; static.
    """

    tolerance: Float[Array, ""]
    is_signed: bool = eqx.field(static=True)

    def init(self, key: PRNGKeyArray, model: FactorModel, data: SearchData) -> SearchState:
        """The start."""
        del key, model
        return _search_state(data.start, self._optimiser().init(data.start))

    def step(self, key, model, data, state):
        """One step of L-BFGS."""
        del key

        def loss(params):
            value = -self._objective(params, model, data.observed)
            return jnp.where(jnp.isfinite(value), value, jnp.finfo(value.dtype).max / 1e4)

        value, gradient = optax.value_and_grad_from_state(loss)(state.params, state=state.memory)
        value, gradient = jnp.asarray(value), jnp.asarray(gradient) * data.free
        moved, memory = self._optimiser().update(
            gradient, state.memory, state.params, value=value, grad=gradient, value_fn=loss
        )
        params = state.params + jnp.asarray(moved)
        sound = jnp.all(jnp.isfinite(params))
        params = jnp.where(sound, params, state.params)
        is_look = state.count % WINDOW == 0
        gain = jnp.where(is_look & sound, -value - state.mark, jnp.inf)
        gain = jnp.where(sound, gain, 0)
        mark = jnp.where(is_look, -value, state.mark)
        state = SearchState(params, memory, state.count + 1, mark)
        return state, {"value": -value, "gain": gain}

    def status(self, state, info):
        """CONVERGED where the last window gained little."""
        is_done = info["gain"] <= self.tolerance
        return jnp.where(is_done, Status.CONVERGED, Status.RUNNING).astype(jnp.int32)

    def _optimiser(self):
        search = optax.scale_by_zoom_linesearch(
            MOST_TRIALS, initial_guess_strategy="one", approx_dec_rtol=1e-10
        )
        return optax.lbfgs(memory_size=MEMORY_SIZE, linesearch=search)

    def _objective(self, params, model, observed):
        return (_signed if self.is_signed else smoothed_log_prob)(params, model, observed)


class TogetherState(eqx.Module):
    """Where several searches stand.

    Attributes:
        inner: state of each.
        status: status of each, int32.
    """

    inner: SearchState
    status: Int[Array, " start"]


class Together(Algorithm):
    """Several searches of one kind in one vmap, until all have ended.

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

        def one(start, inner, status):
            moved, info = self.search.step(key, model, self._data_of(data, start), inner)
            now = self.search.status(moved, info)
            is_active = status == Status.RUNNING
            moved = jax.tree.map(lambda new, old: jnp.where(is_active, new, old), moved, inner)
            return moved, jnp.where(is_active, now, status), info

        inner, status, info = jax.vmap(one)(data.start, state.inner, state.status)
        return TogetherState(inner, status), info

    def status(self, state, info):
        """CONVERGED where all have ended."""
        is_running = jnp.any(state.status == Status.RUNNING)
        return jnp.where(is_running, Status.RUNNING, Status.CONVERGED).astype(jnp.int32)

    def _data_of(self, data, start):
        return SearchData(data.observed, start, data.horizon, data.free)


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

    Normal scores, principal-axis factors, the symmetric copula first, then slants drawn with
    standard deviations .3, 1 and 3; Adam, then L-BFGS, on a rounded prior in signed coordinates;
    signs turned; a polish in the coordinates of the model. Source: derived by us.

    Args:
        key: a typed key.
        model: the model.
        observed: the data.
        num_starts: number of starts; 1 for symmetric families, whatever is asked for.
        num_adam_steps: steps of Adam.
        max_steps: largest number of steps of each search by L-BFGS.
        checkpoint: directory in which the searches save themselves; not under tracing.

    Returns:
        What each start reached.
    """
    dtype = observed.u.dtype
    num_starts = num_starts if model.has_skewness else 1
    adam = AdamSearch(jnp.asarray(0.08, dtype), jnp.asarray(0.05, dtype))
    first = _first_stage(key, adam, model, observed, num_adam_steps)
    starts = first[None]
    if model.has_skewness:
        scales = jnp.asarray([SLANT_SCALES[i % 3] for i in range(num_starts)], dtype)
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(num_starts))
        slants = jax.vmap(lambda k: jax.random.normal(k, (model.num_assets,), dtype))(keys)
        starts = with_slants(model, first, slants * scales[:, None])
    drive = _unrolled
    if engine.is_concrete(jax.random.key_data(key), model, observed):
        drive = partial(_run_chunks, checkpoint)
    return _search_all(key, model, observed, starts, drive, num_adam_steps, max_steps)


@eqx.filter_jit
def _first_stage(key, adam, model, observed, num_steps):
    """The symmetric copula: factor analysis, then Adam with the slant held at 0."""
    start = factor_start(model, observed.scores)
    places = jnp.arange(model.num_params)
    slants = (places >= model.num_loadings) & (
        places < model.num_loadings + model.num_assets * int(model.has_skewness)
    )
    data = SearchData(
        observed, start, jnp.asarray(num_steps, jnp.int32), jnp.where(slants, 0.0, 1.0)
    )
    return engine.unroll(key, adam, model, data, num_steps=num_steps).state.params


def _unrolled(name, *problem, num_steps):
    del name
    return engine.unroll(*problem, num_steps=num_steps)


def _run_chunks(checkpoint, name, *problem, num_steps):
    """A search on the host, saved in a folder of its own."""
    if checkpoint is not None:
        folder = Path(checkpoint.directory) / name
        checkpoint = dataclasses.replace(checkpoint, directory=folder)
    return engine.run(*problem, num_steps=num_steps, chunk_size=CHUNK_SIZE, checkpoint=checkpoint)


def _search_all(key, model, observed, starts, drive, num_adam_steps, max_steps):
    """Adam, then L-BFGS, from all starts together; `drive` is a driver of the engine."""
    dtype = starts.dtype
    horizon = jnp.asarray(num_adam_steps, jnp.int32)
    data = SearchData(observed, starts, horizon, jnp.ones(starts.shape[1], dtype))
    adam = Together(AdamSearch(jnp.asarray(0.08, dtype), jnp.asarray(0.05, dtype)))
    climbed = drive("adam", key, adam, model, data, num_steps=num_adam_steps).state.inner.params
    data = SearchData(observed, climbed, horizon, data.free)
    newton = Together(QuasiNewtonSearch(jnp.asarray(0.02, dtype), is_signed=True))
    found = drive("newton", key, newton, model, data, num_steps=max_steps).state
    return _judged(model, observed, found)


@eqx.filter_jit
def _judged(model, observed, found):
    """What the searches found, in the coordinates of the model."""
    vectors = jax.vmap(lambda params: turned_positive(model, params)[0])(found.inner.params)
    values = jax.vmap(lambda vector: model.log_prob(vector, observed))(vectors)
    status = jnp.where(found.status == Status.RUNNING, Status.MAX_STEPS, found.status)
    status = jnp.where(jnp.isfinite(values), status, Status.NON_FINITE).astype(jnp.int32)
    return Modes(vectors, values, status)


def _search_state(start, memory):
    """Before the first step."""
    lowest = jnp.asarray(-jnp.inf, start.dtype)
    return SearchState(start, memory, jnp.zeros((), jnp.int32), lowest)


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
