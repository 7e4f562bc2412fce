"""What an iterative method has to offer to be driven by `run` and `unroll`."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, Key, PyTree

from ..numerics.status import Status


class Algorithm(eqx.Module):
    """An iterative method: a frozen module of its hyper-parameters.

    Continuous hyper-parameters are array leaves, so that a new value does not recompile; what is
    built from them (an optax chain, say) is rebuilt inside `step`. Structure is static.

    The state is a pytree of arrays with the same structure, shapes and dtypes after every step.
    There are no keys and no data in it.
    """

    @abc.abstractmethod
    def init(self, key: Key[Array, ""], model: PyTree, data: PyTree) -> PyTree:
        """State before the first step.

        Args:
            key: random key of its own, used by no step.
            model: what is fitted or simulated.
            data: what it is fitted to.

        Returns:
            The state.
        """

    @abc.abstractmethod
    def step(
        self, key: Key[Array, ""], model: PyTree, data: PyTree, state: PyTree
    ) -> tuple[PyTree, PyTree]:
        """One step. Pure, and traced once.

        Args:
            key: random key of this step: ``fold_in(run's key, index of the step)``.
            model: as in `init`.
            data: as in `init`.
            state: the state before.

        Returns:
            The state after, and a pytree of arrays that tells about the step.
        """

    @abc.abstractmethod
    def status(self, state: PyTree, info: PyTree) -> Int32[Array, ""]:
        """Whether to go on.

        Args:
            state: the state after a step.
            info: what the step told.

        Returns:
            ``Status.RUNNING`` to go on; anything else stops. ``Status.NON_FINITE`` also discards
            the step. `finite_status` covers methods without a stopping rule.
        """


def finite_status(*trees: Any) -> Int32[Array, ""]:
    """Status of a method that only stops when a value is no longer finite.

    Args:
        *trees: pytrees of arrays.

    Returns:
        ``Status.RUNNING`` if all floating-point values are finite, else ``Status.NON_FINITE``.
    """
    finite = jnp.asarray(True)
    for leaf in jax.tree.leaves(trees):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            finite &= jnp.all(jnp.isfinite(leaf))
    return jnp.where(finite, Status.RUNNING, Status.NON_FINITE).astype(jnp.int32)
