"""Posterior mode of a factor copula: data-based starts, Adam, then L-BFGS, all together."""

import dataclasses
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .. import engine
from ..engine import Algorithm, Status
from .model import FactorModel
from .observed import Observed
from .starts import factor_start, turned_positive, with_slants

SMOOTHING = 1e-3
LEARNING_RATE, FINAL = 0.08, 0.05
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
        horizon: number of steps of Adam, over which its learning rate falls, int32.
    """

    observed: Observed
    start: Float[Array, "*start param"]
    horizon: Int[Array, ""]


class SearchState(eqx.Module):
    """Where a search stands.

    Attributes:
        params: the vector: of the next step of Adam, later the best one so far.
        value: the objective there; minus infinity before the first quasi-Newton evaluation.
        gradient: of the objective there.
        direction: along which the next vector is tried; zero as long as Adam climbs.
        length: how far along.
        moments: what Adam remembers.
        curvature: what L-BFGS remembers.
        count: evaluations so far, int32.
        mark: value when it was last looked whether the search still gains.
        gain: what it had gained then.
    """

    params: Float[Array, " param"]
    value: Float[Array, ""]
    gradient: Float[Array, " param"]
    direction: Float[Array, " param"]
    length: Float[Array, ""]
    moments: Any
    curvature: Any
    count: Int[Array, ""]
    mark: Float[Array, ""]
    gain: Float[Array, ""]


class ModeSearch(Algorithm):
    """Ascent in signed coordinates: by Adam past the ridges where L-BFGS dies, then by L-BFGS.

    A step is one evaluation: at the next vector of Adam; then of a full quasi-Newton step, or,
    where the last one gained too little, of a shorter one by quadratic interpolation. So searches
    side by side never wait for each other's line search, and the density is compiled once.

    Attributes:
        learning_rate: of Adam at the start.
        final: share of it at the end of a cosine.
        tolerance: it stops where the last 50 evaluations gained less, in nats.
    """

    learning_rate: Float[Array, ""]
    final: Float[Array, ""]
    tolerance: Float[Array, ""]

    def init(self, key: PRNGKeyArray, model: FactorModel, data: SearchData) -> SearchState:
        """Before the first evaluation, which is at the start."""
        del key, model
        nothing = jnp.zeros_like(data.start)
        lowest = jnp.asarray(-jnp.inf, nothing.dtype)
        return SearchState(
            params=data.start,
            value=lowest,
            gradient=nothing,
            direction=nothing,
            length=jnp.ones((), nothing.dtype),
            moments=_adam().init(data.start),
            curvature=_curvature().init(data.start),
            count=jnp.zeros((), jnp.int32),
            mark=lowest,
            gain=jnp.asarray(jnp.inf, nothing.dtype),
        )

    def step(self, key, model, data, state):
        """One evaluation, and what the method of the hour makes of it."""
        del key
        params = state.params + state.length * state.direction
        value, gradient = jax.value_and_grad(_signed)(params, model, data.observed)
        is_climbing = state.count < data.horizon
        climbed = self._climbed(state, gradient, data.horizon)
        moved = self._moved(state, params, value, gradient, state.count - data.horizon)
        state = jax.tree.map(lambda *pair: jnp.where(is_climbing, *pair), climbed, moved)
        return dataclasses.replace(state, count=state.count + 1), value

    def status(self, state, info):
        """CONVERGED where the last window gained little."""
        is_going = state.gain > self.tolerance
        return jnp.where(is_going, Status.RUNNING, Status.CONVERGED).astype(jnp.int32)

    def _climbed(self, state, gradient, horizon):
        """After a step of Adam; a gradient that is not finite moves nothing."""
        gradient = jnp.where(jnp.isfinite(gradient), gradient, 0)
        direction, moments = _adam().update(gradient, state.moments)
        rate = cosine_rate(self.learning_rate, self.final, state.count, horizon)
        params = state.params + rate * jnp.asarray(direction)
        return dataclasses.replace(state, params=params, moments=moments)

    def _moved(self, state, params, value, gradient, count):
        """After a quasi-Newton evaluation: there if it is enough of a gain, else nearer."""
        promised = state.length * jnp.sum(state.gradient * state.direction)
        is_better = jnp.isfinite(value) & (value >= state.value + SUFFICIENT * promised)
        shorter = dataclasses.replace(state, length=_shortened(state, value, promised))
        there = self._there(state, params, value, gradient)
        moved = jax.tree.map(lambda *pair: jnp.where(is_better, *pair), there, shorter)
        is_look = count % WINDOW == 0
        gain = jnp.where(is_look, moved.value - state.mark, state.gain)
        mark = jnp.where(is_look, moved.value, state.mark)
        return dataclasses.replace(moved, mark=mark, gain=gain)

    def _there(self, state, params, value, gradient):
        """The state at a vector that is better, with the next direction."""
        downhill, curvature = _curvature().update(-gradient, state.curvature, params)
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
            curvature=curvature,
        )


def _adam():
    """Directions uphill."""
    return optax.scale_by_adam()


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
        inner: state of each search.
        status: status of each, int32.
    """

    inner: SearchState
    status: Int[Array, " start"]


class Together(Algorithm):
    """Several searches, until all have ended.

    One step of each in turn on a CPU, where the data then stay in its cache and a search that has
    ended costs nothing; all in one `vmap` elsewhere.

    Attributes:
        search: the search; `start` of its data has one row per search.
    """

    search: ModeSearch

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
    settings = (jnp.asarray(value, starts.dtype) for value in (LEARNING_RATE, FINAL, LEAST_GAIN))
    searches = Together(ModeSearch(*settings))
    data = SearchData(observed, starts, jnp.asarray(num_adam_steps, jnp.int32))
    drive = engine.unroll
    if engine.is_concrete(jax.random.key_data(key), model, observed):
        drive = partial(engine.run, chunk_size=CHUNK_SIZE, checkpoint=checkpoint)
    found = drive(key, searches, model, data, num_steps=num_adam_steps + max_steps).state
    return _judged(model, found)


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


@eqx.filter_jit
def _judged(model, found):
    """What the searches found, in the coordinates of the model and under its own prior."""

    def one(params, value):
        vector, given = turned_positive(model, params)
        likelihood = value - model.log_prior_of(model.unpack_signed(params), SMOOTHING)
        return vector, likelihood + model.log_prior_of(given)

    vectors, values = jax.vmap(one)(found.inner.params, found.inner.value)
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
