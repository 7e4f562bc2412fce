"""Algorithms that tests of the drivers share, and what compares their results."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from jaxpapers.engine import Algorithm, Status, finite_status


def tree_bytes(tree) -> bytes:
    """Structure, shapes, dtypes and bits of all leaves."""
    leaves, structure = jax.tree.flatten(tree)
    leaves = map(np.asarray, leaves)
    parts = [f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes() for leaf in leaves]
    return b"".join([str(structure).encode(), *parts])


class AdamAscent(Algorithm):
    """Adam on the log likelihood of a Gaussian regression, by minibatches of 16 rows.

    Model: the ridge penalty. Data: regressors (obs, k) and outcomes (obs,).
    """

    learning_rate: Array

    def init(self, key, model, data):
        regressors, _ = data
        params = jax.random.uniform(key, regressors.shape[1:], regressors.dtype)
        return params, self._optimiser().init(params)

    def step(self, key, model, data, state):
        params, moments = state
        rows = jax.random.bits(key, (16,)) % data[0].shape[0]
        value, gradient = jax.value_and_grad(self._log_prob)(params, model, data, rows)
        descent = jax.tree.map(jnp.negative, gradient)
        updates, moments = self._optimiser().update(descent, moments, params)
        info = {"value": value, "gradient_norm": jnp.linalg.norm(gradient)}
        return (optax.apply_updates(params, updates), moments), info

    def status(self, state, info):
        return finite_status(state, info)

    def _optimiser(self):
        return optax.adam(self.learning_rate)

    def _log_prob(self, params, model, data, rows):
        regressors, outcomes = data
        residuals = outcomes[rows] - regressors[rows] @ params
        return -jnp.mean(residuals**2) - model * jnp.sum(params**2)


def regression_problem(learning_rate=0.1):
    """Key, algorithm, model and data of a small regression, in JAX's default precision."""
    noise = np.random.default_rng(0)
    regressors = noise.normal(size=(40, 3))
    outcomes = regressors @ np.array([1.0, -2.0, 0.5]) + noise.normal(size=40)
    dtype = jnp.result_type(float)
    return (
        jax.random.key(7),
        AdamAscent(jnp.asarray(learning_rate, dtype)),
        jnp.asarray(0.01, dtype),
        (jnp.asarray(regressors, dtype), jnp.asarray(outcomes, dtype)),
    )


class Halving(Algorithm):
    """Halves a number until it is below a tolerance. Data: the number to start from."""

    tolerance: Array

    def init(self, key, model, data):
        return data

    def step(self, key, model, data, state):
        return state / 2, {"before": state, "key": jax.random.key_data(key)}

    def status(self, state, info):
        return jnp.where(state < self.tolerance, Status.CONVERGED, Status.RUNNING)


class Exploding(Algorithm):
    """Squares a number, so that it overflows after a few steps. Data: the start."""

    def init(self, key, model, data):
        return data

    def step(self, key, model, data, state):
        return state * state, {"before": state}

    def status(self, state, info):
        return finite_status(state)


class Custom(Algorithm):
    """First state, step and status given by the test, to make every mistake with."""

    first: object
    move: object
    code: object = Status.RUNNING

    def init(self, key, model, data):
        return self.first

    def step(self, key, model, data, state):
        return self.move(key, state)

    def status(self, state, info):
        return self.code


class RandomWalk(Algorithm):
    """A random walk of many coordinates: a state that takes a while to save."""

    size: int = eqx.field(static=True)
    scale: Array

    def init(self, key, model, data):
        return {"place": jnp.zeros(self.size, self.scale.dtype), "extent": self.scale * 0}

    def step(self, key, model, data, state):
        jump = jax.random.uniform(key, (self.size,), self.scale.dtype, -1, 1)
        place = state["place"] + self.scale * jump
        extent = jnp.maximum(state["extent"], jnp.abs(place).max())
        return {"place": place, "extent": extent}, {"extent": extent}

    def status(self, state, info):
        return finite_status(state)
